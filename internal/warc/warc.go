// Package warc reads and writes WARC files, the records of web archives
// (WARC/1.1, ISO 28500:2017,
// https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/).
//
// A WARC file is a sequence of records. A [Record] has named fields and a block
// of bytes; for records of HTTP messages the block is a head (start line and
// header fields, as on the wire) and a body. [Writer] writes each record as a
// gzip member of its own, so that an index can point into the file; [Reader]
// reads files compressed or plain, and those that were cut off up to the last
// whole record.
//
// # Memory
//
// Blocks are streams. A [Content] knows its size and can be opened more than
// once, because a record's header, with the digests of the block, comes before
// the block: the writer reads a body twice, once to hash and once to compress.
// Nothing of a body is held in memory but a buffer.
//
// # Bodies and transfer coding
//
// ISO 28500 section 6.3 wants the response as received, with chunked framing.
// Most tools store bodies without that framing and so does the recorder whose
// records we write. A head that still said "Transfer-Encoding: chunked" would lie
// about such a body and make tools decode it a second time, so [DechunkedHead]
// renames that field, and only that, to X-Crawlfleet-Orig-Transfer-Encoding (as
// pywb does with X-Archive-Orig-). Everything else in the head is the bytes on
// the wire. The payload digest is over the body as stored, with its content
// coding.
package warc

import (
	"io"
	"time"
)

// Type is a record's WARC-Type.
type Type string

// The types of records (ISO 28500 section 6). "continuation" is read but never
// written.
const (
	Warcinfo     Type = "warcinfo"
	Response     Type = "response"
	Resource     Type = "resource"
	Request      Type = "request"
	Metadata     Type = "metadata"
	Revisit      Type = "revisit"
	Conversion   Type = "conversion"
	Continuation Type = "continuation"
)

// Names of fields beyond those that [Record] has members for.
const (
	FieldConcurrentTo      = "WARC-Concurrent-To"
	FieldFilename          = "WARC-Filename"
	FieldIPAddress         = "WARC-IP-Address"
	FieldPageID            = "WARC-Page-ID" // as Browsertrix writes it
	FieldProfile           = "WARC-Profile"
	FieldRefersTo          = "WARC-Refers-To"
	FieldRefersToDate      = "WARC-Refers-To-Date"
	FieldRefersToTargetURI = "WARC-Refers-To-Target-URI"
	FieldTruncated         = "WARC-Truncated"
	FieldWarcinfoID        = "WARC-Warcinfo-ID"

	// Proposed extensions, see
	// https://iipc.github.io/warc-specifications/specifications/warc-protocol-field/.
	FieldProtocol    = "WARC-Protocol"
	FieldCipherSuite = "WARC-Cipher-Suite"
)

// Content types of blocks.
const (
	TypeHTTPRequest  = "application/http; msgtype=request"
	TypeHTTPResponse = "application/http; msgtype=response"
	TypeWarcFields   = "application/warc-fields"
	TypeDNS          = "text/dns"
)

// Profiles of revisit records (ISO 28500 section 6.7).
const (
	ProfileIdenticalPayload = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
	ProfileNotModified      = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
)

// Field is a named field of a record's header.
type Field struct {
	Name, Value string
}

// Record is one record. Its zero value is not valid: a record needs at least a
// Type, a Date and, but for warcinfo, a TargetURI. The constructors such as
// [NewResponse] fill in what belongs to each type.
type Record struct {
	// Version is "WARC/1.1" for what we write, and what stood there for what
	// was read.
	Version string
	Type    Type
	// ID is a URI without angle brackets, such as "urn:uuid:…". The writer
	// gives one to records without.
	ID string
	// Date is when the content came into being, in UTC, with fractions of
	// seconds; microseconds are written.
	Date time.Time
	// TargetURI is what the record is about, without angle brackets.
	TargetURI string
	// ContentType of the block.
	ContentType string
	// Fields are all further fields in their order, with record ids in angle
	// brackets as the format has them; see [Record.Add].
	Fields []Field

	// Head is the part of the block before the payload: of an HTTP message the
	// start line and the header with the empty line. Empty for records of
	// other types.
	Head []byte
	// Body is the rest of the block; nil is an empty body. A record that was
	// read has a Body that can be opened once, before the next record is read.
	Body Content

	// BlockDigest and PayloadDigest are what the header says. A writer computes
	// what is empty, and refuses a record whose content does not match what is
	// not. Of a revisit the payload digest is that of the original's.
	BlockDigest, PayloadDigest Digest
}

// Content is a stream of bytes of known size that can be opened more than once.
type Content interface {
	// Size in bytes.
	Size() int64
	// Open starts at the first byte. Close what it returns.
	Open() (io.ReadCloser, error)
}

// Location is where a record lies in its file.
type Location struct {
	// Offset of the record's first byte and Length up to the next record, as
	// stored: of compressed records, of the gzip member.
	Offset, Length int64
}

// Written is what became of a record.
type Written struct {
	Location
	// ID, BlockDigest and PayloadDigest of the record as written. The digests
	// are empty where a record has none.
	ID                         string
	BlockDigest, PayloadDigest Digest
	// StoredDigest is the SHA-256 of the Length bytes that were written, which
	// CDXJ calls recordDigest.
	StoredDigest Digest
}
