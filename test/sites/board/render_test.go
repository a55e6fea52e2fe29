package board_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/test/chrome"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

// rendered waits until the board's script has filled the page.
var rendered = chromedp.WaitReady(chromedp.CSS(`#main:not([aria-busy])`))

// view opens a page, waits until it is rendered, and returns its visible text and its links.
func view(t *testing.T, tab context.Context, url string) (text string, links []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url), rendered); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		t.Fatalf("%s: read the text: %v", url, err)
	}
	links, err = chromedp.Run(ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll('a[href]')].map((a) => a.href)`))
	if err != nil {
		t.Fatalf("%s: read the links: %v", url, err)
	}
	return text, links
}

// TestChromeFindsTheAccount follows every link in a real browser: the text that TextOf promises must be visible, and
// the set of addresses must be the one that Account says.
func TestChromeFindsTheAccount(t *testing.T) {
	t.Parallel()
	b, srv := serve(t, board.Options{})
	tab := chrome.New(t)
	account := b.Account()

	seen := map[string]bool{"/": true}
	var visited []string
	leads := map[string]bool{}
	for todo := []string{"/"}; len(todo) > 0; todo = todo[1:] {
		path := todo[0]
		text, links := view(t, tab, srv.URL+path)
		visited = append(visited, path)
		for _, want := range b.TextOf(path) {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the text %q is not visible in:\n%s", path, want, text)
			}
		}
		for _, link := range links {
			if strings.HasPrefix(link, "mailto:") || strings.HasPrefix(link, "tel:") {
				leads[link] = true
			}
			next, inside := strings.CutPrefix(link, srv.URL)
			if !inside || seen[next] || slices.Contains(account.Disallowed, next) {
				continue
			}
			seen[next] = true
			todo = append(todo, next)
		}
	}
	slices.Sort(visited)
	if diff := cmp.Diff(account.Followed(), visited); diff != "" {
		t.Errorf("addresses (-account +browser):\n%s", diff)
	}
	for _, lead := range account.Leads {
		if !leads[lead] {
			t.Errorf("no page shows the lead %s", lead)
		}
	}
	if got := len(srv.Log.Entries(sites.Filter{Navigate: true})); got < len(visited) {
		t.Errorf("the log tells of %d navigations, want at least %d", got, len(visited))
	}
}

func TestScrollingLoadsMore(t *testing.T) {
	t.Parallel()
	b, srv := serve(t, board.Options{})
	tab, cancel := context.WithTimeout(chrome.New(t), time.Minute)
	defer cancel()
	if err := chromedp.Do(tab, chromedp.Navigate(srv.URL), rendered); err != nil {
		t.Fatal(err)
	}
	const cards = `document.querySelectorAll('.card').length`
	before, err := chromedp.Run(tab, chromedp.Evaluate[int](cards))
	if err != nil {
		t.Fatal(err)
	}
	after, err := chromedp.Run(tab, chromedp.Evaluate[int](`new Promise(async (done) => {
		for (let i = 0; i < 200 && `+cards+` < 60; i++) {
			window.scrollTo(0, document.body.scrollHeight);
			await new Promise((r) => setTimeout(r, 50));
		}
		done(`+cards+`);
	})`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if before != board.DefaultPageSize || after != board.DefaultAds {
		t.Errorf("cards: %d before scrolling and %d after, want %d and %d", before, after, board.DefaultPageSize, board.DefaultAds)
	}
	if text := b.TextOf("/?page=5"); len(text) == 0 {
		t.Error("the last page of the list has no text")
	}
}

func TestSubResources(t *testing.T) {
	t.Parallel()
	_, srv := serve(t, board.Options{SubResources: 25})
	view(t, chrome.New(t), srv.URL)
	extras := map[string]bool{}
	for _, e := range srv.Log.Entries(sites.Filter{Path: "/extra/", Status: 200}) {
		extras[e.Path] = true
	}
	if len(extras) != 25 {
		t.Errorf("the page loaded %d extra files, want 25: %v", len(extras), extras)
	}
}

// TestDumpDOM renders one page with nothing but the browser's own command line.
func TestDumpDOM(t *testing.T) {
	t.Parallel()
	b, srv := serve(t, board.Options{})
	path, err := chrome.Path()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	page := b.Pages()[len(b.Pages())/3]
	args := []string{"--headless", "--disable-gpu", "--disable-background-networking", "--virtual-time-budget=5000", "--user-data-dir=" + t.TempDir(), "--dump-dom", srv.URL + page}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...)
	}
	dom, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range b.TextOf(page) {
		if !strings.Contains(string(dom), want) {
			t.Errorf("%s: %q is not in the document", page, want)
		}
	}
}

// TestScreenshots writes pictures of the site to the folder that BOARD_SCREENSHOTS names, to look at; it always
// checks that there is something on them.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	b, srv := serve(t, board.Options{})
	tab := chrome.New(t)
	dir := os.Getenv("BOARD_SCREENSHOTS")
	ad := b.Account().Pages[slices.IndexFunc(b.Pages(), func(p string) bool { return strings.HasPrefix(p, "/ad/1057") })]
	for name, path := range map[string]string{"home": "/", "ad": ad, "category": "/c/rooms", "info": "/info/safety", "gone": "/ad/999-sold", "seller": b.Pages()[len(b.Pages())-1]} {
		for _, width := range []int64{1280, 400} {
			if err := chromedp.Do(tab, chromedp.EmulateViewport(width, 860), chromedp.Navigate(srv.URL+path), rendered, chromedp.Sleep(300*time.Millisecond)); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if len(png) < 10_000 {
				t.Errorf("%s, %d pixels wide: the picture has only %d bytes", path, width, len(png))
			}
			if dir != "" {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, width)), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
