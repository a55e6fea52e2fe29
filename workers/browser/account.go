package browser

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp/jsonv2"
)

// Bounds of what one page can make us remember.
const (
	maxLines   = 50_000
	maxFrames  = 2_000
	maxActions = 500
	// maxWindows is how many different addresses of windows are kept, maxRedirects how
	// many times a page may be seen to go elsewhere.
	maxWindows   = 1_000
	maxRedirects = 100
	maxURL       = 8_192
)

// account is the browser's own story of one page: its requests, its frames and
// its milestones. Event handlers write it, the capture reads it.
type account struct {
	now     func() time.Time
	started time.Time
	main    string // the main frame's ID, which is the target's
	gate    *gate  // nil when every document may be asked for
	// intercept is nil unless the browser is the recorder.
	intercept *intercept

	mu     sync.Mutex
	lines  []*Line
	open   map[string]*request // by request ID
	frames map[string]*Frame
	order  []string // frame IDs in order of appearance
	child  map[string]struct{}

	blank     string // loader of the about:blank that was there before
	document  document
	pending   string        // loader of the document that the main frame is on its way to
	left      chan struct{} // closed when the empty page has been reached
	sent      int           // requests that were made on leaving
	away      string        // where the page wanted to go when it was too late
	shown     string        // request ID of the document that is shown
	documents int           // how many main documents have been committed
	redirects []Redirect
	windows   []string // addresses of windows that the page tried to open
	downloads map[string]bool
	refused   map[string]string // requests that we stopped, and why
	wasFile   bool              // a download began in the main frame
	quietFrom time.Time
	heard     time.Time // the last event
	scrolling bool
	acting    string          // the behaviour that is being done to the page
	scheduled map[string]bool // where the page has said it would go
	leaving   bool
	posts     ScriptPosts
	own       map[string]bool  // the sites of the page's documents
	polls     map[string]*poll // by method and address, with and without the query
	actions   []Action
	acted     map[string]int // index of an action by what it says
	dialogs   int
	limits    []Limit
	dropped   int
	changed   chan struct{}
}

// document is the state of the main document that is being shown.
type document struct {
	request    string // request ID, which is its loader ID
	url        string
	committed  bool
	arrived    bool // its body has come to its end
	status     int
	mime       string
	retryAfter string
	response   time.Time
	domContent time.Time
	load       time.Time
	failure    string // a net error
}

// request is a request that has not ended yet.
type request struct {
	line    *Line
	started time.Time
	poller  bool
	stale   bool // of a document that was left, or given up on with the load
}

func newAccount(now func() time.Time, mainFrame, blank string) *account {
	t := now()
	a := &account{
		now: now, started: t, main: mainFrame, blank: blank, quietFrom: t,
		open:      make(map[string]*request),
		frames:    make(map[string]*Frame),
		child:     make(map[string]struct{}),
		downloads: make(map[string]bool),
		refused:   make(map[string]string),
		polls:     make(map[string]*poll),
		acted:     make(map[string]int),
		scheduled: make(map[string]bool),
		own:       make(map[string]bool),
		changed:   make(chan struct{}, 1),
		left:      make(chan struct{}),
	}
	a.frame(mainFrame, "")
	return a
}

// event takes one event of the page's session or of a child target's.
func (a *account) event(method string, params jsonv2.Value) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch method {
	case "Network.requestWillBeSent":
		take(params, a.requestWillBeSent)
	case "Network.responseReceived":
		take(params, a.responseReceived)
	case "Network.requestServedFromCache":
		take(params, a.servedFromCache)
	case "Network.loadingFinished":
		take(params, a.ended)
	case "Network.loadingFailed":
		take(params, func(ev requestEnded) {
			if ev.ErrorText == "" { // as of what a content security policy blocks
				ev.ErrorText = "net::ERR_FAILED"
			}
			a.ended(ev)
		})
	case "Network.webSocketCreated":
		take(params, a.webSocketCreated)
	case "Network.webSocketHandshakeResponseReceived", "Network.webSocketClosed", "Network.webSocketFrameError":
		take(params, a.webSocketEvent)
	default:
		return
	}
	a.notify()
}

// pageEvent takes one event of the Page domain of the page's own session.
func (a *account) pageEvent(method string, params jsonv2.Value) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch method {
	case "Page.frameNavigated":
		take(params, a.frameNavigated)
	case "Page.frameAttached":
		take(params, func(ev frameEvent) { a.frame(ev.FrameID, ev.ParentID) })
	case "Page.navigatedWithinDocument":
		take(params, a.withinDocument)
	case "Page.frameStoppedLoading":
		take(params, a.stoppedLoading)
	case "Page.domContentEventFired":
		if a.document.committed && a.document.domContent.IsZero() {
			a.document.domContent = a.now()
		}
	case "Page.loadEventFired":
		if a.document.committed && a.document.load.IsZero() {
			a.document.load = a.now()
			a.quietFrom = a.document.load
		}
	case "Page.frameScheduledNavigation":
		take(params, a.schedule)
	case "Page.windowOpen":
		take(params, a.windowOpen)
	default:
		return
	}
	a.notify()
}

// take decodes an event. What does not decode is not an event that we know.
func take[E any](params jsonv2.Value, fn func(E)) {
	var ev E
	if decode(params, &ev) == nil {
		fn(ev)
	}
}

func (a *account) notify() {
	a.heard = a.now()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *account) frameNavigated(ev frameEvent) {
	f := ev.Frame
	f.URL = withoutUser(f.URL)
	a.frame(f.ID, f.ParentID)
	if known := a.frames[f.ID]; known != nil && !a.leaving {
		known.URL = clip(f.URL+f.Fragment, maxURL)
	}
	if f.ID != a.main || f.LoaderID == a.blank {
		return
	}
	if a.leaving {
		if f.URL == "about:blank" {
			a.reachedBlank(f.LoaderID)
		}
		return
	}
	a.documents++
	d := document{request: f.LoaderID, url: f.URL + f.Fragment, committed: true}
	if old := a.document; old.request == f.LoaderID {
		d.status, d.mime, d.response, d.arrived, d.retryAfter, d.failure = old.status, old.mime, old.response, old.arrived, old.retryAfter, old.failure
	}
	a.document, a.shown = d, f.LoaderID
	if a.pending == f.LoaderID {
		a.pending = ""
	}
	a.giveUp(f.LoaderID)
	a.quietFrom = a.now()
}

// giveUp no longer waits for the requests that are open, but for one. Of those
// of a document that has been left, Chrome tells no end.
func (a *account) giveUp(but string) {
	for id, r := range a.open {
		if id != but {
			r.stale = true
		}
	}
}

// stoppedLoading also ends the load of a document that will see no load event,
// because its own script broke it off.
func (a *account) stoppedLoading(ev frameEvent) {
	d := &a.document
	if ev.FrameID != a.main || !d.committed || a.pending != "" || !d.load.IsZero() {
		return
	}
	d.load = a.now()
	if d.domContent.IsZero() {
		d.domContent = d.load
	}
	a.quietFrom = d.load
}

func (a *account) reachedBlank(loader string) {
	a.blank = loader
	select {
	case <-a.left:
	default:
		close(a.left)
	}
}

func (a *account) withinDocument(ev frameEvent) {
	ev.URL = withoutUser(ev.URL)
	if known := a.frames[ev.FrameID]; known != nil {
		known.URL = clip(ev.URL, maxURL)
	}
	if ev.FrameID == a.main && !a.leaving {
		a.document.url = ev.URL
	}
}

func (a *account) windowOpen(ev frameEvent) {
	a.window(ev.URL)
	a.act("window.open", "a window was not opened")
}

// window notes where a window would have led that the page wanted: a line of the ledger, as
// nothing was asked for, and a link. The caller holds the lock.
func (a *account) window(address string) {
	if !networked(address) || slices.Contains(a.windows, address) {
		return
	}
	if len(a.windows) >= maxWindows {
		a.bound(LimitLedger, "the page wanted more than %d windows, and where the others would have led is not known", maxWindows)
		return
	}
	a.windows = append(a.windows, address)
	if line := a.line("", address, "GET", "Window"); line != nil {
		line.Outcome, line.Reason, line.Ended = OutcomeBlocked, "windows are not opened, the crawl follows them as links", line.Started
	}
}

// frame makes a frame known.
func (a *account) frame(id, parent string) {
	if a.frames[id] != nil {
		return
	}
	if len(a.order) >= maxFrames {
		a.bound(LimitLedger, "frames beyond the first %d are not listed", maxFrames)
		return
	}
	a.frames[id] = &Frame{ID: id, Parent: parent}
	a.order = append(a.order, id)
}

// act notes something that was done to the page. The caller holds the lock.
func (a *account) act(name, detail string) {
	key := name + " " + detail
	if i, again := a.acted[key]; again {
		a.actions[i].Count = max(a.actions[i].Count, 1) + 1
		return
	}
	if len(a.actions) < maxActions {
		a.acted[key] = len(a.actions)
		a.actions = append(a.actions, Action{At: a.now(), Name: name, Detail: detail})
	} else {
		a.bound("Actions", "actions beyond the first %d are not listed", maxActions)
	}
}

// bound notes, once, that a list of the account is at its end. The caller holds the lock.
func (a *account) bound(name, format string, args ...any) {
	l := Limit{Name: name, Detail: fmt.Sprintf(format, args...)}
	if !slices.Contains(a.limits, l) {
		a.limits = append(a.limits, l)
	}
}

// limit notes a bound that the page hit.
func (a *account) limit(name, format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.limits) < maxActions {
		a.limits = append(a.limits, Limit{Name: name, Detail: fmt.Sprintf(format, args...)})
	}
}

// clip cuts a string to at most n bytes without splitting a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func (a *account) setScrolling(on bool) {
	a.mu.Lock()
	a.scrolling = on
	a.mu.Unlock()
}

// action notes something that was done to the page.
func (a *account) action(name, format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.act(name, fmt.Sprintf(format, args...))
}
