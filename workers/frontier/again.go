package frontier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// engines are the browsers that a job may name; without a name it is the worker's own.
var engines = map[string]browser.Engine{"HeadlessShell": browser.EngineShell, "Chromium": browser.EngineChromium}

// stayOptions are what the job says of tabs. The log-in may be nil.
func (v *hostVisit) stayOptions(given *profile.Profile) browser.StayOptions {
	spec := v.in.Job.Spec
	opts := browser.StayOptions{
		Engine:                engines[spec.Browser.Engine],
		FreshPages:            spec.Browser.Isolation == workflows.IsolationPage,
		Viewport:              browser.Viewport{Width: spec.Browser.Width, Height: spec.Browser.Height},
		AcceptBadCertificates: spec.Capture.BadCertificates == workflows.BadCertificatesRecord,
		Profile:               given,
		NoImages:              spec.Capture.Images == workflows.ImagesOff,
	}
	switch posts := browser.ScriptPosts(spec.Capture.ScriptPosts); posts {
	case browser.ScriptPostsSameSite, browser.ScriptPostsNone:
		opts.ScriptPosts = posts
	}
	if spec.Capture.Recorder == string(browser.RecorderBrowser) {
		opts.Recorder = browser.RecorderBrowser
	}
	return opts
}

// order is what the job says of a page.
func (v *hostVisit) order(page frontier.BundlePage, dir string, track *browser.Tracker) browser.Visit {
	spec := v.in.Job.Spec
	visit := browser.Visit{
		ID: string(page.FP), URL: page.URL, Dir: dir, DOM: true, Text: spec.Capture.Text,
		Screenshot: browser.Screenshot(spec.Capture.Screenshot), Timeout: spec.Browser.PageTimeout, Admit: v.admit, Track: track, Stop: v.lease.yield,
		MaxBody: cmp.Or(spec.Capture.BodyBytes, maxPage), MaxBytes: cmp.Or(spec.Capture.PageBytes, maxPage),
	}
	behave(&visit, spec.Capture.Behaviors, v.scripts)
	return visit
}

// again captures a page that seems to refuse the recorder's own TLS once more, with the
// browser as recorder, after the host's delay: it is a page load like any other. It returns
// the better one of the two with its outcome, and the other. The chunk must not be held.
func (v *hostVisit) again(ctx context.Context, page frontier.BundlePage, dir string, first *browser.Page, o frontier.Outcome, track *browser.Tracker) (*browser.Page, frontier.Outcome, []*browser.Page, error) {
	if v.ready.Sub(v.Now()) > timeBox-time.Since(v.started) {
		return first, o, nil, nil // the host asks for a longer pause than the bundle lasts
	}
	if err := v.leave(); err != nil { // the tab is wanted, and the wait may be long
		return nil, o, nil, err
	}
	v.pause(ctx, v.ready)
	if v.stopReason(ctx) != "" {
		return first, o, nil, nil
	}
	second, err := v.withBrowser(ctx, v.order(page, dir, track), first.Refusal())
	if err != nil || second == nil {
		return first, o, nil, err
	}
	next := v.expired(page, second, outcomeOf(page, second))
	next.Ended = v.Now()
	next.Delay = o.Delay
	v.ready = next.Ended.Add(v.delay)
	v.left = next.Leave(page.URL)
	v.tell(ctx, next)
	if next.Status != frontier.Archived && o.Status == frontier.Archived {
		v.left = next.Asks() // else the host counts as reached
		o.Ended, o.RetryAfter = next.Ended, max(o.RetryAfter, next.RetryAfter)
		second.Superseded = true
		return first, o, []*browser.Page{second}, nil
	}
	first.Superseded = true
	return second, next, []*browser.Page{first}, nil
}

// withBrowser captures a page in a tab of its own. The page is nil when the attempt ends.
func (v *hostVisit) withBrowser(ctx context.Context, order browser.Visit, why string) (p *browser.Page, err error) {
	opts := v.stayOptions(v.profileFor(order.URL))
	opts.Recorder = browser.RecorderBrowser
	tab, err := v.Tabs.Tab(ctx, opts)
	if err != nil {
		return nil, v.unlessEnding(ctx, fmt.Errorf("take a tab: %w", err))
	}
	defer func() { err = errors.Join(err, tab.Close()) }()
	order.RetryOf = why
	p, err = tab.Capture(ctx, order)
	if err != nil {
		return nil, v.unlessEnding(ctx, fmt.Errorf("capture a page: %w", err))
	}
	return p, nil
}
