package browser

import (
	"context"
	"net/http"
	"sync"

	"github.com/chromedp/cdproto/cdp/jsonv2"
)

// Refusal says why a document is not asked for.
type Refusal struct {
	// Reason is one word, as in Outcome; Detail says it in words, without the
	// address.
	Reason, Detail string
}

// gate asks, before each document that a page is led to by a redirect or takes
// itself to, whether it may be asked for. A nil gate lets everything pass.
type gate struct {
	admit func(ctx context.Context, address string) *Refusal
	ctx   context.Context //nolint:containedctx // it is that of the capture, which events know nothing of
	end   context.CancelFunc

	mu      sync.Mutex
	begun   bool // the visit's own address has passed
	closed  bool
	refusal *Refusal // of the document that was to be the page's first
	asking  sync.WaitGroup
}

func newGate(ctx context.Context, admit func(context.Context, string) *Refusal) *gate {
	g := &gate{admit: admit}
	g.ctx, g.end = context.WithCancel(ctx)
	return g
}

// enter reports whether a document has to be asked about; if so, asking.Done follows.
func (g *gate) enter() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || !g.begun { // the first one is the visit's own, which the caller chose
		g.begun = true
		return false
	}
	g.asking.Add(1)
	return true
}

// reopen lets the visit's own address pass once more.
func (g *gate) reopen() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun = false
}

// close ends the questions that are open.
func (g *gate) close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.end()
	g.asking.Wait()
}

// refused is why the page's first document was not asked for, nil when it was.
func (g *gate) refused() *Refusal {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusal
}

// guard has Chrome pause before each document. The answer is awaited by whoever
// navigates.
func (t *tab) guard() {
	if t.guarded {
		return
	}
	t.guarded = true
	t.session.post("Fetch.enable", map[string]any{"patterns": t.fetchPatterns(), "handleAuthRequests": true})
}

// logInNowhere answers a server that asks who is there. Chromium would ask the person at the
// screen, and show an empty page instead of the answer for want of one.
func (t *tab) logInNowhere(params jsonv2.Value) {
	take(params, func(ev requestPaused) {
		t.session.post("Fetch.continueWithAuth", map[string]any{
			"requestId": ev.RequestID, "authChallengeResponse": map[string]any{"response": "CancelAuth"},
		})
	})
}

// paused answers for a document that Chrome waits to ask for. Every one has to be
// answered: the page would hang.
func (t *tab) paused(params jsonv2.Value) { t.pausedAt(t.session, params) }

// pausedAt is paused for a document that a frame of another process waits for.
func (t *tab) pausedAt(s *session, params jsonv2.Value) {
	var ev requestPaused
	if decode(params, &ev) != nil {
		return
	}
	a := t.account()
	if ev.Type != typeDocument {
		t.pausedPart(s, a, ev)
		return
	}
	if a != nil && ev.Request.Method != http.MethodGet && ev.Request.Method != http.MethodHead {
		a.block(ev.NetworkID, ev.Request.URL)
		s.post("Fetch.failRequest", map[string]any{"requestId": ev.RequestID, "errorReason": "Aborted"})
		return
	}
	if a != nil && ev.FrameID == a.main && a.held(ev.NetworkID, ev.Request.URL) {
		s.post("Fetch.failRequest", map[string]any{"requestId": ev.RequestID, "errorReason": "Aborted"})
		return
	}
	if a == nil || ev.FrameID != a.main || !a.gate.enter() {
		s.post("Fetch.continueRequest", map[string]any{"requestId": ev.RequestID})
		return
	}
	go func() {
		defer a.gate.asking.Done()
		refusal := a.gate.admit(a.gate.ctx, ev.Request.URL)
		if refusal == nil {
			s.post("Fetch.continueRequest", map[string]any{"requestId": ev.RequestID})
			return
		}
		a.refuse(ev.Request.URL, refusal)
		// The page that is there stays: it would give way to an error page otherwise.
		s.post("Fetch.failRequest", map[string]any{"requestId": ev.RequestID, "errorReason": "Aborted"})
	}()
}

// block notes that a form was not submitted: the page that is there stays, as it
// would not if the recorder had to refuse (see recorder.ReadOnly).
func (a *account) block(request, address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused[request] = ReasonNavigationBlocked
	a.act("refused", ReasonNavigationBlocked+": a form was not submitted")
	a.unturn(address)
}

// unturn forgets the step to a document that the page does not get to.
func (a *account) unturn(address string) {
	if n := len(a.redirects); n > 0 && a.redirects[n-1].To == address && a.redirects[n-1].Status == 0 {
		a.redirects = a.redirects[:n-1]
	}
}

// refuse notes that the page did not get to a document.
func (a *account) refuse(address string, r *Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.act("refused", r.Reason+": a document was not asked for: "+r.Detail)
	if a.document.committed {
		a.unturn(address)
		return
	}
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	a.gate.refusal = r
}
