package archive

import (
	"testing"
)

// TestPageListHasTheAddressThatWasAskedFor: replay finds a page by its exact address, whose
// escapes and ends are the browser's and not ours.
func TestPageListHasTheAddressThatWasAskedFor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ reason, page, asked, want string }{
		"Same":     {"As it was given.", "http://a.example/x", "http://a.example/x", "http://a.example/x"},
		"Slash":    {"The browser adds what is missing.", "http://a.example", "http://a.example/", "http://a.example/"},
		"Host":     {"And writes hosts in lower case.", "http://A.example/X", "http://a.example/X", "http://a.example/X"},
		"Escapes":  {"Escapes in lower case stay so.", "http://a.example/%d0%bf?q=%0d%0a", "http://a.example/%d0%bf?q=%0d%0a", "http://a.example/%d0%bf?q=%0d%0a"},
		"Decoded":  {"What needs no escape keeps it.", "http://a.example/%7euser", "http://a.example/%7euser", "http://a.example/%7euser"},
		"Escaped":  {"What needs one is given it.", "http://a.example/ä?<b c>", "http://a.example/%C3%A4?%3Cb%20c%3E", "http://a.example/%C3%A4?%3Cb%20c%3E"},
		"Fragment": {"A fragment is not asked for.", "http://a.example/%d0#a", "http://a.example/%d0", "http://a.example/%d0"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChunk(t)
			add(t, c, newPage(t, "p1", tc.page).get(tc.asked, "Document", "200 OK", "", "hello"))
			_, r := closed(t, c) // and validated
			for p, err := range r.Pages() {
				if err != nil || p.URL != tc.want {
					t.Errorf("%s: the list has %q, want %q: %v", tc.reason, p.URL, tc.want, err)
				}
			}
		})
	}
}
