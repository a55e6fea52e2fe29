package frontier

import (
	"slices"
	"strings"
	"time"
)

// HostView is how a host stands in a shard, for people to see.
type HostView struct {
	// Key is its politeness key.
	Key string
	// Queued counts the pages that wait for their turn, Delayed those that wait for another
	// try, Leased those that a worker has, Visited those with a final outcome of a visit.
	Queued, Delayed, Leased, Visited int64
	// Ready is when its next page may be visited, zero for at once; Delay is what the host
	// itself asks for between two pages.
	Ready time.Time
	Delay time.Duration
	// Failures counts visits in a row that did not reach it, Detail says what went wrong the
	// last time, and Reason why it rests when that comes from outside of the run.
	Failures       int
	Detail, Reason string
}

// OpenView reads a shard at a manifest for people to look at: its hosts and counts. No rules
// are needed for that, and nothing can be planned with it.
func OpenView(m Manifest, load func(key string) ([]byte, error)) (hosts []HostView, counts Counts, err error) {
	rules, err := NewRules(Spec{Scope: "Page"})
	if err != nil {
		return nil, Counts{}, err
	}
	s, err := Open(rules, m, load)
	if err != nil {
		return nil, Counts{}, err
	}
	return s.view(), s.Counts(), nil
}

// view are all hosts, in the order of their keys.
func (s *State) view() []HostView {
	views := make(map[string]*HostView, len(s.hosts))
	for key, h := range s.hosts {
		v := &HostView{Key: key, Queued: h.queued(), Visited: h.visited, Delay: time.Duration(h.delay) * time.Millisecond, Failures: h.failures, Detail: h.detail, Reason: h.wait}
		if h.ready > 0 {
			v.Ready = time.UnixMilli(h.ready).UTC()
		}
		views[key] = v
	}
	for _, p := range s.held {
		v := views[hostOf(p.URL)]
		switch {
		case v == nil:
		case p.Status == Leased:
			v.Leased++
		case p.Status == Delayed:
			v.Delayed++
		}
	}
	list := make([]HostView, 0, len(views))
	for _, v := range views {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b HostView) int { return strings.Compare(a.Key, b.Key) })
	return list
}
