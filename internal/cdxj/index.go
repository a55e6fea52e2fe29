package cdxj

import (
	"io"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Indexer makes entries of records, either while they are written or from a
// file; see [Index].
type Indexer struct{}

// NewIndexer returns an Indexer for the WARC file of that base name.
func NewIndexer(filename string) *Indexer { panic("being written") }

// Add takes a record and where it lies. Requests are needed too: other methods
// than GET make the key. A request is joined to its response by
// WARC-Concurrent-To, in either order.
func (x *Indexer) Add(r *warc.Record, w warc.Written) error { panic("being written") }

// Entries returns what has been indexed, sorted.
func (x *Indexer) Entries() []Entry { panic("being written") }

// Index reads a WARC file, compressed or plain, and returns its entries, sorted.
func Index(r io.Reader, filename string) ([]Entry, error) { panic("being written") }

// RequestKey returns the key of a request by another method than GET, and the
// requestBody that an entry holds.
func RequestKey(url, method, contentType string, body []byte) (key urls.SURT, requestBody string) {
	panic("being written")
}

// Sort sorts entries as their lines are.
func Sort(entries []Entry) { panic("being written") }

// Write writes the sorted entries.
func Write(w io.Writer, entries []Entry) error { panic("being written") }

// Parse reads a line.
func Parse(line []byte) (Entry, error) { panic("being written") }
