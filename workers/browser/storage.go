package browser

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp/jsonv2"

	"crawlfleet.dev/crawlfleet/internal/profile"
)

// emptyDocument stands in for the page of an origin whose storage is read or written.
const emptyDocument = `<!doctype html><title></title><link rel="icon" href="data:,">`

// origins shows empty documents of origins in a page, so that their storage can be
// reached. Nobody is asked for anything: the browser gets its answers from here.
type origins struct {
	page  *session
	shown chan string // loaders of the documents that are there
}

// newOrigins takes a page over. Its own event handler is to be set again after close.
func newOrigins(ctx context.Context, page *session) (*origins, error) {
	body := base64.StdEncoding.EncodeToString([]byte(emptyDocument))
	o := &origins{page: page, shown: make(chan string, 64)}
	page.handle(func(method string, params jsonv2.Value) {
		switch method {
		case "Fetch.requestPaused":
			take(params, func(ev requestPaused) {
				page.post("Fetch.fulfillRequest", map[string]any{
					"requestId": ev.RequestID, "responseCode": 200, "body": body,
					"responseHeaders": []map[string]any{{"name": "Content-Type", "value": "text/html; charset=utf-8"}},
				})
			})
		case "Page.frameNavigated":
			take(params, func(ev frameEvent) {
				if ev.Frame.ParentID == "" {
					select {
					case o.shown <- ev.Frame.LoaderID:
					default: // more than anybody waits for
					}
				}
			})
		case "Page.javascriptDialogOpening": // "beforeunload" of the page that was there
			page.post("Page.handleJavaScriptDialog", map[string]any{"accept": true})
		}
	})
	patterns := []map[string]any{{"urlPattern": "*", "requestStage": "Request"}}
	if err := page.Call(ctx, "Fetch.enable", map[string]any{"patterns": patterns}, nil); err != nil {
		return nil, err
	}
	return o, nil
}

// close goes to an empty page without an origin and lets requests pass again. It returns
// the loader of that page.
func (o *origins) close(ctx context.Context) (loader string, err error) {
	if loader, err = o.show(ctx, "about:blank"); err != nil {
		return "", err
	}
	return loader, o.page.Call(ctx, "Fetch.disable", nil, nil)
}

// forget takes the documents that were shown out of the page's history. Chrome refuses
// that for a moment, while the empty page takes the place of the last of them.
func (o *origins) forget(ctx context.Context) error {
	for {
		err := o.page.Call(ctx, "Page.resetNavigationHistory", nil, nil)
		if err == nil || ctx.Err() != nil || errors.Is(err, errLost) || errors.Is(err, errDetached) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (o *origins) show(ctx context.Context, address string) (loader string, err error) {
	var res struct {
		LoaderID  string `json:"loaderId"`
		ErrorText string `json:"errorText"`
	}
	if err := o.page.Call(ctx, "Page.navigate", map[string]any{"url": address}, &res); err != nil {
		return "", err
	}
	if res.ErrorText != "" {
		return "", errors.New(res.ErrorText)
	}
	// The answer may come before the document is there, which often is in another process.
	for {
		select {
		case loader := <-o.shown:
			if loader == res.LoaderID {
				return loader, nil
			}
		case <-o.page.detached:
			return "", errDetached
		case <-o.page.conn.done:
			return "", errLost
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// The scripts run in documents of ours, in which no script of the site is.
const (
	writeStorage = `(o) => {
  if (location.origin !== o.origin) throw new Error('this is ' + location.origin);
  for (const [kind, items] of [[localStorage, o.localStorage], [sessionStorage, o.sessionStorage]])
    for (const i of items ?? []) kind.setItem(i.name, i.value);
}`
	readStorage = `(origin) => {
  if (location.origin !== origin) throw new Error('this is ' + location.origin);
  const all = (kind) => Array.from({length: kind.length}, (_, i) => kind.key(i)).map((name) => ({name, value: kind.getItem(name)}));
  return {origin, localStorage: all(localStorage), sessionStorage: all(sessionStorage)};
}`
)

// write fills the storage of an origin.
func (o *origins) write(ctx context.Context, origin profile.Origin) error {
	if _, err := o.show(ctx, origin.Origin+"/"); err != nil {
		return err
	}
	return o.apply(ctx, writeStorage, origin, nil)
}

// read reads the storage of an origin, and the session storage that the page has for it.
func (o *origins) read(ctx context.Context, origin string) (profile.Origin, error) {
	var found profile.Origin
	if _, err := o.show(ctx, origin+"/"); err != nil {
		return found, err
	}
	err := o.apply(ctx, readStorage, origin, &found)
	return found, err
}

// apply calls a function in the document that is there. Its error holds no argument.
func (o *origins) apply(ctx context.Context, function string, argument, v any) error {
	raw, err := jsonv2.Marshal(argument)
	if err != nil {
		return fmt.Errorf("encode a script's argument: %w", err)
	}
	return evaluate(ctx, o.page, map[string]any{"expression": "(" + function + ")(" + string(raw) + ")"}, v)
}
