package retention

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// settled is what has to hold once the clocks go right and a worker lives long enough.
func (s *sim) settled() {
	s.skipTo(noon.Add(300 * time.Hour))
	out := s.look()
	if s.proves { // that somebody forged is told once
		out = s.look()
	}
	log, proven, lie := s.stored(), map[string]bool{}, false
	for _, p := range s.proofs() {
		if isVoid(log, p.Intent.Seq) {
			if p.By.Name != "forger" {
				s.t.Errorf("seed %d: decision %d is void, and proven", s.seed, p.Intent.Seq)
			}
			continue
		}
		for _, o := range p.Objects {
			proven[o.Name] = true
			lie = lie || s.server.Object("/archive/"+prefix+o.Name) != nil || o.Name == retention.State && len(s.server.Keys("/frontier/"+prefix)) > 0
		}
	}
	allHeld := true
	for _, name := range []string{"chunks/1.wacz", "chunks/1.wacz.sig", "chunks/2.wacz", "chunks/3.wacz", "chunks/4.wacz", "chunks/torn.wacz"} {
		held, _ := must(log, name)
		there := s.server.Object("/archive/"+prefix+name) != nil
		allHeld = allHeld && held
		switch {
		case there && !held:
			s.t.Errorf("seed %d: %s outlives its time: %s", s.seed, name, out.Message)
		case !there && !proven[name]:
			s.t.Errorf("seed %d: %s is gone without a proof", s.seed, name)
		}
	}
	runHeld, _ := must(log, "state")
	if n := len(s.server.Keys("/frontier/" + prefix)); n > 0 && !runHeld {
		s.t.Errorf("seed %d: %d objects of the queue outlive their time", s.seed, n)
	}
	if s.server.Object("/archive/"+prefix+"leads/00001.jsonl.zst") != nil && !allHeld && !runHeld {
		s.t.Errorf("seed %d: the lists outlive the first chunk", s.seed)
	}
	if !s.open && s.server.Object("/archive/"+prefix+"run.json") == nil {
		s.t.Errorf("seed %d: the closing statement is gone", s.seed)
	}
	lie = lie && s.proves
	if out.Reason == workflows.ReasonErasureBlocked || out.Reason == workflows.ReasonRetentionDrift && !lie {
		s.t.Errorf("seed %d: %s: %s", s.seed, out.Reason, out.Message)
	}
	s.released()
}

// released is what has to hold once nothing is held any more: all goes, and nothing is odd.
func (s *sim) released() {
	for c := range 2 {
		if err := s.decide(retention.Release, fmt.Sprint("case ", c)); err != nil && !errors.Is(err, retention.ErrNotHeld) {
			s.t.Fatal(err)
		}
	}
	out := s.look()
	if s.proves {
		out = s.look()
	}
	if !out.Done || out.Reason != workflows.ReasonErased || strings.Contains(s.left(), "chunks/") {
		s.t.Errorf("seed %d: released: %+v, left is %s", s.seed, out, s.left())
	}
}

// look is one of a worker that lives.
func (s *sim) look() workflows.EraseOutput {
	k := *s.keeper
	k.Now, k.Custody = s.workerTime, nil
	out, err := k.erase(s.t.Context(), s.in)
	if err != nil {
		s.t.Errorf("seed %d: %v", s.seed, err)
	}
	s.in.Log, s.in.Told = out.Log, out.Told
	return out
}

func (s *sim) skipTo(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workerBy, s.storeBy = 0, 0
	if s.now.Before(now) {
		s.now = now
	}
}
