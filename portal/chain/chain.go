// Package chain keeps what people write, in the archive's bucket, so that nothing is overwritten
// and many can write at once.
//
// A chain is a folder of objects, 00000001.json and on, each written once, each with the SHA-256
// of the one before. The store lets one writer alone have the next number (If-None-Match: *):
// who comes second reads again, and is tried at the number after, as far as that still makes
// sense. So there is one order, whoever writes, and the store is the only truth. (The same is
// done for decisions about retention: docs/adr/0022-erasures-are-decisions.md)
//
// What stands in a chain is an event of a type that the user of the package chooses.
//
// # Erasing
//
// A chain can be erased ([Folder.Erase]). The erasure is the last entry, a stub that says who did
// it, when and why, and stays; the objects before it go, with all their versions. The name cannot
// be used again. Who is stopped half-way erases again, which goes on. A writer that was overtaken by an
// erasure sees it after its write, and removes what it wrote.
//
// # What it does not keep from
//
// Whoever may write to the bucket can write an entry, and replace or remove the last ones: the chain tells
// only of a change before the last entry. A bucket that keeps versions keeps from the rest.
package chain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Store is what chains need of a bucket. *blob.Bucket is one.
type Store interface {
	Put(ctx context.Context, key blob.Key, content blob.Content) (blob.Info, error)
	Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error)
	List(ctx context.Context, prefix string, yield func(blob.Info) bool) error
	Erase(ctx context.Context, key blob.Key) (blob.Erased, error)
}

var (
	// ErrBroken says that an entry is missing, or is not what the next one says that it was.
	ErrBroken = errors.New("the entries do not follow from each other")
	// ErrErased says that it is erased, or being erased.
	ErrErased = errors.New("it is erased")
	// ErrNotFound says that there is no such chain.
	ErrNotFound = errors.New("there is none of that name")
	// ErrInvalid says that an entry makes no sense.
	ErrInvalid = errors.New("is not valid")
)

// The bounds of what is written and read.
const (
	MaxEntry   = 1 << 20 // bytes of an entry
	MaxEntries = 50_000  // of a chain
	maxPerson  = 256
	maxWhy     = 256
	maxID      = 64
)

// Event is what an entry tells. Check says what is wrong with it by itself.
type Event interface {
	Check() error
}

// Entry is one object of a chain. Exactly one of Event and Erased is set.
type Entry[E Event] struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Chain is the name of the chain below its folder, Seq the number of the entry, from 1
	// on, Previous the SHA-256 in hex of the one before, empty for the first.
	Chain    string `json:"chain"`
	Seq      int64  `json:"seq"`
	Previous string `json:"previous,omitempty"`
	// ID tells this entry from all others: what is reported twice under the same one, as by
	// a form that is sent again, is there once.
	ID string `json:"id"`
	// By is who wrote it, At when, by the clock of the program that wrote it.
	By string    `json:"by"`
	At time.Time `json:"at"`

	Event  *E       `json:"event,omitempty"`
	Erased *Erasure `json:"erased,omitempty"`
}

// Erasure is the stub that is left of a chain.
type Erasure struct {
	// Why it was erased, in a few words. It stays: nothing belongs into it that should go.
	Why string `json:"why"`
}

const version = 1

// check says what is wrong with an entry by itself.
func (e *Entry[E]) check() error {
	for _, f := range []struct {
		name, value string
		most        int
	}{{"who writes", e.By, maxPerson}, {"the id", e.ID, maxID}} {
		if err := Line(f.name, f.value, f.most); err != nil {
			return err
		}
	}
	if e.At.IsZero() || e.At.Year() > 9999 || e.At.Location() != time.UTC {
		return fmt.Errorf("an entry without a time in UTC %w", ErrInvalid)
	}
	switch {
	case (e.Event == nil) == (e.Erased == nil):
		return fmt.Errorf("an entry with no event, or with more than one, %w", ErrInvalid)
	case e.Erased != nil:
		return Line("why it is erased", e.Erased.Why, maxWhy)
	}
	return (*e.Event).Check()
}

// Line checks a text of one line that must be given.
func Line(name, value string, most int) error {
	switch {
	case strings.TrimSpace(value) == "":
		return fmt.Errorf("%s is missing: the entry %w", name, ErrInvalid)
	case len(value) > most:
		return fmt.Errorf("%s of %d bytes, of %d at most, %w", name, len(value), most, ErrInvalid)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, breaks):
		return fmt.Errorf("%s that is not one line of text %w", name, ErrInvalid)
	}
	return nil
}

// Text checks a text of any number of lines, which may be empty.
func Text(name, value string, most int) error {
	if len(value) > most {
		return fmt.Errorf("%s of %d bytes, of %d at most, %w", name, len(value), most, ErrInvalid)
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r != '\n' && r != '\t' && breaks(r) }) {
		return fmt.Errorf("%s with control characters %w", name, ErrInvalid)
	}
	return nil
}

// breaks tells whether a line cannot have a character. Joiners and marks of direction are text.
func breaks(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// label is a name as Kubernetes has them (RFC 1123).
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Name checks a name of a namespace, a case or a watch: a label as of RFC 1123, so that it can be in a
// key of the store, a URL, a decision about retention and an entry of the custody log.
func Name(s string) error {
	if !label.MatchString(s) {
		return fmt.Errorf("the name %q: it has 1 to 63 lower-case letters, digits and hyphens, and ends with no hyphen: it %w", s, ErrInvalid)
	}
	return nil
}

// encode is the entry as it is stored; it has this one encoding.
func (e *Entry[E]) encode() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode an entry: %w", err)
	}
	if b.Len() > MaxEntry {
		return nil, fmt.Errorf("an entry of %d bytes, of %d at most, %w", b.Len(), MaxEntry, ErrInvalid)
	}
	return b.Bytes(), nil
}

// decode reads an entry: the one encoding of it and nothing else.
func decode[E Event](data []byte, format string) (Entry[E], error) {
	var e Entry[E]
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return e, fmt.Errorf("an entry that is no JSON %w: %w", ErrInvalid, err)
	}
	if head.Format != format || head.Version != version {
		return e, fmt.Errorf("format %q, version %d: this program reads %s, version %d: it %w", head.Format, head.Version, format, version, ErrInvalid)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("an entry %w: %w", ErrInvalid, err)
	}
	again, err := e.encode()
	if err != nil {
		return e, err
	}
	if !bytes.Equal(again, data) {
		return e, fmt.Errorf("an entry that is not in its one encoding %w", ErrInvalid)
	}
	return e, nil
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// objectName is what the entry of a number is called.
func objectName(seq int64) string { return fmt.Sprintf("%08d.json", seq) }

// numbered is the number of an entry of that name.
func numbered(name string) (int64, bool) {
	digits, ok := strings.CutSuffix(name, ".json")
	seq, err := strconv.ParseInt(digits, 10, 64)
	return seq, ok && err == nil && seq > 0 && objectName(seq) == name
}
