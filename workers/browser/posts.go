package browser

import (
	"net/http"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

// ScriptPosts says to whom the scripts of a page may send what is more than a question: POST,
// PUT and the like, by fetch, XMLHttpRequest or beacon. What navigates, as forms do, is
// refused whatever it says.
type ScriptPosts string

// The kinds of ScriptPosts.
const (
	// ScriptPostsAny lets them send what they want where they want.
	ScriptPostsAny ScriptPosts = ""
	// ScriptPostsSameSite lets them send to the site of the page, its registrable domain.
	ScriptPostsSameSite ScriptPosts = "SameSite"
	// ScriptPostsNone lets them send nothing.
	ScriptPostsNone ScriptPosts = "None"
)

// ReasonPostBlocked is why a line of the ledger was not let through by ScriptPosts.
const ReasonPostBlocked = recorder.ReasonPostBlocked

// Types of requests, as the Fetch and Network domains name them.
const (
	typeDocument = "Document"
	typeImage    = "Image"
)

// postTypes are the types of requests that may be more than questions and are not navigations.
var postTypes = []string{"XHR", "Fetch", "Ping", "CSPViolationReport", "Other"}

// hostnameOf is the host of an address without its port, empty when it has none.
func hostnameOf(address string) string {
	u, err := urls.Split(address)
	if err != nil {
		return ""
	}
	return u.Hostname
}

// reach notes a document that the page is led to. The caller holds the lock, or is alone.
func (a *account) reach(address string) {
	if host := hostnameOf(address); host != "" && len(a.own) < 1000 {
		a.own[siteOf(host)] = true
	}
}

// permits reports whether the page may send something to a host.
func (a *account) permits(host string) bool {
	switch a.posts {
	case ScriptPostsNone:
		return false
	case ScriptPostsSameSite:
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.own[siteOf(host)]
	}
	return true
}

// permit is what the recorder asks, nil when everything is permitted.
func (c *capture) permit() func(method, host string) bool {
	if c.acct.posts == ScriptPostsAny {
		return nil
	}
	return func(_, host string) bool { return c.acct.permits(host) }
}

// pausedPart answers for a request that is no document, which Chrome waits to make: what goes
// over TLS of its own, the recorder cannot refuse.
func (t *tab) pausedPart(s *session, a *account, ev requestPaused) {
	why := t.refuses(a, ev)
	if why == "" {
		s.post("Fetch.continueRequest", map[string]any{"requestId": ev.RequestID})
		return
	}
	if a != nil {
		a.mu.Lock()
		a.refused[ev.NetworkID] = why
		a.mu.Unlock()
	}
	s.post("Fetch.failRequest", map[string]any{"requestId": ev.RequestID, "errorReason": "BlockedByClient"})
}

// refuses says why a part of a page is not to be asked for, empty when it may be.
func (t *tab) refuses(a *account, ev requestPaused) string {
	if t.noImages && ev.Type == typeImage {
		return ReasonImagesOff
	}
	switch ev.Request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return ""
	}
	if a == nil || !a.permits(hostnameOf(ev.Request.URL)) {
		return ReasonPostBlocked
	}
	return ""
}
