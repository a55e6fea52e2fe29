package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
)

// errCrashed is the cause of everything that fails because the page's renderer died.
var errCrashed = errors.New("the page's renderer crashed")

// maxDialogs is how many dialogs of a page are closed before the scripts that open them
// are stopped.
const maxDialogs = 100

// closeTimeout bounds the closing of a context before its Chrome is given up.
const closeTimeout = 3 * time.Second

// contexts numbers the browser contexts of this program.
var contexts atomic.Int64

// tab is the one page target of a browser context.
type tab struct {
	chrome    *chrome
	context   string
	number    int64  // of the context: never that of another
	id        string // target ID, which is the main frame's ID
	session   *session
	downloads string // folder that downloads go to, below Chrome's profile
	blank     string // loader ID of the about:blank between two pages
	guarded   bool   // Chrome asks before each document
	opaque    bool   // the browser is the recorder, see RecorderBrowser
	acceptBad bool   // certificates that do not verify are accepted
	posts     ScriptPosts
	noImages  bool
	profile   *ProfileUse
	// environment is what scripts of its pages are told.
	environment Environment

	mu       sync.Mutex
	acct     *account         // of the page that is being captured, nil in between
	children map[string]child // by session ID
	gone     chan struct{}    // closed when the renderer has crashed or is given up
	isGone   bool
}

// child is a frame or worker of a page in another process.
type child struct {
	session *session
	target  string // its ID
	worker  bool
}

// open makes a browser context behind a proxy (a URL) and a tab in it.
func (c *chrome) open(ctx context.Context, opts StayOptions, proxy string) (*tab, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	root := c.proc.conn.root
	made, err := call(ctx, root, target.CreateBrowserContext, target.CreateBrowserContextParams{
		ProxyServer: proxy,
		// Chrome sends requests to the own machine directly unless told not to.
		ProxyBypassList: "<-loopback>",
	})
	if err != nil {
		return nil, err
	}
	t := &tab{
		chrome: c, number: contexts.Add(1),
		context: string(made.BrowserContextID),
		opaque:  opts.Recorder == RecorderBrowser, acceptBad: opts.AcceptBadCertificates, posts: opts.ScriptPosts, noImages: opts.NoImages,
		children: make(map[string]child),
		gone:     make(chan struct{}),
	}
	c.mu.Lock()
	c.contexts[t.context] = t
	c.mu.Unlock()
	if err := t.init(ctx, opts); err != nil {
		t.close()
		return nil, err
	}
	c.learn()
	return t, nil
}

// init makes the tab and turns on what a capture needs, and no more.
func (t *tab) init(ctx context.Context, opts StayOptions) error {
	root := t.chrome.proc.conn.root
	t.downloads = filepath.Join(t.chrome.proc.profile, "downloads-"+t.context)
	if err := root.Call(ctx, "Browser.setDownloadBehavior", map[string]any{
		"behavior": "allowAndName", "browserContextId": t.context,
		"downloadPath": t.downloads, "eventsEnabled": true,
	}, nil); err != nil {
		return err
	}
	made, err := call(ctx, root, target.CreateTarget, target.CreateTargetParams{
		URL: "about:blank", Width: int64(opts.Viewport.Width), Height: int64(opts.Viewport.Height),
		BrowserContextID: cdp.BrowserContextID(t.context),
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.id = string(made.TargetID)
	t.mu.Unlock()
	flatten := true
	attached, err := call(ctx, root, target.AttachToTarget, target.AttachToTargetParams{TargetID: made.TargetID, Flatten: &flatten})
	if err != nil {
		return err
	}
	t.session = t.chrome.proc.conn.session(string(attached.SessionID))
	t.session.handle(t.event)
	t.watch(t.session)
	if err := t.emulate(ctx, opts); err != nil {
		return err
	}
	// The last answer shows that all that was posted before it has been done.
	if err := t.session.Call(ctx, "Page.enable", nil, nil); err != nil {
		return err
	}
	if t.environment, err = t.surroundings(ctx); err != nil {
		return err
	}
	return t.restore(ctx, opts.Profile, t.chrome.pool.opts.Now())
}

// surroundings asks what scripts are told, in the empty page of the tab.
func (t *tab) surroundings(ctx context.Context) (e Environment, err error) {
	const ask = `(() => { const f = Intl.DateTimeFormat().resolvedOptions();
		return {userAgent: navigator.userAgent, languages: [...navigator.languages], locale: f.locale, timeZone: f.timeZone} })()`
	var answer struct {
		Result struct {
			Value Environment `json:"value"`
		} `json:"result"`
	}
	err = t.session.Call(ctx, "Runtime.evaluate", map[string]any{"expression": ask, "returnByValue": true}, &answer)
	return answer.Result.Value, err
}

// watch turns on the account of a session: the page's own, or that of a frame
// or worker in another process. Bodies are the recorder's business, so Chrome
// is asked to keep next to nothing of them.
func (t *tab) watch(s *session) {
	s.post("Network.enable", map[string]any{"maxTotalBufferSize": 1, "maxResourceBufferSize": 1, "maxPostDataSize": 0})
	if t.opaque {
		t.intercept(s)
	}
	s.post("Target.setAutoAttach", map[string]any{"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true})
}

// drawnScale is the size at which a page is drawn while nobody looks. It is laid out
// for the whole window and cannot tell; a screenshot is drawn in full, whatever the
// scale (Page.captureScreenshot sees to it). Most of what drawing costs is saved, above
// all while a page is being scrolled.
const drawnScale = 0.05

func (t *tab) emulate(ctx context.Context, opts StayOptions) error {
	t.session.post("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": opts.Viewport.Width, "height": opts.Viewport.Height, "deviceScaleFactor": 1, "mobile": false,
		"scale": drawnScale,
	})
	if opts.UserAgent != "" {
		if err := t.session.Call(ctx, "Emulation.setUserAgentOverride", map[string]any{"userAgent": opts.UserAgent}, nil); err != nil {
			return err
		}
	}
	if opts.Locale != "" {
		if err := t.session.Call(ctx, "Emulation.setLocaleOverride", map[string]any{"locale": opts.Locale}, nil); err != nil {
			return fmt.Errorf("locale %q: %w", opts.Locale, err)
		}
	}
	if opts.TimeZone != "" {
		if err := t.session.Call(ctx, "Emulation.setTimezoneOverride", map[string]any{"timezoneId": opts.TimeZone}, nil); err != nil {
			return fmt.Errorf("time zone %q: %w", opts.TimeZone, err)
		}
	}
	if len(opts.Headers) > 0 {
		if err := t.session.Call(ctx, "Network.setExtraHTTPHeaders", map[string]any{"headers": opts.Headers}, nil); err != nil {
			return err
		}
	}
	return nil
}

// begin makes an account the one that events are written to.
func (t *tab) begin(a *account) {
	t.mu.Lock()
	t.acct = a
	t.mu.Unlock()
}

// end detaches the account: what comes later belongs to no page.
func (t *tab) end() { t.begin(nil) }

func (t *tab) account() *account {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acct
}

// abandon marks the tab as of no further use.
func (t *tab) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isGone {
		t.isGone = true
		close(t.gone)
	}
}

// dead reports whether the tab cannot capture any more.
func (t *tab) dead() bool {
	select {
	case <-t.gone:
		return true
	default:
		return t.chrome.lost()
	}
}

// close disposes of the context with everything in it. A Chrome that does not
// answer is given up: at once when nobody else uses it, and else with its last
// stay.
func (t *tab) close() {
	t.abandon()
	t.chrome.mu.Lock()
	delete(t.chrome.contexts, t.context)
	t.chrome.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := t.chrome.proc.conn.root.Call(ctx, "Target.disposeBrowserContext", map[string]any{"browserContextId": t.context}, nil)
	if err != nil && !t.chrome.lost() {
		t.chrome.pool.retire(t.chrome, CauseStuck)
	}
	if t.downloads != "" {
		os.RemoveAll(t.downloads) // goes with the profile at the latest
	}
}

// event takes an event of the page's own session.
func (t *tab) event(method string, params jsonv2.Value) {
	if t.took(t.session, false, method, params) {
		return
	}
	switch method {
	case "Page.javascriptDialogOpening":
		t.dialog(t.session, params)
		return
	case "Fetch.requestPaused":
		t.paused(params)
		return
	case "Fetch.authRequired":
		t.logInNowhere(params)
		return
	case "Target.attachedToTarget":
		t.attached(params)
		return
	case "Target.detachedFromTarget":
		t.detached(params)
		return
	}
	a := t.account()
	if a == nil {
		return
	}
	if len(method) > 5 && method[:5] == "Page." {
		a.pageEvent(method, params)
		return
	}
	a.event(method, params)
}

// attached takes a frame or worker in another process into the account. It is
// paused until its own account is on, so that its first request is seen.
func (t *tab) attached(params jsonv2.Value) {
	var ev targetEvent
	if decode(params, &ev) != nil {
		return
	}
	s := t.chrome.proc.conn.session(ev.SessionID)
	worker := ev.TargetInfo.Type != "iframe" && ev.TargetInfo.Type != "page"
	t.mu.Lock()
	t.children[ev.SessionID] = child{session: s, target: ev.TargetInfo.TargetID, worker: worker}
	t.mu.Unlock()
	s.handle(func(method string, params jsonv2.Value) {
		if t.took(s, worker, method, params) {
			return
		}
		switch method {
		case "Page.javascriptDialogOpening":
			t.dialog(s, params)
			return
		case "Target.attachedToTarget":
			t.attached(params)
			return
		case "Target.detachedFromTarget":
			t.detached(params)
			return
		}
		a := t.account()
		if a == nil {
			return
		}
		switch method {
		case "Page.frameNavigated", "Page.frameAttached":
			a.pageEvent(method, params)
		default:
			a.event(method, params)
		}
	})
	t.watch(s)
	if !worker {
		s.post("Page.enable", nil)
	}
	s.post("Runtime.runIfWaitingForDebugger", nil)
}

func (t *tab) detached(params jsonv2.Value) {
	var ev targetEvent
	if decode(params, &ev) != nil {
		return
	}
	t.mu.Lock()
	delete(t.children, ev.SessionID)
	t.mu.Unlock()
}

// dialog closes a dialog of the page: it is allowed to be left, and gets no
// other answer.
func (t *tab) dialog(s *session, params jsonv2.Value) {
	var ev dialogOpening
	if decode(params, &ev) != nil {
		return
	}
	s.post("Page.handleJavaScriptDialog", map[string]any{"accept": ev.Type == "beforeunload"})
	a := t.account()
	if a == nil {
		return
	}
	a.mu.Lock()
	a.act("dialog", ev.Type+" closed")
	a.dialogs++
	many := a.dialogs
	a.mu.Unlock()
	if many < maxDialogs || ev.Type == "beforeunload" {
		return
	}
	if many == maxDialogs {
		a.limit("Dialogs", "scripts that open dialogs were stopped after %d of them", maxDialogs)
	}
	// It may ask for ever, and wait for the other answer.
	s.post("Runtime.terminateExecution", nil)
}

// event takes an event of the browser itself.
func (c *chrome) event(method string, params jsonv2.Value) {
	switch method {
	case "Target.attachedToTarget":
		c.attached(params)
	case "Target.targetCrashed":
		take(params, c.targetCrashed)
	case "Browser.downloadWillBegin", "Browser.downloadProgress":
		take(params, func(ev downloadEvent) {
			for _, t := range c.tabs() {
				t.download(method, ev)
			}
		})
	}
}

func (c *chrome) tabs() []*tab {
	c.mu.Lock()
	defer c.mu.Unlock()
	tabs := make([]*tab, 0, len(c.contexts))
	for _, t := range c.contexts {
		tabs = append(tabs, t)
	}
	return tabs
}

// attached takes a new window or a shared worker, which waits. A tab's own window
// goes on; what a page has opened is closed before it has asked for anything. A
// shared worker belongs to no page, but to the one tab of its context.
func (c *chrome) attached(params jsonv2.Value) {
	var ev targetEvent
	if decode(params, &ev) != nil || !ev.Waiting {
		return // not waiting is a tab's own session, see init
	}
	c.mu.Lock()
	t := c.contexts[ev.TargetInfo.ContextID]
	c.mu.Unlock()
	if t == nil {
		c.release(ev)
		return
	}
	if ev.TargetInfo.Type != "page" {
		t.attached(params)
		return
	}
	t.mu.Lock()
	own := t.id == "" || t.id == ev.TargetInfo.TargetID
	t.mu.Unlock()
	if own {
		c.release(ev)
		return
	}
	c.windowOpened(t, ev)
}

// release lets a target go on without us.
func (c *chrome) release(ev targetEvent) {
	c.proc.conn.session(ev.SessionID).post("Runtime.runIfWaitingForDebugger", nil)
	c.proc.conn.root.post("Target.detachFromTarget", map[string]any{"sessionId": ev.SessionID})
}

// windowOpened closes a window. Its opener, which waits with it, has to go on
// first; the document is held back meanwhile.
func (c *chrome) windowOpened(t *tab, ev targetEvent) {
	info := ev.TargetInfo
	child := c.proc.conn.session(ev.SessionID)
	child.post("Fetch.enable", nil)
	child.post("Runtime.runIfWaitingForDebugger", nil)
	c.proc.conn.root.post("Target.closeTarget", map[string]any{"targetId": info.TargetID})
	a := t.account()
	if a == nil {
		return
	}
	a.mu.Lock()
	a.act("window.open", "a window was closed")
	a.window(info.URL)
	a.mu.Unlock()
}

// download follows the files that a page downloads. They are only a way to get
// the bytes to the recorder, and are removed as soon as they are whole.
func (t *tab) download(method string, ev downloadEvent) {
	a := t.account()
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if method == "Browser.downloadWillBegin" {
		if a.frames[ev.FrameID] == nil {
			return
		}
		a.downloads[ev.GUID] = true
		a.downloading(ev)
		a.act("download", "the file was recorded and not kept")
		if ev.FrameID == a.main {
			a.pending = ""
			a.wasFile = a.wasFile || !a.document.committed
		}
		a.notify()
		return
	}
	if _, ours := a.downloads[ev.GUID]; !ours || ev.State == "inProgress" {
		return
	}
	a.downloads[ev.GUID] = false
	os.Remove(filepath.Join(t.downloads, filepath.Base(ev.GUID))) // goes with the context at the latest
	a.notify()
}
