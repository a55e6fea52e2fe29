package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Names that the records begin with which capturing makes of a page (docs/capture.md). Other tools
// write the first three, too.
const (
	urnInfo  = "urn:pageinfo:"
	urnView  = "urn:view:"
	urnText  = "urn:text:"
	urnDOM   = "urn:dom:"
	urnLinks = "urn:links:"
	// urnConnection is of a connection: several pages may have come over it.
	urnConnection = "urn:connection:"
)

// Bounds of what is read of a file, in bytes.
const (
	maxInfo    = 64 << 20
	maxCapture = 64 << 20
	maxLinks   = 16 << 20
	maxText    = 1 << 20
	maxHead    = 64 << 10 // of a document, to find its language
)

// info is a page's own record (urn:pageinfo:), as far as lists tell of it.
type info struct {
	FormatVersion int        `json:"formatVersion"`
	PageID        string     `json:"pageid"`
	FinalURL      string     `json:"finalUrl"`
	Title         string     `json:"title"`
	Status        int        `json:"status"`
	MIME          string     `json:"mime"`
	Reason        string     `json:"reason"`
	Started       time.Time  `json:"started"`
	Ended         time.Time  `json:"ended"`
	Main          string     `json:"main"`
	Exchanges     []exchange `json:"exchanges"`
}

// exchange is an exchange with a server as the recorder saw it. Response is the ID of its record.
type exchange struct {
	Exchange   int       `json:"exchange"`
	URL        string    `json:"url"`
	Method     string    `json:"method"`
	Status     int       `json:"status"`
	Response   string    `json:"response"`
	Connection string    `json:"connection"`
	Failure    string    `json:"failure"`
	Detail     string    `json:"detail"`
	Truncated  string    `json:"truncated"`
	Started    time.Time `json:"started"`
}

// parseInfo reads a page's own record. That of another tool has other members under the same
// name: it comes back without a page.
func parseInfo(b []byte) (info, error) {
	var i info
	err := json.Unmarshal(b, &i)
	var other *json.UnmarshalTypeError
	if i.FormatVersion == 0 && (err == nil || errors.As(err, &other)) {
		return info{}, nil
	}
	return i, err
}

// Link is a link of a page, as capturing found it. Kind is a word such as Anchor or Mailto:
// mailto:, tel: and sms: are leads that nobody visits.
type Link struct {
	URL      string `json:"url"`
	Kind     string `json:"kind,omitempty"`
	NoFollow bool   `json:"noFollow,omitempty"`
}

// parseLinks reads lines of links.
func parseLinks(r io.Reader) (links []Link, err error) {
	for dec := json.NewDecoder(r); ; {
		var l Link
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			return links, nil
		}
		if err != nil {
			return nil, err
		}
		links = append(links, l)
	}
}

// body reads a record to its end, which checks its digests.
func body(rec *warc.Record, limit int64) ([]byte, error) {
	if rec.Body.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, which is more than %d", rec.TargetURI, rec.Body.Size(), limit)
	}
	f, err := rec.Body.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// beginning reads a record up to a limit; cut tells whether it goes on.
func beginning(rec *warc.Record, limit int64) (b []byte, cut bool, err error) {
	if rec.Body.Size() <= limit {
		b, err = body(rec, limit)
		return b, false, err
	}
	f, err := rec.Body.Open()
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	b = make([]byte, limit)
	_, err = io.ReadFull(f, b)
	return b, true, err
}
