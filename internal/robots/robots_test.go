package robots

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAllowed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		text   string
		path   string
		want   bool
	}{
		"Empty":         {"nothing is forbidden", "", "/x", true},
		"Group":         {"the group of the token counts", "User-agent: *\nDisallow: /\n\nUser-agent: crawlfleet\nDisallow: /private/\n", "/x", true},
		"GroupRule":     {"and its rules", "User-agent: *\nAllow: /\n\nUser-agent: CrawlFleet/1.0\nDisallow: /private/\n", "/private/a", false},
		"Any":           {"else the one of *", "User-agent: other\nAllow: /\n\nUser-agent: *\nDisallow: /a\n", "/ab", false},
		"Merged":        {"groups of the same token are one (section 2.2.1)", "User-agent: crawlfleet\nDisallow: /a\nUser-agent: x\nDisallow: /\nUser-agent: crawlfleet\nDisallow: /b\n", "/b", false},
		"Several":       {"a group may have several agents", "User-agent: x\nUser-agent: crawlfleet\nDisallow: /a\n", "/a", false},
		"Longest":       {"the longest rule wins (section 5.2)", "User-agent: *\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n", "/example/page/disallowed.gif", false},
		"LongestAllow":  {"also when it allows", "User-agent: *\nDisallow: /a\nAllow: /a/b\n", "/a/b/c", true},
		"Equal":         {"of equals the one that allows", "User-agent: *\nDisallow: /a\nAllow: /a\n", "/a", true},
		"Star":          {"* is any run of characters", "User-agent: *\nDisallow: /*.gif$\n", "/x/y.gif", false},
		"StarEnd":       {"$ is the end", "User-agent: *\nDisallow: /*.gif$\n", "/x/y.gif?a", true},
		"StarMiddle":    {"in any place", "User-agent: *\nDisallow: /a*b*c\n", "/a1b2c3", false},
		"Escapes":       {"escapes are compared in one form", "User-agent: *\nDisallow: /a%7eb/%e3%83%84\n", "/a~b/ツ", false},
		"Bom":           {"a byte order mark is passed over", "\xef\xbb\xbfUser-agent: *\nDisallow: /\n", "/x", false},
		"CRLF":          {"all line ends", "User-agent: *\r\nDisallow: /a\rAllow: /a/b\r\n", "/a/x", false},
		"Comment":       {"comments are passed over", "User-agent: * # all\nDisallow: /a # that\n", "/a", false},
		"EmptyRule":     {"an empty rule forbids nothing", "User-agent: *\nDisallow:\n", "/x", true},
		"RobotsItself":  {"robots.txt may be read", "User-agent: *\nDisallow: /\n", "/robots.txt", true},
		"Junk":          {"a web page is no robots.txt", "<html><body>Disallow: /</body></html>", "/x", true},
		"RuleNoGroup":   {"a rule before any agent concerns nobody", "Disallow: /\nUser-agent: *\nAllow: /\n", "/x", true},
		"OtherLines":    {"other lines do not part a group", "User-agent: crawlfleet\nSitemap: https://a.example/s.xml\nDisallow: /a\n", "/a", false},
		"DelayInBeside": {"a delay is part of the group", "User-agent: crawlfleet\nCrawl-delay: 2\nDisallow: /a\n", "/a", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Parse([]byte(tc.text), "crawlfleet").Allowed(tc.path); got != tc.want {
				t.Errorf("%s: Allowed(%q) = %v", tc.reason, tc.path, got)
			}
		})
	}
}

func TestExtras(t *testing.T) {
	t.Parallel()
	r := Parse([]byte("Sitemap: https://a.example/1.xml\nUser-agent: *\nCrawl-delay: 2.5\nSitemap: https://a.example/2.xml\n"), "crawlfleet")
	if r.Delay != 2500*time.Millisecond || len(r.Sitemaps) != 2 {
		t.Errorf("delay %v, sitemaps %v", r.Delay, r.Sitemaps)
	}
	if r := Parse([]byte("User-agent: *\nCrawl-delay: 999999\n"), "crawlfleet"); r.Delay != time.Minute {
		t.Errorf("delay %v, want the bound", r.Delay)
	}
	if r := Parse([]byte(strings.Repeat("#", MaxSize)+"\nUser-agent: *\nDisallow: /\n"), "crawlfleet"); !r.Allowed("/x") {
		t.Error("what lies beyond 500 KiB was read")
	}
}

func TestForStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]*Rules{
		http.StatusOK: nil, http.StatusNotFound: AllowAll, http.StatusForbidden: AllowAll,
		http.StatusInternalServerError: DisallowAll, http.StatusServiceUnavailable: DisallowAll, http.StatusTooManyRequests: DisallowAll,
	} {
		if got := ForStatus(status); got != want {
			t.Errorf("ForStatus(%d) = %v, want %v", status, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("User-agent: *\nDisallow: /a*b$\nCrawl-delay: 1\n"), "/a/b")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		r := Parse(body, "crawlfleet")
		_ = r.Allowed(path)
		if r.Delay < 0 || r.Delay > maxDelay {
			t.Errorf("delay %v", r.Delay)
		}
	})
}
