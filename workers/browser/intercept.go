package browser

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp/jsonv2"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// Recorder says who takes down what a page loads over TLS.
type Recorder string

// The recorders.
const (
	// RecorderWire is the recording proxy: it ends the browser's TLS, starts its own
	// towards the origin and sees the bytes.
	RecorderWire Recorder = ""
	// RecorderBrowser is the browser: TLS is its own up to the origin, and what went over
	// it is what it tells afterwards. Bodies are as it decoded them. Plain HTTP is
	// recorded by the proxy as ever.
	RecorderBrowser Recorder = "Browser"
)

// intercept takes down what one page loads over TLS, with the Fetch and Network domains:
// every request is paused when it has been answered, its body is taken, and it goes on
// unchanged. Events come on the goroutine that reads the connection, which bounds what
// Chrome can be ahead of the disk.
type intercept struct {
	session  *recorder.Session
	account  *account
	main     *session
	resident func() int64 // memory of the browser process, bytes
	now      func() time.Time
	ctx      context.Context //nolint:containedctx // it is that of the page, which events know nothing of
	end      context.CancelFunc
	work     sync.WaitGroup // those that hold a paused request

	mu      sync.Mutex
	closed  bool
	chains  []*chain
	byID    map[string]*chain // by the Network domain's request ID
	sockets []*socket
	sock    map[string]*socket
	bodies  int                 // that were begun
	held    int                 // requests that are paused
	chainOf map[string][][]byte // certificates by host:port
	// See hold.
	holding  int     // bodies that are held
	streamed int64   // bytes of bodies that are not
	outgrew  *answer // the page's document that was too large to be held
	saves    bool    // it is asked for anew, and saved
	diskErr  error
}

// chain is a request with the redirects that it was led through: one ID.
type chain struct {
	id      string
	session *session // whose target makes the request
	worker  bool     // which is a worker
	hops    []*hop
	answers []*answer
	// requests and responses are what the network service tells, in its own time.
	requests, responses []takenExtra
}

// hop is one request of a chain as the browser makes it.
type hop struct {
	request  takenRequest
	prefetch bool // made by speculation rules
	started  time.Time
	ended    time.Time
	response *takenResponse
	hasExtra bool
	cached   bool
	failure  string // a net error
	canceled bool
	blocked  bool
}

// answer is a request that was paused when it had been answered.
type answer struct {
	takenPause
	at     time.Time
	sink   *recorder.Deposit // nil of an answer whose body is not asked for
	stream bool              // the sink is filled by events
	whole  bool
	noBody string
	// outgrew is set of a body that is missing because it could not be held.
	outgrew bool
	body    recorder.Body
	// withheld is set of a picture that nobody is to see.
	withheld *recorder.Withheld
	done     bool
	ended    time.Time
}

func newIntercept(s *recorder.Session, a *account, t *tab) *intercept {
	k := &intercept{session: s, account: a, main: t.session, now: a.now, resident: t.chrome.resident,
		byID: make(map[string]*chain), sock: make(map[string]*socket), chainOf: make(map[string][][]byte)}
	k.ctx, k.end = context.WithCancel(context.Background())
	return k
}

// fetchPatterns are what Chrome pauses: documents before they are asked for, as the gate
// and the rule against submitting forms need it, and everything over TLS when it has been
// answered. What the order leaves out is stopped before it is asked for, too.
func (t *tab) fetchPatterns() []map[string]any {
	list := []map[string]any{{"resourceType": typeDocument, "requestStage": "Request"}}
	if !t.opaque {
		return list
	}
	var kinds []string
	if t.noImages {
		kinds = append(kinds, typeImage)
	}
	if t.posts != ScriptPostsAny {
		kinds = append(kinds, postTypes...)
	}
	for _, kind := range kinds {
		list = append(list, map[string]any{"urlPattern": "https://*", "resourceType": kind, "requestStage": "Request"})
	}
	return append(list, map[string]any{"urlPattern": "https://*", "requestStage": "Response"})
}

// took takes an event that is the browser recorder's alone, and looks at those that are
// the ledger's too. worker is set of a worker's session.
func (t *tab) took(s *session, worker bool, method string, params jsonv2.Value) bool {
	if !t.opaque {
		return false
	}
	var k *intercept
	if a := t.account(); a != nil {
		k = a.intercept
	}
	if method == "Fetch.requestPaused" {
		take(params, func(ev takenPause) {
			switch {
			case !ev.atResponse():
				t.pausedAt(s, params)
			case k == nil:
				s.post("Fetch.continueRequest", map[string]any{"requestId": ev.RequestID})
			default:
				k.paused(s, ev)
			}
		})
		return true
	}
	if k == nil {
		return strings.HasSuffix(method, "ExtraInfo") || method == "Network.dataReceived"
	}
	return k.event(s, worker, method, params)
}

// event reports whether the event is of no interest to others.
func (k *intercept) event(s *session, worker bool, method string, params jsonv2.Value) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	switch method {
	case "Network.dataReceived":
		take(params, k.data)
	case "Network.requestWillBeSentExtraInfo":
		take(params, func(ev takenExtra) { c := k.chain(ev.RequestID); c.requests = append(c.requests, ev) })
	case "Network.responseReceivedExtraInfo":
		take(params, func(ev takenExtra) { c := k.chain(ev.RequestID); c.responses = append(c.responses, ev) })
	case "Network.webSocketFrameSent":
		take(params, func(ev takenFrame) { k.frame(dirSent, ev) })
	case "Network.webSocketFrameReceived":
		take(params, func(ev takenFrame) { k.frame(dirReceived, ev) })
	case "Network.webSocketWillSendHandshakeRequest":
		take(params, k.handshake)
	default:
		k.shared(s, worker, method, params)
		return false
	}
	return true
}

// shared takes the events that the ledger is made of, too.
func (k *intercept) shared(s *session, worker bool, method string, params jsonv2.Value) {
	switch method {
	case "Network.requestWillBeSent":
		take(params, func(ev takenWillBeSent) { k.willBeSent(s, worker, ev) })
	case "Network.responseReceived":
		take(params, func(ev takenReceived) {
			if h := k.last(ev.RequestID); h != nil {
				h.response, h.hasExtra = &ev.Response, ev.HasExtra
				k.certify(ev.Response.URL)
			}
		})
	case "Network.requestServedFromCache":
		take(params, func(ev requestEnded) {
			if h := k.last(ev.RequestID); h != nil {
				h.cached = true
			}
		})
	case "Network.loadingFinished", "Network.loadingFailed":
		take(params, k.loadingEnded)
	case "Network.webSocketCreated":
		take(params, k.socketCreated)
	case "Network.webSocketHandshakeResponseReceived", "Network.webSocketClosed", "Network.webSocketFrameError":
		take(params, func(ev takenSocket) { k.socketEvent(method, ev) })
	}
}

// chain returns the chain with the ID and makes it when it is new. The caller holds the
// lock, as in all that follows.
func (k *intercept) chain(id string) *chain {
	c := k.byID[id]
	if c == nil {
		c = &chain{id: id}
		if id != "" {
			k.byID[id] = c
		}
		if len(k.chains) < maxLines {
			k.chains = append(k.chains, c)
		}
	}
	return c
}

// last is the request of a chain that is under way.
func (k *intercept) last(id string) *hop {
	c := k.byID[id]
	if c == nil || len(c.hops) == 0 {
		return nil
	}
	return c.hops[len(c.hops)-1]
}

func (k *intercept) willBeSent(s *session, worker bool, ev takenWillBeSent) {
	if !networked(ev.Request.URL) {
		return
	}
	c := k.chain(ev.RequestID)
	c.session, c.worker = s, worker
	if h := k.last(ev.RequestID); h != nil {
		if ev.RedirectResponse == nil {
			return // told of by two sessions, as of a worker's own script
		}
		h.response, h.hasExtra, h.ended = ev.RedirectResponse, ev.RedirectHasExtra, k.now()
	}
	c.hops = append(c.hops, &hop{request: ev.Request, prefetch: ev.Type == typePrefetch, started: k.now()})
}

func (k *intercept) loadingEnded(ev requestEnded) {
	h := k.last(ev.RequestID)
	if h == nil || !h.ended.IsZero() {
		return
	}
	h.ended = k.now()
	h.failure, h.canceled, h.blocked = ev.ErrorText, ev.Canceled, ev.BlockedReason != ""
	c := k.byID[ev.RequestID]
	if n := len(c.answers); n > 0 && c.answers[n-1].stream && !c.answers[n-1].done {
		a := c.answers[n-1]
		a.whole = ev.ErrorText == ""
		k.close(a, truncatedUnless(a.whole, recorder.TruncatedDisconnect))
	}
}

// data takes a piece of a body that is being streamed.
func (k *intercept) data(ev takenData) {
	c := k.byID[ev.RequestID]
	if c == nil || len(c.answers) == 0 || len(ev.Data) == 0 {
		return
	}
	k.streamed += int64(len(ev.Data))
	if a := c.answers[len(c.answers)-1]; a.stream && !a.done {
		k.write(a, ev.Data)
	}
}

// write puts a piece of a body to disk.
func (k *intercept) write(a *answer, p []byte) {
	if a.sink == nil {
		return
	}
	if _, err := a.sink.Write(p); err != nil {
		k.close(a, "") // the sink knows why
	}
}

// close ends a body.
func (k *intercept) close(a *answer, truncated string) {
	if a.done {
		return
	}
	a.done, a.ended = true, k.now()
	if a.sink == nil {
		return
	}
	var err error
	if a.body, err = a.sink.Close(truncated); err != nil && k.diskErr == nil {
		k.diskErr = err
	}
	a.withheld = a.sink.Withheld()
}

// unloadPatience is how long an answer is waited for to what a page asks for when it is
// left: the browser tells of it only then.
const unloadPatience = 100 * time.Millisecond

// busy reports whether something is still to come of what was asked for, where the page was
// left a while ago.
func (k *intercept) busy(left time.Duration) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held > 0 || left < unloadPatience
}

// leavesSilently reports whether an answer's body need not be asked for.
func (p *takenPause) leavesSilently() bool {
	return p.ErrorReason != "" || bodiless(p.Request.Method, p.Status) || p.redirects()
}

func (p *takenPause) redirects() bool {
	switch p.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return p.header("Location") != ""
	}
	return false
}

func (p *takenPause) header(name string) string {
	for _, f := range p.Headers {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}
