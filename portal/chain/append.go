package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Draft is what is to be appended, but for the event.
type Draft struct {
	// By is who writes.
	By string
	// ID makes an entry one that is written once, however often it is appended; chosen at random
	// when it is empty.
	ID string
}

// tries is how often an entry is tried that others are faster with.
const tries = 1000

// Append makes an event the next entry of a chain, and returns the chain with it. The event is
// what next makes of the chain as it is, which has no entries when there is none yet; next is
// asked again each time that somebody else was faster, and its error ends it.
//
// Where the store does not answer, nobody knows whether the entry is there: append it again under the
// same ID.
func (f *Folder[E]) Append(ctx context.Context, namespace, name string, d Draft, next func(*Log[E]) (E, error)) (*Log[E], error) {
	full, err := fullName(namespace, name)
	if err != nil {
		return nil, err
	}
	if d.ID == "" {
		d.ID = uuid.NewString()
	}
	for try := range tries {
		l, err := f.read(ctx, full)
		if errors.Is(err, ErrNotFound) {
			l, err = &Log[E]{Name: full}, nil
		}
		if err != nil {
			return nil, err
		}
		if l.has(d) {
			return l, nil
		}
		l, err = f.tryAppend(ctx, l, d, next)
		if !errors.Is(err, blob.ErrExists) {
			return l, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: others wrote %d times at the same moment: try again", full, tries)
}

// has tells whether the entry of a draft is in the chain.
func (l *Log[E]) has(d Draft) bool {
	return slices.ContainsFunc(l.Entries, func(e Entry[E]) bool { return e.ID == d.ID && e.By == d.By })
}

func (f *Folder[E]) tryAppend(ctx context.Context, l *Log[E], d Draft, next func(*Log[E]) (E, error)) (*Log[E], error) {
	if l.Erased() != nil {
		return nil, fmt.Errorf("%s: %w", l.Name, ErrErased)
	}
	if len(l.Entries) >= MaxEntries {
		return nil, fmt.Errorf("%s has %d entries, which is the most that it can have", l.Name, MaxEntries)
	}
	event, err := next(l)
	if err != nil {
		return nil, err
	}
	e, err := f.put(ctx, l, Entry[E]{ID: d.ID, By: d.By, Event: &event})
	if err != nil {
		return nil, err
	}
	return f.confirm(ctx, e, d)
}

// put writes the next entry of a chain. The error is blob.ErrExists when somebody was faster.
func (f *Folder[E]) put(ctx context.Context, l *Log[E], e Entry[E]) (*Entry[E], error) {
	now := time.Now
	if f.Now != nil {
		now = f.Now
	}
	e.Format, e.Version, e.Chain, e.Seq, e.Previous = f.Format, version, l.Name, l.Version()+1, l.last
	e.At = now().UTC().Truncate(time.Millisecond)
	data, err := e.encode()
	if err != nil {
		return nil, err
	}
	_, err = f.Store.Put(ctx, f.key(l.Name, e.Seq), blob.Content{
		Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: hash(data), Type: "application/json",
	})
	return &e, err
}

// confirm reads the chain again after an entry was written. One that was erased meanwhile has gaps, which
// a late writer can write into: what it wrote is removed again.
func (f *Folder[E]) confirm(ctx context.Context, e *Entry[E], d Draft) (*Log[E], error) {
	l, err := f.read(ctx, e.Chain)
	if errors.Is(err, ErrBroken) && e.Seq > 1 {
		return nil, f.withdraw(ctx, e, err)
	}
	if err != nil {
		return nil, err
	}
	if stub := l.Erased(); stub != nil && e.Seq < stub.Seq {
		if _, err := f.Store.Erase(ctx, f.key(e.Chain, e.Seq)); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", e.Chain, ErrErased)
	}
	if !l.has(d) {
		return nil, fmt.Errorf("%s: %w: number %d was written and is not there", e.Chain, ErrBroken, e.Seq)
	}
	return l, nil
}

// withdraw takes an entry back that was written after all of its chain had been removed, its stub too:
// the chain was whole when it was read, and its first entry is gone.
func (f *Folder[E]) withdraw(ctx context.Context, e *Entry[E], broken error) error {
	found, err := f.list(ctx, e.Chain+"/")
	if err != nil {
		return err
	}
	if len(found) > 0 && found[0].objects[0].seq == 1 {
		return broken
	}
	if _, err := f.Store.Erase(ctx, f.key(e.Chain, e.Seq)); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", e.Chain, ErrErased)
}

// pause waits for a random moment, a longer one the more often others were faster.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(min(try+1, 20)) * int64(5*time.Millisecond))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Erase erases a chain but for a stub that says who did it, when and why. It goes on with an
// erasure that did not come to its end. Nothing brings back what it erases; what the store itself
// locks stays, and the error is blob.ErrLocked.
func (f *Folder[E]) Erase(ctx context.Context, namespace, name, by, why string) (*Log[E], error) {
	full, err := fullName(namespace, name)
	if err != nil {
		return nil, err
	}
	for try := range tries {
		l, err := f.read(ctx, full)
		if err != nil {
			return nil, err
		}
		if l.Erased() == nil {
			_, err = f.put(ctx, l, Entry[E]{ID: uuid.NewString(), By: by, Erased: &Erasure{Why: why}})
		}
		switch {
		case errors.Is(err, blob.ErrExists):
			if err := pause(ctx, try); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		f.cache.drop(full)
		if err := f.sweep(ctx, full); err != nil {
			return nil, err
		}
		return f.read(ctx, full)
	}
	return nil, fmt.Errorf("%s: others wrote %d times at the same moment: try again", full, tries)
}

// Remove erases a chain and its stub: nothing says that there was one. So its name must be one that nobody uses
// again, such as a random one. It goes on with a removal that did not come to its end, and removes what
// is broken, too. The error is ErrNotFound when there is nothing.
func (f *Folder[E]) Remove(ctx context.Context, namespace, name, by, why string) error {
	full, err := fullName(namespace, name)
	if err != nil {
		return err
	}
	// The stub keeps whoever writes meanwhile from writing after what is removed.
	if _, err := f.Erase(ctx, namespace, name, by, why); err != nil && !errors.Is(err, ErrBroken) {
		return err
	}
	found, err := f.list(ctx, full+"/")
	if err != nil {
		return err
	}
	for _, l := range found {
		for _, o := range l.objects {
			if _, err := f.Store.Erase(ctx, f.key(full, o.seq)); err != nil {
				return err
			}
		}
	}
	f.cache.drop(full)
	return nil
}

// sweep removes what is before the stub: the first entry first, so that whoever writes late sees
// that there is a gap.
func (f *Folder[E]) sweep(ctx context.Context, name string) error {
	found, err := f.list(ctx, name+"/")
	if err != nil || len(found) == 0 {
		return err
	}
	objects := found[0].objects[:len(found[0].objects)-1]
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, o := range objects {
		remove := func() error {
			_, err := f.Store.Erase(ctx, f.key(name, o.seq))
			return err
		}
		if i > 0 {
			g.Go(remove)
		} else if err := remove(); err != nil {
			return err
		}
	}
	return g.Wait()
}
