package custody

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// tries is how often a PUT is tried whose fate is unknown.
const tries = 4

// farBehind is how many batches others may have written before it is quicker to find the
// head anew than to follow.
const farBehind = 512

// commit writes the entries of requests and fills their receipts.
func (l *Log) commit(ctx context.Context, requests []*request) error {
	if err := l.ready(ctx); err != nil {
		return err
	}
	for {
		leaves, err := l.unwritten(ctx, requests)
		if err != nil {
			return err
		}
		if len(leaves) == 0 {
			return l.settle(requests)
		}
		b, raw, err := l.w.head.extend(leaves, l.Origin, l.Signer)
		if err != nil {
			return err
		}
		err = l.putBatch(ctx, b.number, raw)
		switch {
		case err == nil:
			if err := l.advance(b); err != nil {
				return err
			}
			l.w.unsigned = true
			l.w.crossed = l.w.crossed || b.before.size/tileWidth != b.after.size/tileWidth
		case errors.Is(err, blob.ErrExists): // another writer was quicker
			l.w.contended = true
			if err := l.follow(ctx); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// putBatch puts a batch. When it is unknown whether that was done, it puts the same bytes
// again: whatever became of the first try, one answer is true then.
func (l *Log) putBatch(ctx context.Context, number int64, raw []byte) error {
	for try := 1; ; try++ {
		began := time.Now()
		err := l.put(ctx, l.batchKey(number), raw, "application/x-ndjson")
		if err == nil {
			l.w.round = min(time.Since(began), time.Second)
			return nil
		}
		// What was there and is not any more was the try of another writer, that failed.
		unknown := errors.Is(err, blob.ErrUnreachable) || errors.Is(err, blob.ErrNotFound)
		if !unknown || try == tries || ctx.Err() != nil {
			return err
		}
		pause(ctx, time.Duration(try*try)*100*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// follow reads what others wrote until there is nothing more.
func (l *Log) follow(ctx context.Context) error {
	for range farBehind {
		b, err := l.batch(ctx, l.w.head.number+1)
		if errors.Is(err, blob.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.advance(b); err != nil {
			return err
		}
	}
	l.w = nil
	return l.ready(ctx)
}

// advance takes a batch as the new head.
func (l *Log) advance(b *batch) error {
	if err := b.follows(&l.w.head); err != nil {
		return place(l.batchKey(b.number), err)
	}
	h := b.head()
	if err := l.remember(&h); err != nil {
		return err
	}
	l.w.head = h
	l.w.add(b.before.size, b.leaves)
	return nil
}

// unwritten gives the entries that are not in the log, and notes the indexes of those that
// are. Two requests with the same entry share it.
func (l *Log) unwritten(ctx context.Context, requests []*request) ([]leaf, error) {
	var leaves []leaf
	asked := make(map[string]*leaf)
	for _, r := range requests {
		for i := range r.leaves {
			if r.indexes[i] >= 0 || r.err != nil {
				continue
			}
			leaf := &r.leaves[i]
			index, err := l.written(ctx, leaf)
			first := asked[leaf.ID]
			switch {
			case errors.Is(err, ErrConflict) || first != nil && !first.same(leaf.Entry):
				r.err = fmt.Errorf("append to custody log: entry %q: %w", leaf.ID, ErrConflict)
			case err != nil:
				return nil, err
			case index >= 0:
				r.indexes[i] = index
			case first == nil:
				asked[leaf.ID] = leaf
				leaves = append(leaves, *leaf)
			}
		}
	}
	return leaves, nil
}

// written finds the index of an entry by its identifier, -1 when it is not there.
func (l *Log) written(ctx context.Context, leaf *leaf) (int64, error) {
	for _, index := range l.w.seen.find(markOf(leaf.ID)) {
		there, err := l.inTail(ctx, index)
		if err != nil {
			return -1, err
		}
		if there.ID != leaf.ID { // 64 bits that are equal by chance
			continue
		}
		if !there.same(leaf.Entry) {
			return -1, ErrConflict
		}
		return index, nil
	}
	return -1, nil
}

// inTail gives an entry that is still in memory, or reads it.
func (l *Log) inTail(ctx context.Context, index int64) (Entry, error) {
	if at := index - l.w.done*tileWidth; at >= 0 {
		return l.w.tail[at].Entry, nil
	}
	there, err := l.entryAt(ctx, &l.w.head, index)
	return there.Entry, err
}

// settle fills the receipts of requests whose entries are all in the log.
func (l *Log) settle(requests []*request) error {
	c, err := sign(l.Origin, &l.w.head.tree, l.Signer)
	if err != nil {
		return err
	}
	for _, r := range requests {
		if r.err == nil {
			r.receipt = Receipt{Indexes: r.indexes, Checkpoint: c}
		}
	}
	return nil
}
