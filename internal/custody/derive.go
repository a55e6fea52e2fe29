package custody

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// The sizes of what is derived.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight // entries in a bundle, hashes in a tile
	tileBytes  = tileWidth * tlog.HashSize
	maxBundle  = tileWidth * (2 + maxEntry)
	// markBundles is how many bundles a list of marks is of.
	markBundles = 16
	blockBytes  = markBundles * tileWidth * markSize
)

// object is what is to be stored.
type object struct {
	key blob.Key
	raw []byte
}

// deriver computes from the entries, in their order, all that is derived from them: whenever
// there are 256 more, a bundle of them, a tile of their hashes, the tiles above it as far as
// they are filled, and now and then a list of marks.
type deriver struct {
	prefix blob.Key
	// done is how many bundles were derived; tail are the entries after them.
	done int64
	tail []leaf
	// rows are the hashes of the tiles that are not full yet: rows[0] of level 1.
	rows [][]tlog.Hash
	// block are the marks of the entries of whole bundles since the last list of marks.
	block []byte
}

// full tells whether there are enough entries for a bundle.
func (d *deriver) full() bool { return len(d.tail) >= tileWidth }

// next gives the objects of the next bundle, the bundle itself last: where it is stored, all
// the others are. The deriver goes on only with [deriver.drop].
func (d *deriver) next() []object {
	leaves := d.tail[:tileWidth]
	hashes, bundle := make([]tlog.Hash, 0, tileWidth), []byte(nil)
	for i := range leaves {
		hashes = append(hashes, leaves[i].hash())
		bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(leaves[i].raw))) //nolint:gosec // at most maxEntry
		bundle = append(bundle, leaves[i].raw...)
	}
	objects := []object{{tileKey(d.prefix, 0, d.done, tileWidth), join(hashes)}}
	child, n := rootOf(hashes), d.done
	for level := 1; ; level++ {
		row := append(d.row(level), child)
		objects = append(objects, object{tileKey(d.prefix, level, n/tileWidth, len(row)), join(row)})
		if len(row) < tileWidth {
			break
		}
		child, n = rootOf(row), n/tileWidth
	}
	if (d.done+1)%markBundles == 0 {
		objects = append(objects, object{marksKey(d.prefix, d.done/markBundles), appendMarks(d.block, leaves)})
	}
	return append(objects, object{bundleKey(d.prefix, d.done), bundle})
}

// row is a copy of the hashes of the unfilled tile of a level.
func (d *deriver) row(level int) []tlog.Hash {
	if level > len(d.rows) {
		return nil
	}
	return append([]tlog.Hash(nil), d.rows[level-1]...)
}

// drop goes on to the entries after the next bundle.
func (d *deriver) drop() {
	leaves := d.tail[:tileWidth]
	hashes := make([]tlog.Hash, 0, tileWidth)
	for i := range leaves {
		hashes = append(hashes, leaves[i].hash())
	}
	child := rootOf(hashes)
	for level := 0; ; level++ {
		if level == len(d.rows) {
			d.rows = append(d.rows, nil)
		}
		d.rows[level] = append(d.rows[level], child)
		if len(d.rows[level]) < tileWidth {
			break
		}
		child, d.rows[level] = rootOf(d.rows[level]), nil
	}
	d.block = appendMarks(d.block, leaves)
	d.done++
	if d.done%markBundles == 0 {
		d.block = nil
	}
	d.tail = append([]leaf(nil), d.tail[tileWidth:]...)
}

// edge is the tree of the derived bundles.
func (d *deriver) edge() edge {
	e := edge{size: d.done * tileWidth}
	for level := len(d.rows) - 1; level >= 0; level-- {
		var sub edge
		for _, h := range d.rows[level] {
			sub.add(h)
		}
		e.peaks = append(e.peaks, sub.peaks...)
	}
	return e
}

func rootOf(hashes []tlog.Hash) tlog.Hash {
	var e edge
	for _, h := range hashes {
		e.add(h)
	}
	return e.root()
}

func join(hashes []tlog.Hash) []byte {
	raw := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		raw = append(raw, h[:]...)
	}
	return raw
}

func split(raw []byte) []tlog.Hash {
	hashes := make([]tlog.Hash, 0, len(raw)/tlog.HashSize)
	for ; len(raw) >= tlog.HashSize; raw = raw[tlog.HashSize:] {
		hashes = append(hashes, tlog.Hash(raw[:tlog.HashSize]))
	}
	return hashes
}

// parseBundle reads a bundle of entries.
func parseBundle(raw []byte) ([]leaf, error) {
	leaves := make([]leaf, 0, tileWidth)
	for len(raw) > 0 {
		if len(raw) < 2 || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
			return nil, errors.New("is cut off")
		}
		n := int(binary.BigEndian.Uint16(raw))
		e, err := ParseEntry(raw[2 : 2+n])
		if err != nil {
			return nil, err
		}
		leaves, raw = append(leaves, leaf{e, raw[2 : 2+n]}), raw[2+n:]
	}
	if len(leaves) != tileWidth {
		return nil, fmt.Errorf("has %d entries, must have %d", len(leaves), tileWidth)
	}
	return leaves, nil
}

// number is a number in a key, as tlog-tiles has it: groups of three digits, all but the
// last with an x before them.
func number(n int64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

func tileKey(prefix blob.Key, level int, n int64, width int) blob.Key {
	k := fmt.Sprintf("%s/tile/%d/%s", prefix, level, number(n))
	if width < tileWidth {
		k += fmt.Sprintf(".p/%d", width)
	}
	return blob.Key(k)
}

func bundleKey(prefix blob.Key, n int64) blob.Key {
	return prefix + "/tile/entries/" + blob.Key(number(n))
}

func marksKey(prefix blob.Key, n int64) blob.Key { return prefix + "/ids/" + blob.Key(number(n)) }

// mark is the beginning of the SHA-256 of an identifier. With the lists of them an entry is
// found without reading all entries.
type mark [markSize]byte

const markSize = 8

func markOf(id string) mark {
	sum := sha256.Sum256([]byte(id))
	return mark(sum[:markSize])
}

func appendMarks(block []byte, leaves []leaf) []byte {
	block = block[:len(block):len(block)]
	for _, leaf := range leaves {
		m := markOf(leaf.ID)
		block = append(block, m[:]...)
	}
	return block
}

// marks are the marks of the last entries: at least as many as it is made for.
type marks struct {
	limit      int64
	older, now map[mark][]int64
}

func newMarks(limit int64) *marks {
	return &marks{limit: limit, now: make(map[mark][]int64)}
}

func (s *marks) add(m mark, index int64) {
	if int64(len(s.now)) >= s.limit {
		s.older, s.now = s.now, make(map[mark][]int64)
	}
	s.now[m] = append(s.now[m], index)
}

// find gives the indexes of the entries with a mark, nearly always one or none.
func (s *marks) find(m mark) []int64 {
	return append(append([]int64(nil), s.older[m]...), s.now[m]...)
}
