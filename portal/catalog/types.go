package catalog

import (
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// ID names a capture: the first 16 bytes, in hex, of the SHA-256 of the key of its file, a line
// feed and its page ID. It follows from the archive, so every catalog has the same.
type ID string

// Run is the run of a CrawlJob that a capture belongs to.
type Run struct {
	Namespace string `json:"namespace"`
	Job       string `json:"job"`
	UID       string `json:"uid"`
}

// Capture is one page as it was captured once.
type Capture struct {
	ID ID `json:"id"`
	Run
	snapshot.Page
}

// Query says which captures are looked for. The zero value of a field does not narrow the search.
type Query struct {
	// Text is what a person typed into the one search box: words, "a phrase", a URL, a host,
	// a telephone number in any writing, an e-mail address or a handle.
	Text string
	// Namespaces are those that the person may see; nil stands for none, so that a
	// forgotten check shows nothing.
	Namespaces []string
	// From and To bound the time of the capture: From <= time < To.
	From, To time.Time
	// Job is namespace/name or a name alone, Run a UID, Host a host name with all that is
	// below it, URL an exact address in any writing.
	Job, Run, Host, URL string
	// Status is a code such as "404" or a class such as "4xx".
	Status   string
	Language string
	Kind     snapshot.Kind
	// Partial adds pages that failed to those that were archived.
	Partial bool
	// Oldest sorts by time, the oldest first; else the newest is.
	Oldest bool
	// Limit is how many captures are returned at most, 1 to 1000, 50 when it is 0.
	Limit int
	// Cursor goes on where the Result with this Next ended.
	Cursor string
}

// Result is what was found.
type Result struct {
	Hits []Hit `json:"items"`
	// Next is the cursor of the next page, empty on the last one.
	Next string `json:"next,omitempty"`
	// Count is how many captures match, up to CountLimit and as far as they can be counted in
	// a moment; More is set when there are more.
	Count int  `json:"count"`
	More  bool `json:"more,omitempty"`
	// Meant says how the text was read, for people to see.
	Meant []Meaning `json:"meant,omitempty"`
}

// CountLimit is how far matches are counted.
const CountLimit = 1000

// Hit is a capture that was found.
type Hit struct {
	Capture
	// Snippet is text around what was found, in pieces; the beginning of the text when nothing
	// of it was looked for.
	Snippet []Piece `json:"snippet,omitempty"`
	// Heading is the title in pieces, empty when nothing in it was looked for.
	Heading []Piece `json:"heading,omitempty"`
}

// Piece is a piece of text; Hit is set for what was looked for.
type Piece struct {
	Text string `json:"text"`
	Hit  bool   `json:"hit,omitempty"`
}

// Meaning is how a part of the text of a query was read.
type Meaning struct {
	// As is a word: Text, Phrase, Prefix, URL, Host, Phone, Email or Handle.
	As string `json:"as"`
	// Value is what is looked for, such as "+31201234567".
	Value string `json:"value"`
	// Excluded is set for what must not be there.
	Excluded bool `json:"excluded,omitempty"`
}

// How a part of a text is read.
const (
	AsText   = "Text"
	AsPhrase = "Phrase"
	AsPrefix = "Prefix"
	AsURL    = "URL"
	AsHost   = "Host"
	AsPhone  = "Phone"
	AsEmail  = "Email"
	AsHandle = "Handle"
)

// Identifiers finds telephone numbers, e-mail addresses and handles.
type Identifiers interface {
	// InQuery finds what a person may mean, InText what a page shows; both in order, without
	// overlaps.
	InQuery(text string) []Identifier
	InText(text string) []Identifier
}

// Identifier is a part of a text that is a telephone number, an e-mail address or a handle.
type Identifier struct {
	// Start and End bound it in the text, in bytes.
	Start, End int
	// Any is what it may stand for, as in Entry.Identifiers: a number without its country can
	// be one of several.
	Any []Meaning
}

// InvalidError says which field of a query cannot be used, and what to do.
type InvalidError struct {
	// Field is the name as in the API: q, cursor, limit, status, kind, language, url, host,
	// job or until.
	Field string
	// Detail is for people.
	Detail words.Said
}

// Error implements error.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Detail.String() }

func invalid(field, detail string, args ...any) error {
	return &InvalidError{field, words.Say(detail, args...)}
}

// Chunk is a file of the archive that the catalog knows.
type Chunk struct {
	Key      blob.Key  `json:"key"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Run
	// Problem says why it could not be read, empty when it was.
	Problem string `json:"problem,omitempty"`
}
