package frontier

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Version is the version of manifests, that of several shards is VersionShards: a program
// that knows nothing of these must not go on with one. The first was of builds that were
// never released.
const (
	Version       = 2
	VersionShards = 3
)

// Manifest is the state of a shard at one step, as pointers to segments. Manifests
// are numbered without a gap, and each names the hash of the one before.
type Manifest struct {
	Version int    `json:"version"`
	Run     string `json:"run"`
	// Shard is the place of the shard among Shards; 0 of those is 1, as in manifests
	// from before there were several.
	Shard  int `json:"shard"`
	Shards int `json:"shards,omitempty"`
	// FirstSlot and EndSlot are the slots that the shard owns, the end excluded.
	FirstSlot int `json:"firstSlot"`
	EndSlot   int `json:"endSlot"`
	// Spec is the SHA-256 in hex of the order, as far as the frontier knows it.
	Spec string `json:"spec"`
	Seq  int64  `json:"seq"`
	// Parent is the SHA-256 in hex of the manifest before, empty in the first.
	Parent string `json:"parent,omitempty"`
	// Nonce makes two writers' manifests differ.
	Nonce string `json:"nonce"`
	// Created is the time of the step.
	Created time.Time `json:"created,omitzero"`
	// Order is the place of the next page that is discovered, Visited the number of
	// pages with a final outcome of a visit, Logged the number of rows in the log.
	Order   int64  `json:"order"`
	Visited int64  `json:"visited"`
	Logged  int64  `json:"logged"`
	Counts  Counts `json:"counts"`
	// Reasons are pairs of status and reason, such as "f:DNSFailed", by their place
	// in the fates of the seen table. It is only ever added to.
	Reasons []string `json:"reasons,omitempty"`
	// Tables are segments, the oldest first; Deltas are the rows since, of all tables.
	Tables Tables    `json:"tables"`
	Deltas []Segment `json:"deltas,omitempty"`
	// Sent and Applied are the exchange's sequence vectors, by shard: the last exchange
	// that had a part for it, and the last of its own that was taken in.
	Sent    map[int]int64 `json:"sent,omitempty"`
	Applied map[int]int64 `json:"applied,omitempty"`
	// Exchanged counts the exchanges that the shard has sent.
	Exchanged int64 `json:"exchanged,omitempty"`
	// Output is what the step returned to its caller, so that a second attempt
	// returns the same.
	Output json.RawMessage `json:"output,omitempty"`
}

// Tables are the segments of each table.
type Tables struct {
	Seen   []Segment `json:"seen,omitempty"`
	Queue  []Segment `json:"queue,omitempty"`
	Hosts  []Segment `json:"hosts,omitempty"`
	Held   []Segment `json:"held,omitempty"`
	Chunks []Segment `json:"chunks,omitempty"`
	Log    []Segment `json:"log,omitempty"`
}

// Segment names an object with rows.
type Segment struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Rows   int    `json:"rows"`
	// Read is how many rows of a segment of the queue are read.
	Read int `json:"read,omitempty"`
}

// Object is something to store under a key.
type Object struct {
	Key  string
	Data []byte
}

// Segments are all segments that a manifest needs.
func (m Manifest) Segments() []Segment {
	t := m.Tables
	return slices.Concat(t.Seen, t.Queue, t.Hosts, t.Held, t.Chunks, t.Log, m.Deltas)
}

// ErrManifest means that a manifest is not what was written.
var ErrManifest = errors.New("damaged frontier manifest")

// DecodeManifest reads a manifest as it is stored.
func DecodeManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if m.Shards == 0 {
		m.Shards = 1
	}
	return m, m.check()
}

func versionOf(shards int) int {
	if shards > 1 {
		return VersionShards
	}
	return Version
}

// check tells what about a manifest cannot be.
func (m Manifest) check() error {
	wrong := ""
	c := m.Counts
	first, end := slots(m.Shard, max(m.Shards, 1))
	switch {
	case m.Version != versionOf(m.Shards):
		wrong = fmt.Sprintf("it has version %d, this program knows %d and %d: use the workers that the run was started with", m.Version, Version, VersionShards)
	case m.Seq < 0, m.Order < 0, m.Logged < 0, m.Visited < 0:
		wrong = "a number is negative"
	case m.Shards < 1, m.Shards > MaxShards, m.Shard < 0, m.Shard >= m.Shards, m.Exchanged < 0:
		wrong = fmt.Sprintf("it is of shard %d of %d, after %d exchanges", m.Shard, m.Shards, m.Exchanged)
	case m.FirstSlot != first, m.EndSlot != end:
		wrong = fmt.Sprintf("it owns the slots from %d to %d", m.FirstSlot, m.EndSlot)
	case len(m.Reasons) > maxReasons:
		wrong = fmt.Sprintf("it has %d reasons", len(m.Reasons))
	case min(c.Discovered, c.Queued, c.Delayed, c.Leased, c.Archived, c.Incomplete, c.Bytes, c.Chunks) < 0,
		min(c.Compared.Unchanged, c.Compared.Changed, c.Compared.New, c.Compared.NotCompared) < 0:
		wrong = "a count is negative"
	}
	for _, r := range m.Reasons {
		if status, reason, ok := strings.Cut(r, ":"); !ok || reason == "" || Status(status) != Failed && Status(status) != Skipped {
			wrong = fmt.Sprintf("%q is no reason", r)
		}
	}
	for _, vector := range []map[int]int64{m.Sent, m.Applied} {
		for shard, seq := range vector {
			if shard < 0 || shard >= m.Shards || shard == m.Shard || seq < 1 {
				wrong = fmt.Sprintf("it has exchange %d with shard %d", seq, shard)
			}
		}
	}
	for _, seg := range m.Segments() {
		if seg.Key == "" || len(seg.SHA256) != 64 || seg.Rows <= 0 || seg.Read < 0 || seg.Read > seg.Rows {
			wrong = fmt.Sprintf("segment %q", seg.Key)
		}
	}
	if wrong != "" {
		return fmt.Errorf("%w %d: %s", ErrManifest, m.Seq, wrong)
	}
	return nil
}

// fetch loads a segment and compares it with what the manifest says of it.
func (s *State) fetch(ref Segment, kind segmentKind) (*segment, error) {
	data, err := s.load(ref.Key)
	if err != nil {
		return nil, fmt.Errorf("load segment %q: %w", ref.Key, err)
	}
	if Hash(data) != ref.SHA256 {
		return nil, fmt.Errorf("segment %q: %w: its hash is not the manifest's", ref.Key, ErrSegment)
	}
	seg, err := openSegment(s.codec, data, kind)
	if err != nil {
		return nil, fmt.Errorf("segment %q: %w", ref.Key, err)
	}
	if seg.rows != ref.Rows {
		return nil, fmt.Errorf("segment %q: %w: it has %d rows, the manifest says %d", ref.Key, ErrSegment, seg.rows, ref.Rows)
	}
	return seg, nil
}

// Open reads a state back from its manifest. load fetches a segment by its key; it is
// called later too, when a table is needed.
func Open(rules *Rules, m Manifest, load func(key string) ([]byte, error)) (*State, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	s := NewShard(rules, m.Shard, m.Shards)
	s.load = load
	s.exchanged = m.Exchanged
	maps.Copy(s.sent, m.Sent)
	maps.Copy(s.applied, m.Applied)
	s.order, s.visited, s.logged, s.now = m.Order, m.Visited, m.Logged, m.Created
	s.counts = m.Counts
	for _, books := range []*map[string]int64{&s.counts.Failed, &s.counts.Skipped, &s.counts.Ignored} {
		if *books == nil {
			*books = map[string]int64{}
		}
	}
	s.counts = s.Counts() // maps of its own
	s.reasons = slices.Clone(m.Reasons)
	s.manifest = m
	s.manifest.Output = nil
	for _, ref := range m.Tables.Seen {
		s.seen.runs = append(s.seen.runs, &seenRun{ref: ref})
	}
	for _, ref := range m.Tables.Queue {
		s.queue.runs = append(s.queue.runs, &queueRun{ref: ref})
	}
	r := reader{state: s}
	err := errors.Join(s.err,
		r.table(m.Tables.Hosts, kindHosts), r.table(m.Tables.Held, kindHeld), r.table(m.Tables.Chunks, kindChunks))
	if err != nil {
		return nil, err
	}
	r.recent = true
	if err := r.table(m.Deltas, kindDelta); err != nil {
		return nil, err
	}
	r.finish()
	return s, s.checkAll()
}

// reader takes rows into a state.
type reader struct {
	state  *State
	recent bool // whether the rows are in no table yet
}

func (r *reader) table(refs []Segment, kind segmentKind) error {
	for _, ref := range refs {
		seg, err := r.state.fetch(ref, kind)
		if err != nil {
			return err
		}
		err = seg.scan(r.state.codec, func(row row) error {
			k := kind
			if kind == kindDelta {
				if len(row.key) == 0 {
					return damaged("a row of a delta has no key")
				}
				k, row.key = segmentKind(row.key[0]), row.key[1:]
			}
			return r.take(k, row)
		})
		if err != nil {
			return fmt.Errorf("segment %q: %w", ref.Key, err)
		}
	}
	return nil
}

// take lets a row replace the one of the same key.
func (r *reader) take(kind segmentKind, row row) error {
	s := r.state
	switch kind {
	case kindSeen:
		if len(row.key) != len(fp{}) || len(row.value) != 1 {
			return damaged("a row of the seen table cannot be read")
		}
		s.seen.recent[fp(row.key)] = fate(row.value[0])
	case kindQueue:
		host, order, ok := splitQueueKey(row.key)
		list := s.queue.recent[string(host)]
		if !ok || len(list) > 0 && list[len(list)-1].order >= order {
			return damaged("a row of the queue cannot be read")
		}
		s.queue.recent[string(host)] = append(list, entry{order, bytes.Clone(row.value)})
	case kindHosts:
		h, err := readHostRow(row)
		if err != nil {
			return err
		}
		s.hosts[h.key] = h
		if r.recent {
			s.unfolded.hosts[h.key] = true
		}
	case kindHeld:
		return r.takeHeld(row)
	case kindChunks:
		c, err := readChunkRow(row)
		if err != nil {
			return err
		}
		s.chunks = append(s.chunks, c)
		if r.recent {
			s.unfolded.chunks++
		}
	case kindLog:
		row.key, row.value = bytes.Clone(row.key), bytes.Clone(row.value)
		s.log = append(s.log, row)
	default:
		return damaged("it has a row of kind %q", kind)
	}
	return nil
}

func (r *reader) takeHeld(row row) error {
	s := r.state
	if len(row.key) != len(fp{}) {
		return damaged("a row of a held page cannot be read")
	}
	key := fp(row.key)
	if r.recent {
		s.unfolded.held[key] = true
	}
	if row.deleted {
		delete(s.held, key)
		return nil
	}
	p, err := readHeldRow(row)
	if err != nil {
		return err
	}
	p.host = s.hostOf(p.URL)
	s.held[key] = p
	return nil
}

// finish puts together what follows from the rows.
func (r *reader) finish() {
	s := r.state
	for key, list := range s.queue.recent {
		if h := s.hosts[key]; h != nil {
			list = slices.DeleteFunc(list, func(e entry) bool { return e.order < h.read })
		}
		s.queue.recent[key] = list
		s.queue.rows += len(list)
		if len(list) == 0 {
			delete(s.queue.recent, key)
		}
	}
	for _, p := range s.inOrder(s.held) {
		switch p.Status {
		case Leased:
			s.leased[p.Bundle] = append(s.leased[p.Bundle], p)
		case Queued:
			h := s.host(p.host)
			h.returned = append(h.returned, p) // in order, which is a heap
		case Delayed:
			heap.Push(&s.later, p)
		}
	}
	for _, h := range s.hosts {
		s.place(h)
	}
}
