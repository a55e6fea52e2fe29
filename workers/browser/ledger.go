package browser

import (
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

func (a *account) requestWillBeSent(ev requestWillBeSent) {
	if r := a.open[ev.RequestID]; r != nil && ev.RedirectResponse != nil {
		a.redirected(r, ev)
	}
	if !networked(ev.Request.URL) {
		return
	}
	ev.Request.URL = withoutUser(ev.Request.URL)
	main := ev.Type == "Document" && ev.FrameID == a.main && ev.RequestID == ev.LoaderID
	if main && !a.leaving {
		a.reach(ev.Request.URL)
		a.pending = ev.RequestID
		a.document.failure = ""
		if !a.document.committed || ev.RedirectResponse == nil {
			a.noteNavigation(ev)
		}
		a.document.request = ev.RequestID
	}
	line := a.line(ev.RequestID, ev.Request.URL, ev.Request.Method, ev.Type)
	if line == nil {
		return
	}
	line.FrameID, line.Initiator = ev.FrameID, initiator(ev.Initiator)
	if a.leaving {
		a.sent++
	}
	r := &request{line: line, started: a.now()}
	r.poller = a.polled(line)
	a.open[ev.RequestID] = r
	if a.matters(r, r.started) {
		a.quietFrom = r.started
	}
}

// redirected ends the line of the request that was answered by a redirect.
func (a *account) redirected(r *request, ev requestWillBeSent) {
	res := ev.RedirectResponse
	r.line.Status, r.line.MIME = res.Status, res.MIME
	r.line.Ended = a.now().Sub(a.started)
	r.line.Outcome = outcomeOf(r.line, res)
	if res.header("Non-Authoritative-Reason") != "" {
		r.line.Outcome, r.line.Reason = OutcomeInternal, res.header("Non-Authoritative-Reason")
	}
	delete(a.open, ev.RequestID)
	if ev.RequestID == a.document.request {
		a.redirect(Redirect{From: res.URL, To: ev.Request.URL, Status: res.Status})
	}
}

func (a *account) redirect(r Redirect) {
	if len(a.redirects) >= maxRedirects {
		a.bound("Redirects", "redirects beyond the first %d are not listed", maxRedirects)
		return
	}
	a.redirects = append(a.redirects, r)
}

// noteNavigation notes that the page goes to another document by itself.
func (a *account) noteNavigation(ev requestWillBeSent) {
	if a.document.committed {
		a.redirect(Redirect{From: a.document.url, To: ev.Request.URL})
	}
}

func (a *account) responseReceived(ev responseReceived) {
	r := a.open[ev.RequestID]
	if r == nil {
		return
	}
	r.line.Status, r.line.MIME = ev.Response.Status, ev.Response.MIME
	if ev.Type != "" {
		r.line.Type = ev.Type
	}
	if r.line.Outcome != OutcomeCache {
		r.line.Outcome = outcomeOf(r.line, &ev.Response)
	}
	if ev.RequestID == a.document.request && !a.leaving {
		d := &a.document
		d.status, d.mime, d.response = ev.Response.Status, ev.Response.MIME, a.now()
		d.retryAfter = ev.Response.header("Retry-After")
		d.arrived = false
	}
}

// typePrefetch is the type of a request that speculation rules have made.
const typePrefetch = "Prefetch"

func outcomeOf(l *Line, res *wireResponse) LineOutcome {
	switch {
	case res.FromServiceWorker:
		return OutcomeInternal
	// The request that fills the cache of prefetched pages is said to come from it, too.
	case res.FromDiskCache, res.FromPrefetchCache && l.Type != typePrefetch:
		return OutcomeCache
	}
	return OutcomeRecord
}

func (a *account) servedFromCache(ev requestEnded) {
	if r := a.open[ev.RequestID]; r != nil {
		r.line.Outcome = OutcomeCache
	}
}

func (a *account) ended(ev requestEnded) {
	r := a.open[ev.RequestID]
	if r == nil {
		return
	}
	now := a.now()
	if a.matters(r, now) {
		a.quietFrom = now
	}
	delete(a.open, ev.RequestID)
	if p := a.polls[r.line.Method+" "+withoutQuery(r.line.URL)]; p != nil {
		p.last = now
	}
	r.line.Ended = now.Sub(a.started)
	if ev.ErrorText != "" && ev.RequestID == a.pending {
		a.pending = ""
	}
	if why := a.refused[ev.RequestID]; why != "" {
		r.line.Outcome, r.line.Reason = OutcomeBlocked, why
	} else if ev.ErrorText != "" {
		r.line.fail(ev)
	} else if r.line.Outcome == OutcomeOpen {
		r.line.Outcome = OutcomeRecord
	}
	if ev.RequestID == a.document.request && !a.leaving {
		a.document.arrived = ev.ErrorText == ""
		a.document.failure = ev.ErrorText
	}
}

func (l *Line) fail(ev requestEnded) {
	l.Reason = strings.TrimPrefix(ev.ErrorText, "net::")
	switch {
	case ev.BlockedReason != "":
		l.Outcome, l.Reason = OutcomeBlocked, ev.BlockedReason
	case l.Status != 0:
		// The head has come: there is an exchange, though not a whole one.
	default:
		l.Outcome = OutcomeFailed
	}
}

func (a *account) webSocketCreated(ev webSocketCreated) {
	line := a.line(ev.RequestID, ev.URL, "GET", "WebSocket")
	if line == nil {
		return
	}
	line.Initiator = initiator(ev.Initiator)
	a.open[ev.RequestID] = &request{line: line, started: a.now()}
}

func (a *account) webSocketEvent(ev webSocketEvent) {
	r := a.open[ev.RequestID]
	if r == nil {
		return
	}
	switch {
	case ev.Response.Status != 0:
		r.line.Status, r.line.Outcome = ev.Response.Status, OutcomeRecord
		return
	case ev.ErrorMessage != "":
		r.line.Reason = clip(ev.ErrorMessage, 200)
	}
	if r.line.Outcome == OutcomeOpen {
		r.line.Outcome = OutcomeFailed
	}
	r.line.Ended = a.now().Sub(a.started)
	delete(a.open, ev.RequestID)
}

// downloading notes a download that the browser itself asks for, as for a link
// that says so: nothing else tells of it.
func (a *account) downloading(ev downloadEvent) {
	known := slices.ContainsFunc(a.lines, func(l *Line) bool { return matchURL(l.URL) == matchURL(ev.URL) })
	if known || !networked(ev.URL) {
		return
	}
	if line := a.line(ev.GUID, ev.URL, "GET", "Download"); line != nil {
		line.FrameID, line.Outcome = ev.FrameID, OutcomeRecord
	}
}

// line opens a ledger line, nil when there are too many.
func (a *account) line(id, address, method, kind string) *Line {
	if len(a.lines) >= maxLines {
		a.dropped++
		return nil
	}
	if kind == "" {
		kind = "Other"
	}
	l := &Line{RequestID: id, URL: address, Method: method, Type: kind, Outcome: OutcomeOpen, Started: a.now().Sub(a.started)}
	a.lines = append(a.lines, l)
	return l
}

// networked reports whether an address is asked for over the network.
func networked(address string) bool {
	scheme, _, ok := strings.Cut(address, ":")
	if !ok {
		return false
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "ws", "wss", "ftp":
		return true
	}
	return false
}

func initiator(i wireInitiator) string {
	if i.URL == "" {
		return i.Type
	}
	return i.Type + " " + clip(i.URL, 500)
}

// withoutQuery is the address up to its query.
func withoutQuery(address string) string {
	address, _, _ = strings.Cut(urls.WithoutFragment(address), "?")
	return address
}
