package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
)

// Log is the custody log.
type Log interface {
	Append(ctx context.Context, entries ...custody.Entry) (custody.Receipt, error)
}

// Chunks are the files of the archive.
type Chunks interface {
	Head(ctx context.Context, key blob.Key) (blob.Info, error)
	Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error)
}

// Snapshot is what is looked at: a page of a file of the archive, or the whole file where Page is
// empty.
type Snapshot struct {
	Chunk blob.Key
	Page  string
}

const (
	// sumsKnown is how many files' SHA-256 are remembered, actsKnown how many deeds that the log
	// was told of in the hour.
	sumsKnown, actsKnown = 16 << 10, 64 << 10
	// maxAtOnce is how many entries the log takes at once.
	maxAtOnce = 1000
	// maxLogPage is how much of a page's ID the identifier of an entry has.
	maxLogPage = 48
)

// Custody tells the custody log who looks at what, before they see it: an error is that the log
// was not told, and then nothing may be shown. A person who looks at the same page again in the
// same hour, for the same purpose and case, is not told of again, nor is one who downloads the
// same file again.
//
// Without a Log nothing is told, as with a fleet whose workers keep none.
type Custody struct {
	Log    Log
	Chunks Chunks
	// Observe, where it is not nil, is called when the log was told of an event with a number of entries,
	// or could not be.
	Observe func(event custody.Event, entries int, err error)
	// Now is the time; time.Now where it is nil.
	Now func() time.Time

	once sync.Once
	sums *recent[blob.Key, string]
	told *recent[string, struct{}] // by the identifier of the entry
}

// Read tells that a person looks at snapshots. Its error is a *[Problem], or that there is no
// such file: [blob.ErrNotFound].
func (c *Custody) Read(ctx context.Context, p Person, snapshots ...Snapshot) error {
	return c.tell(ctx, p, custody.Read, snapshots, hourly, func(*custody.Entry, Snapshot) {})
}

// Copied tells that a person takes a file with them that has a snapshot, or a part of it: name
// is what the file is called.
func (c *Custody) Copied(ctx context.Context, p Person, name string, snapshots ...Snapshot) error {
	return c.tell(ctx, p, custody.Copied, snapshots, hourly, func(e *custody.Entry, s Snapshot) {
		e.Copy, e.To = blob.Key(name), e.Who
		if name == "" {
			e.Copy = blob.Key(path.Base(string(s.Chunk)))
		}
	})
}

// Exported tells that a person hands snapshots over, to somebody. Each call is an export of its
// own.
func (c *Custody) Exported(ctx context.Context, p Person, to string, snapshots ...Snapshot) error {
	export := rand.Text()
	each := func(time.Time) string { return export }
	return c.tell(ctx, p, custody.Exported, snapshots, each, func(e *custody.Entry, _ Snapshot) {
		e.To = escaped(strings.TrimSpace(to))
	})
}

// Tied tells that snapshots belong to a case from now on, which a person has put them in. That is
// told once of each.
func (c *Custody) Tied(ctx context.Context, p Person, name string, snapshots ...Snapshot) error {
	p.Case = name
	once := func(time.Time) string { return "" }
	return c.tell(ctx, p, custody.TiedToCase, snapshots, once, func(*custody.Entry, Snapshot) {})
}

// hourly makes what is done again in the same hour the same.
func hourly(now time.Time) string { return now.UTC().Format("2006-01-02T15") }

// tell appends an entry for each snapshot that is not told of yet.
func (c *Custody) tell(ctx context.Context, p Person, event custody.Event, snapshots []Snapshot, when func(time.Time) string, complete func(*custody.Entry, Snapshot)) error {
	if c == nil || c.Log == nil {
		return nil
	}
	c.once.Do(func() {
		c.sums, c.told = newRecent[blob.Key, string](sumsKnown), newRecent[string, struct{}](actsKnown)
	})
	now := c.now()
	var entries []custody.Entry
	for _, s := range snapshots {
		e := custody.Entry{
			Event: event, Object: s.Chunk, When: now.UTC().Truncate(time.Millisecond),
			Who: who(p.Name), Why: p.Purpose, Case: escaped(p.Case),
		}
		complete(&e, s)
		e.ID = identifier(e, s, p.Case, when(now))
		if _, known := c.told.get(e.ID, now); known {
			continue
		}
		sum, err := c.sum(ctx, s.Chunk)
		if err != nil {
			return err
		}
		e.SHA256 = sum
		entries = append(entries, e)
	}
	for some := range slices.Chunk(entries, maxAtOnce) {
		_, err := c.Log.Append(ctx, some...)
		if c.Observe != nil {
			c.Observe(event, len(some), err)
		}
		if err != nil {
			return custodyUnavailable(err)
		}
	}
	for _, e := range entries {
		c.told.put(e.ID, struct{}{}, now.Add(time.Hour))
	}
	return nil
}

// maxWord is how many bytes the log takes of who, case and to, and beginning how many are of what was said where that
// has more: the rest is its hash.
const maxWord, beginning = 256, 200

// who is a name as the log takes it. Of one that the log does not take as it is, it has what can be
// read of it and its hash: two people are never one.
func who(name string) string {
	word := custody.Word(name)
	if word == name && len(word) <= maxWord {
		return word
	}
	return hashed(word, name)
}

func hashed(word, said string) string {
	hash := sha256.Sum256([]byte(said))
	return word[:min(len(word), beginning)] + "-" + hex.EncodeToString(hash[:16])
}

// notTaken are the bytes that the log does not take in a word, the end of what it takes for an address, and what an
// escape begins with.
var notTaken = regexp.MustCompile(`(?i)//|www\.|[^!-~]|%`)

// escaped is what somebody said as the log takes it: percent-encoded (RFC 3986 section 2.1) where it has to be, so that
// who reads the log can read it in any script.
func escaped(said string) string {
	word := notTaken.ReplaceAllStringFunc(said, func(s string) string {
		plain := ""
		if s[0] > ' ' && s[0] <= '~' { // of an address its end is enough
			plain, s = s[:len(s)-1], s[len(s)-1:]
		}
		for i := range len(s) {
			plain += fmt.Sprintf("%%%02X", s[i])
		}
		return plain
	})
	if len(word) <= maxWord {
		return word
	}
	word = word[:beginning]
	if i := strings.LastIndexByte(word, '%'); i > len(word)-len("%00") {
		word = word[:i] // an escape that is cut says nothing
	}
	return hashed(word, said)
}

// Logged is what the custody log is told of a person, and nothing else: it is bounded, and telling of
// it is the same as telling of the person.
func (p Person) Logged() Person {
	return Person{Name: who(p.Name), Purpose: p.Purpose, Case: p.Case}
}

// identifier names a deed so that every replica of the portal calls it the same. It begins with
// the page, which an entry has no field for.
func identifier(e custody.Entry, s Snapshot, reference, when string) string {
	page := custody.Word(s.Page)
	page = page[:min(len(page), maxLogPage)]
	if page == "" {
		page = "-"
	}
	deed := sha256.Sum256([]byte(strings.Join([]string{
		string(s.Chunk), s.Page, e.Who, e.Why, reference, string(e.Copy), e.To, when,
	}, "\x00")))
	return strings.ToLower(string(e.Event)) + "/" + page + "/" + hex.EncodeToString(deed[:16])
}

// sum is the SHA-256 of a file: what the store knows, or else what is computed from the file.
// Files never change.
func (c *Custody) sum(ctx context.Context, key blob.Key) (string, error) {
	if sum, ok := c.sums.get(key, c.now()); ok {
		return sum, nil
	}
	info, err := c.Chunks.Head(ctx, key)
	if err == nil && info.SHA256 == "" {
		info.SHA256, err = c.compute(ctx, key)
	}
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return "", err
	case err != nil:
		return "", custodyUnavailable(fmt.Errorf("the SHA-256 of what is looked at: %w", err))
	}
	c.sums.put(key, info.SHA256, c.now().Add(time.Hour))
	return info.SHA256, nil
}

func (c *Custody) compute(ctx context.Context, key blob.Key) (string, error) {
	body, _, err := c.Chunks.Get(ctx, key)
	if err != nil {
		return "", err
	}
	defer body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, body); err != nil {
		return "", fmt.Errorf("read object %q: %w", key, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (c *Custody) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func custodyUnavailable(why error) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Reason: ReasonCustodyUnavailable, Err: why,
		Text: "The custody log cannot be written, so nothing is shown: nobody looks at evidence in secret.",
		Hint: "Load this page again in a while; if it stays so, tell whoever runs the portal: its log says what is wrong.",
	}
}
