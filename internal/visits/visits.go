// Package visits tells whether a page is as it was when an earlier run archived it.
//
// A run keeps a [Visit] of each page that it archived, in an index beside its snapshots: a
// [Sorter] brings the visits into order, a [Writer] writes them, and the [Directory] leads a
// reader to the few kilobytes that hold the visit of one address. [Compare] judges two
// visits of a page.
//
// What is compared are digests and validators of what was stored. Nothing is asked of a
// site that a visitor's browser does not ask by itself: no conditional requests are made.
package visits

import (
	"strings"
	"time"
)

// Visit is what an index holds of an archived page.
type Visit struct {
	// URL is the address that the page was asked for by, in its canonical form.
	URL string `json:"url"`
	// At is when the document was asked for: the WARC-Date of its record.
	At time.Time `json:"at"`
	// Status is the document's HTTP status.
	Status int `json:"status,omitempty"`
	// Document is the address at which the document was in the end (WARC-Target-URI), empty
	// when it is URL.
	Document string `json:"document,omitempty"`
	// Record is the WARC-Record-ID of the document, empty when there is no record of it;
	// Chunk is the key of the WACZ file that holds it.
	Record string `json:"record,omitempty"`
	Chunk  string `json:"chunk,omitempty"`
	// Digest is the WARC-Payload-Digest of the document, empty when its body was cut off.
	Digest string `json:"digest,omitempty"`
	// Coding is the content coding of the stored body, such as gzip.
	Coding string `json:"coding,omitempty"`
	// ETag and LastModified are the validators that came with the document (RFC 9110
	// section 8.8).
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	// Text is the SHA-256 of the text that the rendered page showed, as a record's digest
	// is written; empty when none was taken.
	Text string `json:"text,omitempty"`
}

// maxValidator bounds validators that are kept, in bytes.
const maxValidator = 1024

// Validator is the value of a header field if it is one that can be compared byte for byte:
// visible ASCII and spaces, of at most 1 KiB. Else it is empty.
func Validator(value string) string {
	value = strings.TrimSpace(value)
	if len(value) > maxValidator || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return value
}

// document is where the document was.
func (v *Visit) document() string {
	if v.Document == "" {
		return v.URL
	}
	return v.Document
}

// Verdict says how a page is, compared with an earlier visit.
type Verdict string

// The verdicts.
const (
	// Unchanged is a page that is as it was.
	Unchanged Verdict = "Unchanged"
	// Changed is one that is not.
	Changed Verdict = "Changed"
	// New is one that the earlier run did not archive.
	New Verdict = "New"
	// NotCompared is one of which it cannot be said.
	NotCompared Verdict = "NotCompared"
)

// By is what a verdict rests on.
type By string

// What Unchanged and Changed rest on.
const (
	// ByDigest: the document is the same to the byte.
	ByDigest By = "Digest"
	// ByETag: the site says that it is, by a strong validator.
	ByETag By = "ETag"
	// ByStatus and ByAddress: it was answered with another status, or at another address.
	ByStatus  By = "Status"
	ByAddress By = "Address"
	// ByDocument: the document has other bytes.
	ByDocument By = "Document"
	// ByText: the page shows another text, whatever its document is.
	ByText By = "Text"
)

// Why a page was not compared.
const (
	// ByNoDocument: one of the visits has no record of a document.
	ByNoDocument By = "NoDocument"
	// ByTruncated: the body of one of the documents was cut off.
	ByTruncated By = "Truncated"
	// ByCoding: the bodies are stored with different content codings.
	ByCoding By = "Coding"
	// ByNoIndex: the earlier run has no index of its visits.
	ByNoIndex By = "NoIndex"
	// ByIndexUnreadable: the index could not be read.
	ByIndexUnreadable By = "IndexUnreadable"
)

// Compare judges two visits of a page. It never calls a page unchanged that showed another
// text: the document of a page that its scripts fill is the same whatever it shows.
func Compare(before, now *Visit) (Verdict, By) {
	switch {
	case before == nil:
		return New, ""
	case before.Record == "" || now.Record == "":
		return NotCompared, ByNoDocument
	case before.Status != now.Status:
		return Changed, ByStatus
	case before.document() != now.document():
		return Changed, ByAddress
	}
	whole := before.Digest != "" && now.Digest != ""
	same := whole && before.Digest == now.Digest
	tagged := before.ETag == now.ETag && strong(now.ETag)
	switch {
	case whole && !same && before.Coding == now.Coding && !tagged:
		return Changed, ByDocument
	case before.Text != "" && now.Text != "" && before.Text != now.Text:
		return Changed, ByText
	case same:
		return Unchanged, ByDigest
	case tagged:
		return Unchanged, ByETag
	case !whole:
		return NotCompared, ByTruncated
	}
	return NotCompared, ByCoding
}

// strong tells whether an entity tag is one, and not a weak one (RFC 9110 section 8.8.3).
func strong(tag string) bool {
	return len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"'
}

// Run names the run that a page is compared with.
type Run struct {
	// Run is the UID of its CrawlJob, Name the name.
	Run  string `json:"run"`
	Name string `json:"name"`
}

// Earlier is what an earlier run knows of a page.
type Earlier struct {
	Run Run
	// Visit is nil when the run did not archive the page, or when that is not known: then
	// Unknown says why, and Detail in words.
	Visit   *Visit
	Unknown By
	Detail  string
}

// Comparison is what is said of a page that was compared, or should have been.
type Comparison struct {
	With    Run     `json:"with"`
	Verdict Verdict `json:"verdict"`
	By      By      `json:"by,omitempty"`
	Detail  string  `json:"detail,omitempty"`
	// Earlier is the visit that it was compared with.
	Earlier *Visit `json:"earlier,omitempty"`
}

// Compare compares the page as it is now with what is known of it.
func (e *Earlier) Compare(now *Visit) *Comparison {
	c := &Comparison{With: e.Run, Earlier: e.Visit, Detail: e.Detail}
	if e.Unknown != "" {
		c.Verdict, c.By = NotCompared, e.Unknown
		return c
	}
	c.Verdict, c.By = Compare(e.Visit, now)
	return c
}

// Counts count archived pages by their verdict.
type Counts struct {
	Unchanged   int64 `json:"unchanged,omitempty"`
	Changed     int64 `json:"changed,omitempty"`
	New         int64 `json:"new,omitempty"`
	NotCompared int64 `json:"notCompared,omitempty"`
}

// Add counts a page. An empty verdict, of a run that compares nothing, counts nowhere.
func (c *Counts) Add(v Verdict) {
	switch v {
	case Unchanged:
		c.Unchanged++
	case Changed:
		c.Changed++
	case New:
		c.New++
	case NotCompared:
		c.NotCompared++
	}
}

// Plus adds up two counts.
func (c Counts) Plus(o Counts) Counts {
	return Counts{c.Unchanged + o.Unchanged, c.Changed + o.Changed, c.New + o.New, c.NotCompared + o.NotCompared}
}

// Sum is how many pages are counted.
func (c Counts) Sum() int64 { return c.Unchanged + c.Changed + c.New + c.NotCompared }

// Valid reports whether a verdict is one, or empty.
func (v Verdict) Valid() bool {
	switch v {
	case "", Unchanged, Changed, New, NotCompared:
		return true
	}
	return false
}
