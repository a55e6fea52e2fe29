package notary

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
)

// who tells the log: not which worker, for the same event may be reported by two of them.
const who = "crawlfleet-worker"

// maxID is the size in bytes of the longest identifier in the log.
const maxID = 128

// Capture is a chunk that was captured, and is stored since a time.
type Capture struct {
	Object           Object
	Captured, Stored time.Time
}

// Captured tells the log of chunks that were captured and are stored.
func (n *Notary) Captured(ctx context.Context, run string, chunks ...Capture) error {
	var entries []custody.Entry
	for _, c := range chunks {
		entries = append(entries, entry(custody.Captured, run, c.Object, c.Captured), entry(custody.Stored, run, c.Object, c.Stored))
	}
	if len(entries) == 0 {
		return nil
	}
	return n.log(ctx, entries...)
}

// Stored tells the log of an object that is stored.
func (n *Notary) Stored(ctx context.Context, run string, o Object, at time.Time) error {
	return n.log(ctx, entry(custody.Stored, run, o, at))
}

// stampsFetched tells the log of the stamps that a sidecar has got.
func (n *Notary) stampsFetched(ctx context.Context, order Order, o Object, key blob.Key, before, after *evidence.Sidecar) error {
	var entries []custody.Entry
	owed := before.Owed()
	for _, e := range after.Stamps {
		if e.Owed != nil || !slices.Contains(owed, e.Authority) {
			continue
		}
		sum := sha256.Sum256([]byte(e.Authority.URL))
		fetched := entry(custody.StampFetched, order.Run, o, n.now())
		fetched.ID = identifier(custody.StampFetched, order.Run, path.Base(string(o.Key))+"/"+hex.EncodeToString(sum[:4]))
		fetched.Copy, fetched.To = key, host(e.Authority.Name)
		entries = append(entries, fetched)
	}
	if len(entries) == 0 {
		return nil
	}
	return n.log(ctx, entries...)
}

// Logs reports whether there is a log.
func (n *Notary) Logs() bool { return n != nil && n.Custody != nil }

func (n *Notary) log(ctx context.Context, entries ...custody.Entry) error {
	if !n.Logs() {
		return nil
	}
	if _, err := n.Custody.Append(ctx, entries...); err != nil {
		n.Metrics.unlogged(err)
		return fmt.Errorf("%w: %w", ErrUnlogged, err)
	}
	return nil
}

func entry(event custody.Event, run string, o Object, at time.Time) custody.Entry {
	return custody.Entry{
		Event: event, ID: identifier(event, run, path.Base(string(o.Key))), Object: o.Key, SHA256: o.SHA256,
		When: at.UTC().Truncate(time.Millisecond), Who: who,
	}
}

// identifier names an event so that it is the same whoever reports it.
func identifier(event custody.Event, run, name string) string {
	kind := strings.ToLower(string(event))
	id := kind + "/" + run + "/" + name
	if len(id) <= maxID {
		return id
	}
	sum := sha256.Sum256([]byte(run + "/" + name))
	return kind + "/" + hex.EncodeToString(sum[:])
}

// host makes the name of an authority one that the log takes: an entry has no addresses.
func host(name string) string {
	return word(strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(name), "www."), "/", "-"))
}

// word makes a text one that the log takes.
func word(s string) string {
	s = custody.Word(s)
	return s[:min(len(s), maxID)]
}

// Decision is a decision about how long captures are kept, or that they were erased.
type Decision struct {
	// Event is Kept, Held, Released or Erased, Object the stored file that says what was
	// decided about which captures.
	Event  custody.Event
	Run    string
	Object Object
	// Chunks are those that it names, Whole is set when it is about all that the run has.
	Chunks []Object
	Whole  bool
	// By is who decided, Case for which case, Why in a few words without names.
	By, Case, Why string
	At            time.Time
	// Until is to when captures are kept, zero for none.
	Until time.Time
}

// Decided tells the log of a decision: about the file that says what was decided, and about each
// chunk that it names or the run, so that whoever is handed a chunk finds what was decided about it.
func (n *Notary) Decided(ctx context.Context, d Decision) error {
	told := entry(d.Event, d.Run, d.Object, d.At)
	told.Case, told.Why = word(d.Case), d.Why
	if by := word(d.By); by != "" {
		told.Who = by
	}
	if !d.Until.IsZero() {
		told.Until = d.Until.UTC().Format(time.DateOnly)
	}
	entries := []custody.Entry{told}
	about := func(name string, change func(*custody.Entry)) {
		e := told
		e.ID = identifier(d.Event, d.Run, path.Base(string(d.Object.Key))+"/"+name)
		change(&e)
		entries = append(entries, e)
	}
	if d.Whole {
		about("run", func(e *custody.Entry) { e.Run = d.Run })
	}
	for _, c := range d.Chunks { // the name from the sum, too: a chunk that was exchanged is another one
		sum := sha256.Sum256([]byte(string(c.Key) + "\x00" + c.SHA256))
		about(hex.EncodeToString(sum[:8]), func(e *custody.Entry) { e.Object, e.SHA256 = c.Key, c.SHA256 })
	}
	return n.log(ctx, entries...)
}
