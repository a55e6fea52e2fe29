package chaos

import (
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites"
)

// The witness sees what it is there for.
func TestTooSoon(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	entry := func(host, path string, begins, lasts time.Duration) sites.Entry {
		e := sites.Entry{Host: host, Path: path, Navigate: path != "/style.css" && path != "/robots.txt", Start: at.Add(begins)}
		if lasts > 0 {
			e.End = e.Start.Add(lasts)
		}
		return e
	}
	const ms = time.Millisecond
	for _, tc := range []struct {
		reason  string
		entries []sites.Entry
		want    int
	}{
		{"one after the other", []sites.Entry{entry("a", "/0", 0, 10*ms), entry("a", "/1", 1010*ms, 10*ms)}, 0},
		{"a little too soon", []sites.Entry{entry("a", "/0", 0, 10*ms), entry("a", "/1", 1009*ms, 10*ms)}, 1},
		{"another host", []sites.Entry{entry("a", "/0", 0, 10*ms), entry("b", "/0", 20*ms, 10*ms)}, 0},
		{"what belongs to the page counts", []sites.Entry{entry("a", "/0", 0, 10*ms), entry("a", "/style.css", 500*ms, 10*ms), entry("a", "/1", 1200*ms, 10*ms)}, 1},
		{"robots.txt does not", []sites.Entry{entry("a", "/0", 0, 10*ms), entry("a", "/robots.txt", 900*ms, 10*ms), entry("a", "/1", 1200*ms, 10*ms)}, 0},
		{"two at once", []sites.Entry{entry("a", "/0", 0, 5000*ms), entry("a", "/1", 2000*ms, 10*ms)}, 1},
		{"beside one that never ends", []sites.Entry{entry("a", "/0", 0, 0), entry("a", "/1", 500*ms, 10*ms)}, 1},
	} {
		if got := tooSoon(tc.entries)["a"]; len(got) != tc.want || len(tooSoon(tc.entries)["b"]) > 0 {
			t.Errorf("%s: %q, want %d", tc.reason, got, tc.want)
		}
	}
}
