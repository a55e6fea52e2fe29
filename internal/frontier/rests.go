package frontier

import "time"

// HostRest is a host that is to be left alone.
type HostRest struct {
	// Key is its politeness key, Until when it may be visited again.
	Key   string
	Until time.Time
	// Reason and Detail say why: ReasonHostBusy, ReasonHostShared.
	Reason, Detail string
}

// ReasonHostShared is the reason for which a host rests that another run is at.
const ReasonHostShared = "HostShared"

// shortRest is what other runs are not told of: it is over before they could know.
const shortRest = 5 * time.Second

// Rest has hosts left alone for reasons that are not of this run: what other runs were
// told by them. A host that is not known is passed over.
func (s *State) Rest(rests []HostRest, now time.Time) {
	s.At(now)
	for _, r := range rests {
		h := s.hosts[r.Key]
		if h == nil {
			continue
		}
		until := r.Until
		if latest := now.Add(maxRetryAfter); until.After(latest) {
			until = latest
		}
		h.rest(until)
		h.wait = r.Reason[:min(len(r.Reason), maxReason)]
		if h.failures == 0 {
			h.detail = r.Detail[:min(len(r.Detail), maxDetail)]
		}
		s.touch(h)
	}
}

// Rests are the hosts that asked to be left alone since the last call, for other runs.
func (s *State) Rests(now time.Time) []HostRest {
	var rests []HostRest
	for _, h := range s.asked {
		if until := time.UnixMilli(h.ready).UTC(); until.Sub(now) > shortRest {
			rests = append(rests, HostRest{Key: h.key, Until: until, Reason: ReasonHostBusy, Detail: h.detail})
		}
	}
	s.asked = nil
	return rests
}

// Pauses are the hosts whose pause since their last page is not over.
func (s *State) Pauses(now time.Time) []HostRest {
	var pauses []HostRest
	for _, h := range s.hosts {
		if h.ready > now.UnixMilli() {
			pauses = append(pauses, HostRest{Key: h.key, Until: time.UnixMilli(h.ready).UTC()})
		}
	}
	return pauses
}
