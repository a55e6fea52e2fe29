package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// maxSamples is how many reports of a shard a speed is taken from.
const maxSamples = 12

// speed measures how many pages are done in a second, over the last reports.
type speed struct {
	samples []sample
}

type sample struct {
	at   time.Time
	done int64
}

// note takes in how the books stand.
func (s *speed) note(at time.Time, c Counts) {
	done := c.Archived
	for _, reason := range workflow.DeterministicKeys(c.Failed) {
		done += c.Failed[reason]
	}
	if n := len(s.samples); n > 0 && !at.After(s.samples[n-1].at) {
		s.samples[n-1].done = done
		return
	}
	s.samples = append(s.samples, sample{at, done})
	if len(s.samples) > maxSamples {
		s.samples = s.samples[1:]
	}
}

// perSecond is the mean speed over the samples, 0 when it is not known yet.
func (s *speed) perSecond() float64 {
	if len(s.samples) < 2 {
		return 0
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	return float64(last.done-first.done) / last.at.Sub(first.at).Seconds()
}
