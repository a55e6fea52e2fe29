package warc

import "io"

// ReaderOptions configure a Reader. The zero value is good.
type ReaderOptions struct {
	// MaxHeader is the size in bytes that a record's header, and an HTTP head,
	// may have. Default 1 MiB.
	MaxHeader int
	// Verify checks the block and payload digests of every record, whose body is
	// then read to its end by Next. A mismatch is a [*DigestError].
	Verify bool
}

// Reader reads the records of a stream one after another.
type Reader struct {
	r io.Reader
}

// NewReader returns a Reader of a WARC file, compressed or plain.
func NewReader(r io.Reader, opts ReaderOptions) *Reader { panic("being written") }

// Next returns the next record, or io.EOF after the last. Its Body can be read
// until Next is called again.
func (r *Reader) Next() (*Record, error) { panic("being written") }

// Location of the record that Next returned last; Length is known when its body
// has been read, at the latest after the next call of Next.
func (r *Reader) Location() Location { panic("being written") }
