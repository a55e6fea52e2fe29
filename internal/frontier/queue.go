package frontier

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"sort"
)

// queueTable holds the pages that were never handed out. Those of a host are read in
// the order of discovery: from the oldest run on, and what is recent last. How far they
// are read is in the host's row.
type queueTable struct {
	recent map[string][]entry // by host, in order
	rows   int                // of recent, as far as they are not read
	runs   []*queueRun
	blocks blockCache
}

// entry is a row of the queue that is in no run yet.
type entry struct {
	order int64
	value []byte
}

// queueRun is a segment of the queue. It stays packed in memory once it was fetched.
type queueRun struct {
	ref Segment
	seg *segment
	// hosts leads from the hash of a host to the first block that it is in.
	hosts map[uint64]int
}

func (r *queueRun) size() int { return r.ref.Rows - r.ref.Read }

// push appends a page to the queue of its host.
func (s *State) push(h *host, p *Page) {
	s.queue.recent[h.key] = append(s.queue.recent[h.key], entry{p.Order, appendFound(make([]byte, 0, len(p.URL)+rowRoom), p)})
	s.queue.rows++
	s.changed.queued = append(s.changed.queued, queuedAt{h.key, p.Order})
	h.stored++
}

// pull takes up to n pages out of the queue of a host.
func (s *State) pull(h *host, n int) []*Page {
	var pages []*Page
	take := func(r row) bool {
		p, err := readQueueRow(r)
		if err != nil {
			s.fail(err)
			return false
		}
		h.read = p.Order + 1
		if f, _ := s.fate(p.key); f != fateOpen {
			return true // it was skipped meanwhile
		}
		h.stored--
		pages = append(pages, p)
		return len(pages) < n
	}
	for _, run := range s.queue.runs {
		if n <= len(pages) || h.stored == 0 || s.err != nil {
			return pages
		}
		if !s.loadQueue(run) {
			return pages
		}
		s.pullRun(run, h, take)
	}
	list := s.queue.recent[h.key]
	for len(list) > 0 && len(pages) < n && s.err == nil {
		e := list[0]
		list = list[1:]
		s.queue.rows--
		take(row{key: queueKey(h.key, e.order), value: e.value})
	}
	s.queue.recent[h.key] = list
	if len(list) == 0 {
		delete(s.queue.recent, h.key)
	}
	return pages
}

// pullRun calls take for the rows of a host in a run that were not read, until it
// returns false.
func (s *State) pullRun(run *queueRun, h *host, take func(row) bool) {
	first, ok := run.hosts[hashOf([]byte(h.key))]
	if !ok {
		return
	}
	from := queueKey(h.key, h.read)
	prefix := from[:len(from)-8]
	for i := max(first, run.seg.find(from)); i < len(run.seg.blocks); i++ {
		rows, err := s.queue.blocks.get(s.codec, run.seg, i)
		if err != nil {
			s.fail(err)
			return
		}
		at := sort.Search(len(rows), func(i int) bool { return bytes.Compare(rows[i].key, from) >= 0 })
		for _, r := range rows[at:] {
			if !bytes.HasPrefix(r.key, prefix) {
				return
			}
			run.ref.Read++
			if !take(r) {
				return
			}
		}
	}
}

// hashOf is the 64-bit FNV-1a hash of a host. Two hosts with the same hash cost a look
// in vain.
func hashOf(host []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range host {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// loadQueue fetches a run when it is not there. It returns false after an error, which
// the state keeps.
func (s *State) loadQueue(run *queueRun) bool {
	if run.seg != nil {
		return true
	}
	seg, err := s.fetch(run.ref, kindQueue)
	if err == nil {
		err = run.open(s.codec, seg)
	}
	if err != nil {
		s.fail(err)
		return false
	}
	return true
}

// open notes which hosts are in a segment.
func (r *queueRun) open(c codec, seg *segment) error {
	index := queueIndex{hosts: map[uint64]int{}}
	for i := range seg.blocks {
		rows, err := seg.block(c, i)
		if err != nil {
			return err
		}
		for _, row := range rows {
			host, _, ok := splitQueueKey(row.key)
			if !ok {
				return damaged("segment %q: a row of the queue cannot be read", r.ref.Key)
			}
			index.note(host, i)
		}
	}
	r.seg, r.hosts = seg, index.hosts
	return nil
}

// queueIndex gathers which hosts are in a segment, row by row.
type queueIndex struct {
	hosts map[uint64]int
	last  []byte
}

// note notes that a row of a host is in a block.
func (x *queueIndex) note(host []byte, block int) {
	if bytes.Equal(host, x.last) {
		return
	}
	x.last = append(x.last[:0], host...)
	if _, known := x.hosts[hashOf(host)]; !known {
		x.hosts[hashOf(host)] = block
	}
}

// waiting tells whether a row of the queue was neither read nor skipped.
func (s *State) waiting(r row) (bool, error) {
	host, order, ok := splitQueueKey(r.key)
	if !ok {
		return false, damaged("a row of the queue cannot be read")
	}
	h := s.hosts[string(host)]
	if h == nil {
		return false, damaged("the queue has a host that is not in the table of hosts")
	}
	if order < h.read {
		return false, nil
	}
	p, err := readQueueRow(r)
	if err != nil {
		return false, err
	}
	f, known := s.fate(p.key)
	if !known && s.err == nil {
		return false, damaged("the queue has a page that was never seen")
	}
	return f == fateOpen, s.err
}

// dropRead lets go of the runs that are read to the end.
func (s *State) dropRead() {
	s.queue.runs = slices.DeleteFunc(s.queue.runs, func(r *queueRun) bool {
		if r.size() > 0 {
			return false
		}
		s.queue.blocks.forget(r.seg)
		return true
	})
}

// foldQueue turns what is recent into a run.
func (s *State) foldQueue(w *sealer) error {
	s.dropRead()
	fresh := make([]row, 0, s.queue.rows)
	for _, host := range slices.Sorted(maps.Keys(s.queue.recent)) {
		for _, e := range s.queue.recent[host] {
			fresh = append(fresh, row{key: queueKey(host, e.order), value: e.value})
		}
	}
	for part := range slices.Chunk(fresh, s.sizes.merge) {
		run, err := s.writeQueue(w, func(visit func(row) error) error {
			for _, r := range part {
				if err := visit(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.queue.runs = append(s.queue.runs, run)
	}
	clear(s.queue.recent)
	s.queue.rows = 0
	merged, err := mergeRuns(s.sizes.merge, s.queue.runs, (*queueRun).size, func(a, b *queueRun) (*queueRun, error) {
		return s.mergeQueue(w, a, b)
	})
	s.queue.runs = merged
	s.dropRead()
	return err
}

// mergeQueue makes one run of two, of what waits in them still.
func (s *State) mergeQueue(w *sealer, a, b *queueRun) (*queueRun, error) {
	if !s.loadQueue(a) || !s.loadQueue(b) {
		return nil, s.err
	}
	s.queue.blocks.forget(a.seg)
	s.queue.blocks.forget(b.seg)
	w.drop(a.ref.Key)
	w.drop(b.ref.Key)
	return s.writeQueue(w, func(visit func(row) error) error {
		return merge(s.codec, a.seg, b.seg, func(r row) error {
			if waits, err := s.waiting(r); !waits || err != nil {
				return err
			}
			return visit(r)
		})
	})
}

// writeQueue makes a run of rows.
func (s *State) writeQueue(w *sealer, rows func(func(row) error) error) (*queueRun, error) {
	sw := newSegmentWriter(s.codec, kindQueue)
	index := queueIndex{hosts: map[uint64]int{}}
	err := rows(func(r row) error {
		index.note(r.key[:len(r.key)-9], sw.cuts)
		return sw.add(r)
	})
	if err != nil {
		return nil, err
	}
	run := &queueRun{}
	if sw.total == 0 {
		return run, nil
	}
	run.ref, run.hosts = w.put(kindQueue, sw), index.hosts
	run.seg, err = openSegment(s.codec, w.data(run.ref.Key), kindQueue)
	return run, err
}

// blockCache keeps the blocks that were unpacked last.
type blockCache struct {
	blocks []cachedBlock // the newest last
}

type cachedBlock struct {
	seg  *segment
	i    int
	rows []row
}

// maxBlocks bounds the cache: some 160 KiB each.
const maxBlocks = 64

func (c *blockCache) get(codec codec, seg *segment, i int) ([]row, error) {
	for at, b := range slices.Backward(c.blocks) {
		if b.seg == seg && b.i == i {
			c.blocks = append(slices.Delete(c.blocks, at, at+1), b)
			return b.rows, nil
		}
	}
	rows, err := seg.block(codec, i)
	if err != nil {
		return nil, err
	}
	if len(c.blocks) == maxBlocks {
		c.blocks = slices.Delete(c.blocks, 0, 1)
	}
	c.blocks = append(c.blocks, cachedBlock{seg, i, rows})
	return rows, nil
}

func (c *blockCache) forget(seg *segment) {
	c.blocks = slices.DeleteFunc(c.blocks, func(b cachedBlock) bool { return b.seg == seg })
}

// pageHeap implements heap.Interface: the pages that came back, in the order of their
// discovery.
type pageHeap []*Page

func (h pageHeap) Len() int           { return len(h) }
func (h pageHeap) Less(i, j int) bool { return h[i].Order < h[j].Order }
func (h pageHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *pageHeap) Push(x any) { *h = append(*h, x.(*Page)) }

// Pop implements heap.Interface.
func (h *pageHeap) Pop() any { return popLast((*[]*Page)(h)) }

// placed is what a placedHeap holds: it knows its place, so that it can be moved or taken out.
type placed[T any] interface {
	before(T) bool
	putAt(place int)
}

// placedHeap implements heap.Interface: those first that are before others.
type placedHeap[T placed[T]] []T

func (h placedHeap[T]) Len() int           { return len(h) }
func (h placedHeap[T]) Less(i, j int) bool { return h[i].before(h[j]) }
func (h placedHeap[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].putAt(i)
	h[j].putAt(j)
}

// Push implements heap.Interface.
func (h *placedHeap[T]) Push(x any) {
	v := x.(T)
	v.putAt(len(*h))
	*h = append(*h, v)
}

// Pop implements heap.Interface. Who is taken out has the place -1.
func (h *placedHeap[T]) Pop() any {
	last := popLast((*[]T)(h))
	last.putAt(-1)
	return last
}

// walk calls visit for all, and for those that come after one only when visit returns true
// for that one.
func (h placedHeap[T]) walk(visit func(T) bool) {
	var from func(i int)
	from = func(i int) {
		if i < len(h) && visit(h[i]) {
			from(2*i + 1)
			from(2*i + 2)
		}
	}
	from(0)
}

// before orders pages that are put aside: those that are due first come first.
func (p *Page) before(q *Page) bool {
	return cmp.Or(cmp.Compare(p.RetryAt, q.RetryAt), cmp.Compare(p.Order, q.Order)) < 0
}

func (p *Page) putAt(place int) { p.place = place }

// before orders hosts: those whose turn came first come first.
func (h *host) before(g *host) bool {
	return cmp.Or(cmp.Compare(h.ready, g.ready), cmp.Compare(h.since, g.since)) < 0
}

func (h *host) putAt(place int) { h.place = place }

// popLast takes the last one off a list, which lets go of it.
func popLast[T any](list *[]T) T {
	old := *list
	last := old[len(old)-1]
	clear(old[len(old)-1:])
	*list = old[:len(old)-1]
	return last
}
