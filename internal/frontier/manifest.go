package frontier

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

// Version is the version of manifests and segments.
const Version = 1

// The bounds of what is read back.
const (
	maxSegment  = 1 << 30 // unpacked bytes
	maxSegments = 64      // before they are compacted
	maxLine     = 1 << 20
)

// Manifest is the state of a shard at one step, as pointers to segments. Manifests
// are numbered without a gap, and each names the hash of the one before.
type Manifest struct {
	Version int    `json:"version"`
	Run     string `json:"run"`
	Shard   int    `json:"shard"`
	// FirstSlot and EndSlot are the slots that the shard owns, the end excluded.
	FirstSlot int   `json:"firstSlot"`
	EndSlot   int   `json:"endSlot"`
	Seq       int64 `json:"seq"`
	// Parent is the SHA-256 in hex of the manifest before, empty in the first.
	Parent string `json:"parent,omitempty"`
	// Nonce makes two writers' manifests differ.
	Nonce    string    `json:"nonce"`
	Order    int64     `json:"order"`
	Counts   Counts    `json:"counts"`
	Segments []Segment `json:"segments"`
	// Sent and Applied are the exchange's sequence vectors, by shard.
	Sent    map[string]int64 `json:"sent,omitempty"`
	Applied map[string]int64 `json:"applied,omitempty"`
	// Output is what the step returned to its caller, so that a second attempt
	// returns the same.
	Output json.RawMessage `json:"output,omitempty"`
}

// Segment names an object with rows.
type Segment struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Rows   int    `json:"rows"`
}

// Hash is the SHA-256 in hex of a manifest as it is stored.
func Hash(stored []byte) string {
	sum := sha256.Sum256(stored)
	return hex.EncodeToString(sum[:])
}

// Object is something to store under a key.
type Object struct {
	Key  string
	Data []byte
}

// row is one line of a segment: a page, a host or a chunk. A page and a host replace
// the row of the same key before; chunks are only added.
type row struct {
	Page  *Page  `json:"p,omitempty"`
	Host  *Host  `json:"h,omitempty"`
	Chunk *Chunk `json:"c,omitempty"`
}

// header is the first line of a segment.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

const segmentFormat = "crawlfleet-frontier"

// Seal yields the next manifest, as bytes to store, and the segment that it needs.
// parent is the hash of the manifest before, key the name for a new segment, output
// what the step returns. The state is then the one of that manifest.
func (s *State) Seal(run, nonce, parent, key string, output json.RawMessage) (Manifest, []Object, error) {
	m := s.manifest
	m.Version, m.Run, m.Nonce, m.Parent, m.Output = Version, run, nonce, parent, output
	m.EndSlot = Slots
	m.Seq++
	m.Order, m.Counts = s.order, s.Counts()
	m.Segments = slices.Clone(m.Segments)
	var objects []Object
	whole := s.compact(len(s.dirtyPages) + len(s.dirtyHosts))
	if whole {
		m.Segments = nil
	}
	rows := s.rows(whole)
	if len(rows) > 0 {
		data, err := encodeSegment(rows)
		if err != nil {
			return Manifest{}, nil, err
		}
		objects = append(objects, Object{Key: key, Data: data})
		m.Segments = append(m.Segments, Segment{Key: key, Size: int64(len(data)), SHA256: Hash(data), Rows: len(rows)})
	}
	s.manifest = m
	s.manifest.Output = nil
	clear(s.dirtyPages)
	clear(s.dirtyHosts)
	s.newChunks = 0
	return m, objects, nil
}

// compact tells whether the segments, with as many new rows, hold more than twice what
// the state does.
func (s *State) compact(dirty int) bool {
	total := dirty
	for _, seg := range s.manifest.Segments {
		total += seg.Rows
	}
	return len(s.manifest.Segments) >= maxSegments || total > 2*(len(s.pages)+len(s.hosts))+1000
}

// rows are the changed rows, or all, in an order that depends on their content alone.
func (s *State) rows(whole bool) []row {
	var pages []*Page
	var hosts []*Host
	chunks := s.chunks[len(s.chunks)-s.newChunks:]
	if whole {
		chunks = s.chunks
		for _, p := range s.pages {
			pages = append(pages, p)
		}
		for _, h := range s.hosts {
			hosts = append(hosts, h)
		}
	} else {
		for fp := range s.dirtyPages {
			pages = append(pages, s.pages[fp])
		}
		for key := range s.dirtyHosts {
			hosts = append(hosts, s.hosts[key])
		}
	}
	slices.SortFunc(pages, func(a, b *Page) int { return cmp.Compare(a.Order, b.Order) })
	slices.SortFunc(hosts, func(a, b *Host) int { return cmp.Compare(a.Key, b.Key) })
	rows := make([]row, 0, len(pages)+len(hosts))
	for _, p := range pages {
		rows = append(rows, row{Page: p})
	}
	for _, h := range hosts {
		rows = append(rows, row{Host: h})
	}
	for _, c := range chunks {
		rows = append(rows, row{Chunk: &c})
	}
	return rows
}

// encodeSegment writes rows as lines of JSON, packed with Zstandard (RFC 8878).
func encodeSegment(rows []row) ([]byte, error) {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(z)
	if err := enc.Encode(header{segmentFormat, Version}); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ErrSegment means that a segment is not what was written.
var ErrSegment = errors.New("damaged frontier segment")

// decodeSegment calls visit for each row.
func decodeSegment(data []byte, visit func(row) error) error {
	z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSegment))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSegment, err)
	}
	defer z.Close()
	lines := bufio.NewScanner(io.LimitReader(z, maxSegment))
	lines.Buffer(make([]byte, 64<<10), maxLine)
	if !lines.Scan() {
		return fmt.Errorf("%w: it is empty", errors.Join(ErrSegment, lines.Err()))
	}
	var h header
	if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Format != segmentFormat {
		return fmt.Errorf("%w: its first line is not a header", ErrSegment)
	}
	if h.Version > Version {
		return fmt.Errorf("%w: it has version %d, this program knows %d: upgrade the workers", ErrSegment, h.Version, Version)
	}
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%w: %w", ErrSegment, err)
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrSegment, err)
	}
	return nil
}

// Open reads a state back from its manifest. load fetches a segment by its key.
func Open(rules *Rules, m Manifest, load func(key string) ([]byte, error)) (*State, error) {
	if m.Version > Version {
		return nil, fmt.Errorf("the manifest has version %d, this program knows %d: upgrade the workers", m.Version, Version)
	}
	s := New(rules)
	for _, seg := range m.Segments {
		data, err := load(seg.Key)
		if err != nil {
			return nil, fmt.Errorf("load segment %q: %w", seg.Key, err)
		}
		if Hash(data) != seg.SHA256 {
			return nil, fmt.Errorf("segment %q: %w: its hash is not the manifest's", seg.Key, ErrSegment)
		}
		if err := decodeSegment(data, s.take); err != nil {
			return nil, fmt.Errorf("segment %q: %w", seg.Key, err)
		}
	}
	for _, p := range s.pages {
		p.host = hostOf(p.URL)
		s.counts.Discovered++
		s.count(p, 1)
		switch p.Status {
		case Queued:
			s.queue(p.host).push(p)
		case Leased:
			s.leased[p.Bundle] = append(s.leased[p.Bundle], p)
		case Delayed:
			s.delayed[p.FP] = p
		}
	}
	s.order = m.Order
	s.counts.Bytes, s.counts.Chunks = m.Counts.Bytes, m.Counts.Chunks
	s.manifest = m
	s.manifest.Output = nil
	if s.counts.Discovered != m.Counts.Discovered || s.counts.Archived != m.Counts.Archived || s.counts.Queued != m.Counts.Queued {
		return nil, fmt.Errorf("%w: the segments of manifest %d hold %+v, it says %+v", ErrBooks, m.Seq, s.counts, m.Counts)
	}
	return s, nil
}

// take lets a row replace the one of the same key.
func (s *State) take(r row) error {
	switch {
	case r.Page != nil && r.Page.FP == FingerprintOf(r.Page.URL):
		s.pages[r.Page.FP] = r.Page
	case r.Host != nil && r.Host.Key != "":
		s.hosts[r.Host.Key] = r.Host
	case r.Chunk != nil && r.Chunk.Key != "":
		s.chunks = append(s.chunks, *r.Chunk)
	default:
		return fmt.Errorf("%w: a row is neither a page nor a host nor a chunk", ErrSegment)
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
