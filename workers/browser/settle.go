package browser

import (
	"net/http"
	"strings"
	"time"
)

// The settle rule's times.
const (
	// quietScripted is how long nothing that matters may be in flight before a
	// page counts as settled, quietPlain the same for a document without any
	// script: nothing in it can ask for more by itself.
	quietScripted = 500 * time.Millisecond
	quietPlain    = 60 * time.Millisecond
	// quietScroll is the same after a scroll that brought something new.
	quietScroll = 250 * time.Millisecond
	// longOpen is after how long a script's request is taken for a stream or
	// a long poll, once the document has loaded.
	longOpen = 5 * time.Second
	// maxSettle bounds the wait for quiet after the load and the scroll.
	maxSettle = 10 * time.Second
	// pollsAllowed is how often a settled page may ask for the same thing
	// before it counts as polling.
	pollsAllowed = 2
	// beat is how long a poller at least waits between two requests to one path. What
	// follows at once, with another query each time, is a list being fetched.
	beat = 100 * time.Millisecond
)

// matters reports whether a page cannot be called settled while a request is
// in flight. Streams, beacons, reports, media and pollers do not count.
func (a *account) matters(r *request, now time.Time) bool {
	if r.stale {
		return false
	}
	switch r.line.Type {
	case "WebSocket", "EventSource", "Ping", "CSPViolationReport", "Media", "Prefetch", "Reporting":
		return false
	case "XHR", "Fetch":
		if r.poller {
			return false
		}
		load := a.document.load
		return load.IsZero() || now.Sub(later(r.started, load)) < longOpen
	}
	return true
}

// polled counts the requests that a script makes after the page has loaded and
// been scrolled, and reports whether this one is the beat of a poller.
func (a *account) polled(l *Line) bool {
	if (l.Type != "XHR" && l.Type != "Fetch") || a.document.load.IsZero() || a.scrolling || a.leaving {
		return false
	}
	path := a.poll(l.Method + " " + withoutQuery(l.URL))
	now := a.now()
	known := path.asked > pollsAllowed
	if path.last.IsZero() || now.Sub(path.last) >= beat {
		path.asked++
	}
	path.last = now
	same := path
	if strings.Contains(l.URL, "?") {
		same = a.poll(l.Method + " " + l.URL)
	}
	if l.Method == http.MethodGet { // posts to one address may each ask for something else
		same.again++
	}
	polls := path.asked > pollsAllowed || same.again > pollsAllowed
	if polls && !known {
		path.asked = pollsAllowed + 1
		a.act("settle", "requests of a poller no longer count")
	}
	return polls
}

// forgetPollers begins to count anew: what has made the page grow was no poller, however
// slowly the pieces came.
func (a *account) forgetPollers() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.polls)
	for _, r := range a.open {
		r.poller = false
	}
}

// poll is how often a page has asked for something: asked counts the requests that
// came after a pause, again all that ask for the same thing.
type poll struct {
	asked, again int
	last         time.Time // began or ended
}

func (a *account) poll(key string) *poll {
	p := a.polls[key]
	if p == nil {
		p = &poll{}
		a.polls[key] = p
	}
	return p
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// progress is a snapshot of what a capture waits for.
type progress struct {
	document   document
	documents  int
	navigating bool
	// quiet is how long nothing that matters has been in flight, 0 while something is.
	quiet     time.Duration
	files     bool // a download is going on
	wasFile   bool
	inFlight  int
	redirects int
}

func (a *account) progress() progress {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	p := progress{
		document: a.document, documents: a.documents, navigating: a.pending != "",
		wasFile: a.wasFile, inFlight: len(a.open), redirects: len(a.redirects),
	}
	for _, going := range a.downloads {
		p.files = p.files || going
	}
	for _, r := range a.open {
		if a.matters(r, now) {
			return p
		}
	}
	p.quiet = max(now.Sub(a.quietFrom), 0)
	return p
}
