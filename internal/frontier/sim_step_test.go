package frontier

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// fetched is what a step reads of the store beside the state's own segments.
type fetched struct {
	bundles []appliedBundle
	parts   []part
}

type part struct {
	delivery
	data []byte
}

// fetch reads the results of bundles that are done, and what other shards sent.
func (s *sim) fetch(applied []int64, in planInput) (got fetched, err error) {
	inbox := slices.Clone(in.inbox)
	slices.SortFunc(inbox, func(a, b delivery) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return int(a.seq - b.seq)
	})
	for _, d := range inbox {
		if d.seq <= applied[d.from] {
			continue
		}
		o, err := s.store.get(d.key)
		if err != nil {
			return got, fmt.Errorf("exchange %q: %w", d.key, err)
		}
		got.parts = append(got.parts, part{d, o.data[d.offset : d.offset+d.length]})
	}
	for _, d := range in.done {
		keys := d.results
		if d.lost {
			if keys, err = s.recover(d.id); err != nil {
				return got, err
			}
		}
		if s.hooks.results != nil {
			keys = s.hooks.results(d.id, keys)
		}
		b := appliedBundle{id: d.id, keys: keys, lost: d.lost}
		for _, key := range keys {
			o, err := s.store.get(key)
			if err != nil {
				return got, fmt.Errorf("result %q: %w", key, err)
			}
			b.results = append(b.results, o.value.(*Result))
		}
		got.bundles = append(got.bundles, b)
	}
	return got, nil
}

// recover finds what a bundle committed when Temporal does not know
// (workers/frontier/plan.go, recoverResults).
func (s *sim) recover(bundle string) ([]string, error) {
	keys, err := s.store.list(bundle)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	var newest *Result
	last := ""
	for _, key := range keys {
		r := s.store.objects[key].value.(*Result)
		if newest == nil || r.Attempt > newest.Attempt || r.Attempt == newest.Attempt && r.Number >= newest.Number {
			newest, last = r, key
		}
	}
	return append(slices.Clone(newest.Before), last), nil
}

// step is what the Plan activity does between reading and writing.
func (s *sim) step(st *State, shard int, in planInput, got fetched, nonce string) (out planOutput, rec stepRecord, err error) {
	rec.shard, rec.at = shard, s.now
	st.sizes = s.sizes
	st.At(s.now)
	for _, p := range got.parts {
		if st.Applied()[p.from] >= p.seq {
			continue
		}
		if _, err := st.Receive(p.from, p.seq, p.data); err != nil {
			return out, rec, err
		}
	}
	for _, b := range got.bundles {
		results := make([]Result, len(b.results))
		for i, r := range b.results {
			results[i] = *r
		}
		if err := st.Apply(b.id, results, s.now); err != nil {
			return out, rec, err
		}
		out.Applied = append(out.Applied, b.id)
	}
	rec.applied = got.bundles
	if s.hooks.turn != nil {
		s.hooks.turn(st)
	}
	if in.slots > 0 {
		rec.bundles = st.Choose(s.now, in.slots, fmt.Sprintf("s%db%d", shard, st.Seq()+1))
	}
	if s.hooks.bundles != nil {
		rec.bundles = s.hooks.bundles(rec.bundles)
	}
	if next := st.NextDue(); !next.IsZero() {
		out.DueIn = max(next.Sub(s.now), time.Millisecond)
	}
	for _, b := range rec.bundles {
		out.Bundles = append(out.Bundles, bundleRef{b.ID, fmt.Sprintf("%d/b/%s-%s", shard, b.ID, nonce)})
	}
	st.Rests(s.now)
	rec.inputs = out.Bundles
	out.Seq, out.Idle = st.Seq()+1, st.Idle()
	rec.exchange = st.Send(fmt.Sprintf("x/%d/%d-%s", shard, out.Seq, nonce))
	out.Exchange, out.Sent, out.TakenIn = rec.exchange, st.Sent(), st.Applied()
	if s.hooks.state != nil {
		s.hooks.state(st)
	}
	return out, rec, nil
}

// seal makes the manifest of a step.
func (s *sim) seal(st *simState, nonce string, out *planOutput, rec *stepRecord) ([]Object, error) {
	output, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%d/q/%d-%s", rec.shard, st.state.Seq()+1, nonce)
	m, objects, err := st.state.Seal("run", nonce, st.hash, key, output)
	if s.hooks.manifest != nil && err == nil {
		s.hooks.manifest(&m)
	}
	rec.manifest = m
	return objects, err
}
