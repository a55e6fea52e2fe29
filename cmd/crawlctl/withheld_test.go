package main

import (
	"bytes"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestVerdictTellsWithheld: that pictures were dropped is said in the summary, for people.
func TestVerdictTellsWithheld(t *testing.T) {
	t.Parallel()
	known, unknown := browser.Line{Reason: browser.ReasonKnownIllegalImage}, browser.Line{Reason: browser.ReasonImageNotJudged}
	off := browser.Line{Reason: browser.ReasonImagesOff} // as was asked for
	for want, pages := range map[string][][]browser.Line{
		"": {{{}, off}},
		"1 picture withheld: KnownIllegalImage\n":                                      {{{}, known}, {off}},
		"2 pictures withheld: KnownIllegalImage\n1 picture withheld: ImageNotJudged\n": {{known, unknown}, {known}},
	} {
		var stderr bytes.Buffer
		s := &session{job: &captureJob{}, stderr: &stderr}
		for _, ledger := range pages {
			s.countWithheld(&browser.Page{Ledger: ledger})
		}
		if err := s.verdict(t.Context(), &archive.File{}, nil); err != nil {
			t.Error(err)
		}
		if _, got, _ := strings.Cut(stderr.String(), "\n"); got != want {
			t.Errorf("said is %q, want %q", got, want)
		}
	}
}
