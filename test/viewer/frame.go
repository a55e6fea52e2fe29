package viewer

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// findReplay looks through frames and shadow roots for the innermost frame, whose address has the archived one behind
// "mp_/", and calls use with its window; with undefined while there is none.
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

// InReplay calls a function of JavaScript with the window of the archived page that is being replayed in a tab, with
// undefined while there is none, and returns what it returns. The replay is in the tab's page itself, or in a frame of
// another origin, which Chrome shows as a target of its own.
func InReplay[T any](tab context.Context, use string) (result T, err error) {
	ctx, detach, err := attach(tab)
	if err != nil {
		return result, err
	}
	defer detach()
	return chromedp.Run(ctx, chromedp.Evaluate[T](findReplay+"("+use+")"))
}

// attach returns the context of the frame that the portal shows a replay in, or of the page itself when it has none.
func attach(tab context.Context) (ctx context.Context, detach context.CancelFunc, err error) {
	targets, err := chromedp.Targets(tab)
	if err != nil {
		return nil, nil, fmt.Errorf("look for the frame of the replay: %w", err)
	}
	own := chromedp.FromContext(tab).Target.TargetID
	i := slices.IndexFunc(targets, func(i *target.Info) bool {
		u, err := url.Parse(i.URL)
		return err == nil && i.Type == "iframe" && i.ParentID == own && strings.HasPrefix(u.Path, "/r/")
	})
	if i < 0 {
		return tab, func() {}, nil
	}
	ctx, detach = chromedp.NewContext(tab, chromedp.WithTargetID(targets[i].TargetID), chromedp.WithDetachOnCancel())
	return ctx, detach, nil
}
