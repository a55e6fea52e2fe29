package frontier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// sizes are when the tables are rewritten.
type sizes struct {
	// fold is how many rows the deltas may hold before they are folded into the
	// tables, deltas how many there may be before they are put together.
	fold, deltas int
	// merge is how many rows a segment may come to hold by merging. Two of that size
	// stay as they are.
	merge int
	// runs is how many segments a table that is in memory may have before it is
	// written anew.
	runs int
}

func standardSizes() sizes { return sizes{fold: 8192, deltas: 16, merge: 1 << 18, runs: 16} }

// sealer collects the objects of a manifest.
type sealer struct {
	key     string
	objects []Object
	n       int
}

// put adds a segment.
func (w *sealer) put(kind segmentKind, sw *segmentWriter) Segment {
	data := sw.finish()
	key := fmt.Sprintf("%s-%c%d", w.key, kind, w.n)
	w.n++
	w.objects = append(w.objects, Object{Key: key, Data: data})
	return Segment{Key: key, Size: int64(len(data)), SHA256: Hash(data), Rows: sw.total}
}

// data is a segment that was put.
func (w *sealer) data(key string) []byte {
	i := slices.IndexFunc(w.objects, func(o Object) bool { return o.Key == key })
	return w.objects[i].Data
}

// drop takes a segment out again that is not needed any more.
func (w *sealer) drop(key string) {
	w.objects = slices.DeleteFunc(w.objects, func(o Object) bool { return o.Key == key })
}

// Seal yields the next manifest and the objects to store before it. parent is the hash
// of the manifest before, key begins the names of new segments, output is what the step
// returns. The state is then the one of that manifest.
func (s *State) Seal(run, nonce, parent, key string, output json.RawMessage) (Manifest, []Object, error) {
	folds := s.unfoldedRows() > s.sizes.fold
	check := s.Check
	if folds {
		check = s.checkAll
	}
	if err := check(); err != nil {
		return Manifest{}, nil, err
	}
	if len(s.out) > 0 {
		return Manifest{}, nil, errors.New("seal a frontier: what the other shards are to learn was not sent")
	}
	w := &sealer{key: key}
	m := s.manifest
	m.Tables.Log = slices.Clone(m.Tables.Log)
	var err error
	if folds {
		err = s.fold(w, &m)
	} else {
		err = s.delta(w, &m)
	}
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("seal manifest %d: %w", m.Seq+1, err)
	}
	m.Version, m.Run, m.Nonce, m.Parent = versionOf(m.Shards), run, nonce, parent
	m.Seq++
	m.Created = s.now.UTC()
	m.Order, m.Visited, m.Logged = s.order, s.visited, s.logged
	m.Counts, m.Reasons = s.Counts(), slices.Clone(s.reasons)
	m.Exchanged, m.Sent, m.Applied = s.exchanged, maps.Clone(s.sent), maps.Clone(s.applied)
	s.dropRead()
	m.Tables.Seen, m.Tables.Queue = nil, nil
	for _, r := range s.seen.runs {
		m.Tables.Seen = append(m.Tables.Seen, r.ref)
	}
	for _, r := range s.queue.runs {
		m.Tables.Queue = append(m.Tables.Queue, r.ref)
	}
	s.manifest = m
	s.changed = newChanges()
	m.Output = output
	objects := append(w.objects, s.sending...)
	s.sending = nil
	return m, objects, nil
}

// unfoldedRows is how many rows are in no table.
func (s *State) unfoldedRows() int {
	u := s.unfolded
	return len(s.seen.recent) + s.queue.rows + len(u.hosts) + len(u.held) + u.chunks + len(s.log)
}

// delta writes the rows that changed since the manifest, or all that are in no table
// when there are many deltas.
func (s *State) delta(w *sealer, m *Manifest) error {
	c := s.changed
	if len(m.Deltas) >= s.sizes.deltas {
		m.Deltas = nil
		c = s.allUnfolded()
	}
	sw := newSegmentWriter(s.codec, kindDelta)
	var key []byte // the writer keeps none
	for _, table := range s.deltaRows(c) {
		for _, r := range table.rows {
			key = append(append(key[:0], byte(table.kind)), r.key...)
			r.key = key
			if err := sw.add(r); err != nil {
				return err
			}
		}
	}
	m.Deltas = slices.Clone(m.Deltas)
	if sw.total > 0 {
		m.Deltas = append(m.Deltas, w.put(kindDelta, sw))
	}
	return nil
}

// allUnfolded are all rows that are in no table.
func (s *State) allUnfolded() changes {
	c := s.unfolded
	c.seen = map[fp]bool{}
	for key := range s.seen.recent {
		c.seen[key] = true
	}
	c.queued = nil
	for host, list := range s.queue.recent {
		for _, e := range list {
			c.queued = append(c.queued, queuedAt{host, e.order})
		}
	}
	c.log = len(s.log)
	return c
}

type tableRows struct {
	kind segmentKind
	rows []row
}

// deltaRows are rows in the order of a delta.
func (s *State) deltaRows(c changes) []tableRows {
	return []tableRows{
		{kindChunks, s.chunkRows(c.chunks)},
		{kindHosts, s.hostRows(c.hosts)},
		{kindLog, s.log[len(s.log)-c.log:]},
		{kindHeld, s.heldRows(c.held)},
		{kindQueue, s.queuedRows(c.queued)},
		{kindSeen, s.seenRows(c.seen)},
	}
}

// chunkRows are the rows of the last n chunks.
func (s *State) chunkRows(n int) []row {
	var rows []row
	for i := len(s.chunks) - n; i < len(s.chunks); i++ {
		rows = append(rows, chunkRow(int64(i), s.chunks[i]))
	}
	return rows
}

func (s *State) hostRows(changed map[string]bool) []row {
	rows := make([]row, 0, len(changed))
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		rows = append(rows, hostRow(s.hosts[key]))
	}
	return rows
}

// heldRows are the rows of held pages; one that is not held any more is taken out.
func (s *State) heldRows(changed map[fp]bool) []row {
	rows := make([]row, 0, len(changed))
	keys := slices.SortedFunc(maps.Keys(changed), fp.compare)
	for i, key := range keys {
		if p := s.held[key]; p != nil {
			rows = append(rows, heldRow(p))
		} else {
			rows = append(rows, row{key: keys[i][:], deleted: true})
		}
	}
	return rows
}

// queuedRows are the rows of pages that are in the queue still.
func (s *State) queuedRows(queued []queuedAt) []row {
	var rows []row
	for _, q := range queued {
		list := s.queue.recent[q.host]
		i, ok := slices.BinarySearchFunc(list, q.order, func(e entry, order int64) int { return int(e.order - order) })
		if ok {
			rows = append(rows, row{key: queueKey(q.host, q.order), value: list[i].value})
		}
	}
	return sorted(rows)
}

func (s *State) seenRows(changed map[fp]bool) []row {
	rows := make([]row, 0, len(changed))
	keys := slices.SortedFunc(maps.Keys(changed), fp.compare)
	for i, key := range keys {
		rows = append(rows, row{key: keys[i][:], value: []byte{byte(s.seen.recent[key])}})
	}
	return rows
}

func sorted(rows []row) []row {
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	return rows
}

// fold moves all rows into the tables.
func (s *State) fold(w *sealer, m *Manifest) error {
	m.Deltas = nil
	if err := s.foldSeen(w); err != nil {
		return err
	}
	if err := s.foldQueue(w); err != nil {
		return err
	}
	t, hosts, held, chunks := &m.Tables, s.unfolded.hosts, s.unfolded.held, s.unfolded.chunks
	if s.outgrown(t.Hosts, len(s.hosts), len(hosts)) {
		t.Hosts, hosts = nil, all(s.hosts)
	}
	if s.outgrown(t.Held, len(s.held), len(held)) {
		t.Held, held = nil, all(s.held)
	}
	if s.outgrown(t.Chunks, len(s.chunks), chunks) {
		t.Chunks, chunks = nil, len(s.chunks)
	}
	var err error
	if t.Hosts, err = s.foldWhole(w, kindHosts, t.Hosts, s.hostRows(hosts)); err != nil {
		return err
	}
	if t.Held, err = s.foldWhole(w, kindHeld, t.Held, s.heldRows(held)); err != nil {
		return err
	}
	if t.Chunks, err = s.foldWhole(w, kindChunks, t.Chunks, s.chunkRows(chunks)); err != nil {
		return err
	}
	if t.Log, err = s.foldLog(w, t.Log); err != nil {
		return err
	}
	s.log = nil
	s.unfolded = newChanges()
	return nil
}

func all[K comparable, V any](m map[K]V) map[K]bool {
	set := make(map[K]bool, len(m))
	for key := range m {
		set[key] = true
	}
	return set
}

// outgrown tells whether a table that is in memory is to be written anew: half of its rows are
// replaced by later ones, or it has many segments. fresh is how many rows are to be added.
func (s *State) outgrown(refs []Segment, live, fresh int) bool {
	total := fresh
	for _, ref := range refs {
		total += ref.Rows
	}
	return total > 2*live+s.sizes.fold || len(refs) >= s.sizes.runs
}

// foldWhole adds a segment of rows to a table that is in memory.
func (s *State) foldWhole(w *sealer, kind segmentKind, refs []Segment, rows []row) ([]Segment, error) {
	added, err := s.write(w, kind, rows)
	return append(slices.Clone(refs), added...), err
}

// write puts rows into segments.
func (s *State) write(w *sealer, kind segmentKind, rows []row) ([]Segment, error) {
	var refs []Segment
	for part := range slices.Chunk(rows, s.sizes.merge) {
		sw := newSegmentWriter(s.codec, kind)
		for _, r := range part {
			if err := sw.add(r); err != nil {
				return nil, err
			}
		}
		refs = append(refs, w.put(kind, sw))
	}
	return refs, nil
}

// foldLog adds what is new in the log, and merges neighbours.
func (s *State) foldLog(w *sealer, refs []Segment) ([]Segment, error) {
	added, err := s.write(w, kindLog, s.log)
	if err != nil {
		return nil, err
	}
	return mergeRuns(s.sizes.merge, append(refs, added...), func(ref Segment) int { return ref.Rows }, func(a, b Segment) (Segment, error) {
		segA, errA := s.own(w, a)
		segB, errB := s.own(w, b)
		if err := errors.Join(errA, errB); err != nil {
			return Segment{}, err
		}
		w.drop(a.Key)
		w.drop(b.Key)
		sw := newSegmentWriter(s.codec, kindLog)
		if err := merge(s.codec, segA, segB, sw.add); err != nil {
			return Segment{}, err
		}
		return w.put(kindLog, sw), nil
	})
}

// own is a segment of the log, which may be one that is to be stored yet.
func (s *State) own(w *sealer, ref Segment) (*segment, error) {
	for _, o := range w.objects {
		if o.Key == ref.Key {
			return openSegment(s.codec, o.Data, kindLog)
		}
	}
	return s.fetch(ref, kindLog)
}

// mergeRuns merges neighbours of like size, the newest first, and returns what there is
// then. What it merges is bounded, and so is what comes of it: most rows.
func mergeRuns[R any](most int, runs []R, size func(R) int, merge func(older, newer R) (R, error)) ([]R, error) {
	budget := 2 * most
	for i := len(runs) - 2; i >= 0; i-- {
		a, b := size(runs[i]), size(runs[i+1])
		if a+b > min(most, budget) || a > 2*b || b > 8*a {
			continue
		}
		merged, err := merge(runs[i], runs[i+1])
		if err != nil {
			return nil, err
		}
		budget -= a + b
		runs = slices.Replace(runs, i, i+2, merged)
	}
	return runs, nil
}
