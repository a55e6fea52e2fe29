package wacz

import (
	"context"
	"io"
	"iter"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Create writes a WACZ to w.
func Create(w io.Writer, c Contents) error { panic("being written") }

// Reader reads a WACZ. It is safe for use by many goroutines.
type Reader struct{}

// Open reads the table of contents of a WACZ of that size.
func Open(r io.ReaderAt, size int64) (*Reader, error) { panic("being written") }

// Pages reads pages/pages.jsonl and pages/extraPages.jsonl.
func (r *Reader) Pages() iter.Seq2[Page, error] { panic("being written") }

// Index reads the index in its order.
func (r *Reader) Index() iter.Seq2[cdxj.Entry, error] { panic("being written") }

// Lookup returns the captures of a URL by their time.
func (r *Reader) Lookup(url string) ([]cdxj.Entry, error) { panic("being written") }

// WARCs are the names of the record files, such as "data.warc.gz".
func (r *Reader) WARCs() []string { panic("being written") }

// OpenWARC opens a record file by its name.
func (r *Reader) OpenWARC(name string) (*io.SectionReader, error) { panic("being written") }

// Record reads the record that an entry points to.
func (r *Reader) Record(e cdxj.Entry) (*warc.Record, error) { panic("being written") }

// Finding is something wrong with a WACZ.
type Finding struct {
	// Check is a constant word for what was checked, such as "ResourceHash".
	Check string
	// Path of the file within the WACZ, and for records their place.
	Path string
	// Detail for people.
	Detail string
}

// Validate checks everything that can be checked without trusting anyone, and
// returns what is wrong: nothing when the file is sound. The error is for what
// kept it from checking.
func Validate(ctx context.Context, r io.ReaderAt, size int64) ([]Finding, error) {
	panic("being written")
}
