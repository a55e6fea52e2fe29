package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"crawlfleet.dev/crawlfleet/test/chrome"
)

// viewTimeout bounds how long a page may take to be shown, on a machine that is busy.
const viewTimeout = 60 * time.Second

// A viewer is a Chrome tab that an analyst looks with.
type viewer struct {
	tab context.Context
}

// newViewer starts a Chrome. With a gate, everything that it asks for passes there, loopback addresses and service
// workers included.
func newViewer(t *testing.T, g *gate) *viewer {
	t.Helper()
	var flags []chromedp.ExecAllocatorOption
	if g != nil {
		flags = append(flags, chromedp.ProxyServer(g.proxy.URL), chromedp.Flag("proxy-bypass-list", "<-loopback>"))
	}
	return &viewer{tab: chrome.New(t, flags...)}
}

// live opens a page and returns the text that is visible when the board's script has filled it.
func (v *viewer) live(url string) (string, error) {
	ctx, cancel := context.WithTimeout(v.tab, viewTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS(`#main:not([aria-busy])`))); err != nil {
		return "", fmt.Errorf("open %s: %w", url, err)
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return normalize(text), err
}

// replayed is what ReplayWeb.page shows at a moment.
type replayed struct {
	// Address is that of the archived page, Text what is visible of it. Both are empty while there is none.
	Address string `json:"address"`
	Text    string `json:"text"`
	// Busy is set while the page's own script is at work.
	Busy bool `json:"busy"`
}

// findReplay looks through frames and shadow roots for the innermost frame, whose address has the archived one behind
// "mp_/", and calls use with its window.
const findReplay = `((use) => {
	const frames = (root) => {
		const found = [];
		for (const e of root.querySelectorAll('*')) {
			if (e.shadowRoot) found.push(...frames(e.shadowRoot));
			if (e.tagName === 'IFRAME' && e.contentDocument) found.push(e.contentWindow, ...frames(e.contentDocument));
		}
		return found;
	};
	const all = frames(document);
	return use(all.find((w) => w.location.href.includes('mp_/')));
})`

const readReplay = findReplay + `((w) => {
	if (!w || !w.document.body || w.document.readyState !== 'complete') return { address: '', text: '', busy: true };
	const main = w.document.querySelector('#main');
	return {
		address: w.location.href.split('mp_/')[1],
		text: w.document.body.innerText,
		busy: main !== null && main.hasAttribute('aria-busy'),
	};
})`

// open opens an address of the portal.
func (v *viewer) open(url string) error {
	ctx, cancel := context.WithTimeout(v.tab, viewTimeout)
	defer cancel()
	// A replay from before must not be taken for the next one.
	return chromedp.Do(ctx, chromedp.Navigate("about:blank"), chromedp.Navigate(url))
}

// await waits until ReplayWeb.page shows the page of an address and returns its text. The error says what it showed
// last.
func (v *viewer) await(address string) (string, error) {
	var last replayed
	deadline := time.Now().Add(viewTimeout)
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(v.tab, viewTimeout)
		now, err := chromedp.Run(ctx, chromedp.Evaluate[replayed](readReplay))
		cancel()
		if err != nil && v.tab.Err() != nil {
			return "", err
		}
		if err == nil { // else the document changed under it
			last = now
			last.Text = normalize(last.Text)
		}
		if last.Address == address && !last.Busy && last.Text != "" {
			return last.Text, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("the replay of %s is not there after %v; it shows %q: %q", address, viewTimeout, last.Address, last.Text)
}

// links returns the addresses that the page that is being replayed links to.
func (v *viewer) links() ([]string, error) {
	ctx, cancel := context.WithTimeout(v.tab, viewTimeout)
	defer cancel()
	links, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](findReplay+`((w) => [...w.document.links].map((a) => a.href.split('mp_/').pop()))`))
	if err != nil {
		return nil, fmt.Errorf("read the links: %w", err)
	}
	return links, nil
}

// click follows the link to an address in the page that is being replayed.
func (v *viewer) click(address string) error {
	ctx, cancel := context.WithTimeout(v.tab, viewTimeout)
	defer cancel()
	clicked, err := chromedp.Run(ctx, chromedp.Evaluate[bool](findReplay+fmt.Sprintf(`((w) => {
		const link = [...w.document.links].find((a) => a.href.split('mp_/').pop() === %q);
		link?.click();
		return link !== undefined;
	})`, address)))
	if err == nil && !clicked {
		err = errors.New("the page has no such link")
	}
	if err != nil {
		return fmt.Errorf("click on the link to %s: %w", address, err)
	}
	return nil
}

// awaitHeadline waits until the portal's line above the replay has these parts.
func (v *viewer) awaitHeadline(parts ...string) error {
	var last string
	for deadline := time.Now().Add(viewTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(v.tab, viewTimeout)
		line, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('.what').innerText`))
		cancel()
		if err != nil {
			return fmt.Errorf("read the line above the replay: %w", err)
		}
		last = normalize(line)
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(last, normalize(p)) }) {
			return nil
		}
	}
	return fmt.Errorf("the line above the replay is %q, want %q in it", last, parts)
}

// normalize makes one space of any white space.
func normalize(s string) string { return strings.Join(strings.Fields(s), " ") }
