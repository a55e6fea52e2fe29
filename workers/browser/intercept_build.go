package browser

import (
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// taken is an exchange that the browser took down, and what is known of the connection
// that it went over.
type taken struct {
	recorder.Exchange
	host     string // host:port
	number   float64
	protocol string
	security *securityDetails
}

// exchanges are what was taken down, once it has been stopped. It must be called before
// the recorder's page ends, where the bodies of requests are put.
func (k *intercept) exchanges() []taken {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []taken
	for _, c := range k.chains {
		out = append(out, k.ofChain(c)...)
	}
	for _, s := range k.sockets {
		if e := s.exchange(); e != nil && secure(s.url) {
			t := taken{Exchange: *e, host: hostOf(s.url), protocol: "http/1.1"}
			if s.response != nil {
				t.number, t.security = s.response.ConnectionID, s.response.SecurityDetails
			}
			out = append(out, t)
		}
	}
	return out
}

// ofChain brings together what is told of the requests of one chain: by the page's process
// (hops), by the network service (extras) and by the pause (answers). Each has them in
// order, but not all have all.
func (k *intercept) ofChain(c *chain) []taken {
	var out []taken
	networked := 0
	for i, h := range c.hops {
		if h.fromNetwork(i == len(c.hops)-1, len(c.responses)-networked) {
			networked++
		}
	}
	// The network service tells a request twice that it had to send again.
	requests := c.requests[max(0, len(c.requests)-networked):]
	responses := c.responses
	answers := c.answers
	for i, h := range c.hops {
		p := parts{hop: h}
		if j := slices.IndexFunc(answers, func(a *answer) bool {
			return urls.WithoutFragment(a.Request.URL) == urls.WithoutFragment(h.request.URL)
		}); j >= 0 {
			p.answer = answers[j]
			answers = answers[j+1:]
		}
		if h.fromNetwork(i == len(c.hops)-1, len(responses)) {
			if len(requests) > 0 {
				p.request, requests = &requests[0], requests[1:]
			}
			if len(responses) > 0 {
				p.extra, responses = &responses[0], responses[1:]
			}
		}
		if p.wasAsked(i == len(c.hops)-1 && len(c.requests) > 0) {
			out = append(out, k.build(p))
		}
	}
	for _, a := range answers {
		if len(c.hops) == 0 {
			out = append(out, k.build(parts{answer: a}))
		}
	}
	return out
}

// fromNetwork reports whether the network service has told of the request.
func (h *hop) fromNetwork(last bool, left int) bool {
	if h.response != nil {
		return h.hasExtra
	}
	return last && (left > 0 || h.failure == "" || !h.blocked)
}

// parts are what is told of one request by each of those who tell.
type parts struct {
	hop            *hop
	answer         *answer
	request, extra *takenExtra
}

// wasAsked reports whether the request left the browser over TLS.
func (p *parts) wasAsked(told bool) bool {
	h := p.hop
	if !secure(h.request.URL) || h.blocked {
		return false
	}
	if h.response == nil {
		return p.extra != nil || p.answer != nil || told || connecting(h.failure)
	}
	if h.cached || h.response.FromServiceWorker || h.response.FromPrefetchCache && !h.prefetch {
		return false
	}
	return p.extra != nil || !h.response.FromDiskCache
}

// connectErrors begin the names of Chrome's net errors of the way to an origin.
var connectErrors = []string{"CONNECTION_", "TUNNEL_", "PROXY_", "SSL_", "CERT_", "BAD_SSL_", "SOCKET_", "TIMED_OUT", "ADDRESS_", "NAME_NOT_RESOLVED", "ALPN_"}

// connecting reports whether a net error is one of the way to an origin, before the request
// was sent: what the browser refuses by itself never left it.
func connecting(failure string) bool {
	name, ok := strings.CutPrefix(failure, "net::ERR_")
	return ok && slices.ContainsFunc(connectErrors, func(kind string) bool { return strings.HasPrefix(name, kind) })
}

// build makes an exchange of its parts.
func (k *intercept) build(p parts) taken {
	t := taken{Exchange: recorder.Exchange{Account: &recorder.Account{}}}
	req := p.sent(&t)
	t.host = hostOf(t.URL)
	f := req.Headers
	if p.request != nil && len(p.request.Headers) > 0 {
		f = p.request.Headers
	}
	t.Request.Head = requestHead(t.Method, t.URL, f)
	k.upload(&t, req)
	if p.extra == nil && p.answer == nil && (p.hop == nil || p.hop.response == nil) {
		p.unanswered(&t)
		return t
	}
	t.Account.Partial = p.request == nil || p.extra == nil
	p.head(&t)
	p.bodyOf(&t)
	p.failed(&t)
	return t
}

// sent fills in the request.
func (p *parts) sent(t *taken) *takenRequest {
	var req *takenRequest
	if p.hop != nil {
		req = &p.hop.request
		t.Started, t.Ended = p.hop.started, p.hop.ended
		if r := p.hop.response; r != nil {
			t.number, t.protocol, t.security = r.ConnectionID, r.Protocol, r.SecurityDetails
		}
	}
	if a := p.answer; a != nil {
		t.FirstByte = a.at
		if req == nil {
			t.Started = a.at
			req = &a.Request
		} else if len(a.Request.PostDataEntries) > 0 {
			with := *req
			with.PostDataEntries = a.Request.PostDataEntries
			req = &with
		}
		if t.Ended.IsZero() {
			t.Ended = a.ended
		}
	}
	t.URL = urls.WithoutFragment(req.URL)
	t.Method = req.Method
	return req
}

// upload keeps the body of a request.
func (k *intercept) upload(t *taken, req *takenRequest) {
	if !req.HasPostData && len(req.PostDataEntries) == 0 {
		return
	}
	missing := len(req.PostDataEntries) == 0
	sink, err := k.deposit()
	for _, entry := range req.PostDataEntries {
		missing = missing || len(entry.Bytes) == 0
		if err == nil {
			_, err = sink.Write(entry.Bytes)
		}
	}
	if sink == nil {
		t.Request.Body.Truncated = recorder.TruncatedUnspecified
		return
	}
	if missing {
		t.Notes = append(t.Notes, "the browser does not tell the request's body, or not all of it: it is of a file or a stream")
	}
	if t.Request.Body, err = sink.Close(truncatedUnless(!missing, recorder.TruncatedUnspecified)); err != nil && k.diskErr == nil {
		k.diskErr = err
	}
}

// unanswered says why there is no answer.
func (p *parts) unanswered(t *taken) {
	h := p.hop
	switch {
	case h.ended.IsZero():
		t.Failure, t.Detail = ReasonAborted, "the page was closed before an answer came"
	case h.canceled || h.failure == "net::ERR_ABORTED":
		t.Failure, t.Detail = ReasonAborted, "the browser gave up before an answer came"
	default:
		t.Failure, t.Detail = netFailure(h.failure).Reason, strings.TrimPrefix(h.failure, "net::")
	}
}

// head fills in the head of the answer.
func (p *parts) head(t *taken) {
	status, reason := 0, ""
	var f fields
	var order []pairOfFields
	if p.hop != nil && p.hop.response != nil {
		r := p.hop.response
		status, reason, f = r.Status, r.StatusText, r.Headers
	}
	if a := p.answer; a != nil {
		status, reason, order = a.Status, a.StatusText, a.Headers
		if p.hop == nil {
			f = nil
		}
	}
	t.Response = &recorder.Message{}
	if x := p.extra; x != nil {
		if x.StatusCode != 0 && x.StatusCode != status {
			status, reason, order = x.StatusCode, "", nil // the browser makes 200 of a 304
		}
		if len(x.Headers) > 0 {
			f = x.Headers
		}
		if text := textHead(x.HeadersText); text != nil {
			t.Response.Head, t.Account.ResponseText = text, true
			return
		}
	}
	t.Response.Head = responseHead(status, reason, f, order)
}

// bodyOf fills in the body of the answer.
func (p *parts) bodyOf(t *taken) {
	status := t.Response.Status()
	if bodiless(t.Method, status) {
		return
	}
	a := p.answer
	switch {
	case a == nil && warc.HTTPField(t.Response.Head, "Content-Length") == "0":
	case a == nil:
		t.Account.NoBody = "the browser does not hand it out"
		t.Response.Body.Truncated = recorder.TruncatedUnspecified
	default:
		t.Response.Body, t.Account.NoBody = a.body, a.noBody
		if a.noBody != "" && a.body.Truncated == "" {
			t.Response.Body.Truncated = recorder.TruncatedUnspecified
		}
	}
	if a != nil && a.withheld != nil {
		t.Failure, t.Detail, t.Substituted = a.withheld.Reason, a.withheld.Detail, true
		t.Account.NoBody = "it was dropped"
	}
	if decodes(warc.HTTPField(t.Response.Head, "Content-Encoding")) {
		t.Account.Decoded = true
		t.Response.Head = decodedHead(t.Response.Head, t.Response.Body.Size)
	}
}

// failed says what went wrong after the head.
func (p *parts) failed(t *taken) {
	b := &t.Response.Body
	if t.Failure != "" {
		return
	}
	if p.hop == nil || p.hop.failure == "" || bodiless(t.Method, t.Response.Status()) || p.answer != nil && p.answer.whole {
		if b.Truncated == recorder.TruncatedTime {
			t.Detail = "the page was closed"
		}
		return
	}
	if b.Truncated == "" {
		b.Truncated = recorder.TruncatedDisconnect
	}
	if p.hop.canceled || p.hop.failure == "net::ERR_ABORTED" {
		t.Detail = "the browser closed the connection"
		return
	}
	t.Detail = strings.TrimPrefix(p.hop.failure, "net::")
	t.Failure = reasonFailure(p.hop.failure)
}

// reasonFailure is the word for a net error that broke off an answer, empty for those that
// are about what the page may see.
func reasonFailure(text string) string {
	switch reason := netFailure(text).Reason; reason {
	case ReasonConnectionReset, ReasonTLSFailed, ReasonDNSFailed, ReasonPageTimeout:
		return reason
	}
	switch text {
	case "net::ERR_HTTP2_PROTOCOL_ERROR", "net::ERR_INVALID_CHUNKED_ENCODING", "net::ERR_INVALID_HTTP_RESPONSE", "net::ERR_CONTENT_DECODING_FAILED",
		"net::ERR_HTTP2_STREAM_CLOSED", "net::ERR_RESPONSE_HEADERS_TOO_BIG", "net::ERR_RESPONSE_HEADERS_MULTIPLE_CONTENT_LENGTH":
		return recorder.ReasonInvalidResponse
	}
	return ""
}

// merge puts what the browser took down among the recorder's exchanges, in order of start.
func merge(wire []recorder.Exchange, list []taken, c *connections) []recorder.Exchange {
	slices.SortStableFunc(list, func(a, b taken) int { return a.Started.Compare(b.Started) })
	out := slices.Clone(wire)
	next := 0
	for i := range wire {
		next = max(next, wire[i].ID)
	}
	for i := range list {
		t := &list[i]
		c.connect(t)
		next++
		t.ID = next
		if t.Ended.IsZero() {
			t.Ended = later(t.Started, t.FirstByte)
		}
		out = append(out, t.Exchange)
	}
	slices.SortStableFunc(out, func(a, b recorder.Exchange) int { return a.Started.Compare(b.Started) })
	return out
}
