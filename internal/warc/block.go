package warc

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"strings"
)

// blockReader reads a record's block after its HTTP head and checks its digests.
type blockReader struct {
	r    *Reader
	dec  *bufio.Reader
	left int64
	// block and payload are nil when they are not to be checked.
	block, payload *checkedHash
	checked        bool
	mismatch       *DigestError
}

// newBlock starts a block: it reads the HTTP head, if there is one.
func (r *Reader) newBlock(rec *Record, size int64) (*blockReader, error) {
	b := &blockReader{r: r, dec: r.dec, left: size}
	if rec.isHTTP() && size > 0 {
		head, err := r.readHead(size)
		if err != nil {
			return nil, err
		}
		rec.Head = head
		b.left -= int64(len(head))
	}
	if !r.opts.Verify {
		return b, nil
	}
	var err error
	if rec.BlockDigest != "" {
		if b.block, err = newCheckedHash("WARC-Block-Digest", rec.BlockDigest); err != nil {
			return nil, r.formatError("%v", err)
		}
		_, _ = b.block.Write(rec.Head)
	}
	if rec.payloadIsBody() {
		if b.payload, err = newCheckedHash("WARC-Payload-Digest", rec.PayloadDigest); err != nil {
			return nil, r.formatError("%v", err)
		}
	}
	return b, nil
}

// payloadIsBody reports whether the payload digest is that of the body. It is not
// for revisits, and for bodies that others stored with chunked framing it is that
// of the bytes without.
func (r *Record) payloadIsBody() bool {
	return r.PayloadDigest != "" && r.Type != Revisit &&
		!strings.Contains(strings.ToLower(HTTPField(r.Head, "Transfer-Encoding")), "chunked")
}

// readHead reads an HTTP head from a block of that size. A block that ends before
// the head does is all head.
func (r *Reader) readHead(size int64) ([]byte, error) {
	var head []byte
	for start := 0; int64(len(head)) < size; {
		c, err := r.dec.ReadByte()
		if err != nil {
			return nil, err
		}
		if len(head) >= r.opts.MaxHeader {
			return nil, r.formatError("its HTTP head is larger than %d bytes", r.opts.MaxHeader)
		}
		head = append(head, c)
		if c != '\n' {
			continue
		}
		if isEmptyLine(head[start:]) {
			break
		}
		start = len(head)
	}
	return head, nil
}

// Read implements io.Reader. In the place of io.EOF it returns a *DigestError
// when a digest does not match.
func (b *blockReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.check(); b.mismatch != nil {
			return 0, b.mismatch
		}
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.dec.Read(p)
	b.left -= int64(n)
	if b.block != nil {
		_, _ = b.block.Write(p[:n])
	}
	if b.payload != nil {
		_, _ = b.payload.Write(p[:n])
	}
	if err != nil && b.left > 0 {
		return n, b.r.fail(noEOF(err))
	}
	return n, nil
}

// check compares the digests, once.
func (b *blockReader) check() {
	if b.checked {
		return
	}
	b.checked = true
	for _, h := range []*checkedHash{b.block, b.payload} {
		if h == nil {
			continue
		}
		if _, err := h.digest(); errors.As(err, &b.mismatch) {
			b.mismatch.Offset = b.r.src.start
			return
		}
	}
}

// drain reads to the end of the block.
func (b *blockReader) drain() (mismatch *DigestError, err error) {
	_, err = io.Copy(io.Discard, b)
	if errors.As(err, &mismatch) {
		return mismatch, nil
	}
	return nil, err
}

// source is the file as stored. It knows how far it has been consumed, which is
// not how far it has been read, and hashes what has been consumed.
type source struct {
	br *bufio.Reader
	r  io.Reader
	// read is the number of bytes that br was given, hashed how many of them
	// are in sum, pending those after that.
	read, hashed int64
	pending      []byte
	sum          hash.Hash // nil when no digest is wanted
	// start is where the current record starts.
	start int64
}

func newSource(r io.Reader, digest bool) *source {
	s := &source{r: r}
	if digest {
		s.sum = sha256.New()
	}
	s.br = bufio.NewReaderSize(s, 64<<10)
	return s
}

// Read fills br.
func (s *source) Read(p []byte) (int, error) {
	if s.sum != nil {
		s.consume()
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if s.sum != nil {
		s.pending = append(s.pending, p[:n]...)
	}
	return n, err
}

// position is how far the file has been consumed.
func (s *source) position() int64 { return s.read - int64(s.br.Buffered()) }

// consume hashes what has been consumed.
func (s *source) consume() {
	n := min(s.position()-s.hashed, int64(len(s.pending)))
	if n <= 0 {
		return
	}
	_, _ = s.sum.Write(s.pending[:n])
	s.pending = append(s.pending[:0], s.pending[n:]...)
	s.hashed += n
}

// mark starts a record.
func (s *source) mark() {
	s.start = s.position()
	if s.sum != nil {
		s.consume()
		s.sum.Reset()
	}
}

// digest is that of the bytes consumed since mark.
func (s *source) digest() Digest {
	if s.sum == nil {
		return ""
	}
	s.consume()
	return SHA256(s.sum)
}
