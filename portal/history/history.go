// Package history says what became of an address from capture to capture: that it changed, is
// gone or is back. A timeline and the notices of a watch both follow from it, so that they say
// the same.
package history

import (
	"cmp"
	"net/http"
	"slices"

	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// Change is what became of an address since the capture before, in one word.
type Change string

// The changes.
const (
	First     Change = "First"     // there is no capture before
	Unchanged Change = "Unchanged" // nothing that can be compared is different, or it is gone still
	Changed   Change = "Changed"   // its text or its document is another one: see the Parts
	Gone      Change = "Gone"      // the page is not there any more
	Back      Change = "Back"      // it was gone when it was last captured, and is there
	Unknown   Change = "Unknown"   // the visit failed or was made again, the server answered with another error, or there is nothing that both have to compare
)

// Part is what changed.
type Part string

// The parts. A document changes more often than what people see of it.
const (
	Text     Part = "Text"     // what the page showed
	Document Part = "Document" // the bytes that the server sent
)

// Step is a capture, and what became of the address with it.
type Step struct {
	catalog.Capture
	Change Change `json:"change"`
	// Before is the last capture in which the page was there, and whole, which this one is
	// compared with; empty when there is none.
	Before catalog.ID `json:"before,omitempty"`
	// Parts are what is known to have changed since Before.
	Parts []Part `json:"parts,omitempty"`
}

// goneStatus are the answers that say that there is no such page (RFC 9110 sections 15.5.5 and 15.5.11), goneReasons
// are why a visit fails when nothing answers for its host. That somebody has to log in, was asked to wait, met a wall
// or an error of the server, or that a page took too long, tells nothing of the page.
var (
	goneStatus  = []int{http.StatusNotFound, http.StatusGone}
	goneReasons = []string{"DNSFailed", "ConnectFailed"} // package workflows
)

// IsGone tells whether the page was not there when it was captured: its server says so, or nobody answered.
func IsGone(c *catalog.Capture) bool {
	return slices.Contains(goneStatus, c.Status) || c.Partial && slices.Contains(goneReasons, c.Reason)
}

// superseded tells whether a capture is a try of a visit of which another one counts: what it was refused with
// says nothing of the page.
func superseded(c *catalog.Capture) bool { return c.Partial && c.Reason == "Superseded" }

// Of says what became of an address, the oldest capture first. The captures may be in any order.
// It is pure: the same captures give the same steps.
func Of(captures []catalog.Capture) []Step {
	captures = slices.Clone(captures)
	slices.SortFunc(captures, func(a, b catalog.Capture) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	steps := make([]Step, 0, len(captures))
	var past past
	for i := range captures {
		steps = append(steps, past.step(&captures[i]))
	}
	if i := slices.IndexFunc(steps, func(s Step) bool { return !superseded(&s.Capture) }); i >= 0 {
		steps[i].Change = First
	}
	return steps
}

// past is what is known of an address from the captures before.
type past struct {
	whole *catalog.Capture // the last in which the page was there, and whole
	gone  bool             // it was not there when last seen
}

// step takes a further capture.
func (p *past) step(c *catalog.Capture) Step {
	s := Step{Capture: *c}
	if p.whole != nil {
		s.Before = p.whole.ID
	}
	if superseded(c) {
		s.Change = Unknown
		return s
	}
	if isGone := IsGone(c); isGone || c.Partial || c.Status >= 400 {
		s.Change = Unknown
		if isGone {
			s.Change = Gone
			if p.gone {
				s.Change = Unchanged
			}
			p.gone = true
		}
		return s
	}
	var compared bool
	s.Parts, compared = changed(p.whole, c)
	switch {
	case p.gone:
		s.Change = Back
	case len(s.Parts) > 0:
		s.Change = Changed
	case compared:
		s.Change = Unchanged
	default:
		s.Change = Unknown
	}
	p.whole, p.gone = c, false
	return s
}

// changed are the parts that differ in two captures, and whether there was any to compare. What one
// of them lacks tells nothing.
func changed(a, b *catalog.Capture) (parts []Part, compared bool) {
	if a == nil {
		return nil, false
	}
	for _, p := range []struct {
		part Part
		a, b string
	}{{Text, a.TextDigest, b.TextDigest}, {Document, a.Digest, b.Digest}} {
		if p.a == "" || p.b == "" {
			continue
		}
		compared = true
		if p.a != p.b {
			parts = append(parts, p.part)
		}
	}
	return parts, compared
}
