// Package snapshot reads what was captured of one page out of a WACZ file in the store: the
// facts, the text, the picture, the links and the exchanges with servers.
//
// It reads in ranges and by the file's own index, so that a page costs what it is large, not
// what its file is. Nothing is believed beyond that: whether a file is what it says is for
// package verify.
package snapshot

import (
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Page is what a list of pages and the page's own record say of one page of a file. Times are
// in UTC.
type Page struct {
	// Chunk is the file, ID the WARC-Page-ID of its records.
	Chunk blob.Key `json:"chunk"`
	ID    string   `json:"page"`
	// URL was asked for, FinalURL is where that led in the end; the same when nothing
	// redirected.
	URL      string    `json:"url"`
	FinalURL string    `json:"finalUrl,omitempty"`
	Time     time.Time `json:"time"`
	Title    string    `json:"title,omitempty"`
	// Status is the HTTP status of the document, MIME its media type without parameters.
	Status int    `json:"status,omitempty"`
	MIME   string `json:"mime,omitempty"`
	// Language is a BCP 47 primary language subtag such as "nl", empty when it is not known.
	Language string `json:"language,omitempty"`
	Kind     Kind   `json:"kind"`
	// Partial pages failed while something of them was captured already, for Reason.
	Partial bool   `json:"partial,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Digest is the WARC-Payload-Digest of the document, TextDigest that of the text that the
	// page showed; empty for none.
	Digest     string `json:"digest,omitempty"`
	TextDigest string `json:"textDigest,omitempty"`
	// Picture tells whether there is a screenshot.
	Picture bool `json:"picture,omitempty"`
}

// Kind is what sort of document a page is.
type Kind string

// The kinds.
const (
	Web      Kind = "Web"      // HTML
	Document Kind = "Document" // PDF, office files, plain text
	Image    Kind = "Image"
	Media    Kind = "Media" // sound and video
	Other    Kind = "Other"
)

// Kinds are all kinds, in the order in which people are offered them.
func Kinds() []Kind { return []Kind{Web, Document, Image, Media, Other} }
