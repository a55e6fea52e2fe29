package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// warcName is the name of a chunk's one record file.
const warcName = "data.warc.gz"

// maxPageText is how much of a page's text stands in the page list, where
// readers search it. The whole text has a record of its own.
const maxPageText = 64 << 10

// gzipLevel is the compression of records: level 4 costs half the time of the
// usual 6 for a few per cent more bytes.
const gzipLevel = 4

// Chunk is a WACZ file in the making. It is not safe for concurrent use.
type Chunk struct {
	opts Options
	path string // of the record file
	file *os.File
	buf  *bufio.Writer
	warc *warc.Writer
	base int64 // what must be added to the offsets that warc tells

	records   int
	bytes     int64
	index     []cdxj.Entry
	pages     []wacz.Page
	extra     []wacz.Page
	entries   []PageEntry
	history   history
	originals map[string]original // by payload digest
	caches    caches
	conns     map[int64]connection // by the recorder's connection ID
	answers   map[string]string    // IDs of dns: records, by name and time of the answer
	robots    map[string]string    // IDs of the records of robots.txt, by address and time
	ended     bool                 // the record file is complete
	closed    bool
}

// original is a response whose body is stored in this chunk.
type original struct {
	warc.Original
	status int
}

// connection says where the records of a connection are.
type connection struct {
	id string // of its metadata record
}

// NewChunk starts a chunk in a folder. Close or Abandon it in the end.
func NewChunk(opts Options) (*Chunk, error) {
	if opts.Dir == "" {
		return nil, errors.New("chunk: no folder given")
	}
	if opts.Name == "" {
		opts.Name = "chunk"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("chunk: %w", err)
	}
	path := filepath.Join(opts.Dir, opts.Name+"."+warcName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("chunk: %w", err)
	}
	c := &Chunk{
		opts: opts, path: path, file: file, buf: bufio.NewWriterSize(file, 256<<10),
		originals: make(map[string]original),
		caches:    make(caches),
		conns:     make(map[int64]connection),
		answers:   make(map[string]string),
		robots:    make(map[string]string),
		history:   history{begun: opts.Now()},
	}
	c.warc = warc.NewWriter(c.buf, warc.WriterOptions{Level: gzipLevel})
	if err := c.warcinfo(); err != nil {
		return nil, errors.Join(fmt.Errorf("chunk: %w", err), c.Abandon())
	}
	return c, nil
}

// warcinfo writes the record that says how the chunk came to be.
func (c *Chunk) warcinfo() error {
	info, err := warc.NewWarcinfo(c.opts.Now(), warcName, c.opts.Info.fields())
	if err != nil {
		return err
	}
	if _, err := c.warc.Write(info); err != nil {
		return err
	}
	c.records++
	return c.buf.Flush()
}

// fields are the info's named fields, those of the standard first (ISO 28500
// section 6.2 and Dublin Core).
func (i Info) fields() []warc.Field {
	var out []warc.Field
	add := func(name, value string) {
		if value = oneLine(value); value != "" {
			out = append(out, warc.Field{Name: name, Value: value})
		}
	}
	add("software", strings.TrimSpace(i.Software+" "+i.Version))
	add("format", "WARC File Format 1.1")
	add("conformsTo", "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/")
	add("hostname", i.Hostname)
	add("operator", i.Operator)
	add("robots", i.Robots)
	add("http-header-user-agent", i.UserAgent)
	add("browser", i.Chrome)
	add("browserFlags", strings.Join(i.Flags, " "))
	add("browserSandbox", i.Sandbox)
	add("viewport", i.Viewport)
	add("crawl", i.Job)
	add("run", i.Run)
	add("bundle", i.Bundle)
	if i.Attempt > 0 {
		add("attempt", strconv.Itoa(i.Attempt))
	}
	add("authorization", i.Authorization)
	names := make([]string, 0, len(i.Extra))
	for name := range i.Extra {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		add(name, i.Extra[name])
	}
	return out
}

// oneLine keeps a value from bringing further fields with it.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

// Size is the number of bytes of records that have been written.
func (c *Chunk) Size() int64 { return c.base + c.warc.Offset() }

// Add writes a page's records. What the page's exchanges and outputs need is
// read from their files, which are not needed after. When it fails, as on a
// full disk, the chunk is as it was before: it can be closed, and further pages
// added. A page whose document has no record gets a limit that says so.
func (c *Chunk) Add(p *browser.Page) error {
	if c.closed || c.ended {
		return errors.New("chunk: closed")
	}
	for _, u := range p.Robots {
		if err := c.AddRobots(u); err != nil {
			return err
		}
	}
	before := c.Size()
	w := newPageWriter(c, p)
	w.id = warc.NewID()
	err := w.write()
	if err == nil {
		err = c.buf.Flush()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("chunk: page %s: %w", p.ID, err), c.rollBack(before))
	}
	w.commit()
	return nil
}

// Last is the entry of the page that was added last.
func (c *Chunk) Last() PageEntry { return c.entries[len(c.entries)-1] }

// rollBack removes what was written since.
func (c *Chunk) rollBack(size int64) error {
	if err := c.file.Truncate(size); err != nil {
		return fmt.Errorf("chunk: roll back: %w", err)
	}
	if _, err := c.file.Seek(size, io.SeekStart); err != nil {
		return fmt.Errorf("chunk: roll back: %w", err)
	}
	c.buf.Reset(c.file)
	c.warc = warc.NewWriter(c.buf, warc.WriterOptions{Level: gzipLevel})
	c.base = size
	return nil
}

// ErrUnsigned is part of the error of Close when Options.Sign failed.
var ErrUnsigned = errors.New("it could not be signed")

// Close seals the chunk: index, page list, data package and signature make it a
// self-contained WACZ file, which is on disk when Close returns. When it fails, as
// without a key to sign with, there is no such file, but what was captured is kept:
// Close may be called again, or Abandon.
func (c *Chunk) Close() (*File, error) {
	if c.closed {
		return nil, errors.New("chunk: closed")
	}
	if err := c.end(); err != nil {
		return nil, fmt.Errorf("close chunk: %w", err)
	}
	path := filepath.Join(c.opts.Dir, c.opts.Name+".wacz")
	size, sum, err := c.seal(path)
	if err != nil {
		os.Remove(path) // the first error says more
		return nil, fmt.Errorf("close chunk: %w", err)
	}
	c.closed = true
	os.Remove(c.path) // a leftover in the caller's own folder
	return &File{Path: path, Size: size, SHA256: sum, Pages: c.entries, Records: c.records, Bytes: c.bytes}, nil
}

// end completes the record file, once.
func (c *Chunk) end() error {
	if c.ended {
		return nil
	}
	if err := c.buf.Flush(); err != nil {
		return err
	}
	c.ended = true
	return c.file.Close()
}

func (c *Chunk) seal(path string) (size int64, sum string, err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	defer out.Close() // closed with its error below
	contents := wacz.Contents{
		Title:    c.opts.Title,
		Software: strings.TrimSpace(c.opts.Info.Software + " " + c.opts.Info.Version),
		Created:  c.opts.Now(),
		WARCs:    []wacz.File{{Path: "archive/" + warcName, Content: warc.File(c.path, c.Size())}},
		Index:    c.index,
		Pages:    c.pages, ExtraPages: c.extra,
	}
	made, err := c.history.file(c.opts.Provenance, c.records, contents.Created)
	if err != nil {
		return 0, "", err
	}
	contents.Files = []wacz.File{made}
	if len(c.pages) > 0 {
		contents.MainPageURL, contents.MainPageTime = c.pages[0].URL, c.pages[0].Time
	}
	if contents.Index == nil {
		contents.Index = []cdxj.Entry{}
	}
	if c.opts.Sign != nil {
		contents.Sign = func(d warc.Digest) (any, error) {
			signed, err := c.opts.Sign(d)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrUnsigned, err)
			}
			return signed, nil
		}
	}
	hash := sha256.New()
	buf := bufio.NewWriterSize(io.MultiWriter(out, hash), 256<<10)
	if err := errors.Join(wacz.Create(buf, contents), buf.Flush()); err != nil {
		return 0, "", err
	}
	info, err := out.Stat()
	if err != nil {
		return 0, "", err
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		return 0, "", err
	}
	return info.Size(), hex.EncodeToString(hash.Sum(nil)), nil
}

// Abandon removes what has been written.
func (c *Chunk) Abandon() error {
	if c.closed {
		return nil
	}
	c.closed = true
	if c.ended {
		return os.Remove(c.path)
	}
	return errors.Join(c.file.Close(), os.Remove(c.path))
}
