// Package watches tells people of addresses that they watch: that a page changed, is gone or is
// back, or was captured again.
//
// A watch is one person's, of one address in a namespace. It is a chain of events in the archive's
// bucket, watches/PERSON/NAMESPACE/ID/00000001.json and on (package chain), so that any number of portals see
// the same. PERSON is a hash of whose it is: nobody's list costs more for what others watch. What there is to be told is not stored: [Notices] follow from the captures that the catalog
// has, and go with them. Stored is what of it the person has seen.
//
// # Personal data
//
// A watch has the address, as nothing can be found without it, and who watches. Both are there until the watch
// is ended ([Store.End]), which removes all of it with all versions: nothing is left. The ID of a watch is
// random: it tells nothing of the address.
package watches

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

// Action is what an event does.
type Action string

// The actions.
const (
	Started Action = "Started" // URL is watched; of Kinds, all when there are none, the person is told
	Seen    Action = "Seen"    // the person has seen the notices of Captures
)

// The bounds of a watch.
const (
	MaxURL     = 8 << 10 // bytes
	MaxSeen    = 1_000   // captures that are seen at once
	MaxWatches = 1_000   // watches of a person in a namespace
	MaxStarts  = 1_000   // watches that a person starts in an hour
)

// Event is something that happened to a watch.
type Event struct {
	Action Action `json:"action"`
	// URL is in its canonical form.
	URL      string       `json:"url,omitempty"`
	Kinds    []Kind       `json:"kinds,omitempty"`
	Captures []catalog.ID `json:"captures,omitempty"`
}

// Check implements chain.Event.
func (e Event) Check() error {
	switch e.Action {
	case Started:
		if canonical, err := urls.Canonicalize(e.URL); err != nil || canonical != e.URL || len(e.URL) > MaxURL || len(e.Captures) > 0 {
			return fmt.Errorf("a watch has an address in its canonical form, and nothing seen: it %w", chain.ErrInvalid)
		}
		for i, k := range e.Kinds {
			if !slices.Contains(Kinds(), k) || slices.Contains(e.Kinds[:i], k) {
				return fmt.Errorf("notice %q: there is no such kind, or it is named twice: it %w", k, chain.ErrInvalid)
			}
		}
		return nil
	case Seen:
		if e.URL != "" || len(e.Kinds) > 0 || len(e.Captures) == 0 || len(e.Captures) > MaxSeen {
			return fmt.Errorf("1 to %d captures are seen at once: it %w", MaxSeen, chain.ErrInvalid)
		}
		for _, id := range e.Captures {
			if b, err := hex.DecodeString(string(id)); err != nil || len(b) != 16 {
				return fmt.Errorf("%q is no ID of a capture: it %w", id, chain.ErrInvalid)
			}
		}
		return nil
	}
	return fmt.Errorf("action %q: there is no such event, it %w", e.Action, chain.ErrInvalid)
}

// Watch is a watch as it follows from its events. It is not to be changed: others may have the
// same.
type Watch struct {
	Namespace string `json:"namespace"`
	ID        string `json:"id"`
	// By is whose it is, Since when it was started.
	By    string    `json:"by"`
	Since time.Time `json:"since"`
	URL   string    `json:"url"`
	// Kinds are those of which the person is told, all when there are none.
	Kinds []Kind `json:"kinds,omitempty"`
	// Problem says why it cannot be read, so that nobody knows whose it is; empty when it can.
	Problem string `json:"problem,omitempty"`

	seen map[catalog.ID]bool
}

var (
	// ErrWatched says that the person watches that address already.
	ErrWatched = errors.New("is watched already")
	// ErrNotYours says that a watch is somebody else's.
	ErrNotYours = errors.New("the watch is somebody else's")
	// ErrTooMany says that a person has as many watches as one can have.
	ErrTooMany = errors.New("there are as many watches as one person can have")
	// ErrTooOften says that a person has started as many watches as one can in an hour.
	ErrTooOften = errors.New("as many watches were started as one person can in an hour")
)

// fold makes a watch of its events.
func fold(l *chain.Log[Event]) (*Watch, error) {
	namespace, id, _ := strings.Cut(l.Name, "/")
	if l.Erased() != nil {
		return nil, fmt.Errorf("watch %s: %w", id, chain.ErrErased)
	}
	w := &Watch{Namespace: namespace, ID: id, seen: map[catalog.ID]bool{}}
	for i := range l.Entries {
		e := &l.Entries[i]
		if first := i == 0; first != (e.Event.Action == Started) || !first && e.By != w.By {
			return nil, fmt.Errorf("watch %s: %w: number %d cannot follow", id, chain.ErrBroken, e.Seq)
		}
		if e.Event.Action == Started {
			w.By, w.Since, w.URL, w.Kinds = e.By, e.At, e.Event.URL, e.Event.Kinds
		}
		for _, capture := range e.Event.Captures {
			w.seen[capture] = true
		}
	}
	return w, nil
}

// Where watches lie, and what their events call themselves.
const (
	Root   = "watches/"
	format = "crawlfleet-watch"
)

// Store are the watches of an archive. It is safe for concurrent use.
type Store struct {
	bucket chain.Store
	now    func() time.Time

	mu     sync.Mutex
	people map[string]*own
}

// own are a person's watches.
type own struct {
	folder chain.Folder[Event]
	memo   chain.Memo[*Watch]

	mu     sync.Mutex
	starts []time.Time // within the last hour
}

// peopleKnown is of how many people it is remembered what was read.
const peopleKnown = 1000

// New opens the watches in the bucket of an archive; now is the clock.
func New(bucket chain.Store, now func() time.Time) *Store {
	return &Store{bucket: bucket, now: now, people: map[string]*own{}}
}

// of are a person's own watches.
func (s *Store) of(by string) *own {
	root := folderOf(by)
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.people {
		if len(s.people) < peopleKnown || s.people[root] != nil {
			break
		}
		delete(s.people, old) // any: it is read again
	}
	if s.people[root] == nil {
		s.people[root] = &own{folder: chain.Folder[Event]{Store: s.bucket, Root: root, Format: format, Now: s.now}}
	}
	return s.people[root]
}

// folderOf is where a person's watches lie.
func folderOf(by string) string {
	sum := sha256.Sum256([]byte(by))
	return Root + hex.EncodeToString(sum[:16]) + "/"
}

// start counts a start, which has to be one that a person may make at that time.
func (o *own) start(now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.starts = slices.DeleteFunc(o.starts, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	if len(o.starts) >= MaxStarts {
		return ErrTooOften
	}
	o.starts = append(o.starts, now)
	return nil
}

// Start has a person watch an address, in any writing of it. The error is ErrWatched when they do
// already, and ErrTooMany or ErrTooOften when it is one too many; who starts two watches at the same
// moment may have both.
func (s *Store) Start(ctx context.Context, namespace, by, url string, kinds ...Kind) (*Watch, error) {
	canonical, err := urls.Canonicalize(url)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	mine, err := s.List(ctx, namespace, by)
	if err != nil {
		return nil, err
	}
	if len(mine) >= MaxWatches {
		return nil, ErrTooMany
	}
	if i := slices.IndexFunc(mine, func(w *Watch) bool { return w.URL == canonical }); i >= 0 {
		return mine[i], fmt.Errorf("%s %w", canonical, ErrWatched)
	}
	if err := s.of(by).start(s.now()); err != nil {
		return nil, err
	}
	log, err := s.of(by).folder.Append(ctx, namespace, uuid.NewString(), chain.Draft{By: by}, func(*chain.Log[Event]) (Event, error) {
		return Event{Action: Started, URL: canonical, Kinds: kinds}, nil
	})
	if err != nil {
		return nil, err
	}
	return fold(log)
}

// readers is how many watches are read at once.
const readers = 8

// List are the watches of a person in a namespace, in the order of their addresses, without those
// that are ended. Those that cannot be read have their Problem. It costs one listing of the person's
// folder, and what has changed since.
func (s *Store) List(ctx context.Context, namespace, by string) ([]*Watch, error) {
	own := s.of(by)
	listed, err := own.folder.List(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return own.read(ctx, listed, by)
}

// All are the watches of a person in all namespaces, as List has those of one.
func (s *Store) All(ctx context.Context, by string) ([]*Watch, error) {
	own := s.of(by)
	listed, err := own.folder.All(ctx)
	if err != nil {
		return nil, err
	}
	return own.read(ctx, listed, by)
}

// read reads what was listed.
func (o *own) read(ctx context.Context, listed []chain.Listing, by string) ([]*Watch, error) {
	all := make([]*Watch, len(listed))
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range listed {
		g.Go(func() (err error) {
			all[i], err = o.memo.Of(listed[i], func() (*Watch, error) { return o.load(reading, listed[i]) })
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, w := range all {
		if w == nil { // what the end of a watch has left goes, if the store lets it by now
			namespace, id, _ := strings.Cut(listed[i].Name, "/")
			_ = o.folder.Remove(ctx, namespace, id, by, ended)
		}
	}
	all = slices.DeleteFunc(all, func(w *Watch) bool { return w == nil || w.By != by && w.Problem == "" })
	slices.SortFunc(all, func(a, b *Watch) int {
		return cmp.Or(strings.Compare(a.URL, b.URL), strings.Compare(a.Namespace, b.Namespace))
	})
	return all, nil
}

// load reads a watch that was listed, nil when it is ended.
func (o *own) load(ctx context.Context, listed chain.Listing) (*Watch, error) {
	log, err := o.folder.Load(ctx, listed)
	if errors.Is(err, blob.ErrNotFound) { // ended since it was listed
		return nil, nil
	}
	var w *Watch
	if err == nil {
		w, err = fold(log)
	}
	if errors.Is(err, chain.ErrErased) {
		return nil, nil
	}
	if errors.Is(err, chain.ErrBroken) {
		namespace, id, _ := strings.Cut(listed.Name, "/")
		return &Watch{Namespace: namespace, ID: id, Problem: err.Error()}, nil
	}
	return w, err
}

// Get reads a person's watch. The error is chain.ErrNotFound or chain.ErrErased when the person has none of
// that ID any more, and ErrNotYours when what lies there says that it is another person's.
func (s *Store) Get(ctx context.Context, namespace, id, by string) (*Watch, error) {
	log, err := s.of(by).folder.Read(ctx, namespace, id)
	if err != nil {
		return nil, err
	}
	w, err := fold(log)
	if err == nil && w.By != by {
		return nil, ErrNotYours
	}
	return w, err
}

// See takes down that a person has seen the notices of captures.
func (s *Store) See(ctx context.Context, namespace, id, by string, captures []catalog.ID) (*Watch, error) {
	w, err := s.Get(ctx, namespace, id, by)
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Clone(captures), func(c catalog.ID) bool { return w.seen[c] })
	for some := range slices.Chunk(left, MaxSeen) {
		log, err := s.of(by).folder.Append(ctx, namespace, id, chain.Draft{By: by}, func(l *chain.Log[Event]) (Event, error) {
			if len(l.Entries) == 0 {
				return Event{}, chain.ErrNotFound
			}
			return Event{Action: Seen, Captures: some}, nil
		})
		if err != nil {
			return nil, err
		}
		if w, err = fold(log); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// ended is why a watch is removed.
const ended = "the watch is ended"

// End ends a person's watch: all of it is removed. A removal that was stopped half-way goes on when it is
// ended again, or listed, and one that cannot be read can be ended. The error is chain.ErrNotFound when
// there is none.
func (s *Store) End(ctx context.Context, id, by string) error {
	own := s.of(by)
	listed, err := own.folder.All(ctx)
	if err != nil {
		return err
	}
	for _, l := range listed {
		if namespace, name, _ := strings.Cut(l.Name, "/"); name == id {
			return own.folder.Remove(ctx, namespace, id, by, ended)
		}
	}
	return fmt.Errorf("watch %s: %w", id, chain.ErrNotFound)
}
