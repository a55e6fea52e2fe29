// Package wacz reads, writes and checks WACZ files: web archives that carry
// their own index and list of pages, packed as ZIP so that any record can be
// read without unpacking (WACZ 1.1.1, https://specs.webrecorder.net/wacz/1.1.1/).
//
//	archive/data.warc.gz     the records, stored without further compression
//	indexes/index.cdx        where each capture lies (or .idx and .cdx.gz when large)
//	pages/pages.jsonl        what to show a reader
//	datapackage.json         every file with its size and SHA-256
//	datapackage-digest.json  the SHA-256 of datapackage.json, and room for a signature
package wacz

import (
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Page is a line of pages.jsonl.
type Page struct {
	// ID is unique in the file, such as the WARC-Page-ID of its records.
	ID string
	// URL that was loaded and Time when, as in the WARC-Date of the main
	// document's record: replay finds the page by the two.
	URL  string
	Time time.Time
	// Title and Text of the page, optional.
	Title, Text string
	// Extra are further properties, optional. Names that Page itself uses are
	// refused.
	Extra map[string]any
}

// File is a file to be put into a WACZ.
type File struct {
	// Path inside of the WACZ, with slashes, such as "archive/data.warc.gz".
	Path    string
	Content warc.Content
}

// Contents are what a WACZ is made of.
type Contents struct {
	// Title and Description of the collection; the latter is Markdown.
	Title, Description string
	// Software that made it, such as "crawlfleet v0.1.0".
	Software string
	// Created is the time that the file says it was made at, also in its ZIP
	// entries. The same Contents give the same bytes.
	Created time.Time
	// MainPageURL and MainPageTime say what to show first, optional.
	MainPageURL  string
	MainPageTime time.Time
	// WARCs are the record files. Their paths are archive/NAME.warc.gz.
	WARCs []File
	// Index has an entry for each capture in WARCs, in any order. When it is
	// nil Create reads the WARCs and makes it.
	Index []cdxj.Entry
	// Pages become pages/pages.jsonl, ExtraPages pages/extraPages.jsonl, which
	// is left out when empty.
	Pages, ExtraPages []Page
	// Files are further files, such as "capture.json". They must not lie in
	// archive/, indexes/ or pages/.
	Files []File
	// Extra are further properties of datapackage.json, optional.
	Extra map[string]any
	// Sign returns the signedData of datapackage-digest.json for the SHA-256
	// of datapackage.json (https://specs.webrecorder.net/wacz-auth/0.1.0/).
	// Without it the file is not signed; when it fails Create fails.
	Sign func(digest warc.Digest) (signedData any, err error)
}
