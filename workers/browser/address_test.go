package browser

import "testing"

func TestWithoutUser(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://example.org/a@b":               "http://example.org/a@b",
		"http://user:secret@example.org/a":     "http://example.org/a",
		"https://user@example.org:8443?q=a@b":  "https://example.org:8443?q=a@b",
		"http://a@b@[::1]/#x":                  "http://[::1]/#x",
		"mailto:someone@example.org":           "mailto:someone@example.org",
		"data:text/plain,http://a@example.org": "data:text/plain,http://a@example.org",
		"":                                     "",
	} {
		if got := withoutUser(address); got != want {
			t.Errorf("%q became %q, want %q", address, got, want)
		}
	}
}
