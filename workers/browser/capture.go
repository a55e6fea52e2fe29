package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

// The times of a capture.
const (
	defaultLoadTimeout = 30 * time.Second
	defaultTimeout     = 60 * time.Second
	// hangTimeout is how long Chrome may owe an answer before it counts as hung, and how
	// long the page's main thread may at least (see [capture.patience]).
	hangTimeout = 8 * time.Second
	// failedTimeout is the same for a page that has failed already.
	failedTimeout = 3 * time.Second
	// leaveTimeout bounds the way to the empty page in between, drainTimeout
	// the wait for what the page sent when it was left.
	leaveTimeout = 3 * time.Second
	drainTimeout = 500 * time.Millisecond
	endTimeout   = 10 * time.Second
	// maxDocuments bounds how often a page may take itself elsewhere.
	maxDocuments = 20
	// maxScroll bounds the scroll, in time and in windows' heights.
	maxScroll      = 20 * time.Second
	maxScrollSteps = 400
	// maxUndrawn is how often in a row the scroll goes on without a frame.
	maxUndrawn = 8
)

// capture is one page being captured.
type capture struct {
	stay  *Stay
	tab   *tab
	visit Visit
	acct  *account
	page  *Page
	turn  turn

	width, height int
	hung          bool // its scripts do not give way
	restless      bool // it would run on into the next page
	consented     bool // dialogs about consent were looked after
	leftOpen      bool // one of them was left
	holds         bool // what was clicked is held against it until it is left
	alone         bool // there is no page before this one in its history
	made          world
	signs         *seen // of a log-in; nil when nothing was looked for
}

// Capture renders one page and returns all that is known about it. The error
// is for the machinery: a visit that makes no sense or that was stopped before its
// turn came, a closed pool, a context that ended, a Chrome or a recorder that does not start. What is wrong with
// the page is in Page.Outcome. One page at a time.
func (s *Stay) Capture(ctx context.Context, v Visit) (*Page, error) {
	if err := v.complete(); err != nil {
		return nil, err
	}
	if s.closed {
		return nil, errors.New("capture: the stay is closed")
	}
	c := &capture{stay: s, visit: v, turn: turn{turns: s.pool.turns}}
	if err := c.turn.begin(ctx, v.Stop); err != nil {
		return nil, err
	}
	defer c.turn.rest()
	c.page = &Page{
		ID: v.ID, URL: v.URL, Dir: v.Dir, Started: s.pool.opts.Now(), Viewport: s.opts.Viewport, Behaviors: v.behaviors(),
	}
	if err := os.MkdirAll(v.Dir, 0o700); err != nil {
		return c.failed(&localError{err})
	}
	// A folder that an earlier capture of the same visit used holds its files still.
	spool, err := os.MkdirTemp(v.Dir, "exchanges-")
	if err != nil {
		return c.failed(err)
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	c.tab = s.tab
	c.page.Cache = c.tab.number
	c.page.UserAgent, c.page.Environment = s.userAgent(), c.tab.environment
	c.page.Browser, c.page.BrowserFlags = s.chrome.version.Product, s.chrome.flags
	c.acct = newAccount(s.pool.opts.Now, c.tab.id, c.tab.blank)
	c.acct.reach(v.URL)
	c.acct.posts = s.opts.ScriptPosts
	if err := s.session.Begin(recorder.Page{
		Dir: spool, MaxBytes: v.MaxBytes, MaxBody: v.MaxBody, AcceptBadCertificates: s.opts.AcceptBadCertificates,
		NoPictures: s.opts.NoImages, Permit: c.permit(),
	}); err != nil {
		return c.failed(err)
	}
	defer c.follow()()
	c.page.Started = c.acct.started
	if v.Admit != nil {
		c.acct.gate = newGate(ctx, v.Admit)
	}
	if c.tab.opaque {
		c.acct.intercept = newIntercept(s.session, c.acct, c.tab)
		c.page.Recorder, c.page.RetryOf = RecorderBrowser, v.RetryOf
	}
	c.tab.guard()
	c.tab.begin(c.acct)
	outcome := c.run(ctx)
	c.acct.gate.close()
	err = c.finish(ctx, outcome)
	s.pool.count(s.chrome)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("capture: %w", context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	return c.page, nil
}

func (v *Visit) complete() error {
	u, err := urls.Split(v.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("capture: %q is not an http or https address", clip(v.URL, 200))
	}
	if v.Dir == "" {
		return errors.New("capture: no folder given")
	}
	dir, err := filepath.Abs(v.Dir)
	if err != nil {
		return fmt.Errorf("capture: folder %q: %w", v.Dir, err)
	}
	v.Dir = dir
	if v.Track == nil {
		v.Track = new(Tracker)
	}
	if v.LoadTimeout <= 0 {
		v.LoadTimeout = defaultLoadTimeout
	}
	if v.Timeout <= 0 {
		v.Timeout = defaultTimeout
	}
	v.LoadTimeout = min(v.LoadTimeout, v.Timeout)
	if v.MaxBytes < 0 || v.MaxBody < 0 {
		return fmt.Errorf("capture: limits of %d bytes a page and %d a body: give 0 for no limit", v.MaxBytes, v.MaxBody)
	}
	return nil
}

func (s *Stay) userAgent() string {
	if s.opts.UserAgent != "" {
		return s.opts.UserAgent
	}
	return s.chrome.version.UserAgent
}

// failed ends a capture that could not begin: a full disk is the page's
// failure, anything else the machinery's.
func (c *capture) failed(err error) (*Page, error) {
	if !recorder.DiskFull(err) {
		return nil, fmt.Errorf("capture: %w", err)
	}
	c.page.Ended = c.stay.pool.opts.Now()
	c.page.Completeness.Ratio = 1
	c.page.Outcome = Outcome{State: Failed, Reason: ReasonDiskFull, Detail: err.Error()}
	return c.page, nil
}

// run brings the page to its end and says what became of it.
func (c *capture) run(ctx context.Context) Outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, c.visit.Timeout, errPageTime)
	defer cancel()
	ctx, crash := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer crash(nil)
	watch.Go(func() { c.watch(ctx, crash) })

	outcome, shown := c.load(ctx)
	if !shown || ctx.Err() != nil {
		return c.cause(ctx, outcome)
	}
	outcome = c.behave(ctx, outcome)
	c.lookForLogin(ctx)
	if outcome.State == Failed {
		// What there is of it is worth a look, but not a long one.
		c.outputs(ctx, failedTimeout)
	} else {
		c.outputs(ctx, 2*c.patience())
	}
	return c.cause(ctx, outcome)
}

// errPageTime is the cause of what the page's whole time has cut off.
var errPageTime = errors.New("the page's time is over")

// cause gives a crash the last word on what became of the page.
func (c *capture) cause(ctx context.Context, o Outcome) Outcome {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errHung):
		c.hung = true
		return Outcome{State: Failed, Reason: ReasonPageTimeout, Detail: errHung.Error()}
	case causeOf(cause) != "":
		return Outcome{State: Failed, Reason: ReasonBrowserCrashed, Detail: cause.Error()}
	case errors.Is(cause, errCrashed):
		return Outcome{State: Failed, Reason: ReasonRendererCrashed, Detail: errCrashed.Error()}
	case errors.Is(cause, errLost):
		return Outcome{State: Failed, Reason: ReasonBrowserCrashed, Detail: c.tab.chrome.proc.why()}
	case errors.Is(cause, errPageTime) && o.State == "":
		return Outcome{State: Failed, Reason: ReasonPageTimeout, Detail: fmt.Sprintf("not rendered after %s", c.visit.Timeout)}
	case o.State == "":
		return Outcome{State: Failed, Reason: ReasonAborted, Detail: "the capture was ended from outside"}
	}
	if err := c.tab.chrome.lookOver(); err != nil { // since the watch last looked
		return Outcome{State: Failed, Reason: ReasonBrowserCrashed, Detail: err.Error()}
	}
	return o
}

// load navigates and waits for the document to be complete. shown is false
// when there is nothing to take pictures of.
func (c *capture) load(ctx context.Context) (o Outcome, shown bool) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.visit.LoadTimeout, errLoadTime)
	defer cancel()
	c.visit.Track.Enter(PhaseNavigating)
	var res struct {
		ErrorText  string `json:"errorText"`
		IsDownload bool   `json:"isDownload"`
	}
	resume := c.turn.lend(ctx, loadTurn)
	navigate := func() error {
		return c.tab.session.Call(ctx, "Page.navigate", map[string]any{"url": c.visit.URL}, &res)
	}
	err := navigate()
	if err == nil && c.acct.intercept.again() {
		c.acct.gate.reopen()
		err = navigate()
	}
	resume()
	p := c.acct.progress()
	switch {
	case err != nil && ctx.Err() == nil:
		return Outcome{State: Failed, Reason: ReasonNavigationBlocked, Detail: err.Error()}, false
	case err != nil && !errors.Is(context.Cause(ctx), errLoadTime):
		return Outcome{}, false
	case err != nil && p.wasFile: // it is still being saved
		return c.file(ctx), false
	case err != nil:
		return Outcome{State: Failed, Reason: ReasonPageTimeout,
			Detail: fmt.Sprintf("no document after %s", c.visit.LoadTimeout)}, false
	case res.IsDownload || p.wasFile:
		return c.file(ctx), false
	case res.ErrorText == "net::ERR_ABORTED" && c.acct.gate.refused() != nil:
		r := c.acct.gate.refused()
		return Outcome{State: Failed, Reason: r.Reason, Detail: r.Detail}, false
	case res.ErrorText == "net::ERR_ABORTED" && (p.document.status == 204 || p.document.status == 205):
		return Outcome{State: Archived}, false
	case res.ErrorText == "net::ERR_ABORTED":
		// A download's event may follow the answer.
		if err := c.wait(ctx, 500*time.Millisecond, func(p progress) bool { return p.wasFile }); err == nil {
			return c.file(ctx), false
		}
		return netFailure(res.ErrorText), false
	case res.ErrorText != "":
		return netFailure(res.ErrorText), false
	}
	return c.complete(ctx)
}

// errLoadTime is the cause of what the document's load time has cut off.
var errLoadTime = errors.New("the document's load time is over")

// complete waits for the load event of the document that stays.
func (c *capture) complete(ctx context.Context) (Outcome, bool) {
	c.visit.Track.Enter(PhaseLoading)
	loaded := func(p progress) bool {
		return p.documents > maxDocuments || (!p.document.load.IsZero() && !p.navigating)
	}
	resume := c.turn.lend(ctx, loadTurn)
	err := c.wait(ctx, 0, loaded)
	resume()
	p := c.acct.progress()
	switch {
	case p.documents > maxDocuments:
		c.restless = true
		return Outcome{State: Failed, Reason: ReasonTooManyRedirects,
			Detail: fmt.Sprintf("the page took itself elsewhere more than %d times", maxDocuments)}, false
	case err == nil:
		return Outcome{State: Archived}, true
	case !errors.Is(context.Cause(ctx), errLoadTime):
		return Outcome{}, false
	case p.document.arrived && !p.document.domContent.IsZero():
		c.acct.limit(LimitLoad, "the page was not complete after %s; what was there was captured", c.visit.LoadTimeout)
		c.acct.mu.Lock()
		c.acct.giveUp("")
		c.acct.mu.Unlock()
		return Outcome{State: Archived}, true
	}
	return Outcome{State: Failed, Reason: ReasonPageTimeout,
		Detail: fmt.Sprintf("the document was not complete after %s", c.visit.LoadTimeout)}, true
}

// file waits for a main document that Chrome saves rather than shows.
func (c *capture) file(ctx context.Context) Outcome {
	c.visit.Track.Enter(PhaseLoading)
	c.page.Download = true
	defer c.turn.lend(ctx, 0)()
	// What Chrome says of the download may follow its answer.
	_ = c.wait(ctx, 5*time.Second, func(p progress) bool { return p.wasFile }) // the end of ctx is told below
	if err := c.wait(ctx, 0, func(p progress) bool { return !p.files }); err != nil {
		c.acct.limit(LimitLoad, "the file was not whole after %s and is cut off", c.visit.LoadTimeout)
	}
	return Outcome{State: Archived}
}

// wait waits until a condition on the account holds: for at most d, or, when d
// is 0, for as long as the context lasts.
func (c *capture) wait(ctx context.Context, d time.Duration, ok func(progress) bool) error {
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok(c.acct.progress()) {
			return nil
		}
		select {
		case <-c.acct.changed:
			// Events come in bursts: look at most every 2 ms.
			time.Sleep(2 * time.Millisecond)
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// patience is how long a script of ours may wait for the page's main thread before the
// page counts as hung: half the time that it has to load. A page may be at work for that
// long without giving way; the layout of a million elements takes some ten seconds.
func (c *capture) patience() time.Duration { return max(hangTimeout, c.visit.LoadTimeout/2) }

// ask runs scripts of ours in the page, and reports whether that worked. A page
// that does not answer is hung.
func (c *capture) ask(ctx context.Context, fn func(context.Context, world) error) bool {
	bounded, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	w, err := c.world(bounded)
	if err == nil {
		err = fn(bounded, w)
	}
	if err == nil {
		return true
	}
	if bounded.Err() != nil && ctx.Err() == nil {
		c.hung = true
	}
	return false
}

// outputs takes the derived outputs, as far as they can be had.
func (c *capture) outputs(ctx context.Context, d time.Duration) {
	c.visit.Track.Enter(PhaseOutputs)
	before := c.acct.setActing(actingOutputs)
	defer c.acct.setActing(before)
	// What cannot be had costs the page its output, not its outcome.
	bounded, cancel := context.WithTimeout(ctx, d)
	err := c.extract(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		c.hung = true
	}
	cancel()
	if err != nil {
		c.lost("Extract", err)
	}
	if c.visit.Screenshot != "" && c.visit.Screenshot != ScreenshotNone && !c.hung {
		if err := c.screenshot(ctx); err != nil {
			c.lost("Screenshot", err)
		}
	}
	c.page.Timings.Outputs = c.since()
}

// lost notes an output that could not be had.
func (c *capture) lost(name string, err error) {
	c.acct.limit(name, "%s", clip(err.Error(), 300))
	if recorder.DiskFull(err) {
		c.page.Outcome = Outcome{State: Failed, Reason: ReasonDiskFull, Detail: err.Error()}
	}
}

func (c *capture) since() time.Duration { return c.acct.now().Sub(c.acct.started) }
