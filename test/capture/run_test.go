package capture

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/x509"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// setup is what a case's page is visited with.
type setup struct {
	recorder recorder.Options
	pool     browser.Options
	stay     browser.StayOptions
}

// result is what came of a case.
type result struct {
	site *site
	c    *testCase
	page *browser.Page
	wacz string
	*contents
	// came are the lines that the case may have and has.
	came []string
	// differs is what the case's expectations were replaced by.
	differs difference
	// verdict is "complete" when everything was as expected, replayed is set when the replay was.
	verdict  string
	replayed bool
}

// cases are all cases, in the order of their groups.
func cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		redirects(), statuses(), credentials(), headers(), bodies(), media(), players(), uploads(), reports(), caching(), repeated(),
		workers(), frames(), moreFrames(), live(), network(), names(), multiplexed(), proxied(), behaviour(), behaviors(), traps(),
		breakage(), hostile(), hostileScripts(), moves(), rangesAndSeeking(), files(), idleAndStyles(), savedByPages(), bombs(), sockets(), lookups(), zstdUnasked(), controlled(), socketsThroughProxies(), injections(), videos(),
	} {
		all = append(all, group...)
	}
	return all
}

// ownEngine reports whether a case is visited with settings of its own, which change makes.
func (c *testCase) ownEngine() bool { return c.pool != nil || c.setup != nil }

func (c *testCase) change(t *testing.T, o *setup) {
	if c.pool != nil {
		c.pool(o)
	}
	if c.setup != nil {
		c.setup(t, o)
	}
}

// engine is a pool on a recorder of its own.
type engine struct {
	pool *browser.Pool
	stay browser.StayOptions
}

func newEngine(t *testing.T, s *site, change func(*setup)) *engine {
	t.Helper()
	resolve := make(map[string]string)
	for name, host := range hosts {
		switch name {
		case six:
			resolve[host] = "::1"
		case onion, named: // nobody knows it
		default:
			resolve[strings.TrimSuffix(host, ".")] = "127.0.0.1"
		}
	}
	o := setup{
		recorder: recorder.Options{
			Dir:    t.TempDir(),
			Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolve: resolve},
			Roots:  []*x509.Certificate{s.authority},
		},
		pool: browser.Options{Dir: scratch(t), Tabs: 4},
	}
	if change != nil {
		change(&o)
	}
	r, err := recorder.New(o.recorder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the recorder: %v", err)
		}
	})
	o.pool.Recorder = r
	pool, err := browser.New(t.Context(), o.pool)
	if err != nil {
		t.Fatalf("these tests need a Chrome: %v", err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Errorf("close the pool: %v", err)
		}
	})
	return &engine{pool: pool, stay: o.stay}
}

// scratch is a folder that Chrome's unprivileged user can reach.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "crawlfleet-capture-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// capture visits a case's page and puts it into a chunk of its own.
func (e *engine) capture(t *testing.T, c *testCase, dir string, r *result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stay, err := e.pool.Stay(ctx, e.stay)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stay.Close(); err != nil {
			t.Errorf("close the stay: %v", err)
		}
	}()
	visit := browser.Visit{
		ID: c.name, URL: r.site.base[c.origin()] + c.folder(), Dir: filepath.Join(t.TempDir(), "page"),
		Text: true, DOM: true, Screenshot: browser.ScreenshotViewport,
	}
	if c.visit != nil {
		c.visit(&visit)
	}
	var pages []*browser.Page
	for _, path := range append(slices.Clone(c.before), "") {
		of := visit
		of.URL += path
		of.ID, of.Dir = fmt.Sprint(visit.ID, " ", path), filepath.Join(t.TempDir(), "page")
		page, err := stay.Capture(ctx, of)
		if err != nil {
			t.Fatalf("capture %s: %v", of.URL, err)
		}
		pages = append(pages, page)
	}
	chunk, err := archive.NewChunk(archive.Options{Dir: dir, Name: strings.ReplaceAll(strings.Trim(c.folder(), "/"), "/", "-"), Title: c.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if err := chunk.Add(page); err != nil {
			t.Fatal(err)
		}
	}
	file, err := chunk.Close()
	if err != nil {
		t.Fatal(err)
	}
	got, err := readWACZ(file.Path)
	if err != nil {
		t.Fatalf("read %s: %v", file.Path, err)
	}
	r.page, r.wacz, r.contents = pages[len(pages)-1], file.Path, got
}

// judge compares what was archived with what the site sent and with what the case expects.
func (r *result) judge(t *testing.T) {
	t.Helper()
	r.compareWire(t)
	r.compareLedger(t)
	r.judgePage(t)
	if t.Failed() {
		r.explain(t)
	}
}

// judgePage compares what became of the page with what the case expects.
func (r *result) judgePage(t *testing.T) {
	t.Helper()
	outcome := string(r.page.Outcome.State)
	if r.page.Outcome.Reason != "" {
		outcome += ": " + r.page.Outcome.Reason
	}
	want := r.c.outcome
	if want == "" {
		want = "Archived"
	}
	if outcome != want {
		t.Errorf("the page is %q (%s), want %q", outcome, r.page.Outcome.Detail, want)
	}
	var limits []string
	for _, l := range r.page.Limits {
		limits = append(limits, l.Name)
	}
	if fmt.Sprint(limits) != fmt.Sprint(r.c.limits) {
		t.Errorf("the page hit the limits %v, want %v: %v", limits, r.c.limits, r.page.Limits)
	}
	if r.c.check != nil {
		r.c.check(t, r)
	}
}

// explain tells what happened on the page.
func (r *result) explain(t *testing.T) {
	t.Helper()
	t.Logf("final address %s, status %d, %s", r.site.short(r.c, r.page.FinalURL), r.page.Status, http.StatusText(r.page.Status))
	for _, a := range r.page.Actions {
		t.Logf("action %s: %s", a.Name, a.Detail)
	}
	for _, l := range r.lines(t) {
		t.Logf("line   %s", l)
	}
	for _, x := range r.site.seen(r.c) {
		t.Logf("site   %s %s %d, body %d, broken %v", x.Method, r.site.short(r.c, x.URL()), x.Status, x.ResponseBody.Size, x.Broken)
	}
	for _, rec := range r.records {
		if !strings.HasPrefix(rec.TargetURI, "http") {
			continue
		}
		t.Logf("record %s %s, body %d, truncated %q", rec.Type, r.site.short(r.c, rec.TargetURI), rec.size, rec.truncated())
	}
}
