package compare

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinks(t *testing.T) {
	page, other, frame := Link{"https://example.org/", "a"}, Link{"https://example.org/b", "a"}, Link{"https://example.org/", "iframe"}
	phone, mail := Link{"tel:+442079460123", "a"}, Link{"MAILTO:name@example.org", "a"}
	national, handle := Link{"tel:02079460123", "a"}, Link{"https://t.me/example", "a"}
	none := noLinks()
	for reason, tc := range map[string]struct {
		a, b []Link
		want LinkDiff
	}{
		"none": {nil, nil, LinkDiff{none, none}},
		"kept": {[]Link{page, page, phone}, []Link{phone, page},
			LinkDiff{LinkChanges{[]Link{}, []Link{}, 1}, LinkChanges{[]Link{}, []Link{}, 1}}},
		"in order, once": {[]Link{other, page, other}, []Link{frame, page, frame},
			LinkDiff{LinkChanges{[]Link{frame}, []Link{other}, 1}, none}},
		"leads": {[]Link{national, page}, []Link{page, handle, mail, phone},
			LinkDiff{LinkChanges{[]Link{}, []Link{}, 1}, LinkChanges{[]Link{handle, mail, phone}, []Link{national}, 0}}},
	} {
		t.Run(reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Links(tc.a, tc.b)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFacts(t *testing.T) {
	a := Facts{Title: "Old", Status: 200, FinalURL: "https://example.org/", MIME: "text/html", Language: "nl", Size: 10}
	if got := a.Compare(a); len(got) != 0 || got == nil {
		t.Errorf("the same facts: %v, want an empty list", got)
	}
	b := Facts{Title: "New", Status: 404, FinalURL: "https://example.org/x", MIME: "text/plain"}
	want := []Change{
		{"title", "Old", "New"}, {"status", "200", "404"}, {"finalUrl", "https://example.org/", "https://example.org/x"},
		{"mime", "text/html", "text/plain"}, {"language", "nl", ""}, {"size", "10", ""},
	}
	if diff := cmp.Diff(want, a.Compare(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
