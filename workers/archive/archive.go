// Package archive turns captured pages into evidence: a chunk is a handful of
// pages in one self-contained WACZ file, and a chunk that the store has
// confirmed is what the fleet calls archived.
//
// A [Chunk] takes pages one after another ([Chunk.Add]) and writes for each
// the records that the design asks for: request and response (or revisit) of
// every exchange, dns: and metadata records with the address, the DNS answer
// and the certificate chain of the very connection, urn:pageinfo: with the
// ledger, timings, actions and limits, and, marked as derived from the main
// document's record, urn:view: (screenshot), urn:text:, urn:dom: and urn:links:.
// [Chunk.Close] seals it: CDXJ index, page list, data package. [Store] puts the
// file into the object store with one conditional PUT whose checksum the store
// verifies.
//
// Nothing is held in memory but the index lines: bodies are read from the
// files that the recorder spooled and are written through.
package archive

import (
	"time"

	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Info is what a chunk says about how it came to be; it becomes the warcinfo
// record. Empty fields are left out.
type Info struct {
	// Software and Version name the program, such as "crawlfleet" "v0.1.0+abc".
	Software, Version string
	// Chrome is the browser's product and revision, Flags its command line,
	// Sandbox the pool's account of Chrome's sandbox.
	Chrome  string
	Flags   []string
	Sandbox string
	// UserAgent and Viewport are what pages were shown with.
	UserAgent string
	Viewport  string
	// Operator is who runs this instance, Hostname the machine.
	Operator, Hostname string
	// Job is namespace/name of the crawl, Run its UID, Bundle and Attempt say
	// which lease made the chunk.
	Job, Run, Bundle string
	Attempt          int
	// Authorization is the reference under which the capture was made.
	Authorization string
	// Robots is the policy that was obeyed, such as "obey".
	Robots string
	// Extra are further warcinfo fields, in order of their names.
	Extra map[string]string
}

// Options configure a Chunk.
type Options struct {
	// Dir is the folder in which the chunk is written; made when it is missing.
	Dir string
	// Name is the file's base name without .wacz; default "chunk".
	Name string
	// Title is the collection's title in the data package.
	Title string
	// Info is written into the warcinfo record, Provenance into capture.json.
	Info       Info
	Provenance Provenance
	// Sign makes the signedData for the SHA-256 of datapackage.json, see
	// wacz.Contents. Without it the chunk is not signed; when it fails Close fails,
	// with ErrUnsigned, and may be called again.
	Sign func(warc.Digest) (any, error)
	// Now is the clock, default time.Now.
	Now func() time.Time
}

// File is a closed chunk.
type File struct {
	// Path of the .wacz file.
	Path string
	// Size in bytes and SHA256 (hex) of the whole file.
	Size   int64
	SHA256 string
	// Pages are the pages that it holds, in the order they were added.
	Pages []PageEntry
	// Records is the number of WARC records, Bytes the number of response body
	// bytes before compression.
	Records int
	Bytes   int64
}

// PageEntry says where a page is.
type PageEntry struct {
	// ID and URL are those of the visit.
	ID, URL string
	// Title, Status and MIME are those of the main document.
	Title, MIME string
	Status      int
	// Time is when the main document was asked for.
	Time time.Time
	// Archived is false for a page whose partial capture was kept.
	Archived bool
	// Visit is what a later visit of the page can be compared with; where its chunk lies is
	// not known here. Compared says how the page is beside an earlier one, nil when it was
	// not asked for.
	Visit    visits.Visit
	Compared *visits.Comparison
}
