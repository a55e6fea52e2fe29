package frontier

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"sort"
)

// fate is what the seen table tells of a URL: open while it is queued, delayed or
// leased, archived, or from fateReasons on the place of its status and reason in the
// manifest's list of reasons.
type fate byte

const (
	fateOpen fate = iota
	fateArchived
	fateReasons
)

// maxReasons is how many pairs of status and reason a fate can tell apart.
const maxReasons = 256 - int(fateReasons)

// seenRow is the size of a row in memory: a fingerprint and a fate.
const seenRow = len(fp{}) + 1

// seen is the table of all URLs. Newer runs count before older ones, recent before all.
type seen struct {
	recent map[fp]fate
	runs   []*seenRun
}

// seenRun is a segment of the table, unpacked when it is first asked.
type seenRun struct {
	ref  Segment
	rows []byte
}

// fate looks a URL up.
func (s *State) fate(key fp) (f fate, known bool) {
	if f, known = s.seen.recent[key]; known {
		return f, true
	}
	for _, run := range slices.Backward(s.seen.runs) {
		if !s.loadSeen(run) {
			return fateOpen, false
		}
		if f, known = run.find(key); known {
			return f, true
		}
	}
	return fateOpen, false
}

func (r *seenRun) find(key fp) (fate, bool) {
	n := len(r.rows) / seenRow
	// Fingerprints are spread evenly, so that where one has to be is nearly known: from
	// there on ever larger steps lead to a short stretch that holds it.
	head := binary.BigEndian.Uint64(key[:])
	guess, _ := bits.Mul64(head, uint64(n))
	low, high := int(guess), int(guess)
	for step := 1; low > 0 && r.head(low-1) >= head; step *= 4 {
		low = max(low-step, 0)
	}
	for step := 1; high < n && r.head(high) < head; step *= 4 {
		high = min(high+step, n)
	}
	high = max(high, int(guess))
	i := low + sort.Search(high-low, func(i int) bool { return bytes.Compare(r.rows[(low+i)*seenRow:(low+i)*seenRow+len(key)], key[:]) >= 0 })
	for ; i < n && r.head(i) == head; i++ {
		if fp(r.rows[i*seenRow:]) == key {
			return fate(r.rows[i*seenRow+len(key)]), true
		}
	}
	return fateOpen, false
}

// head is the first eight bytes of a row's fingerprint.
func (r *seenRun) head(i int) uint64 { return binary.BigEndian.Uint64(r.rows[i*seenRow:]) }

// loadSeen fetches a run when it is not there. It returns false after an error, which
// the state keeps.
func (s *State) loadSeen(run *seenRun) bool {
	if run.rows != nil {
		return true
	}
	seg, err := s.fetch(run.ref, kindSeen)
	if err != nil {
		s.fail(err)
		return false
	}
	rows := make([]byte, 0, seg.rows*seenRow)
	err = seg.scan(s.codec, func(r row) error {
		if len(r.key) != len(fp{}) || len(r.value) != 1 {
			return damaged("segment %q: a row of the seen table cannot be read", run.ref.Key)
		}
		rows = append(append(rows, r.key...), r.value...)
		return nil
	})
	if err != nil {
		s.fail(err)
		return false
	}
	run.rows = rows
	return true
}

// mark notes the fate of a URL.
func (s *State) mark(key fp, f fate) {
	s.seen.recent[key] = f
	s.changed.seen[key] = true
}

// fateOf is the fate that a final status and its reason have.
func (s *State) fateOf(status Status, reason string) fate {
	if status == Archived {
		return fateArchived
	}
	name := string(status) + ":" + reason
	i := slices.Index(s.reasons, name)
	if i < 0 {
		if i = len(s.reasons); i == maxReasons {
			s.fail(fmt.Errorf("there are more than %d reasons", maxReasons))
			return fateReasons
		}
		s.reasons = append(s.reasons, name)
	}
	return fateReasons + fate(i)
}

// foldSeen turns what is recent into a run.
func (s *State) foldSeen(w *sealer) error {
	rows := make([]byte, 0, len(s.seen.recent)*seenRow)
	for _, key := range slices.SortedFunc(maps.Keys(s.seen.recent), fp.compare) {
		rows = append(append(rows, key[:]...), byte(s.seen.recent[key]))
	}
	for part := range slices.Chunk(rows, s.sizes.merge*seenRow) {
		s.seen.runs = append(s.seen.runs, &seenRun{ref: Segment{Rows: len(part) / seenRow}, rows: part})
	}
	clear(s.seen.recent)
	merged, err := mergeRuns(s.sizes.merge, s.seen.runs, (*seenRun).size, func(a, b *seenRun) (*seenRun, error) {
		if !s.loadSeen(a) || !s.loadSeen(b) {
			return nil, s.err
		}
		rows := mergeSeen(a.rows, b.rows)
		return &seenRun{ref: Segment{Rows: len(rows) / seenRow}, rows: rows}, nil
	})
	if err != nil {
		return err
	}
	s.seen.runs = merged
	for _, run := range merged {
		if run.ref.Key != "" {
			continue
		}
		sw := newSegmentWriter(s.codec, kindSeen)
		for r := range slices.Chunk(run.rows, seenRow) {
			if err := sw.add(row{key: r[:len(fp{})], value: r[len(fp{}):]}); err != nil {
				return err
			}
		}
		run.ref = w.put(kindSeen, sw)
	}
	return nil
}

func (r *seenRun) size() int { return r.ref.Rows }

// mergeSeen merges two lists of rows; of two rows of one URL the newer counts.
func mergeSeen(older, newer []byte) []byte {
	out := make([]byte, 0, len(older)+len(newer))
	for len(older) > 0 && len(newer) > 0 {
		switch cmp.Compare(bytes.Compare(older[:len(fp{})], newer[:len(fp{})]), 0) {
		case -1:
			out, older = append(out, older[:seenRow]...), older[seenRow:]
		case 0:
			older = older[seenRow:]
		case 1:
			out, newer = append(out, newer[:seenRow]...), newer[seenRow:]
		}
	}
	return append(append(out, older...), newer...)
}

// eachSeen calls visit for every URL and its fate, in order.
func (s *State) eachSeen(visit func(fp, fate)) error {
	all := []byte{}
	for _, run := range s.seen.runs {
		if !s.loadSeen(run) {
			return s.err
		}
		all = mergeSeen(all, run.rows)
	}
	for r := range slices.Chunk(all, seenRow) {
		key := fp(r)
		if _, newer := s.seen.recent[key]; !newer {
			visit(key, fate(r[len(key)]))
		}
	}
	for key, f := range s.seen.recent {
		visit(key, f)
	}
	return nil
}
