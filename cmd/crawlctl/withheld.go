package main

import (
	"fmt"

	"crawlfleet.dev/crawlfleet/workers/browser"
)

// countWithheld counts the pictures of a capture that were dropped before anything of them was
// written. The caller holds the lock.
func (s *session) countWithheld(p *browser.Page) {
	if s.withheld == nil {
		s.withheld = map[string]int{}
	}
	for i := range p.Ledger {
		switch reason := p.Ledger[i].Reason; reason {
		case browser.ReasonKnownIllegalImage, browser.ReasonImageNotJudged:
			s.withheld[reason]++
		}
	}
}

// tellWithheld says what was dropped: the page is archived all the same, and whoever captures has
// to know that a known illegal picture is there.
func (s *session) tellWithheld() {
	for _, reason := range []string{browser.ReasonKnownIllegalImage, browser.ReasonImageNotJudged} {
		if n := s.withheld[reason]; n > 0 {
			fmt.Fprintf(s.stderr, "%s withheld: %s\n", count(n, "picture"), reason)
		}
	}
}
