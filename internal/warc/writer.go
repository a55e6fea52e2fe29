package warc

import (
	"io"
	"time"
)

// WriterOptions configure a Writer. The zero value is good.
type WriterOptions struct {
	// Plain writes records without compression.
	Plain bool
	// Level of gzip from 1 (fast) to 9 (small), 0 for 6.
	Level int
	// NewID makes the ids of records that have none. Default [NewID].
	NewID func() string
}

// Writer writes records to a stream, from one goroutine.
type Writer struct {
	w io.Writer
}

// NewWriter returns a Writer to w, which should be at the start of a file or
// after its last record.
func NewWriter(w io.Writer, opts WriterOptions) *Writer { panic("being written") }

// Write appends a record.
func (w *Writer) Write(r *Record) (Written, error) { panic("being written") }

// Offset is where the next record will start, as counted from the Writer's first.
func (w *Writer) Offset() int64 { panic("being written") }

// NewID returns a fresh record id, "urn:uuid:…" of a random UUID (RFC 9562).
func NewID() string { panic("being written") }

// FormatDate writes a date as WARC-Date has it: UTC, with microseconds
// (W3CDTF profile of ISO 28500 section 5.4).
func FormatDate(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// FormatFields writes a block of type application/warc-fields.
func FormatFields(fields []Field) ([]byte, error) { panic("being written") }

// DechunkedHead returns an HTTP head in which Transfer-Encoding is renamed.
func DechunkedHead(head []byte) []byte { panic("being written") }

func trimBrackets(s string) string { panic("being written") }
