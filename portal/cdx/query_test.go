package cdx

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// TestKeys: the ranges are those of pywb's calc_search_range.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		url, match string
		start, end urls.SURT
		host       string
		below      bool
	}{
		{"http://example.com/path/file.html", "exact", "com,example)/path/file.html", "com,example)/path/file.html!", "com,example", false},
		{"http://example.com/path/file.html", "prefix", "com,example)/path/file.html", "com,example)/path/file.htmm", "com,example", false},
		{"http://example.com/path/", "prefix", "com,example)/path/", "com,example)/path0", "com,example", false},
		{"http://example.com/path?", "prefix", "com,example)/path?", "com,example)/path@", "com,example", false},
		{"http://example.com/path/file.html", "host", "com,example)/", "com,example*", "com,example", false},
		{"http://example.com/path/file.html", "domain", "com,example)/", "com,example-", "com,example", true},
		{"com", "domain", "com,", "com-", "com", true},
		{"*.example.com", "", "com,example)/", "com,example-", "com,example", true},
		{"http://example.com/path/*", "", "com,example)/path/", "com,example)/path0", "com,example", false},
		{"example.com*", "", "com,example)/", "com,example)0", "com,example", false},
		{"http://192.0.2.1:8080/", "exact", "1,2,0,192:8080)/", "1,2,0,192:8080)/!", "1,2,0,192:8080", false},
		{"http://[::1]/", "exact", "[::1])/", "[::1])/!", "[::1]", false},
		{"dns:example.com", "exact", "dns:example.com", "dns:example.com!", "com,example", false},
		{"wss://example.com/ws", "exact", "wss://example.com/ws", "wss://example.com/ws!", "com,example", false},
		{"urn:text:https://www.example.com/A", "exact", "urn:text:https://www.example.com/A", "urn:text:https://www.example.com/A!", "com,example", false},
		{"urn:uuid", "exact", "urn:uuid", "urn:uuid!", "", true},
		{"urn:text:*", "", "urn:text:", "urn:text;", "", true},
		{"*", "", "", "", "", true},
	} {
		got, err := keysOf(tc.url, tc.match)
		if err != nil {
			t.Errorf("%s %s: %v", tc.url, tc.match, err)
			continue
		}
		want := keys{start: tc.start, end: tc.end, host: tc.host, below: tc.below}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(keys{}), cmpopts.IgnoreFields(keys{}, "exact", "own")); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tc.url, tc.match, diff)
		}
	}
}

// FuzzQuery: whatever is asked, there is a query that holds together or a problem that says
// what to do.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"url=example.org", "url=*.example.org&matchType=domain&from=2020&to=20260314120000&filter=!~mime:text/.*&fl=urlkey,original&output=text&limit=5",
		"url=*&page=2&pageSize=3", "url=urn:text:*&resumeKey=YQoyMDI2MDMxNDEyMDAwMDAwMApiCmMKMQ", "url=http:/x*&sort=closest&closest=now", "url=?&matchType=prefix",
		"url=\xff*", "url=[::1]:80/&matchType=host", "url=example.org%ff&matchType=prefix", "url=http:///*",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		values, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		q, err := parseQuery(values, noon)
		if err != nil {
			var p problem
			if !errors.As(err, &p) || p.Status != 400 || p.Hint == "" {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if q.limit < 1 || q.limit > maxLimit || q.skipped() < 0 || q.end != "" && q.end <= q.start || outputs[q.output] == "" {
			t.Errorf("%q: %+v", s, q)
		}
		if q.host == "" && !q.below {
			t.Errorf("%q is looked for nowhere", s)
		}
	})
}

// TestHostWithAPortAlone: the catalog knows a host by its port, too.
func TestHostWithAPortAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, chunk0, page("https://example.org:8443/a", 4, "port"))
	f.add(t, chunk1, page("https://example.org/a", 5, "no port"))
	for _, tc := range []struct{ query, want string }{
		{"url=https://example.org:8443/a", "4 https://example.org:8443/a"},
		{"url=https://example.org:8443/*", "4 https://example.org:8443/a"},
		{"url=example.org:8443&matchType=host", "4 https://example.org:8443/a"},
		{"url=example.org/a", "5 https://example.org/a"},
	} {
		if _, body := f.get(t, "/cdx?"+tc.query); !slices.Equal(shown(t, body), []string{tc.want}) {
			t.Errorf("%s: %q, want %q", tc.query, body, tc.want)
		}
	}
	if res, body := f.get(t, "/memento/timemap/link/https://example.org:8443/a"); res.StatusCode != http.StatusOK {
		t.Errorf("the list of all captures: %d %s", res.StatusCode, body)
	}
}
