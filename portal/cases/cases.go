// Package cases keeps what analysts put together of the archive: captures in a case, with notes,
// tags and decisions.
//
// A case is a chain of events in the archive's bucket, cases/NAMESPACE/CASE/00000001.json and on
// (package chain): nothing is overwritten, any number of people and portals write at once, and what
// a case is follows from its events ([Fold]). The events say who did what and when; they are the
// history of the case.
//
// # Names
//
// A case has a name as Kubernetes' objects do (RFC 1123), so that it can be the case of a decision about
// retention, of an entry of the custody log and of a dossier. What it is called by people is its title.
// It belongs to a namespace, as captures do, and holds captures of that one only: who may see one may see
// the other.
//
// # Personal data, and how long a case is kept
//
// Events name captures by ID, chunk and page ID, never by an address or a title: what was captured goes
// when the chunk is erased, and a case that names it says no more than that there was something. Notes,
// titles, descriptions, tags and reasons are the analyst's own words, and stay as long as the case does. No word of the
// program's own judges a person: [Words] are about captures and what is to be done with them.
//
// A case is kept until somebody erases it ([Store.Erase]): there is no date at which it goes by itself, as nobody
// but who keeps it knows what it is needed for. Erasing removes all events with all their versions and
// leaves a stub: that there was a case of that name, who erased it, when and why. Closing a case
// erases nothing. That captures are in a case keeps them from nothing either: keeping is a decision about retention,
// see [Retention].
package cases

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

// Kind is what an event does.
type Kind string

// The kinds of events.
const (
	Opened   Kind = "Opened"   // with Title and Description
	Added    Kind = "Added"    // Captures
	Removed  Kind = "Removed"  // Captures are not in the case any more, for Reason; they stay in the history
	Noted    Kind = "Noted"    // Text about Capture, or about the case
	Tagged   Kind = "Tagged"   // Tags of Capture, or of the case
	Untagged Kind = "Untagged" // likewise
	Decided  Kind = "Decided"  // Decision about Capture, or about the case, for Reason
	Closed   Kind = "Closed"   // for Reason
	Reopened Kind = "Reopened" // for Reason
)

// Word is a decision about a capture or a case.
type Word string

// The decisions. None is about a person.
const (
	Relevant    Word = "Relevant"
	NotRelevant Word = "NotRelevant"
	HandOver    Word = "HandOver"    // it is to be handed over
	NeedsReview Word = "NeedsReview" // somebody else is to look at it
)

// Words are all decisions, in the order in which people are offered them.
func Words() []Word { return []Word{Relevant, NotRelevant, NeedsReview, HandOver} }

// The bounds of a case.
const (
	MaxCaptures = 10_000   // in a case
	MaxAtOnce   = 1_000    // captures in an event
	MaxNote     = 16 << 10 // bytes of a note or a description
	MaxTitle    = 256      // bytes
	MaxReason   = 1 << 10  // bytes
	MaxTag      = 64       // characters
	MaxTags     = 100      // of a capture or of the case
)

// Capture names a page in the archive.
type Capture struct {
	// ID is the one that the catalog has. It follows from the other two.
	ID catalog.ID `json:"id"`
	// Chunk is the file, Page the ID of the page's records in it.
	Chunk blob.Key `json:"chunk"`
	Page  string   `json:"page"`
}

// NewCapture names a page of a chunk.
func NewCapture(chunk blob.Key, page string) Capture {
	sum := sha256.Sum256([]byte(string(chunk) + "\n" + page))
	return Capture{ID: catalog.ID(hex.EncodeToString(sum[:16])), Chunk: chunk, Page: page}
}

// Namespace is that of the run which the chunk belongs to.
func (c *Capture) Namespace() (string, error) {
	run, _, ok := catalog.ParseChunk(c.Chunk)
	if !ok {
		return "", fmt.Errorf("%q is no chunk of a run: the capture %w", c.Chunk, chain.ErrInvalid)
	}
	return run.Namespace, nil
}

// maxPage bounds the ID of a page in bytes.
const maxPage = 256

func (c *Capture) check() error {
	if _, err := c.Namespace(); err != nil {
		return err
	}
	if err := chain.Line("the page of a capture", c.Page, maxPage); err != nil {
		return err
	}
	if c.ID != NewCapture(c.Chunk, c.Page).ID {
		return fmt.Errorf("the ID %q is not that of page %q of %q: the capture %w", c.ID, c.Page, c.Chunk, chain.ErrInvalid)
	}
	return nil
}

// Event is something that somebody did in a case. Which members it has is said by its Kind.
type Event struct {
	Kind Kind `json:"kind"`

	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`

	Captures []Capture `json:"captures,omitempty"`
	// Capture is what a note, tags or a decision are about; empty for the case.
	Capture  catalog.ID `json:"capture,omitempty"`
	Text     string     `json:"text,omitempty"`
	Tags     []string   `json:"tags,omitempty"`
	Decision Word       `json:"decision,omitempty"`
	Reason   string     `json:"reason,omitempty"`
}

// members are those that events have, besides the kind: the ones that they must have, and that
// they may have.
var members = map[Kind]struct{ must, may []string }{
	Opened:   {must: []string{"title"}, may: []string{"description"}},
	Added:    {must: []string{"captures"}},
	Removed:  {must: []string{"captures", "reason"}},
	Noted:    {must: []string{"text"}, may: []string{"capture"}},
	Tagged:   {must: []string{"tags"}, may: []string{"capture"}},
	Untagged: {must: []string{"tags"}, may: []string{"capture"}},
	Decided:  {must: []string{"decision"}, may: []string{"capture", "reason"}},
	Closed:   {must: []string{"reason"}},
	Reopened: {must: []string{"reason"}},
}

// Check implements chain.Event.
func (e Event) Check() error {
	rule, ok := members[e.Kind]
	if !ok {
		return fmt.Errorf("kind %q: there is no such event, it %w", e.Kind, chain.ErrInvalid)
	}
	for _, f := range []struct {
		name  string
		there bool
	}{
		{"title", e.Title != ""},
		{"description", e.Description != ""},
		{"captures", len(e.Captures) > 0},
		{"capture", e.Capture != ""},
		{"text", e.Text != ""},
		{"tags", len(e.Tags) > 0},
		{"decision", e.Decision != ""},
		{"reason", e.Reason != ""},
	} {
		must := slices.Contains(rule.must, f.name)
		if must && !f.there {
			return fmt.Errorf("%s: %s is missing, it %w", e.Kind, f.name, chain.ErrInvalid)
		}
		if f.there && !must && !slices.Contains(rule.may, f.name) {
			return fmt.Errorf("%s: has no %s, it %w", e.Kind, f.name, chain.ErrInvalid)
		}
	}
	return errors.Join(e.checkTexts(), e.checkCaptures(), e.checkTags())
}

func (e Event) checkTexts() error {
	if e.Title != "" {
		if err := chain.Line("the title", e.Title, MaxTitle); err != nil {
			return err
		}
	}
	if e.Decision != "" && !slices.Contains(Words(), e.Decision) {
		return fmt.Errorf("decision %q: there is no such one, it %w", e.Decision, chain.ErrInvalid)
	}
	if e.Text != "" && strings.TrimSpace(e.Text) == "" {
		return fmt.Errorf("a note without words %w", chain.ErrInvalid)
	}
	return errors.Join(chain.Text("the description", e.Description, MaxNote), chain.Text("the note", e.Text, MaxNote), chain.Text("the reason", e.Reason, MaxReason))
}

func (e Event) checkCaptures() error {
	if len(e.Captures) > MaxAtOnce {
		return fmt.Errorf("%d captures at once, of %d at most: it %w", len(e.Captures), MaxAtOnce, chain.ErrInvalid)
	}
	seen := map[catalog.ID]bool{}
	for i := range e.Captures {
		if err := e.Captures[i].check(); err != nil {
			return err
		}
		if seen[e.Captures[i].ID] {
			return fmt.Errorf("capture %s is named twice: it %w", e.Captures[i].ID, chain.ErrInvalid)
		}
		seen[e.Captures[i].ID] = true
	}
	return nil
}

func (e Event) checkTags() error {
	for i, tag := range e.Tags {
		if err := chain.Line("a tag", tag, 4*MaxTag); err != nil {
			return err
		}
		if len([]rune(tag)) > MaxTag || strings.TrimSpace(tag) != tag {
			return fmt.Errorf("the tag %q: it has %d characters at most and no space at its ends, it %w", tag, MaxTag, chain.ErrInvalid)
		}
		if slices.Contains(e.Tags[:i], tag) {
			return fmt.Errorf("the tag %q is there twice: it %w", tag, chain.ErrInvalid)
		}
	}
	if len(e.Tags) > MaxTags {
		return fmt.Errorf("%d tags, of %d at most: it %w", len(e.Tags), MaxTags, chain.ErrInvalid)
	}
	return nil
}

// Entry is an event with who did it and when.
type Entry = chain.Entry[Event]

// Signed is who did something, and when.
type Signed struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

func signed(e *Entry) Signed { return Signed{By: e.By, At: e.At} }
