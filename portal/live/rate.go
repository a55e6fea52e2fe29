package live

import "time"

const (
	// rateWindow is how far back the speed is measured: jobs tell their counts every ten
	// seconds or so, and pages come in files of many.
	rateWindow = 5 * time.Minute
	// leastSpan is how long a job is watched before its speed is told.
	leastSpan = 20 * time.Second
)

// sample is how many pages were done at a time.
type sample struct {
	at   time.Time
	done int64
}

// series is what was seen of a job, the oldest first.
type series []sample

// add notes a count. It keeps what is within the window, and one before it.
func (s series) add(at time.Time, done int64) series {
	if n := len(s); n > 0 && (done < s[n-1].done || !at.After(s[n-1].at)) {
		s = nil // another count, or another clock
	}
	s = append(s, sample{at, done})
	for len(s) > 2 && at.Sub(s[1].at) >= rateWindow {
		s = s[1:]
	}
	return s
}

// perMinute is the speed over what was seen; false while that is too little.
func (s series) perMinute() (float64, bool) {
	if len(s) < 2 {
		return 0, false
	}
	first, last := s[0], s[len(s)-1]
	span := last.at.Sub(first.at)
	if span < leastSpan {
		return 0, false
	}
	return float64(last.done-first.done) / span.Minutes(), true
}
