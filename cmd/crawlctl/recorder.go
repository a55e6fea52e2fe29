package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// pauseAgain is the pause before a page is loaded a second time: the default of
// spec.politeness.delaySeconds.
const pauseAgain = 2 * time.Second

func recorderOf(s string) (browser.Recorder, error) {
	switch strings.ToLower(s) {
	case "wire":
		return browser.RecorderWire, nil
	case "browser":
		return browser.RecorderBrowser, nil
	}
	return "", cli.Usage("--recorder %q: want wire or browser", s)
}

// scriptPosts are the values of --script-posts.
var scriptPosts = map[string]*browser.ScriptPosts{
	"any": new(browser.ScriptPostsAny), "same-site": new(browser.ScriptPostsSameSite), "none": new(browser.ScriptPostsNone),
}

// stayOptions are what the flags say of a tab for a page.
func (s *session) stayOptions(address string) browser.StayOptions {
	opts := browser.StayOptions{
		NoImages: s.job.images == "off", ScriptPosts: *scriptPosts[s.job.scriptPosts],
		FreshPages: s.job.fresh,
		Viewport:   s.job.view, UserAgent: s.job.userAgent, AcceptBadCertificates: s.job.badCertificates == "record", Recorder: s.job.witness,
	}
	if p := s.job.state; p != nil && profile.CoversURL(p.Hosts, address) {
		opts.Profile = p
	}
	return opts
}

// again captures a page that seems to refuse the recorder's own TLS once more, with the
// browser as recorder. It returns the better one first. The visitor leaves its tab for it:
// there may be no other.
func (w *visitor) again(ctx context.Context, first *browser.Page, order browser.Visit) ([]*browser.Page, error) {
	alone := []*browser.Page{first}
	why := first.Refusal()
	if why == "" {
		return alone, nil
	}
	if err := w.leave(); err != nil {
		return alone, err
	}
	select {
	case <-time.After(pauseAgain):
	case <-ctx.Done():
		return alone, nil
	}
	opts := w.stayOptions(order.URL)
	opts.Recorder = browser.RecorderBrowser
	stay, err := w.pool.Stay(ctx, opts)
	if err != nil {
		return alone, err
	}
	order.Dir, order.RetryOf = filepath.Join(order.Dir, "again"), why
	second, err := stay.Capture(ctx, order)
	if closed := stay.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return alone, err
	}
	if second.Outcome.State != browser.Archived && first.Outcome.State == browser.Archived {
		second.Superseded = true
		return []*browser.Page{first, second}, nil
	}
	first.Superseded = true
	return []*browser.Page{second, first}, nil
}

// responses counts the answers that a page received.
func responses(p *browser.Page) int {
	n := 0
	for i := range p.Exchanges {
		if p.Exchanges[i].Response != nil {
			n++
		}
	}
	return n
}
