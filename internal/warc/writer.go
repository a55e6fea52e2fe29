package warc

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// MaxHeader is the size in bytes that a record's header and an HTTP head may have,
// each. Larger ones are not written.
const MaxHeader = 1 << 20

// ErrSize says that a body has not the size that it was announced with.
var ErrSize = errors.New("body has another size than announced")

// WriterOptions configure a Writer. The zero value is good.
type WriterOptions struct {
	// Plain writes records without compression.
	Plain bool
	// Level of gzip from 1 (fast) to 9 (small), 0 for gzip's own default.
	Level int
	// NewID makes the ids of records that have none. Default [NewID].
	NewID func() string
}

// Truncater is a destination that can take back a record that was written in
// part. *os.File is one.
type Truncater interface {
	io.WriteSeeker
	Truncate(size int64) error
}

// Writer writes records to a stream, from one goroutine at a time.
//
// # Half a record
//
// A record whose fields are invalid, whose body cannot be read, has another size
// than announced or another digest than the record says is refused before
// anything of it is written: the body is read once for its digests before the
// header is written. What remains is a body that changes between the two
// readings, and a destination that fails, such as a full disk. Then a Writer to a
// [Truncater] cuts the file back to the end of the last whole record and can
// write on; any other Writer is broken, and says so at each further Write. What
// lies before Offset are whole records in each case.
type Writer struct {
	dst    io.Writer
	opts   WriterOptions
	gz     *gzip.Writer
	out    *bufio.Writer // buffers counted
	count  countingWriter
	offset int64
	// base is where the first record starts in a Truncater, -1 for others.
	base       int64
	warcinfoID string
	small      []byte
	broken     error
}

// smallBody is the size up to which a body is read into memory once instead of
// twice from its source.
const smallBody = 128 << 10

// NewWriter returns a Writer that appends to w. If w is a [Truncater] that can
// seek, it is moved to its end.
func NewWriter(w io.Writer, opts WriterOptions) *Writer {
	if opts.NewID == nil {
		opts.NewID = NewID
	}
	if opts.Level == 0 {
		opts.Level = gzip.DefaultCompression
	}
	wr := &Writer{dst: w, opts: opts, base: -1}
	if t, ok := w.(Truncater); ok {
		if end, err := t.Seek(0, io.SeekEnd); err == nil {
			wr.base = end
		}
	}
	wr.count = countingWriter{w: w, sum: sha256.New()}
	wr.out = bufio.NewWriterSize(&wr.count, 64<<10)
	if !opts.Plain {
		gz, err := gzip.NewWriterLevel(wr.out, opts.Level)
		if err != nil {
			wr.broken = fmt.Errorf("gzip level %d: %w", opts.Level, err)
		}
		wr.gz = gz
	}
	return wr
}

// Offset is where the next record will start, as counted from the Writer's first.
func (w *Writer) Offset() int64 { return w.offset }

// Write appends a record. The record is not changed. After a warcinfo record its
// id is added to all further records that name none (WARC-Warcinfo-ID).
func (w *Writer) Write(r *Record) (Written, error) {
	if w.broken != nil {
		return Written{}, fmt.Errorf("WARC writer is broken: %w", w.broken)
	}
	rec, err := w.prepare(r)
	if err != nil {
		return Written{}, fmt.Errorf("%s record %q: %w", r.Type, r.TargetURI, err)
	}
	if err := w.emit(rec); err != nil {
		err = fmt.Errorf("%s record %q: %w", r.Type, r.TargetURI, err)
		return Written{}, w.rollBack(err)
	}
	done := Written{
		Location: Location{Offset: w.offset, Length: w.count.n},
		ID:       rec.id, BlockDigest: rec.block, PayloadDigest: rec.payload,
		StoredDigest: SHA256(w.count.sum),
	}
	w.offset += done.Length
	if r.Type == Warcinfo {
		w.warcinfoID = rec.id
	}
	return done, nil
}

// rollBack takes back what was written of a record.
func (w *Writer) rollBack(cause error) error {
	if w.base < 0 {
		if w.count.n > 0 {
			w.broken = cause
		}
		return cause
	}
	t, end := w.dst.(Truncater), w.base+w.offset
	if err := t.Truncate(end); err != nil {
		w.broken = cause
		return errors.Join(cause, fmt.Errorf("cut back to %d bytes: %w", end, err))
	}
	if _, err := t.Seek(end, io.SeekStart); err != nil {
		w.broken = cause
		return errors.Join(cause, fmt.Errorf("seek back to %d: %w", end, err))
	}
	return cause
}

// prepared is a record whose header is made.
type prepared struct {
	id             string
	header         []byte
	head           []byte
	body           Content
	block, payload Digest
}

// prepare checks a record, reads its body for the digests and makes its header.
func (w *Writer) prepare(r *Record) (*prepared, error) {
	p := &prepared{id: r.ID, head: r.Head, body: r.Body}
	if p.id == "" {
		p.id = w.opts.NewID()
	}
	if p.body == nil {
		p.body = Bytes(nil)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := w.digest(r, p); err != nil {
		return nil, err
	}
	fields := []Field{
		{"WARC-Type", string(r.Type)},
		{"WARC-Record-ID", "<" + p.id + ">"},
		{"WARC-Date", FormatDate(r.Date)},
	}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, Field{name, value})
		}
	}
	add("WARC-Target-URI", r.TargetURI)
	if _, ok := r.Get(FieldWarcinfoID); !ok && w.warcinfoID != "" && r.Type != Warcinfo {
		add(FieldWarcinfoID, "<"+w.warcinfoID+">")
	}
	fields = append(fields, r.Fields...)
	add("WARC-Payload-Digest", string(p.payload))
	add("WARC-Block-Digest", string(p.block))
	add("Content-Type", r.ContentType)
	add("Content-Length", strconv.FormatInt(int64(len(p.head))+p.body.Size(), 10))
	block, err := FormatFields(fields)
	if err != nil {
		return nil, err
	}
	p.header = append(append([]byte("WARC/1.1\r\n"), block...), '\r', '\n')
	if len(p.header) > MaxHeader {
		return nil, fmt.Errorf("%w: header of %d bytes; at most %d are written", ErrField, len(p.header), MaxHeader)
	}
	return p, nil
}

// check checks what can be wrong with a record but its content.
func (r *Record) check() error {
	switch r.Type {
	case Warcinfo, Metadata:
	case Response, Resource, Request, Revisit, Conversion:
		if r.TargetURI == "" {
			return fmt.Errorf("%w: WARC-Target-URI is missing", ErrField)
		}
	default:
		return fmt.Errorf("%w: WARC-Type %q is not one that is written", ErrField, r.Type)
	}
	if r.Date.IsZero() {
		return fmt.Errorf("%w: WARC-Date is missing", ErrField)
	}
	for _, uri := range []string{r.ID, r.TargetURI} {
		if strings.ContainsAny(uri, " <>") {
			return fmt.Errorf("%w: %q is not a URI", ErrField, uri)
		}
	}
	seen := map[string]bool{}
	for _, f := range r.Fields {
		name := strings.ToLower(f.Name)
		if isOwn(name) {
			return fmt.Errorf("%w: %s belongs to a member of the record", ErrField, f.Name)
		}
		if seen[name] && !mayRepeat(name) {
			return fmt.Errorf("%w: %s is there twice", ErrField, f.Name)
		}
		seen[name] = true
	}
	if len(r.Head) > MaxHeader {
		return fmt.Errorf("%w: HTTP head of %d bytes; at most %d are written", ErrField, len(r.Head), MaxHeader)
	}
	if len(r.Head) > 0 && (!r.isHTTP() || headEnd(r.Head) != len(r.Head)) {
		return fmt.Errorf("%w: the head is not one HTTP head that ends with an empty line", ErrField)
	}
	return nil
}

// isHTTP reports whether the block is an HTTP message.
func (r *Record) isHTTP() bool {
	switch r.Type {
	case Request, Response, Revisit:
		return strings.HasPrefix(strings.ToLower(r.ContentType), "application/http")
	}
	return false
}

// digest reads the body and sets the digests.
func (w *Writer) digest(r *Record, p *prepared) error {
	block, err := newCheckedHash("WARC-Block-Digest", r.BlockDigest)
	if err != nil {
		return err
	}
	hashes := []io.Writer{block}
	var payload *checkedHash
	p.payload = r.PayloadDigest
	if r.hasPayloadDigest(p.body.Size()) {
		if payload, err = newCheckedHash("WARC-Payload-Digest", r.PayloadDigest); err != nil {
			return err
		}
		hashes = append(hashes, payload)
	}
	_, _ = block.Write(r.Head)
	if err := w.readBody(p, io.MultiWriter(hashes...)); err != nil {
		return err
	}
	if p.block, err = block.digest(); err != nil {
		return err
	}
	if payload != nil {
		if p.payload, err = payload.digest(); err != nil {
			return err
		}
	}
	return nil
}

// hasPayloadDigest reports whether the record's body is a payload to be digested:
// warcinfo and metadata have none, and that of a revisit is elsewhere.
func (r *Record) hasPayloadDigest(size int64) bool {
	switch r.Type {
	case Response, Resource, Conversion:
		return true
	case Request:
		return size > 0
	case Revisit:
		return false
	}
	return r.PayloadDigest != ""
}

// readBody reads the body for the first time. A small one is kept for the second.
func (w *Writer) readBody(p *prepared, hashes io.Writer) error {
	if _, ok := p.body.(bytesContent); ok || p.body.Size() > smallBody {
		return copyBody(hashes, p.body)
	}
	buf := bytes.NewBuffer(w.small[:0])
	if err := copyBody(buf, p.body); err != nil {
		return err
	}
	w.small = buf.Bytes()
	p.body = Bytes(w.small)
	_, err := hashes.Write(w.small)
	return err
}

// emit writes a prepared record.
func (w *Writer) emit(p *prepared) error {
	w.count.n = 0
	w.count.sum.Reset()
	w.out.Reset(&w.count)
	var dst io.Writer = w.out
	if w.gz != nil {
		w.gz.Reset(w.out)
		dst = w.gz
	}
	again, err := newCheckedHash("the body, which changed while it was written: WARC-Block-Digest", p.block)
	if err != nil {
		return err
	}
	if _, err := dst.Write(p.header); err != nil {
		return err
	}
	if _, err := io.MultiWriter(dst, again).Write(p.head); err != nil {
		return err
	}
	if _, inMemory := p.body.(bytesContent); inMemory {
		err = copyBody(dst, p.body)
	} else if err = copyBody(io.MultiWriter(dst, again), p.body); err == nil {
		_, err = again.digest()
	}
	if err != nil {
		return err
	}
	if _, err := io.WriteString(dst, "\r\n\r\n"); err != nil {
		return err
	}
	if w.gz != nil {
		if err := w.gz.Close(); err != nil {
			return err
		}
	}
	return w.out.Flush()
}

// copyBody copies a body, which must have the size that it says.
func copyBody(dst io.Writer, body Content) error {
	src, err := body.Open()
	if err != nil {
		return fmt.Errorf("open body: %w", err)
	}
	defer src.Close()
	n, err := io.Copy(dst, io.LimitReader(src, body.Size()))
	if err != nil {
		return fmt.Errorf("body after %d bytes: %w", n, err)
	}
	if n < body.Size() {
		return fmt.Errorf("%w: %d bytes instead of %d", ErrSize, n, body.Size())
	}
	if extra, _ := io.ReadFull(src, make([]byte, 1)); extra > 0 {
		return fmt.Errorf("%w: more than %d bytes", ErrSize, n)
	}
	return nil
}

// countingWriter counts and hashes what is stored.
type countingWriter struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	_, _ = c.sum.Write(b[:n])
	return n, err
}
