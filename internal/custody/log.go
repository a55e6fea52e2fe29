package custody

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// DefaultLookback is how many of the last entries are known by their identifiers when
// nothing else is said: a report that is repeated later than that is written again.
const DefaultLookback = 1 << 18

// Config says which log it is and what it takes to read and to write it.
type Config struct {
	// Store holds the log below Prefix, such as custody. They must be the same in all
	// writers: the store is what keeps them apart.
	Store  Store
	Prefix blob.Key
	// Origin is the name of the log, such as fleet.example/custody, and of its keys.
	Origin string
	// Verifiers has the public keys of the log, also those that it signs with no more.
	Verifiers note.Verifiers
	// Signer is the key that new checkpoints are signed with; none where the log is only
	// read.
	Signer note.Signer
	// Lookback is how many of the last entries are known by their identifiers.
	Lookback int64
	// Warn is told of checkpoints and derived objects that could not be stored. It is no fault of an entry, and
	// is made up for later. None is fine.
	Warn func(error)
}

// Log is a custody log. Its methods may be called concurrently.
type Log struct {
	Config

	turn chan struct{} // holds one: whoever takes it may use w
	w    *writer

	mu      sync.Mutex
	waiting []*request
	known   head // the furthest that was seen
	recent  []*batch
}

// New makes a Log. It asks nothing of the store.
func New(c Config) (*Log, error) {
	if _, err := blob.NewKey(string(c.Prefix)); err != nil {
		return nil, fmt.Errorf("custody log: prefix: %w", err)
	}
	if c.Store == nil || c.Verifiers == nil || c.Origin == "" {
		return nil, errors.New("custody log: a store, an origin and verifiers are needed")
	}
	if c.Signer != nil {
		if c.Signer.Name() != c.Origin {
			return nil, fmt.Errorf("custody log: the key is of %q, the log is %q", c.Signer.Name(), c.Origin)
		}
		if _, err := c.Verifiers.Verifier(c.Origin, c.Signer.KeyHash()); err != nil {
			return nil, fmt.Errorf("custody log: the signing key's own public key is not among the verifiers: %w", err)
		}
	}
	if c.Lookback <= 0 {
		c.Lookback = DefaultLookback
	}
	if c.Warn == nil {
		c.Warn = func(error) {}
	}
	l := &Log{Config: c, turn: make(chan struct{}, 1), known: head{number: -1}}
	l.turn <- struct{}{}
	return l, nil
}

// Receipt says where entries are in the log. They are stored.
type Receipt struct {
	// Indexes of the entries, in the order in which they were given.
	Indexes []int64
	// Checkpoint is a state of the log that has them all.
	Checkpoint Checkpoint
}

// request is what one call of Append waits for.
type request struct {
	leaves  []leaf
	indexes []int64 // -1 where not known yet
	done    chan struct{}
	receipt Receipt
	err     error
}

// Append writes entries and returns when they are stored. An entry whose identifier is in
// the log already is not written again: its index is that of the first, or the error is
// ErrConflict when it says something else but for the time. After another error it is
// unknown whether they are stored; append them again then, with the same identifiers.
//
// Calls that wait at the same time share a batch.
func (l *Log) Append(ctx context.Context, entries ...Entry) (Receipt, error) {
	r, err := l.request(entries)
	if err != nil {
		return Receipt{}, fmt.Errorf("append to custody log: %w", err)
	}
	l.mu.Lock()
	l.waiting = append(l.waiting, r)
	l.mu.Unlock()
	for {
		select {
		case <-r.done:
			return r.receipt, r.err
		case <-ctx.Done():
			l.withdraw(r)
			return Receipt{}, fmt.Errorf("append to custody log: %w", ctx.Err())
		case <-l.turn:
		}
		l.lead(ctx, r)
		l.turn <- struct{}{}
	}
}

func (l *Log) request(entries []Entry) (*request, error) {
	if l.Signer == nil {
		return nil, errors.New("there is no key to sign with")
	}
	if len(entries) == 0 || len(entries) > maxBatchEntries {
		return nil, fmt.Errorf("%d entries at once: must be 1 to %d", len(entries), maxBatchEntries)
	}
	r := &request{done: make(chan struct{})}
	ids := make(map[string]bool, len(entries))
	for _, e := range entries {
		if e.ID == "" {
			e.ID = randomID()
		}
		if ids[e.ID] {
			return nil, fmt.Errorf("two entries have the identifier %q", e.ID)
		}
		ids[e.ID] = true
		leaf, err := newLeaf(e)
		if err != nil {
			return nil, err
		}
		r.leaves, r.indexes = append(r.leaves, leaf), append(r.indexes, -1)
	}
	return r, nil
}

func (l *Log) withdraw(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.waiting {
		if other == r {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return
		}
	}
}

// lead writes what waits, own among it. When the context ends, only own fails with it: the
// others go on waiting, and one of them leads next.
func (l *Log) lead(ctx context.Context, own *request) {
	select {
	case <-own.done:
		return
	default:
	}
	if l.w != nil && l.w.contended {
		l.giveWay(ctx)
	}
	requests := l.take(own)
	err := l.commit(ctx, requests)
	for _, r := range requests {
		if err != nil && ctx.Err() != nil && r != own && r.err == nil {
			l.mu.Lock()
			l.waiting = append([]*request{r}, l.waiting...)
			l.mu.Unlock()
			continue
		}
		if r.err == nil && err != nil {
			r.err = fmt.Errorf("append to custody log: %w", err)
		}
		close(r.done)
	}
	if err == nil { // those who wait have their receipts
		l.publish(ctx)
	}
}

// giveWay waits for a little when other processes write, too: the one that wrote last would
// else always be the first to know the next number. What comes meanwhile joins the batch.
func (l *Log) giveWay(ctx context.Context) {
	t := time.NewTimer(rand.N(2*l.w.round + 1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// take takes what waits up to the size of a batch; own is always part of it.
func (l *Log) take(own *request) []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	requests, left, n := []*request{own}, l.waiting[:0], len(own.leaves)
	for _, r := range l.waiting {
		switch {
		case r == own:
		case n+len(r.leaves) > maxBatchEntries:
			left = append(left, r)
		default:
			requests, n = append(requests, r), n+len(r.leaves)
		}
	}
	clear(l.waiting[len(left):])
	l.waiting = left
	return requests
}
