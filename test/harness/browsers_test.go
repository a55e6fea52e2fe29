package harness

import "testing"

func TestProfileOf(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"/usr/bin/chromium\x00--user-data-dir=/d/0/cf-chrome-1/2\x00--headless\x00": "/d/0/cf-chrome-1/2",
		"/usr/bin/chromium --type=renderer --user-data-dir=/d/0/1 --x":              "/d/0/1",
		"/bin/sh\x00-c\x00true\x00": "",
		"":                          "",
	} {
		if got := profileOf([]byte(line)); got != want {
			t.Errorf("profileOf(%q) = %q, want %q", line, got, want)
		}
	}
	for path, want := range map[string]bool{"/d/0/1": true, "/d/0": true, "/d/01/1": false, "/d": false, "": false, "/e": false} {
		if got := within("/d/0", path); got != want {
			t.Errorf("within %q: %v", path, got)
		}
	}
}
