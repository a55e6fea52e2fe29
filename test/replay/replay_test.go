package replay

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/chrome"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
	"crawlfleet.dev/crawlfleet/test/viewer"
)

// crawlTimeout bounds the crawl, on a machine that is busy.
const crawlTimeout = 30 * time.Minute

// page is one capture as the portal's API lists it.
type page struct {
	ID, URL, Chunk string
	Time           time.Time
}

// replay is the address at which a portal replays the page.
func (p page) replay(portal string) string { return portal + "/snapshots/" + p.ID + "/replay" }

func TestEveryPageReplaysAsItWas(t *testing.T) {
	t.Parallel()
	b := board.New(board.Options{Ads: 26})
	site, err := sites.Start(sites.Options{Handler: b})
	if err != nil {
		t.Fatal(err)
	}
	closeSite := sync.OnceValue(site.Close)
	t.Cleanup(func() { _ = closeSite() })
	fleet := harness.Start(t, harness.Options{})
	fleet.Apply(t, harness.NewJob("board", site.URL+"/"))
	walk, err := board.Walk(t.Context(), nil, site.URL)
	if err != nil {
		t.Fatal(err)
	}
	live := liveTexts(t, b, site.URL, walk.Pages)
	fleet.WaitFor(t, "crawl/board", "Finished", crawlTimeout)
	if c := harness.Condition(fleet.Job(t, "board"), "Succeeded"); c.Status != "True" {
		t.Fatalf("Succeeded is %s: %s: %s", c.Status, c.Reason, c.Message)
	}
	if err := closeSite(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(site.URL); err == nil {
		t.Fatal("the site still answers")
	}

	portal := startPortal(t, fleet)
	pages := listPages(t, portal, fleet.Job(t, "board"))
	replay := originOf(t, pages[0].replay(portal))
	g := chrome.NewGate(t, portal, replay)
	v := viewer.New(t, g.Flags()...)
	t.Run("Blurred", func(t *testing.T) { reveal(t, v, portal, pages[0]) })
	t.Run("Pages", func(t *testing.T) { replayAll(t, v, portal, site.URL, walk.Pages, live, pages) })
	t.Run("Links", func(t *testing.T) { followLinks(t, v, portal, site.URL, live, pages) })
	t.Run("Beyond", func(t *testing.T) { leave(t, v, portal, site.URL, pages) })
	if foreign := g.Foreign(); g.Passed(portal) == 0 || g.Passed(replay) == 0 || len(foreign) > 0 {
		t.Errorf("Chrome asked the portal %d times, the origin of replays %d times, and %d times somebody else: %q", g.Passed(portal), g.Passed(replay), len(foreign), foreign)
	}
	t.Logf("%d pages in %d files; Chrome asked the portal %d times, the origin of replays %d times and nobody else", len(pages), chunks(pages), g.Passed(portal), g.Passed(replay))
}

// liveTexts shows every page in Chrome as long as the site is there and returns what can be read on it, by path. What the
// board says of a page must be part of it.
func liveTexts(t *testing.T, b *board.Board, siteURL string, paths []string) map[string]string {
	t.Helper()
	v := viewer.New(t)
	texts := map[string]string{}
	for _, path := range paths {
		text, err := v.Live(siteURL + path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range b.TextOf(path) {
			if !strings.Contains(text, viewer.Normalize(want)) {
				t.Errorf("live %s: %q is not visible in %q", path, want, text)
			}
		}
		texts[path] = text
	}
	return texts
}

// startPortal starts the portal on the fleet's store and returns its origin. Replay is where it is on a person's own
// machine: at localhost, on any port.
func startPortal(t *testing.T, fleet *harness.Fleet) string {
	t.Helper()
	address := harness.FreeAddress(t)
	fleet.Portal(t, "portal", address, "--replay-listen", "127.0.0.1:0", "--replay-url", "")
	return "http://" + address
}

// originOf asks the portal for the origin that a page is replayed from.
func originOf(t *testing.T, replay string) string {
	t.Helper()
	var link struct{ Origin string }
	getJSON(t, replay+"/link", &link)
	if !strings.HasPrefix(link.Origin, "http://localhost:") {
		t.Fatalf("pages are replayed from %q", link.Origin)
	}
	return link.Origin
}

// listPages waits until the portal knows all that a job has archived, and returns it, the oldest first.
func listPages(t *testing.T, portal string, job *v1alpha1.CrawlJob) []page {
	t.Helper()
	want := int(*job.Status.Counters.Archived)
	var found struct {
		Items []page
		Next  string
	}
	for deadline := time.Now().Add(viewer.Timeout); ; time.Sleep(100 * time.Millisecond) {
		getJSON(t, portal+"/api/v1/snapshots?order=oldest&limit=1000&run="+string(job.UID), &found)
		if len(found.Items) == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the portal lists %d pages, and %d are archived", len(found.Items), want)
		}
	}
	if n := chunks(found.Items); n < 2 || found.Next != "" {
		t.Fatalf("%d pages in %d files are too few to tell anything, or too many for a list", want, n)
	}
	return found.Items
}

func getJSON(t *testing.T, address string, into any) {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", address, res.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
}

func chunks(pages []page) int {
	files := map[string]bool{}
	for _, p := range pages {
		files[p.Chunk] = true
	}
	return len(files)
}

// at returns the page of an address.
func at(t *testing.T, pages []page, address string) page {
	t.Helper()
	i := slices.IndexFunc(pages, func(p page) bool { return p.URL == address })
	if i < 0 {
		t.Fatalf("the portal does not list %s", address)
	}
	return pages[i]
}

// reveal opens a page as nobody has yet: blurred until it is asked for.
func reveal(t *testing.T, v *viewer.Viewer, portal string, p page) {
	if err := v.Open(p.replay(portal)); err != nil {
		t.Fatal(err)
	}
	if err := v.Reveal(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Await(p.URL); err != nil {
		t.Fatal(err)
	}
}

// replayAll opens every page that the walk found from the portal and compares what can be read.
func replayAll(t *testing.T, v *viewer.Viewer, portal, siteURL string, paths []string, live map[string]string, pages []page) {
	for _, path := range paths {
		p := at(t, pages, siteURL+path)
		if err := v.Open(p.replay(portal)); err != nil {
			t.Fatal(err)
		}
		text, err := v.Await(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(live[path], text); diff != "" {
			t.Errorf("%s from %s (-live +replayed):\n%s", path, p.Chunk, diff)
		}
	}
}

// followLinks goes from the list to an ad, its category, another ad and so on by clicking, until it has come into another
// file twice: which pages are in one file is the crawl's to say.
func followLinks(t *testing.T, v *viewer.Viewer, portal, siteURL string, live map[string]string, pages []page) {
	from := at(t, pages, siteURL+"/")
	if err := v.Open(from.replay(portal)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Await(from.URL); err != nil {
		t.Fatal(err)
	}
	prefixes, seen := []string{"/ad/", "/c/"}, map[string]bool{}
	for clicks, crossings := 0, 0; crossings < 2; clicks++ {
		if clicks == 12 {
			t.Fatalf("%d links of %d led from one file to another, which is too few to tell anything", crossings, clicks)
		}
		prefix := prefixes[clicks%len(prefixes)]
		to := linked(t, v, siteURL+prefix, from, pages, seen)
		seen[to.URL] = true
		if err := v.Click(to.URL); err != nil {
			t.Fatalf("on %s: %v", from.URL, err)
		}
		text, err := v.Await(to.URL)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(live[strings.TrimPrefix(to.URL, siteURL)], text); diff != "" {
			t.Errorf("%s, by a link from %s (-live +replayed):\n%s", to.URL, from.URL, diff)
		}
		if err := v.AwaitHeadline(to.URL, to.Time.UTC().Format("2006-01-02 15:04:05 UTC")); err != nil {
			t.Errorf("%s, by a link from %s: %v", to.URL, from.URL, err)
		}
		if to.Chunk != from.Chunk {
			crossings++
		}
		from = to
	}
}

// linked returns a page that the one on view links to and whose address has the prefix, in another file if there is one, else
// one that was not seen yet if there is one.
func linked(t *testing.T, v *viewer.Viewer, prefix string, from page, pages []page, seen map[string]bool) page {
	t.Helper()
	links, err := v.Links()
	if err != nil {
		t.Fatal(err)
	}
	var same []page
	for _, p := range pages {
		if !strings.HasPrefix(p.URL, prefix) || p.URL == from.URL || !slices.Contains(links, p.URL) {
			continue
		}
		if p.Chunk != from.Chunk {
			return p
		}
		same = append(same, p)
	}
	if len(same) == 0 {
		t.Fatalf("%s links to no page below %s: %q", from.URL, prefix, links)
	}
	return same[max(0, slices.IndexFunc(same, func(p page) bool { return !seen[p.URL] }))]
}

// leave clicks on a link to a page that was not archived: the replay must say so and load nothing.
func leave(t *testing.T, v *viewer.Viewer, portal, siteURL string, pages []page) {
	if err := v.Open(at(t, pages, siteURL+"/info/safety").replay(portal)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Await(siteURL + "/info/safety"); err != nil {
		t.Fatal(err)
	}
	if err := v.Click(board.DefaultExternal); err != nil {
		t.Fatal(err)
	}
	text, err := v.Await(board.DefaultExternal)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "Page Not Found") {
		t.Errorf("for a page that was not archived the replay shows %q", text)
	}
}
