// Package viewer looks at archived pages as an analyst does: with ReplayWeb.page in a Chrome.
package viewer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"crawlfleet.dev/crawlfleet/test/chrome"
)

// Timeout bounds how long a page may take to be shown, on a machine that is busy.
const Timeout = 60 * time.Second

// A Viewer is a Chrome tab that an analyst looks with.
type Viewer struct {
	tab context.Context
}

// New starts a Chrome, such as one that is let out through a proxy alone ([chrome.Through], [chrome.Gate.Flags]).
func New(t testing.TB, flags ...chromedp.ExecAllocatorOption) *Viewer {
	t.Helper()
	v := &Viewer{tab: chrome.New(t, flags...)}
	dialogs := chromedp.Events(v.tab, page.JavascriptDialogOpening)
	go func() { // a page that asks does not go on before it is answered; ends with the tab
		for _, err := range dialogs {
			if err != nil {
				return
			}
			// The dialog may be gone with its page.
			_, _ = chromedp.Call(v.tab, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}
	}()
	return v
}

// Live opens a page and returns the text that is visible when the board's script has filled it.
func (v *Viewer) Live(url string) (string, error) {
	ctx, cancel := context.WithTimeout(v.tab, Timeout)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS(`#main:not([aria-busy])`))); err != nil {
		return "", fmt.Errorf("open %s: %w", url, err)
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return Normalize(text), err
}

// replayed is what ReplayWeb.page shows at a moment.
type replayed struct {
	// Address is that of the archived page, Text what is visible of it. Both are empty while there is none.
	Address string `json:"address"`
	Text    string `json:"text"`
	// Busy is set while the page's own script is at work.
	Busy bool `json:"busy"`
}

const readReplay = `(w) => {
	if (!w || !w.document.body || w.document.readyState !== 'complete') return { address: '', text: '', busy: true };
	const main = w.document.querySelector('#main');
	return {
		address: w.location.href.split('mp_/')[1],
		text: w.document.body.innerText,
		busy: main !== null && main.hasAttribute('aria-busy'),
	};
}`

// Open opens an address of the portal.
func (v *Viewer) Open(url string) error {
	ctx, cancel := context.WithTimeout(v.tab, Timeout)
	defer cancel()
	// A replay from before must not be taken for the next one.
	return chromedp.Do(ctx, chromedp.Navigate("about:blank"), chromedp.Navigate(url))
}

// Reveal asks the portal to show what it has blurred, where nothing can be clicked on. The portal remembers that.
func (v *Viewer) Reveal() error {
	ctx, cancel := context.WithTimeout(v.tab, Timeout)
	defer cancel()
	err := chromedp.Do(ctx,
		chromedp.WaitReady(chromedp.CSS(`.replay.blurred iframe[inert]`)),
		chromedp.Click(chromedp.CSS(`.replay .veil button`)),
		chromedp.WaitReady(chromedp.CSS(`.replay:not(.blurred) iframe:not([inert])`)))
	if err != nil {
		return fmt.Errorf("ask for what is blurred: %w", err)
	}
	return nil
}

// Await waits until ReplayWeb.page shows the page of an address and returns its text. The error says what it showed
// last.
func (v *Viewer) Await(address string) (string, error) {
	var last replayed
	deadline := time.Now().Add(Timeout)
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(v.tab, Timeout)
		now, err := InReplay[replayed](ctx, readReplay)
		cancel()
		if err != nil && v.tab.Err() != nil {
			return "", err
		}
		if err == nil { // else the document changed under it
			last = now
			last.Text = Normalize(last.Text)
		}
		if last.Address == address && !last.Busy && last.Text != "" {
			return last.Text, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("the replay of %s is not there after %v; it shows %q: %q", address, Timeout, last.Address, last.Text)
}

// AwaitText waits until the page that is being replayed shows a text, and returns all that it shows.
func (v *Viewer) AwaitText(want string) (string, error) {
	var text string
	for deadline := time.Now().Add(Timeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(v.tab, Timeout)
		now, err := InReplay[replayed](ctx, readReplay)
		cancel()
		if err != nil && v.tab.Err() != nil {
			return text, err
		}
		if err == nil && now.Address != "" { // else the document changed under it
			text = Normalize(now.Text)
		}
		if strings.Contains(text, want) {
			return text, nil
		}
	}
	return text, fmt.Errorf("not there after %v", Timeout)
}

// Links returns the addresses that the page that is being replayed links to.
func (v *Viewer) Links() ([]string, error) {
	ctx, cancel := context.WithTimeout(v.tab, Timeout)
	defer cancel()
	links, err := InReplay[[]string](ctx, `(w) => [...w.document.links].map((a) => a.href.split('mp_/').pop())`)
	if err != nil {
		return nil, fmt.Errorf("read the links: %w", err)
	}
	return links, nil
}

// Click follows the link to an address in the page that is being replayed.
func (v *Viewer) Click(address string) error {
	ctx, cancel := context.WithTimeout(v.tab, Timeout)
	defer cancel()
	clicked, err := InReplay[bool](ctx, fmt.Sprintf(`(w) => {
		const link = [...w.document.links].find((a) => a.href.split('mp_/').pop() === %q);
		link?.click();
		return link !== undefined;
	}`, address))
	if err == nil && !clicked {
		err = errors.New("the page has no such link")
	}
	if err != nil {
		return fmt.Errorf("click on the link to %s: %w", address, err)
	}
	return nil
}

// AwaitHeadline waits until the portal's line above the replay has these parts.
func (v *Viewer) AwaitHeadline(parts ...string) error {
	var last string
	for deadline := time.Now().Add(Timeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(v.tab, Timeout)
		line, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('.what').innerText`))
		cancel()
		if err != nil {
			return fmt.Errorf("read the line above the replay: %w", err)
		}
		last = Normalize(line)
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(last, Normalize(p)) }) {
			return nil
		}
	}
	return fmt.Errorf("the line above the replay is %q, want %q in it", last, parts)
}

// Normalize makes one space of any white space.
func Normalize(s string) string { return strings.Join(strings.Fields(s), " ") }
