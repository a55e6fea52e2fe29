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

// TestRFCEscapes is the table of RFC 9309 section 2.2.2: a rule in either form matches
// the address in either form.
func TestRFCEscapes(t *testing.T) {
	t.Parallel()
	for _, forms := range [][]string{
		{"/foo/bar?baz=quz"},
		{"/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"},
		{"/foo/bar/\u30c4", "/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"},
		{"/foo/bar/%62%61%7A", "/foo/bar/baz"},
	} {
		for _, rule := range forms {
			r := Parse([]byte("User-agent: *\nDisallow: "+rule+"\n"), "crawlfleet")
			for _, path := range forms {
				if r.Allowed(path) {
					t.Errorf("Disallow: %s does not match %s", rule, path)
				}
			}
			if !r.Allowed("/foo/other") {
				t.Errorf("Disallow: %s matches too much", rule)
			}
		}
	}
}

// TestRFCSpecial is section 2.2.3 and its table.
func TestRFCSpecial(t *testing.T) {
	t.Parallel()
	cases := []struct {
		rule, path string
		want       bool // whether it matches
	}{
		{"/path/file-with-a-%2A.html", "/path/file-with-a-*.html", true},
		{"/path/file-with-a-%2A.html", "/path/file-with-a-x.html", false},
		{"/path/foo-%24", "/path/foo-$", true},
		{"/path/foo-%24", "/path/foo-", false},
		{"/this/*/exactly", "/this/path/exactly", true},
		{"/this/path/exactly$", "/this/path/exactly", true},
		{"/this/path/exactly$", "/this/path/exactly/not", false},
		{"/a$b", "/a$b", true},
		{"/a$b", "/a", false},
		{"*", "/anything", true},
		{"*.gif$", "/a.gif", true},
		{"/a***b", "/axb", true},
		{"/$", "/", true},
		{"/$", "/x", false},
		{"/fish*", "/fish.html", true},
		{"/fish/", "/fish", false},
		{"/*.php$", "/a.php/b.php", true},
		{"/a*b$", "/ab/x", false},
	}
	for _, tc := range cases {
		r := Parse([]byte("User-agent: *\nDisallow: "+tc.rule+"\n"), "crawlfleet")
		if got := !r.Allowed(tc.path); got != tc.want {
			t.Errorf("Disallow: %s matches %s: %v", tc.rule, tc.path, got)
		}
	}
}

// TestRFCExamples are the files of section 5.
func TestRFCExamples(t *testing.T) {
	t.Parallel()
	simple := `User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
`
	longest := "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"
	cases := []struct {
		file, token, path string
		want              bool
	}{
		{simple, "otherbot", "/a.gif", false},
		{simple, "otherbot", "/example/", false},
		{simple, "otherbot", "/publications/", true},
		{simple, "otherbot", "/", true},
		{simple, "foobot", "/", false},
		{simple, "foobot", "/example/page.html", true},
		{simple, "foobot", "/example/allowed.gif", true},
		{simple, "foobot", "/example/other.gif", false},
		{simple, "barbot", "/example/page.html", false},
		{simple, "bazbot", "/example/page.html", false},
		{simple, "bazbot", "/example/a.gif", true},
		{simple, "quxbot", "/example/page.html", true},
		{longest, "foobot", "/example/page/index.html", true},
		{longest, "foobot", "/example/page/disallowed.gif", false},
	}
	for _, tc := range cases {
		if got := Parse([]byte(tc.file), tc.token).Allowed(tc.path); got != tc.want {
			t.Errorf("%s at %s: %v, want %v", tc.token, tc.path, got, tc.want)
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	file := []byte("# hello\r\n\r\nUser-agent: *\r\nDisallow: /a # why\r\nAllow: /a/b\r\n" +
		"User-agent: other\nUser-agent: Careful/2.0 # us\nUser-agent: another\nDisallow: /a/b\n")
	everybody := Group{"User-agent: *", 3}
	cases := []struct {
		token, path string
		want        Decision
	}{
		{"crawlfleet", "/a/c", Decision{Rule: "Disallow: /a", Line: 4, Group: everybody}},
		{"crawlfleet", "/a/b", Decision{Allowed: true, Rule: "Allow: /a/b", Line: 5, Group: everybody}},
		{"crawlfleet", "/c", Decision{Allowed: true}},
		{"careful", "/a/b", Decision{Rule: "Disallow: /a/b", Line: 9, Group: Group{"User-agent: Careful/2.0", 7}}},
		{"careful", "/a/c", Decision{Allowed: true}},
	}
	for _, tc := range cases {
		if got := Parse(file, tc.token).Decide(tc.path); got != tc.want {
			t.Errorf("%s at %q: %+v, want %+v", tc.token, tc.path, got, tc.want)
		}
	}
}

func TestExtras(t *testing.T) {
	t.Parallel()
	r := Parse([]byte("Sitemap: https://a.example/1.xml\nUser-agent: *\nCrawl-delay: 2.5\nSitemap: https://a.example/2.xml\n"), "crawlfleet")
	if r.Delay != 2500*time.Millisecond || r.DelayLine != 3 || len(r.Sitemaps) != 2 {
		t.Errorf("delay %v of line %d, sitemaps %v", r.Delay, r.DelayLine, r.Sitemaps)
	}
	if r := Parse([]byte("User-agent: *\nCrawl-delay: 999999\n"), "crawlfleet"); r.Delay != time.Minute {
		t.Errorf("delay %v, want the bound", r.Delay)
	}
	if r := Parse([]byte(strings.Repeat("#", MaxSize)+"\nUser-agent: *\nDisallow: /\n"), "crawlfleet"); !r.Allowed("/x") {
		t.Error("what lies beyond 500 KiB was read")
	}
	head := "User-agent: *\n"
	cut := head + "#" + strings.Repeat("x", MaxSize-len(head)-len("\nDisallow: /a")-1) + "\nDisallow: /abc\n"
	if r := Parse([]byte(cut)[:MaxSize], "crawlfleet"); !r.Allowed("/axx") {
		t.Error("a rule that is cut off forbids more than it says")
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
