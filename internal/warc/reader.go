package warc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// ReaderOptions configure a Reader. The zero value is good.
type ReaderOptions struct {
	// MaxHeader is the size in bytes that a record's header, and an HTTP head,
	// may have. Default [MaxHeader].
	MaxHeader int
	// Verify checks the digests of every record: a body that is read to its end
	// ends with a [*DigestError] instead of io.EOF when they do not match, and
	// Finish and Next read a body to its end.
	Verify bool
	// Stored makes Finish return the StoredDigest.
	Stored bool
}

// CutError says that a file ends in the middle of a record.
type CutError struct {
	// Offset of that record: what lies before it are whole records.
	Offset int64
	// Err is what was met at the end.
	Err error
}

// Error implements error.
func (e *CutError) Error() string {
	return fmt.Sprintf("the file is cut off in the record at offset %d: %v", e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *CutError) Unwrap() error { return e.Err }

// FormatError says that what is there is not a WARC record.
type FormatError struct {
	// Offset of the record in the file.
	Offset int64
	Detail string
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("record at offset %d: %s", e.Offset, e.Detail)
}

// Reader reads the records of a stream one after another. It is for one goroutine.
//
// A [*DigestError] from Next is about the record before, unless Finish has told of
// it, and Next can be called again. All other errors but io.EOF are final: a [*CutError] at the end of a
// file that was cut off, a [*FormatError], or that of the stream.
type Reader struct {
	opts ReaderOptions
	src  *source
	gz   *gzip.Reader
	// dec has the decompressed bytes of the current record's member; of a plain
	// file it is src's own.
	dec *bufio.Reader
	cur *current
	err error
}

// NewReader returns a Reader of a WARC file, compressed or plain.
func NewReader(r io.Reader, opts ReaderOptions) *Reader {
	if opts.MaxHeader <= 0 {
		opts.MaxHeader = MaxHeader
	}
	return &Reader{opts: opts, src: newSource(r, opts.Stored)}
}

// current is the record that is being read.
type current struct {
	written Written
	record  *Record
	block   *blockReader
	done    bool
	err     error
}

// Next returns the next record, or io.EOF after the last. Its Body can be read
// once, until Next or Finish is called.
func (r *Reader) Next() (*Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.cur != nil && !r.cur.done {
		if _, err := r.Finish(); err != nil {
			return nil, err
		}
	}
	r.cur = nil
	if err := r.start(); err != nil {
		return nil, r.fail(err)
	}
	return r.cur.record, nil
}

// Location is that of the current record; its Length is 0 until Finish.
func (r *Reader) Location() Location {
	if r.cur == nil {
		return Location{}
	}
	return r.cur.written.Location
}

// Finish reads what is left of the current record and returns where it lies. The
// digests are those that its header says.
func (r *Reader) Finish() (Written, error) {
	if r.err != nil || r.cur == nil {
		return Written{}, r.err
	}
	if r.cur.done {
		return r.cur.written, r.cur.err
	}
	r.cur.done = true
	mismatch, err := r.cur.block.drain()
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return Written{}, r.fail(err)
	}
	w := &r.cur.written
	w.Length = r.src.position() - w.Offset
	w.StoredDigest = r.src.digest()
	if mismatch != nil {
		r.cur.err = mismatch
	}
	return *w, r.cur.err
}

// fail makes an error final. The end of the stream within a record is a CutError.
func (r *Reader) fail(err error) error {
	var format *FormatError
	switch {
	case r.err != nil:
		return r.err
	case errors.Is(err, io.EOF) || errors.As(err, &format):
	case errors.Is(err, io.ErrUnexpectedEOF) && r.gz != nil && r.memberEnded():
		err = r.formatError("its gzip member ends before the record does: Content-Length is wrong or the record was changed")
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = &CutError{Offset: r.src.start, Err: io.ErrUnexpectedEOF}
	default:
		err = fmt.Errorf("record at offset %d: %w", r.src.start, err)
	}
	r.err = err
	return err
}

func (r *Reader) formatError(format string, args ...any) error {
	return &FormatError{Offset: r.src.start, Detail: fmt.Sprintf(format, args...)}
}

// start opens the next record: its member, header and HTTP head.
func (r *Reader) start() error {
	r.src.mark()
	magic, err := r.src.br.Peek(2)
	if len(magic) == 0 {
		return err // io.EOF or that of the stream
	}
	if magic[0] == 0x1f {
		if err := r.openMember(); err != nil {
			return err
		}
	} else {
		r.gz, r.dec = nil, r.src.br
	}
	rec, size, err := r.readHeader()
	if err != nil {
		return noEOF(err)
	}
	r.cur = &current{record: rec, written: Written{
		Location: Location{Offset: r.src.start},
		ID:       rec.ID, BlockDigest: rec.BlockDigest, PayloadDigest: rec.PayloadDigest,
	}}
	if r.cur.block, err = r.newBlock(rec, size); err != nil {
		return noEOF(err)
	}
	rec.Body = &onceContent{r: r.cur.block, size: r.cur.block.left}
	return nil
}

// openMember starts a gzip member.
func (r *Reader) openMember() error {
	var err error
	if r.gz == nil {
		r.gz, err = gzip.NewReader(r.src.br)
	} else {
		err = r.gz.Reset(r.src.br)
	}
	if err != nil {
		r.gz = nil
		return noEOF(err)
	}
	r.gz.Multistream(false)
	if r.dec == nil || r.dec == r.src.br {
		r.dec = bufio.NewReaderSize(r.gz, 32<<10)
	} else {
		r.dec.Reset(r.gz)
	}
	return nil
}

// end reads what comes after a record's block.
func (r *Reader) end() error {
	var tail [4]byte
	if _, err := io.ReadFull(r.dec, tail[:]); err != nil {
		return noEOF(err)
	}
	if string(tail[:]) != "\r\n\r\n" {
		return r.formatError("its block is followed by %q instead of two line breaks: Content-Length is wrong or the block was changed", tail[:])
	}
	if r.gz == nil {
		return nil
	}
	switch _, err := r.dec.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return r.formatError("its gzip member holds more than the record; compress each record by itself")
	default:
		return err
	}
}

// memberEnded reports whether the gzip member is complete, so that what is
// missing was never there.
func (r *Reader) memberEnded() bool {
	_, err := r.gz.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// readHeader reads a record's header and returns the size of the block.
func (r *Reader) readHeader() (*Record, int64, error) {
	budget := r.opts.MaxHeader
	version, err := r.readLine(&budget)
	if err != nil {
		return nil, 0, err
	}
	if version != "WARC/1.1" && version != "WARC/1.0" {
		return nil, 0, r.formatError("starts with %q instead of WARC/1.1 or WARC/1.0", abbreviate(version))
	}
	fields, err := r.readFields(&budget)
	if err != nil {
		return nil, 0, err
	}
	rec := &Record{Version: version}
	size := int64(-1)
	seen := map[string]bool{}
	for _, f := range fields {
		if !isOwn(f.Name) {
			rec.Fields = append(rec.Fields, f)
			continue
		}
		name := strings.ToLower(f.Name)
		if seen[name] {
			return nil, 0, r.formatError("%s is there twice", f.Name)
		}
		seen[name] = true
		if err := rec.setOwn(name, f.Value, &size); err != nil {
			return nil, 0, r.formatError("%s: %v", f.Name, err)
		}
	}
	if rec.Type == "" || rec.ID == "" || rec.Date.IsZero() || size < 0 {
		return nil, 0, r.formatError("WARC-Type, WARC-Record-ID, WARC-Date or Content-Length is missing")
	}
	return rec, size, nil
}

// readFields reads the fields of a header and the empty line after them.
func (r *Reader) readFields(budget *int) ([]Field, error) {
	var fields []Field
	for {
		line, err := r.readLine(budget)
		if err != nil {
			return nil, err
		}
		if line == "" {
			return fields, nil
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(fields) == 0 {
				return nil, r.formatError("header line %q continues no field", abbreviate(line))
			}
			fields[len(fields)-1].Value += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, r.formatError("header line %q is no field", abbreviate(line))
		}
		fields = append(fields, Field{name, strings.TrimSpace(value)})
	}
}

// setOwn sets the member that a field, in lower case, belongs to.
func (r *Record) setOwn(name, value string, size *int64) error {
	switch name {
	case "warc-type":
		r.Type = Type(strings.ToLower(value))
	case "warc-record-id":
		r.ID = trimBrackets(value)
	case "warc-date":
		date, err := ParseDate(value)
		r.Date = date
		return err
	case "warc-target-uri":
		// Brackets are an error of WARC/1.0's grammar that old tools followed.
		r.TargetURI = trimBrackets(value)
	case "content-type":
		r.ContentType = value
	case "warc-block-digest":
		r.BlockDigest = Digest(value)
	case "warc-payload-digest":
		r.PayloadDigest = Digest(value)
	case "content-length":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || value[0] == '+' {
			return fmt.Errorf("%q is not a number of bytes", abbreviate(value))
		}
		*size = n
	}
	return nil
}

// readLine reads a line of the header without its line break.
func (r *Reader) readLine(budget *int) (string, error) {
	var line []byte
	for {
		part, err := r.dec.ReadSlice('\n')
		*budget -= len(part)
		if *budget < 0 {
			return "", r.formatError("its header is larger than %d bytes", r.opts.MaxHeader)
		}
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return string(line), nil
}

// noEOF turns the end of the stream into an unexpected one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func abbreviate(s string) string {
	const shown = 60
	if len(s) > shown {
		return s[:shown] + "…"
	}
	return s
}
