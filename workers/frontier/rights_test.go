package frontier

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

// browserKey is the access key of those who visit pages, in the tests that tell them apart.
const browserKey = "browser"

// asBrowser has the crawler ask the store by an access key of its own.
func (r *rig) asBrowser() {
	r.t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: r.store.Start(r.t), Region: "us-east-1", AccessKey: browserKey, SecretKey: "secret"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.crawler.Buckets = client
}

func byBrowser(q *http.Request) bool {
	return strings.Contains(q.Header.Get("Authorization"), "Credential="+browserKey+"/")
}

// kinds are what the objects are that browsers ask for, by their paths.
var kinds = []struct {
	path *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`^/archive/.*/chunks/[^/]+\.wacz$`), "chunk"},
	{regexp.MustCompile(`^/archive/.*/visits/[^/]+$`), "index"},
	{regexp.MustCompile(`^/frontier/.*/s/\d+/b/[^/]+$`), "bundle"},
	{regexp.MustCompile(`^/frontier/.*/s/\d+/r/.*\.res$`), "result"},
	{regexp.MustCompile(`^/frontier/.*/scripts$`), "scripts"},
	{regexp.MustCompile(`^/frontier/.*/p/[^/]+$`), "profile"},
	{regexp.MustCompile(`^/frontier/fleet/claims/`), "claim"},
}

// what a request asks for, in the words of docs/reference/store.md.
func what(q *http.Request) string {
	if q.URL.Query().Has("list-type") {
		return "LIST " + q.URL.Path + "?prefix=" + q.URL.Query().Get("prefix")
	}
	condition := ""
	if q.Method == http.MethodPut && q.Header.Get("If-None-Match") != "*" {
		condition = " without a condition"
	}
	for _, k := range kinds {
		if k.path.MatchString(q.URL.Path) {
			return q.Method + " " + k.name + condition
		}
	}
	return q.Method + " " + q.URL.Path + condition
}

// TestWhatBrowsersAskOfTheStore: all that who visits pages asks of the store, in a crawl whose order has a log and
// signatures, is what config/store/browser.json allows: above all nothing of the archive is read, listed or removed.
func TestWhatBrowsersAskOfTheStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(30, "a.test", "b.test"))
	o := newOffice(t, r)
	r.crawler.Notary.Custody, r.crawler.Notary.Authorities = nil, nil // it has no key of the log
	r.asBrowser()
	var mu sync.Mutex
	asked := map[string]bool{}
	r.store.Answer = func(w http.ResponseWriter, q *http.Request, _ func()) bool {
		if byBrowser(q) {
			mu.Lock()
			defer mu.Unlock()
			asked[what(q)] = true
		}
		return false
	}
	r.seed("http://a.test/0", "http://b.test/0")
	r.run(2)
	r.crawler.Wait(time.Minute)
	want := []string{"DELETE claim", "GET bundle", "LIST /frontier/?prefix=fleet/", "PUT chunk", "PUT claim", "PUT result"}
	mu.Lock()
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(asked))); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	mu.Unlock()
	sealed := r.seal()
	st := r.statement(sealed.Statement)
	if !sealed.Balanced || st.Counts.Archived != 60 {
		t.Errorf("%+v", sealed)
	}
	entries := o.entries()
	for _, c := range st.Chunks {
		if entries[custody.Captured][c.Key] != 1 || entries[custody.Stored][c.Key] != 1 || c.Told {
			t.Errorf("%+v: %d times captured, %d times stored", c, entries[custody.Captured][c.Key], entries[custody.Stored][c.Key])
		}
	}
	if not := signatures(o.verified(r)); len(not) > 0 {
		t.Errorf("%+v", not)
	}
}

// TestLostAnswerIsNotLookedUp: when the store's answer to a chunk is lost, who may read nothing of the archive stores it under
// another name. What is there twice counts once, and the log knows of what counts.
func TestLostAnswerIsNotLookedUp(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	o := newOffice(t, r)
	r.asBrowser()
	var lost sync.Once
	r.store.Answer = func(answer http.ResponseWriter, q *http.Request, stored func()) bool {
		if !byBrowser(q) || !strings.HasPrefix(q.URL.Path, "/archive/") {
			return false
		}
		answered := false
		if q.Method == http.MethodPut {
			lost.Do(func() {
				stored()
				blobtest.Fail(answer, http.StatusServiceUnavailable, "SlowDown")
				answered = true
			})
			return answered
		}
		answer.WriteHeader(http.StatusForbidden)
		return true
	}
	r.seed("http://a.test/0")
	r.run(1)
	sealed := r.seal()
	chunks := slices.DeleteFunc(r.store.Keys("/archive/"+r.archive.Prefix+"chunks/"), func(key string) bool { return !strings.HasSuffix(key, ".wacz") })
	st := r.statement(sealed.Statement)
	if !sealed.Balanced || st.Counts.Archived != 1 || len(st.Chunks) != 1 || len(chunks) != 2 {
		t.Errorf("%+v with %d chunks, stored are %v", sealed, len(st.Chunks), chunks)
	}
	if n := w.count("http://a.test/0"); n != 1 {
		t.Errorf("the page was loaded %d times", n)
	}
	if entries := o.entries(); len(entries[custody.Captured]) != 1 {
		t.Errorf("captured are %v", entries[custody.Captured])
	}
}

// TestUntoldIsMadeUpFor: the log is told at the seal of what a planner took in that told nobody.
func TestUntoldIsMadeUpFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(3, "a.test"))
	o := newOffice(t, r)
	vouches := r.planner.Notary
	r.planner.Notary = nil
	r.seed("http://a.test/0")
	r.run(1)
	if _, err := o.log().Head(t.Context()); err == nil {
		t.Fatal("the log was told")
	}
	r.planner.Notary = vouches
	sealed := r.seal()
	entries := o.entries()
	for _, c := range r.statement(sealed.Statement).Chunks {
		if entries[custody.Captured][c.Key] != 1 {
			t.Errorf("%s: %d times captured", c.Key, entries[custody.Captured][c.Key])
		}
	}
}
