package custody

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Event is what happened to an object.
type Event string

// The events.
const (
	Captured     Event = "Captured"     // a chunk of pages was closed
	Stored       Event = "Stored"       // the store confirmed an object
	Read         Event = "Read"         // somebody looked at it
	Copied       Event = "Copied"       // it was copied to Copy
	Exported     Event = "Exported"     // it left the fleet, to To
	TiedToCase   Event = "TiedToCase"   // it belongs to Case from now on
	Held         Event = "Held"         // a legal hold stops its erasure
	Released     Event = "Released"     // the hold is over
	Kept         Event = "Kept"         // it is to be kept until Until
	Erased       Event = "Erased"       // it was erased
	StampFetched Event = "StampFetched" // a time stamp of authority To is in Copy
)

// Events are all events there are, in the order of their names.
func Events() []Event { return slices.Sorted(maps.Keys(details)) }

// details are the fields that an event must have, and those that it may have besides why.
var details = map[Event]struct{ must, may string }{
	Captured:     {},
	Stored:       {},
	Read:         {may: "case"},
	Copied:       {must: "copy", may: "case to"},
	Exported:     {must: "to", may: "case copy"},
	TiedToCase:   {must: "case", may: "until"},
	Held:         {must: "why", may: "case run until"},
	Released:     {must: "why", may: "case run"},
	Kept:         {must: "until", may: "case run"},
	Erased:       {must: "why", may: "case"},
	StampFetched: {must: "to copy"},
}

// The bounds of an entry, in bytes.
const (
	maxID    = 128
	maxWho   = 256
	maxWhy   = 256
	maxEntry = 8 << 10
)

// Entry is one event. Its encoding is JSON as RFC 8785 has it (members in alphabetical
// order, no white space): there is one encoding of an entry, and it is what the tree holds.
type Entry struct {
	// Case is a reference to a case.
	Case string `json:"case,omitempty"`
	// Copy is the key of a copy, an exported file or a time stamp.
	Copy blob.Key `json:"copy,omitempty"`
	// Event is what happened.
	Event Event `json:"event"`
	// ID tells this event from all others. Give one that follows from the event where it
	// may be reported twice, such as by an activity that is tried again: the second report
	// adds nothing. [Log.Append] chooses one at random where it is empty.
	ID string `json:"id"`
	// Object is the key of the object, and SHA256 its SHA-256 in hex.
	Object blob.Key `json:"object"`
	// Run is the UID of a run all of which was decided about: Object is then the decision.
	Run    string `json:"run,omitempty"`
	SHA256 string `json:"sha256"`
	// To is whom a copy was given to, or the time-stamp authority.
	To string `json:"to,omitempty"`
	// Until is the last day of keeping, such as 2031-12-31.
	Until string `json:"until,omitempty"`
	// When it happened, in UTC, in milliseconds.
	When time.Time `json:"when"`
	// Who did it: the identifier of a user or a program.
	Who string `json:"who"`
	// Why, in a few words: a reason, never an address of a page.
	Why string `json:"why,omitempty"`
}

// Validate checks that an entry may be in a log.
func (e *Entry) Validate() error {
	rule, ok := details[e.Event]
	if !ok {
		return fmt.Errorf("event %q: there is no such event", e.Event)
	}
	fields := []struct{ name, value string }{
		{"case", e.Case}, {"copy", string(e.Copy)}, {"run", e.Run}, {"to", e.To}, {"until", e.Until}, {"why", e.Why},
	}
	for _, f := range fields {
		must := has(rule.must, f.name)
		if must && f.value == "" {
			return fmt.Errorf("%s: an entry of event %s needs it", f.name, e.Event)
		}
		if f.value != "" && !must && f.name != "why" && !has(rule.may, f.name) {
			return fmt.Errorf("%s: an entry of event %s has none", f.name, e.Event)
		}
	}
	return errors.Join(
		word("id", e.ID, maxID, true), word("who", e.Who, maxWho, true),
		word("case", e.Case, maxWho, false), word("run", e.Run, maxID, false), word("to", e.To, maxWho, false), e.validateWhy(),
		key("object", e.Object, true), key("copy", e.Copy, false), e.validateSum(), e.validateTimes(),
	)
}

// Concerns tells whether an entry speaks of an object: of its SHA-256 in hex, or of all that the
// run has which it belongs to (empty for none). That it does belong to the run is for the caller to
// know: a snapshot from elsewhere may claim any.
func (e *Entry) Concerns(sha256, run string) bool {
	return e.SHA256 == sha256 || run != "" && e.Run == run
}

func has(list, name string) bool {
	for n := range strings.FieldsSeq(list) {
		if n == name {
			return true
		}
	}
	return false
}

// word checks an identifier: visible ASCII. It may not look like an address, so that the
// log cannot tell what was on which site.
func word(name, value string, most int, must bool) error {
	switch {
	case value == "" && !must:
		return nil
	case value == "" || len(value) > most:
		return fmt.Errorf("%s: has %d bytes, must have 1 to %d", name, len(value), most)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%s: must be visible ASCII without spaces", name)
	}
	return noAddress(name, value)
}

// address is what is taken for the address of a page.
var address = regexp.MustCompile(`(?i)//|www\.`)

// Word makes a text one that an entry takes as who, case or to: visible ASCII without spaces, and
// no address. It is as long as it was.
func Word(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, address.ReplaceAllString(s, "-"))
}

func noAddress(name, value string) error {
	if address.MatchString(value) {
		return fmt.Errorf("%s: must not hold the address of a page", name)
	}
	return nil
}

func key(name string, k blob.Key, must bool) error {
	if k == "" && !must {
		return nil
	}
	if _, err := blob.NewKey(string(k)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (e *Entry) validateWhy() error {
	if len(e.Why) > maxWhy {
		return fmt.Errorf("why: has %d bytes, must have %d at most", len(e.Why), maxWhy)
	}
	if !utf8.ValidString(e.Why) || strings.ContainsFunc(e.Why, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errors.New("why: must be one line of printable text")
	}
	return noAddress("why", e.Why)
}

func (e *Entry) validateSum() error {
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) != 32 || strings.ToLower(e.SHA256) != e.SHA256 {
		return errors.New("sha256: must be 64 digits of lower-case hex")
	}
	return nil
}

func (e *Entry) validateTimes() error {
	if _, err := time.Parse(time.DateOnly, e.Until); e.Until != "" && err != nil {
		return errors.New("until: must be a day such as 2031-12-31")
	}
	if e.When.IsZero() || e.When.Year() > 9999 || !e.When.Equal(e.When.Truncate(time.Millisecond)) || e.When.Location() != time.UTC {
		return errors.New("when: must be a time in UTC, in whole milliseconds")
	}
	return nil
}

// encode gives the one encoding of an entry.
func (e *Entry) encode() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	b, err := canonical(e)
	if err == nil && len(b) > maxEntry {
		return nil, fmt.Errorf("entry has %d bytes, must have %d at most", len(b), maxEntry)
	}
	return b, err
}

// ParseEntry reads an entry. It accepts the one encoding of an entry and nothing else.
func ParseEntry(b []byte) (Entry, error) {
	if len(b) > maxEntry {
		return Entry{}, fmt.Errorf("entry has %d bytes, must have %d at most", len(b), maxEntry)
	}
	var e Entry
	if err := parseCanonical(b, &e); err != nil {
		return Entry{}, fmt.Errorf("entry: %w", err)
	}
	if err := e.Validate(); err != nil {
		return Entry{}, fmt.Errorf("entry: %w", err)
	}
	return e, nil
}

// same tells whether two entries report the same event. A report that is repeated may have
// another time.
func (e Entry) same(other Entry) bool {
	e.When = other.When
	return e == other
}

// canonical encodes v as RFC 8785 has it.
func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	b := jsontext.Value(raw)
	err = b.Canonicalize()
	return b, err
}

// parseCanonical decodes v and refuses what canonical would not have written.
func parseCanonical(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := canonical(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errors.New("is not in its one encoding")
	}
	return nil
}
