package visits

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// An index is a directory and objects of lines. An object is a file of Zstandard frames (RFC
// 8878), each a block of lines of JSON, so that zstd -dc shows it; a block is read by itself.
// Lines are in the order of their Key, in an object and from one to the next. The directory
// is JSON in one frame:
//
//	{"format":"crawlfleet-visits","version":1,"visits":2,"objects":[{"key":…,"size":…,"sha256":…,
//	 "visits":2,"blocks":[{"first":"com,example)/ https://example.com/","offset":0,"length":311}]}]}
const (
	format        = "crawlfleet-visits"
	formatVersion = 1

	// A block is cut at blockLines lines or blockSize bytes of them, an object at objectSize
	// bytes as it is stored.
	blockLines = 1000
	blockSize  = 256 << 10
	objectSize = 4 << 20
	// maxLine bounds a line, of which two addresses of 64 KiB may be a part.
	maxLine = 512 << 10
	// maxBlock bounds a block as it is read, maxDirectory a directory, in bytes unpacked.
	maxBlock     = blockSize + maxLine
	maxDirectory = 64 << 20
)

// MaxObject and MaxDirectory bound in bytes what is stored.
const (
	MaxObject    = objectSize + maxBlock + 1<<20
	MaxDirectory = 32 << 20
)

// ErrIndex means that an index is not what was written.
var ErrIndex = errors.New("damaged index of visits")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrIndex, fmt.Sprintf(format, args...))
}

// Key is what an index is sorted by: the address' SURT, a space and the address, so that
// pages of a site lie side by side.
func Key(address string) string { return string(urls.MakeSURT(address)) + " " + address }

// Directory leads to the visits of a run.
type Directory struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Visits is how many there are in all.
	Visits  int64    `json:"visits"`
	Objects []Object `json:"objects"`
}

// Object is a stored object of an index.
type Object struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Visits int64  `json:"visits"`
	// Blocks are its parts, in their order. They are left out where an object is named only.
	Blocks []Block `json:"blocks,omitempty"`
}

// Block is where some lines lie in an object, in bytes.
type Block struct {
	// First is the key of the first line.
	First  string `json:"first"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// Find returns the object and the block that an address would be in, false when the index
// begins after it.
func (d *Directory) Find(address string) (object, block int, ok bool) {
	key := Key(address)
	object = sort.Search(len(d.Objects), func(i int) bool { return d.Objects[i].Blocks[0].First > key }) - 1
	if object < 0 {
		return 0, 0, false
	}
	blocks := d.Objects[object].Blocks
	return object, sort.Search(len(blocks), func(i int) bool { return blocks[i].First > key }) - 1, true
}

// Blocks is how many blocks there are in all.
func (d *Directory) Blocks() int {
	n := 0
	for _, o := range d.Objects {
		n += len(o.Blocks)
	}
	return n
}

// Encode packs a directory.
func (d *Directory) Encode() ([]byte, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return pack(data)
}

// DecodeDirectory reads a directory as it is stored.
func DecodeDirectory(stored []byte) (*Directory, error) {
	data, err := unpack(stored, maxDirectory)
	if err != nil {
		return nil, damaged("directory: %v", err)
	}
	return parseDirectory(data)
}

func parseDirectory(data []byte) (*Directory, error) {
	var d Directory
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, damaged("directory: %v", err)
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return &d, nil
}

// check tells what about a directory cannot be.
func (d *Directory) check() error {
	if d.Format != format || d.Version < 1 {
		return damaged("it has the format %q", d.Format)
	}
	if d.Version > formatVersion {
		return damaged("it has version %d, this program knows %d: upgrade the workers", d.Version, formatVersion)
	}
	last, visits := "", int64(0)
	for i, o := range d.Objects {
		if o.Key == "" || len(o.SHA256) != hex.EncodedLen(sha256.Size) || o.Size <= 0 || o.Size > MaxObject || o.Visits <= 0 || len(o.Blocks) == 0 {
			return damaged("object %d cannot be", i)
		}
		visits += o.Visits
		end := int64(0)
		for _, b := range o.Blocks {
			if b.First <= last || b.Offset != end || b.Length <= 0 || b.Length > o.Size-end {
				return damaged("object %d has a block that cannot be", i)
			}
			last, end = b.First, b.Offset+b.Length
		}
		if end != o.Size {
			return damaged("object %d has %d bytes, its blocks %d", i, o.Size, end)
		}
	}
	if visits != d.Visits {
		return damaged("it tells of %d visits, its objects of %d", d.Visits, visits)
	}
	return nil
}

// FindIn reads a block as it is stored and returns the visit of an address, nil when there is
// none.
func FindIn(stored []byte, address string) (*Visit, error) {
	data, err := unpack(stored, maxBlock)
	if err != nil {
		return nil, damaged("block: %v", err)
	}
	return findIn(data, address)
}

func findIn(data []byte, address string) (*Visit, error) {
	key := Key(address)
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	low, high := 0, len(lines)
	for low < high {
		middle := (low + high) / 2
		var v Visit
		if err := json.Unmarshal(lines[middle], &v); err != nil {
			return nil, damaged("line: %v", err)
		}
		switch at := Key(v.URL); {
		case at == key:
			return &v, nil
		case at < key:
			low = middle + 1
		default:
			high = middle
		}
	}
	return nil, nil
}

// Writer writes an index of what a Sorter has. What it writes follows from the visits alone.
type Writer struct {
	// Put stores an object; its Key is set to what it is called.
	Put func(o *Object, data []byte) error

	dir    Directory
	object Object
	data   []byte
	lines  bytes.Buffer
	count  int
	first  string
	last   string
	size   int // of an object, for tests
}

// add writes the line of a visit. It must come after those before it in the order of Key. One
// of the same address as the last is left out: the first counts.
func (w *Writer) add(key string, line []byte) error {
	switch {
	case key == w.last:
		return nil
	case key < w.last:
		return fmt.Errorf("write an index of visits: %q after %q", key, w.last)
	}
	if w.count == 0 {
		w.first = key
	}
	w.lines.Write(line)
	w.last = key
	if w.count++; w.count < blockLines && w.lines.Len() < blockSize {
		return nil
	}
	return w.cut()
}

// encode is the line of a visit with its line break.
func encode(v *Visit) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a visit: %w", err)
	}
	if b.Len() > maxLine {
		return nil, fmt.Errorf("encode a visit: it has %d bytes", b.Len())
	}
	return b.Bytes(), nil
}

// cut ends the present block, and the object when it is large enough.
func (w *Writer) cut() error {
	if w.count == 0 {
		return nil
	}
	block, err := pack(w.lines.Bytes())
	if err != nil {
		return err
	}
	w.object.Blocks = append(w.object.Blocks, Block{First: w.first, Offset: int64(len(w.data)), Length: int64(len(block))})
	w.object.Visits += int64(w.count)
	w.data = append(w.data, block...)
	w.lines.Reset()
	w.count = 0
	limit := w.size
	if limit == 0 {
		limit = objectSize
	}
	if len(w.data) < limit {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	if len(w.data) == 0 {
		return nil
	}
	o := w.object
	sum := sha256.Sum256(w.data)
	o.Size, o.SHA256 = int64(len(w.data)), hex.EncodeToString(sum[:])
	if err := w.Put(&o, w.data); err != nil {
		return err
	}
	w.dir.Objects = append(w.dir.Objects, o)
	w.dir.Visits += o.Visits
	w.object, w.data = Object{}, w.data[:0]
	return nil
}

// Finish stores what is left and returns the directory.
func (w *Writer) Finish() (*Directory, error) {
	if err := errors.Join(w.cut(), w.flush()); err != nil {
		return nil, err
	}
	w.dir.Format, w.dir.Version = format, formatVersion
	return &w.dir, nil
}

func pack(data []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
	if err != nil {
		return nil, err
	}
	defer z.Close() //nolint:errcheck // EncodeAll leaves nothing to flush
	return z.EncodeAll(data, nil), nil
}

func unpack(stored []byte, limit uint64) ([]byte, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(limit))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return z.DecodeAll(stored, nil)
}
