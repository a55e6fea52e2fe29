package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Report is what a verification of a whole log found.
type Report struct {
	Batches int64 `json:"batches"`
	Entries int64 `json:"entries"`
	// Checkpoints is how many are stored. One that is missing is no fault where a later one
	// is there: it covers the same entries.
	Checkpoints int64 `json:"checkpoints"`
	// Derived is how many derived objects were compared, Missing how many are not there:
	// they are made anew from the batches and no fault of the log.
	Derived int64 `json:"derived"`
	Missing int64 `json:"missing"`
	// Head is the last checkpoint that is stored. Entries after it are signed in their
	// batches alone.
	Head Checkpoint `json:"-"`
}

// Verify reads the whole log and computes it anew: every entry, the root and the signature
// of every batch and checkpoint, that each batch extends the one before, that no number is missing,
// that all that is derived says the same, and that each of the known checkpoints, which
// others kept, is one that the log had. The first that does not hold is a [*Divergence].
//
// It needs memory for a few batches, however large the log is.
func (l *Log) Verify(ctx context.Context, known ...Checkpoint) (Report, error) {
	v := &verification{log: l, head: head{number: -1}, deriver: deriver{prefix: l.Prefix}, known: known}
	// Before the batches: a checkpoint is stored after its batch, so that a log that grows
	// meanwhile has none without one.
	newest, err := l.lastCheckpoint(ctx)
	if err != nil {
		return v.report, err
	}
	last, err := l.countBatches(ctx)
	if err != nil {
		return v.report, err
	}
	if newest > last {
		return v.report, diverges(l.checkpointKey(newest), "is there, and its batch is not: the end of the log was cut off")
	}
	if last < 0 {
		return v.report, fmt.Errorf("custody log %s: %w", l.Origin, ErrEmpty)
	}
	for b, err := range inOrder(ctx, 0, last, l.batchWithCheckpoint) {
		if err == nil {
			err = v.batch(ctx, b)
		}
		if err != nil {
			return v.report, err
		}
	}
	for _, c := range known {
		if c.Size > v.report.Entries {
			return v.report, &ForkError{Kept: c, Head: v.report.Head}
		}
	}
	return v.report, nil
}

func (l *Log) batchWithCheckpoint(ctx context.Context, number int64) (*batch, error) {
	b, err := l.batch(ctx, number)
	if err != nil {
		return nil, err
	}
	b.checkpoint, err = l.checkpoint(ctx, number)
	return b, err
}

// lastCheckpoint is the number of the last checkpoint that is stored, -1 when there is none.
func (l *Log) lastCheckpoint(ctx context.Context) (last int64, err error) {
	last = -1
	prefix := strings.TrimSuffix(string(l.checkpointKey(0)), fmt.Sprintf("%012d", 0))
	err = l.Store.List(ctx, prefix, func(i blob.Info) bool {
		n, parsed := strconv.ParseInt(strings.TrimPrefix(string(i.Key), prefix), 10, 64)
		if parsed == nil && i.Key == l.checkpointKey(n) {
			last = max(last, n)
		}
		return true
	})
	if err != nil {
		return last, fmt.Errorf("list custody log: %w", err)
	}
	return last, nil
}

// countBatches gives the number of the last batch, -1 when there is none, and refuses a gap
// and what is no batch.
func (l *Log) countBatches(ctx context.Context) (int64, error) {
	last := int64(-1)
	var wrong error
	err := l.Store.List(ctx, l.batchPrefix(), func(i blob.Info) bool {
		n, err := strconv.ParseInt(strings.TrimPrefix(string(i.Key), l.batchPrefix()), 10, 64)
		switch {
		case err != nil || i.Key != l.batchKey(n):
			wrong = diverges(i.Key, "is no batch")
		case n != last+1:
			wrong = diverges(l.batchKey(last+1), "is missing, and %s is there", i.Key)
		}
		last++
		return wrong == nil
	})
	if err != nil {
		return 0, fmt.Errorf("list custody log: %w", err)
	}
	return last, wrong
}

// verification is the state of one: the log as it was computed so far.
type verification struct {
	log     *Log
	head    head
	known   []Checkpoint
	deriver deriver
	report  Report
}

func (v *verification) batch(ctx context.Context, b *batch) error {
	if err := b.follows(&v.head); err != nil {
		return place(v.log.batchKey(b.number), err)
	}
	if err := v.compareKnown(b); err != nil {
		return err
	}
	v.head = b.head()
	v.report.Batches++
	v.report.Entries = b.after.size
	if b.checkpoint != nil {
		if err := v.log.agree(&v.head, b.checkpoint); err != nil {
			return err
		}
		v.report.Checkpoints++
		v.report.Head = *b.checkpoint
	}
	v.deriver.tail = append(v.deriver.tail, b.leaves...)
	for v.deriver.full() {
		for _, o := range v.deriver.next() {
			if err := v.compare(ctx, o); err != nil {
				return err
			}
		}
		v.deriver.drop()
	}
	return nil
}

// compareKnown compares the trees that a batch goes through with checkpoints of their size.
func (v *verification) compareKnown(b *batch) error {
	for _, c := range v.known {
		if c.Size < b.before.size || c.Size > b.after.size {
			continue
		}
		tree := b.until(c.Size)
		if root := tree.root(); root != c.Root {
			return &ForkError{Kept: c, Root: root, Head: v.report.Head}
		}
	}
	return nil
}

func (v *verification) compare(ctx context.Context, o object) error {
	raw, err := v.log.get(ctx, o.key, maxBundle)
	if errors.Is(err, blob.ErrNotFound) {
		v.report.Missing++
		return nil
	}
	if err != nil {
		return fmt.Errorf("custody log: %w", err)
	}
	v.report.Derived++
	if bytes.Equal(raw, o.raw) {
		return nil
	}
	return diverges(o.key, "is not what follows from the batches")
}

// ForkError says that a log is not the one of a checkpoint that was kept: what it said then
// is not the beginning of what it says now.
type ForkError struct {
	// Kept is the checkpoint that was kept, Head the log's.
	Kept, Head Checkpoint
	// Root is what the log says now of its first Kept.Size entries; zero when it does not
	// have as many.
	Root tlog.Hash
}

// Error implements error.
func (e *ForkError) Error() string {
	if e.Root == (tlog.Hash{}) {
		return fmt.Sprintf("custody log %s: was shortened or forked: the checkpoint that was kept has %d entries and the root %s, the log has %d entries and the root %s",
			e.Kept.Origin, e.Kept.Size, e.Kept.Root, e.Head.Size, e.Head.Root)
	}
	return fmt.Sprintf("custody log %s: was changed or forked: the root of its first %d entries was %s, and is %s now",
		e.Kept.Origin, e.Kept.Size, e.Kept.Root, e.Root)
}

// Extends proves that the log's head extends a checkpoint that was kept, without reading the
// log: by a consistency proof (RFC 6962 section 2.1.2). It returns the head, or a
// [*ForkError].
func (l *Log) Extends(ctx context.Context, kept Checkpoint) (Checkpoint, error) {
	h, c, err := l.signed(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	if kept.Origin != l.Origin {
		return Checkpoint{}, fmt.Errorf("the checkpoint that was kept is of the log %q, not of %q", kept.Origin, l.Origin)
	}
	if h.tree.size < kept.Size {
		return Checkpoint{}, &ForkError{Kept: kept, Head: c}
	}
	if kept.Size == 0 {
		return c, nil
	}
	hashes := l.hashes(ctx, &h)
	root, err := tlog.TreeHash(kept.Size, hashes)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("custody log: read the tree of %d entries: %w", kept.Size, err)
	}
	if root != kept.Root {
		return Checkpoint{}, &ForkError{Kept: kept, Head: c, Root: root}
	}
	proof, err := tlog.ProveTree(h.tree.size, kept.Size, hashes)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("custody log: prove that it extends %d entries: %w", kept.Size, err)
	}
	if err := tlog.CheckTree(proof, h.tree.size, c.Root, kept.Size, kept.Root); err != nil {
		return Checkpoint{}, &ForkError{Kept: kept, Head: c, Root: root}
	}
	return c, nil
}

// Size is how many entries the log has, signed in a checkpoint or in their batches alone.
func (l *Log) Size(ctx context.Context) (int64, error) {
	h, err := l.latest(ctx)
	if err != nil {
		return 0, err
	}
	return h.tree.size, nil
}

// Entries calls yield for the entries from an index on, in order, until it returns false.
// Each batch is checked by itself and against the one before.
func (l *Log) Entries(ctx context.Context, from int64, yield func(int64, Entry) bool) error {
	h, err := l.latest(ctx)
	if err != nil || from >= h.tree.size {
		return err
	}
	first, err := l.locate(ctx, &h, from)
	if err != nil {
		return err
	}
	var before *head
	for b, err := range l.batches(ctx, first, h.number) {
		if err != nil {
			return err
		}
		if before != nil {
			if err := b.follows(before); err != nil {
				return place(l.batchKey(b.number), err)
			}
		}
		before = new(head)
		*before = b.head()
		for i := range b.leaves {
			index := b.before.size + int64(i)
			if index >= from && !yield(index, b.leaves[i].Entry) {
				return nil
			}
		}
	}
	return nil
}
