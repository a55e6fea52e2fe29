// Package cdxj reads and writes CDXJ files, the indexes that tell where in which
// WARC file the captures of a URL lie (https://specs.webrecorder.net/cdxj/0.1.0/).
//
// A line is a key (the URL's SURT), a timestamp and a JSON object:
//
//	org,example)/index.html 20220106150849300 {"url":"https://example.org/index.html","mime":"text/html",…}
//
// Lines are sorted by their bytes, so that a key is found by halving. What was
// asked for by another method than GET is indexed under a key made of its URL and
// its body, as warcio.js and pywb do; see [RequestKey].
package cdxj

import (
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Entry is a line of an index: one capture.
type Entry struct {
	// Key is the URL's SURT, for other methods than GET that of [RequestKey].
	Key urls.SURT
	// Time of the capture in UTC, to the millisecond.
	Time time.Time
	// URL as captured.
	URL string
	// Mime is the media type without parameters; "warc/revisit" for revisits.
	// Empty if the response had none.
	Mime string
	// Status is the HTTP status, 0 for what is not HTTP.
	Status int
	// Digest of the payload, such as "sha256:…".
	Digest warc.Digest
	// RecordDigest is the SHA-256 of the record as stored. Optional.
	RecordDigest warc.Digest
	// Filename is the WARC file's base name, Offset and Length the record's
	// place in it.
	Filename       string
	Offset, Length int64
	// Method and RequestBody are set for other methods than GET. RequestBody is
	// the body in the form that the key was made of.
	Method, RequestBody string
}
