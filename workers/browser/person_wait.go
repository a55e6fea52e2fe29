package browser

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
)

const (
	// lookEvery is how often a browser is looked at when no event tells of anything.
	lookEvery = 500 * time.Millisecond
	// lookPause is between two looks: looking into a page is an event, too.
	lookPause = 50 * time.Millisecond
	// lookTimeout bounds a question to a page, which a dialog may keep from answering.
	lookTimeout = 2 * time.Second
	// stayTime is how long a person is at a page that is loaded before they are there: pages
	// lead on by script, and store what they were given when they are shown.
	stayTime = time.Second
	// loadTimeout is how long a page that does not end to load is waited for.
	loadTimeout = 10 * time.Second
	// pagelessTime is how long a browser has no page before it counts as closed.
	pagelessTime = 2 * time.Second
)

// ErrBrowserClosed is the error of a browser that the person has closed, or all pages of.
var ErrBrowserClosed = errors.New("the browser was closed")

// arrival is since when a page is at an address that was waited for.
type arrival struct{ came, loaded time.Time }

// Wait waits until the person is at an address that a pattern matches, and the page there
// is loaded and stays; without a pattern, until the context ends. It returns
// ErrBrowserClosed when the browser is closed first, and the cause of the context's end.
func (p *Person) Wait(ctx context.Context, pattern *regexp.Regexp) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	arrivals := map[string]arrival{}
	last := time.Now() // when there was a page
	for {
		// Events only say when to look: where the person is, the browser is asked.
		pages, err := p.tabs(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errLost):
			return ErrBrowserClosed
		case err != nil:
			return fmt.Errorf("look where the browser is: %w", err)
		case len(pages) > 0:
			last = time.Now()
		case time.Since(last) > pagelessTime: // a Chrome without a window goes on
			return ErrBrowserClosed
		}
		for _, page := range pages {
			p.visited(page.URL)
			if pattern != nil && p.arrived(ctx, page, pattern, arrivals) {
				return nil
			}
		}
		time.Sleep(lookPause)
		select {
		case <-p.changed:
		case <-tick.C:
		case <-p.proc.conn.done:
			return ErrBrowserClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// arrived reports whether a page has come to an address that was waited for, and stays.
func (p *Person) arrived(ctx context.Context, page tabInfo, pattern *regexp.Regexp, arrivals map[string]arrival) bool {
	there, complete := false, false
	if pattern.MatchString(page.URL) {
		there, complete = p.shows(ctx, page.ID, pattern)
	}
	if !there {
		delete(arrivals, page.ID)
		return false
	}
	now := time.Now()
	a := arrivals[page.ID]
	if a.came.IsZero() {
		a.came = now
	}
	switch {
	case !complete:
		a.loaded = time.Time{}
	case a.loaded.IsZero():
		a.loaded = now
	}
	arrivals[page.ID] = a
	return complete && now.Sub(a.loaded) >= stayTime || now.Sub(a.came) >= loadTimeout
}

// shows reports whether the document of a page has an address that was waited for: the
// browser names one to which the page is only on its way.
func (p *Person) shows(ctx context.Context, id string, pattern *regexp.Regexp) (there, complete bool) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var doc struct {
		Address string `json:"address"`
		State   string `json:"state"`
	}
	err := p.with(ctx, id, func(page *session) error {
		return evaluate(ctx, page, map[string]any{"expression": "({address: location.href, state: document.readyState})"}, &doc)
	})
	// A page that does not answer is gone, on its way, or waits for the person.
	return err == nil && pattern.MatchString(doc.Address), doc.State == "complete"
}
