package e2e

import (
	"flag"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
	"crawlfleet.dev/crawlfleet/test/sites/docs"
)

// crawlTimeout bounds one crawl, on a machine that is busy.
const crawlTimeout = 50 * time.Minute

func serve(t *testing.T, handler http.Handler) *sites.Server {
	t.Helper()
	srv, err := sites.Start(sites.Options{Handler: handler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// succeeded waits for the end of a crawl, which must be a good one.
func succeeded(t *testing.T, fleet *harness.Fleet, name string) *v1alpha1.CrawlJob {
	t.Helper()
	fleet.WaitFor(t, "crawl/"+name, "Finished", crawlTimeout)
	job := fleet.Job(t, name)
	if c := harness.Condition(job, "Succeeded"); c.Status != "True" {
		t.Fatalf("Succeeded is %s: %s: %s", c.Status, c.Reason, c.Message)
	}
	return job
}

// archivedExactly compares the archive with the account: every page once, and nothing that nobody links to. The pages
// behind linked errors are archived too; a redirect may stand under either of its addresses.
func archivedExactly(t *testing.T, run *harness.Run, site string, account *sites.Account) {
	t.Helper()
	allowed := map[string]bool{}
	for p := range maps.Keys(account.Errors) {
		allowed[p] = true
	}
	for p := range maps.Keys(account.Redirects) {
		allowed[p] = true
	}
	for _, p := range account.Files {
		allowed[p] = true
	}
	var pages []string
	for _, p := range run.Paths(site) {
		if !allowed[p] {
			pages = append(pages, p)
		}
	}
	if diff := cmp.Diff(account.Pages, pages); diff != "" {
		t.Errorf("pages (-walk +archive):\n%s", diff)
	}
	for _, u := range run.URLs() {
		if !strings.HasPrefix(u, site+"/") {
			t.Errorf("archived %s, which is not of the site", u)
		}
	}
}

// loadedOnce checks in the site's log that no page was loaded more than once, but where a redirect leads, never two at
// a time, and none that robots.txt disallows.
func loadedOnce(t *testing.T, srv *sites.Server, account *sites.Account) {
	t.Helper()
	entries := srv.Log.Entries(sites.Filter{})
	summary := sites.Summarize(entries)
	targets := slices.Collect(maps.Values(account.Redirects))
	for _, address := range summary.Twice() {
		if !slices.Contains(targets, strings.TrimPrefix(address, srv.Addr)) {
			t.Errorf("%s was loaded %d times", address, summary.Navigations[address])
		}
	}
	if n := summary.MaxPagesInFlight[srv.Addr]; n > 1 {
		t.Errorf("%d pages of the site were loaded at once", n)
	}
	for _, e := range entries {
		if slices.Contains(account.Disallowed, e.Path) {
			t.Errorf("%s was loaded, which robots.txt disallows", e.Path)
		}
	}
}

func TestBoardIsArchivedWhole(t *testing.T) {
	t.Parallel()
	b := board.New(board.Options{Ads: 30})
	srv := serve(t, b)
	fleet := harness.Start(t, harness.Options{})
	fleet.Apply(t, harness.NewJob("board", srv.URL+"/"))
	job := succeeded(t, fleet, "board")

	run := fleet.ReadRun(t, "board")
	archivedExactly(t, run, srv.URL, b.Account())
	loadedOnce(t, srv, b.Account())
	if n := len(run.Pages()); job.Status.Counters == nil || job.Status.Counters.Archived == nil || *job.Status.Counters.Archived != int64(n) {
		t.Errorf("the status counts %+v, the archive has %d pages", job.Status.Counters, n)
	}
	if run.Statement == nil {
		t.Error("the run has no closing statement")
	}
}

// whole has the documentation crawled to its last page, which takes a quarter of an hour.
var whole = flag.Bool("whole", false, "crawl the whole of the documentation, not a fifteenth of it")

// longParts are the parts of Python's manual that have most of its pages and nothing that the others have not.
const longParts = `^/((library|c-api|whatsnew|distutils|howto|reference|faq|tutorial)/|genindex-)`

func TestDocumentationIsArchived(t *testing.T) {
	t.Parallel()
	root, err := docs.FindRoot()
	if err != nil {
		t.Fatal(err)
	}
	var exclude *regexp.Regexp
	if !*whole {
		exclude = regexp.MustCompile(longParts)
	}
	account, err := docs.WalkWithout(root, exclude)
	if err != nil {
		t.Fatal(err)
	}
	site, err := docs.New(docs.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	srv := serve(t, site)
	fleet := harness.Start(t, harness.Options{})
	job := harness.NewJob("docs", srv.URL+"/index.html")
	if exclude != nil {
		// A pattern of a job is matched in the whole address.
		job.Spec.Scope.Exclude = []v1alpha1.Pattern{v1alpha1.Pattern(strings.Replace(longParts, "^", "^"+regexp.QuoteMeta(srv.URL), 1))}
	}
	fleet.Apply(t, job)
	succeeded(t, fleet, "docs")
	archivedExactly(t, fleet.ReadRun(t, "docs"), srv.URL, account)
	loadedOnce(t, srv, account)
}
