package frontier

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"

	"github.com/klauspost/compress/zstd"
)

// A segment is an immutable object of rows in ascending order of their keys:
//
//	segment = magic version kind *block index footer
//	magic   = "CFSG"
//	version = %x01
//	kind    = a byte of segmentKind
//	block   = a Zstandard frame (RFC 8878) with content checksum, of rows
//	row     = shared rest-length rest (deleted / value-length+1 value)
//	index   = a Zstandard frame, for each block: offset length rows first-length first
//	footer  = index offset (8 bytes) index length (4) rows (8) magic, big-endian
//
// Numbers are unsigned varints (as in encoding/binary) but for the footer's. shared is
// how many bytes a key has in common with the one before in its block, deleted is 0. A
// block is cut when it reaches blockSize bytes, so that the index, which is at the end,
// leads to a row by reading one block. The manifest names the SHA-256 of the whole.
const (
	segmentMagic   = "CFSG"
	segmentVersion = 1
	headerSize     = len(segmentMagic) + 2
	footerSize     = 8 + 4 + 8 + len(segmentMagic)
	blockSize      = 64 << 10
	// maxRow bounds a row: an address is at most urls.MaxLength bytes.
	maxRow = 96 << 10
	// maxUnpacked bounds a block, and the index.
	maxUnpacked = 16 << 20
)

// segmentKind says what the rows of a segment are.
type segmentKind byte

// The kinds of segments. A delta holds rows of all the others: the first byte of its
// keys is the kind.
const (
	kindSeen   segmentKind = 's'
	kindQueue  segmentKind = 'q'
	kindHosts  segmentKind = 'h'
	kindHeld   segmentKind = 'p'
	kindChunks segmentKind = 'c'
	kindLog    segmentKind = 'l'
	kindDelta  segmentKind = 'd'
)

// ErrSegment means that a segment is not what was written.
var ErrSegment = errors.New("damaged frontier segment")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSegment, fmt.Sprintf(format, args...))
}

// row is a key and its value. In tables where rows replace each other a deleted row
// takes out the older ones of the same key.
type row struct {
	key, value []byte
	deleted    bool
}

// codec packs and unpacks blocks.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (codec, error) {
	enc, err1 := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256<<10))
	dec, err2 := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxUnpacked))
	return codec{enc, dec}, errors.Join(err1, err2)
}

// segmentWriter writes a segment.
type segmentWriter struct {
	codec codec
	out   []byte
	raw   []byte // the present block
	first []byte // its first key
	last  []byte // the key before
	index []byte
	rows  int // of the present block
	cuts  int // blocks before it
	total int
}

func newSegmentWriter(c codec, kind segmentKind) *segmentWriter {
	return &segmentWriter{codec: c, out: append([]byte(segmentMagic), segmentVersion, byte(kind))}
}

// add writes a row. Its key must be greater than the one before.
func (w *segmentWriter) add(r row) error {
	if w.total > 0 && bytes.Compare(r.key, w.last) <= 0 {
		return fmt.Errorf("write a frontier segment: key %q after %q", r.key, w.last)
	}
	if len(r.key)+len(r.value) > maxRow {
		return fmt.Errorf("write a frontier segment: a row of %d bytes", len(r.key)+len(r.value))
	}
	shared := 0
	if w.rows == 0 {
		w.first = append(w.first[:0], r.key...)
	} else {
		for shared < len(r.key) && shared < len(w.last) && r.key[shared] == w.last[shared] {
			shared++
		}
	}
	w.raw = binary.AppendUvarint(w.raw, uint64(shared))
	w.raw = appendBytes(w.raw, r.key[shared:])
	if r.deleted {
		w.raw = append(w.raw, 0)
	} else {
		w.raw = binary.AppendUvarint(w.raw, uint64(len(r.value))+1)
		w.raw = append(w.raw, r.value...)
	}
	w.last = append(w.last[:0], r.key...)
	w.rows++
	w.total++
	if len(w.raw) >= blockSize {
		w.cut()
	}
	return nil
}

// cut ends the present block.
func (w *segmentWriter) cut() {
	if w.rows == 0 {
		return
	}
	offset := len(w.out)
	w.out = w.codec.enc.EncodeAll(w.raw, w.out)
	w.index = binary.AppendUvarint(w.index, uint64(offset))
	w.index = binary.AppendUvarint(w.index, uint64(len(w.out)-offset))
	w.index = binary.AppendUvarint(w.index, uint64(w.rows))
	w.index = appendBytes(w.index, w.first)
	w.raw, w.rows = w.raw[:0], 0
	w.cuts++
}

// finish returns the segment.
func (w *segmentWriter) finish() []byte {
	w.cut()
	offset := len(w.out)
	w.out = w.codec.enc.EncodeAll(w.index, w.out)
	length := len(w.out) - offset
	w.out = binary.BigEndian.AppendUint64(w.out, uint64(offset))
	w.out = binary.BigEndian.AppendUint32(w.out, uint32(length))
	w.out = binary.BigEndian.AppendUint64(w.out, uint64(w.total))
	return append(w.out, segmentMagic...)
}

// segment is a segment whose blocks are still packed.
type segment struct {
	kind   segmentKind
	data   []byte
	blocks []blockRef
	rows   int
}

type blockRef struct {
	offset, length, rows int
	first                []byte
}

// openSegment reads the index of a segment.
func openSegment(c codec, data []byte, kind segmentKind) (*segment, error) {
	if len(data) < headerSize+footerSize || string(data[:len(segmentMagic)]) != segmentMagic {
		return nil, damaged("it does not begin as one")
	}
	if v := data[len(segmentMagic)]; v > segmentVersion {
		return nil, damaged("it has version %d, this program knows %d: upgrade the workers", v, segmentVersion)
	}
	if got := segmentKind(data[headerSize-1]); got != kind {
		return nil, damaged("it is of kind %q, not %q", got, kind)
	}
	footer := data[len(data)-footerSize:]
	if string(footer[20:]) != segmentMagic {
		return nil, damaged("it does not end as one")
	}
	s := &segment{kind: kind, data: data}
	offset, length := binary.BigEndian.Uint64(footer), uint64(binary.BigEndian.Uint32(footer[8:]))
	rows := binary.BigEndian.Uint64(footer[12:])
	if offset < uint64(headerSize) || offset+length != uint64(len(data)-footerSize) {
		return nil, damaged("its index is not where it should be")
	}
	index, err := c.dec.DecodeAll(data[offset:offset+length], nil)
	if err != nil {
		return nil, damaged("index: %v", err)
	}
	if err := s.readIndex(index, int(offset)); err != nil {
		return nil, err
	}
	if uint64(s.rows) != rows {
		return nil, damaged("its index tells of %d rows, its footer of %d", s.rows, rows)
	}
	return s, nil
}

// readIndex takes in the blocks, which lie one after another up to end.
func (s *segment) readIndex(index []byte, end int) error {
	d := decoder{data: index}
	next := headerSize
	for len(d.data) > 0 {
		b := blockRef{offset: d.int(), length: d.int(), rows: d.int(), first: d.bytes()}
		if d.bad || b.offset != next || b.length <= 0 || b.length > end-b.offset || b.rows <= 0 || b.rows > maxUnpacked {
			return damaged("its index is wrong at block %d", len(s.blocks))
		}
		if n := len(s.blocks); n > 0 && bytes.Compare(s.blocks[n-1].first, b.first) >= 0 {
			return damaged("block %d is out of order", n)
		}
		next = b.offset + b.length
		s.rows += b.rows
		s.blocks = append(s.blocks, b)
	}
	if next != end {
		return damaged("there is something between its blocks and its index")
	}
	return nil
}

// block unpacks the rows of a block.
func (s *segment) block(c codec, i int) ([]row, error) {
	ref := s.blocks[i]
	raw, err := c.dec.DecodeAll(s.data[ref.offset:ref.offset+ref.length], nil)
	if err != nil {
		return nil, damaged("block %d: %v", i, err)
	}
	if ref.rows > len(raw) {
		return nil, damaged("block %d has fewer rows than its index says", i)
	}
	d := decoder{data: raw}
	rows := make([]row, 0, ref.rows)
	// Keys are put together in one buffer. It may grow, and leave older keys where
	// they are.
	arena := make([]byte, 0, len(raw))
	var last []byte
	for len(d.data) > 0 {
		shared, rest, size := d.int(), d.bytes(), d.int()
		if d.bad || shared > len(last) || shared+len(rest) > maxRow {
			return nil, damaged("block %d: row %d is cut off", i, len(rows))
		}
		start := len(arena)
		arena = append(append(arena, last[:shared]...), rest...)
		r := row{key: arena[start:len(arena):len(arena)], deleted: size == 0}
		if !r.deleted {
			r.value = d.next(size - 1)
		}
		if d.bad || len(rows) > 0 && bytes.Compare(last, r.key) >= 0 {
			return nil, damaged("block %d: row %d is out of order", i, len(rows))
		}
		last = r.key
		rows = append(rows, r)
	}
	if len(rows) != ref.rows || !bytes.Equal(rows[0].key, ref.first) {
		return nil, damaged("block %d is not what its index says", i)
	}
	return rows, nil
}

// scan calls visit for every row in order. What it is given stays as it is.
func (s *segment) scan(c codec, visit func(row) error) error {
	for i := range s.blocks {
		rows, err := s.block(c, i)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := visit(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// find is the block that a key would be in.
func (s *segment) find(key []byte) int {
	i := sort.Search(len(s.blocks), func(i int) bool { return bytes.Compare(s.blocks[i].first, key) > 0 })
	return max(i-1, 0)
}

// cursor walks through the rows of a segment.
type cursor struct {
	codec codec
	seg   *segment
	next  int // block
	rows  []row
	err   error
}

// peek is the present row; ok is false at the end, or after an error.
func (c *cursor) peek() (r row, ok bool) {
	for len(c.rows) == 0 {
		if c.err != nil || c.next == len(c.seg.blocks) {
			return row{}, false
		}
		c.rows, c.err = c.seg.block(c.codec, c.next)
		c.next++
	}
	return c.rows[0], true
}

func (c *cursor) advance() { c.rows = c.rows[1:] }

// merge calls visit for the rows of two segments in order. Of two rows with one key the
// newer segment's counts.
func merge(c codec, older, newer *segment, visit func(row) error) error {
	a, b := &cursor{codec: c, seg: older}, &cursor{codec: c, seg: newer}
	for {
		ra, okA := a.peek()
		rb, okB := b.peek()
		if err := errors.Join(a.err, b.err); err != nil {
			return err
		}
		r := rb
		switch order := bytes.Compare(ra.key, rb.key); {
		case !okA && !okB:
			return nil
		case okA && (!okB || order < 0):
			r = ra
			a.advance()
		case okA && order == 0:
			a.advance()
			b.advance()
		default:
			b.advance()
		}
		if err := visit(r); err != nil {
			return err
		}
	}
}

// Hash is the SHA-256 in hex of an object as it is stored.
func Hash(stored []byte) string {
	sum := sha256.Sum256(stored)
	return hex.EncodeToString(sum[:])
}
