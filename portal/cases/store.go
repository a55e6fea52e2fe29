package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

// Where cases lie, and what their events call themselves.
const (
	Root   = "cases/"
	format = "crawlfleet-case"
)

// Store are the cases of an archive. It is safe for concurrent use.
type Store struct {
	folder    chain.Folder[Event]
	summaries chain.Memo[Summary]
}

// New opens the cases in the bucket of an archive; now is the clock.
func New(bucket chain.Store, now func() time.Time) *Store {
	return &Store{folder: chain.Folder[Event]{Store: bucket, Root: Root, Format: format, Now: now}}
}

// Draft is who does something, and under which condition.
type Draft struct {
	// By is who does it.
	By string
	// ID makes an event one that is there once, however often it is sent; chosen at random when
	// it is empty.
	ID string
	// Seen is the version of the case that the person has seen: when the case is another one by now, the
	// error is a *ConflictError. 0 is any version, which is not enough to close a case.
	Seen int64
}

// ErrSeen says that it has to be said which version of the case was seen.
var ErrSeen = errors.New("say which version of the case you have seen: it is not closed unseen")

// ConflictError says that a case was changed since it was seen.
type ConflictError struct {
	// Seen is the version that the person has seen, Version the one that the case has.
	Seen, Version int64
	// Since are the events that the person has not seen.
	Since []Entry
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("the case was changed since its version %d: there are %d events more", e.Seen, len(e.Since))
}

// Append does something in a case, and returns the case as it is then. What others do at the same
// moment comes before or after it: a note, captures, tags and decisions go with whatever they did, and are
// tried again behind it. Other errors are of the kinds that this package and package chain name.
func (s *Store) Append(ctx context.Context, namespace, name string, d Draft, e Event) (*Case, error) {
	for _, text := range []*string{&e.Description, &e.Text, &e.Reason} {
		*text = strings.ReplaceAll(*text, "\r\n", "\n") // as forms send them
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	if e.Kind == Closed && d.Seen == 0 {
		return nil, ErrSeen
	}
	log, err := s.folder.Append(ctx, namespace, name, chain.Draft{By: d.By, ID: d.ID}, func(l *chain.Log[Event]) (Event, error) {
		return e, d.allows(l, namespace, name, &e)
	})
	if err != nil {
		return nil, err
	}
	return caseOf(log)
}

// allows says why an event cannot be the next one.
func (d *Draft) allows(l *chain.Log[Event], namespace, name string, e *Event) error {
	c, err := fold(namespace, name, l.Entries)
	if err != nil {
		return err
	}
	if err := c.Unseen(d.Seen); err != nil {
		return err
	}
	return c.allows(e)
}

// Unseen is a *ConflictError where the case is another one than the version that was seen; 0 is any.
func (c *Case) Unseen(seen int64) error {
	if seen == 0 || seen == c.Version {
		return nil
	}
	conflict := &ConflictError{Seen: seen, Version: c.Version}
	for i := range c.History {
		if c.History[i].Seq > seen {
			conflict.Since = append(conflict.Since, c.History[i])
		}
	}
	return conflict
}

// Has tells whether what a draft is of was done already.
func (c *Case) Has(d Draft) bool {
	return d.ID != "" && slices.ContainsFunc(c.History, func(e Entry) bool { return e.ID == d.ID && e.By == d.By })
}

// Open opens a case. The error is ErrExists when there is one of that name, and chain.ErrErased
// when there was one.
func (s *Store) Open(ctx context.Context, namespace, name string, d Draft, title, description string) (*Case, error) {
	return s.Append(ctx, namespace, name, d, Event{Kind: Opened, Title: title, Description: description})
}

// Get reads a case, with its history. The error is chain.ErrNotFound when there is none.
func (s *Store) Get(ctx context.Context, namespace, name string) (*Case, error) {
	log, err := s.folder.Read(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	return caseOf(log)
}

// caseOf makes a case of what was read.
func caseOf(l *chain.Log[Event]) (*Case, error) {
	namespace, name, _ := strings.Cut(l.Name, "/")
	if stub := l.Erased(); stub != nil {
		return &Case{
			Namespace: namespace, Name: name, Version: stub.Seq, State: StateErased, Changed: signed(stub),
			Captures: []Item{}, History: []Entry{*stub}, Left: l.Left,
		}, nil
	}
	return Fold(namespace, name, l.Entries)
}

// Namespaces are those that have cases, also erased ones, in order.
func (s *Store) Namespaces(ctx context.Context) ([]string, error) { return s.folder.Namespaces(ctx) }

// List lists the cases of a namespace, the one that was changed last first, those that cannot be
// read with their Problem. It costs one listing of the bucket, and what has changed of cases since.
func (s *Store) List(ctx context.Context, namespace string) ([]Summary, error) {
	listed, err := s.folder.List(ctx, namespace)
	if err != nil {
		return nil, err
	}
	summaries := make([]Summary, len(listed))
	gone := make([]bool, len(listed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range listed {
		g.Go(func() (err error) {
			summaries[i], err = s.summary(ctx, listed[i])
			if errors.Is(err, chain.ErrNotFound) {
				gone[i], err = true, nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	found := summaries[:0]
	for i := range summaries {
		if !gone[i] {
			found = append(found, summaries[i])
		}
	}
	slices.SortStableFunc(found, func(a, b Summary) int { return b.Changed.At.Compare(a.Changed.At) })
	return found, nil
}

// readers is how many cases are read at once.
const readers = 4

// summary is a case that was listed. The error is the store's; what is wrong with the case is in
// the summary.
func (s *Store) summary(ctx context.Context, listed chain.Listing) (Summary, error) {
	return s.summaries.Of(listed, func() (Summary, error) {
		namespace, name, _ := strings.Cut(listed.Name, "/")
		log, err := s.folder.Load(ctx, listed)
		if errors.Is(err, blob.ErrNotFound) { // erased since it was listed
			log, err = s.folder.Read(ctx, namespace, name)
		}
		var c *Case
		if err == nil {
			c, err = caseOf(log)
		}
		if errors.Is(err, chain.ErrBroken) {
			return Summary{Namespace: namespace, Name: name, Problem: err.Error()}, nil
		}
		if err != nil {
			return Summary{}, err
		}
		return c.Summary(), nil
	})
}

// Erase erases a case with all that was said in it, and leaves a stub that says who did it, when
// and why: why must hold nothing that should go. The name cannot be used again. It goes on with an erasure that
// did not come to its end ([Case.Left]). The captures are not touched, and what keeps or holds them
// for the case goes on until its date or its release.
func (s *Store) Erase(ctx context.Context, namespace, name, by, why string) (*Case, error) {
	log, err := s.folder.Erase(ctx, namespace, name, by, why)
	if err != nil {
		return nil, err
	}
	return caseOf(log)
}
