package replay

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"crawlfleet.dev/crawlfleet/test/chrome"
)

// storage is what replays have in a browser: databases and workers of the address that is open, and of others.
type storage struct {
	Own    []string `json:"own"`
	Others []string `json:"others"`
}

const readStorage = `(async () => {
	const base = document.body.dataset.base;
	const names = [...(await indexedDB.databases()).map((d) => d.name), ...(await navigator.serviceWorker.getRegistrations()).map((r) => new URL(r.scope).pathname)];
	return { own: names.filter((n) => n.startsWith(base)), others: names.filter((n) => !n.startsWith(base)) };
})()`

// TestReplaysAreApartAndLeaveNothing opens a page twice, each time at another address of one origin: the second has
// databases and a worker of its own, and those of the first go away.
func TestReplaysAreApartAndLeaveNothing(t *testing.T) {
	t.Parallel()
	p := newPlaces(t, "localhost")
	p.put(t, "<!doctype html><title>Quiet</title>quiet<script>window.found = { tried: 'yes' }</script>")
	tab := chrome.New(t)
	for range 2 {
		if err := chromedp.Do(tab, chromedp.Navigate(p.portal.URL+p.path+"?clear")); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); p.found(t, tab)["tried"] == ""; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the page is not shown")
			}
		}
	}
	var s storage
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ctx, done := frameOf(t, tab)
		if ctx == nil {
			t.Fatal("there is no frame")
		}
		now, err := chromedp.Run(ctx, chromedp.Evaluate[storage](readStorage, chromedp.EvalAwaitPromise))
		done()
		if err != nil {
			t.Fatal(err)
		}
		if s = now; len(s.Others) == 0 {
			break
		}
	}
	if len(s.Own) < 2 || len(s.Others) > 0 { // a database and a worker at the least
		t.Errorf("the second has %q, of the first is left %q", s.Own, s.Others)
	}
}
