package watches

import (
	"slices"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/history"
)

// Kind is what a notice tells.
type Kind string

// The kinds of notices. Each capture has one at most.
const (
	NewCapture Kind = "NewCapture" // it was captured, and nothing is known to have changed
	Changed    Kind = "Changed"    // its text or its document is another than in the capture before
	Gone       Kind = "Gone"       // the page is not there any more
	Back       Kind = "Back"       // it was gone, and is there again
)

// Kinds are all kinds, in the order in which people are offered them.
func Kinds() []Kind { return []Kind{Changed, Gone, Back, NewCapture} }

// Part is what changed.
type Part = history.Part

// The parts. A document changes more often than what people see of it.
const (
	Text     = history.Text     // what the page showed
	Document = history.Document // the bytes that the server sent
)

// Notice tells of a capture of an address that is watched.
type Notice struct {
	Kind Kind   `json:"kind"`
	URL  string `json:"url"`
	// Watch is the ID of the watch.
	Watch   string     `json:"watch"`
	Capture catalog.ID `json:"capture"`
	// Before is the last capture in which the page was there, which it is compared with; empty
	// when there is none.
	Before catalog.ID `json:"before,omitempty"`
	Time   time.Time  `json:"time"`
	// Parts are what is known to have changed since Before.
	Parts []Part `json:"parts,omitempty"`
	// Status is that of the document, Reason why it failed.
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
	Seen   bool   `json:"seen"`
}

// Notices says what there is to be told of the captures of an address that is watched, the oldest first.
// The captures may be in any order; those from before the watch are what later ones are compared
// with. It is pure: the same captures give the same notices.
func Notices(w *Watch, captures []catalog.Capture) []Notice {
	notices := []Notice{}
	for _, s := range history.Of(captures) {
		n := Notice{
			Kind: kindOf(&s), URL: w.URL, Watch: w.ID, Capture: s.ID, Before: s.Before, Time: s.Time, Parts: s.Parts,
			Status: s.Status, Reason: s.Reason, Seen: w.seen[s.ID],
		}
		if s.Time.After(w.Since) && (len(w.Kinds) == 0 || slices.Contains(w.Kinds, n.Kind)) {
			notices = append(notices, n)
		}
	}
	return notices
}

// kindOf says what there is to be told of a capture.
func kindOf(s *history.Step) Kind {
	switch s.Change {
	case history.Changed:
		return Changed
	case history.Gone:
		return Gone
	case history.Back:
		return Back
	case history.First:
		if history.IsGone(&s.Capture) {
			return Gone
		}
	}
	return NewCapture
}
