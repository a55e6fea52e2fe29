package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// writer is what a process that appends knows of the log. It belongs to whoever has the
// turn.
type writer struct {
	head head
	deriver
	seen *marks
	// contended is set when another process wrote since this one began; round is how long
	// this one's last PUT took.
	contended bool
	round     time.Duration
	// crossed is set when this process wrote the batch that filled a bundle.
	crossed bool
	// unsigned is set when this process wrote the head and has not stored its checkpoint.
	unsigned bool
}

// add takes entries from index start on.
func (w *writer) add(start int64, leaves []leaf) {
	w.tail = append(w.tail, leaves...)
	for i := range leaves {
		w.seen.add(markOf(leaves[i].ID), start+int64(i))
	}
}

// ready learns what a writer has to know. It makes up for what was not derived, because
// somebody died before.
func (l *Log) ready(ctx context.Context) error {
	if l.w != nil {
		return nil
	}
	h, err := l.latest(ctx)
	if err != nil {
		return err
	}
	w := &writer{head: h, deriver: deriver{prefix: l.Prefix}, seen: newMarks(l.Lookback)}
	if h.number < 0 {
		l.w = w
		return nil
	}
	if w.done, err = l.published(ctx, h.tree.size); err != nil {
		return err
	}
	if err := l.loadRows(ctx, w); err != nil {
		return err
	}
	if err := l.loadMarks(ctx, w); err != nil {
		return err
	}
	if err := l.loadTail(ctx, w); err != nil {
		return err
	}
	w.unsigned = true // perhaps; whoever wrote the head may have died
	l.w = w
	return nil
}

// published tells how many bundles are stored. They are stored one after the other.
func (l *Log) published(ctx context.Context, size int64) (int64, error) {
	n := size / tileWidth
	for ; n > 0; n-- {
		_, err := l.Store.Head(ctx, bundleKey(l.Prefix, n-1))
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, blob.ErrNotFound) {
			return 0, fmt.Errorf("custody log: %w", err)
		}
	}
	return 0, nil
}

// loadRows reads the tiles that are not full yet.
func (l *Log) loadRows(ctx context.Context, w *writer) error {
	source := &tileSource{ctx: ctx, log: l, head: &w.head}
	for level, n := 1, w.done; n > 0; level, n = level+1, n/tileWidth {
		w.rows = append(w.rows, nil)
		if width := int(n % tileWidth); width > 0 {
			raw, err := source.tile(level, n/tileWidth, width)
			if err != nil {
				return err
			}
			w.rows[level-1] = split(raw)
		}
	}
	return nil
}

// loadMarks reads the marks of the entries before the tail, as far back as is wanted.
func (l *Log) loadMarks(ctx context.Context, w *writer) error {
	from := max(0, (w.done*tileWidth-l.Lookback)/tileWidth/markBundles)
	blocks, err := l.blocks(ctx, &w.head, from, w.done)
	if err != nil {
		return err
	}
	index := from * markBundles * tileWidth
	for _, block := range blocks {
		for m := range slices.Chunk(block, markSize) {
			w.seen.add(mark(m), index)
			index++
		}
	}
	if w.done%markBundles > 0 {
		w.block = blocks[len(blocks)-1]
	}
	return nil
}

// blocks reads the lists of marks from one on, the last one perhaps not full.
func (l *Log) blocks(ctx context.Context, h *head, from, bundles int64) ([][]byte, error) {
	blocks := make([][]byte, (bundles+markBundles-1)/markBundles-from)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ahead)
	for i := range blocks {
		group.Go(func() error {
			var err error
			first := (from + int64(i)) * markBundles
			blocks[i], err = l.block(ctx, h, first, min(first+markBundles, bundles))
			return err
		})
	}
	return blocks, group.Wait()
}

// block reads the marks of bundles: the list if there is one, else from the entries.
func (l *Log) block(ctx context.Context, h *head, first, end int64) ([]byte, error) {
	if end-first == markBundles {
		key := marksKey(l.Prefix, first/markBundles)
		raw, err := l.get(ctx, key, blockBytes)
		if err == nil && len(raw) != blockBytes {
			return nil, diverges(key, "has %d bytes, must have %d", len(raw), blockBytes)
		}
		if !errors.Is(err, blob.ErrNotFound) {
			return raw, err
		}
	}
	var block []byte
	for n := first; n < end; n++ {
		leaves, err := l.leaves(ctx, h, n, tileWidth)
		if err != nil {
			return nil, err
		}
		block = appendMarks(block, leaves)
	}
	return block, nil
}

// loadTail reads the entries after the last bundle, and checks with the tree that they
// extend that what was read of the tiles is true.
func (l *Log) loadTail(ctx context.Context, w *writer) error {
	from := w.done * tileWidth
	if from == w.head.tree.size {
		return l.checkRows(w, w.head.tree)
	}
	number, err := l.locate(ctx, &w.head, from)
	if err != nil {
		return err
	}
	at := int64(-1)
	for b, err := range l.batches(ctx, number, w.head.number) {
		if err != nil {
			return err
		}
		leaves := b.leaves
		if at < 0 {
			leaves = leaves[from-b.before.size:]
			if err := l.checkRows(w, b.until(from)); err != nil {
				return err
			}
			at = from
		}
		w.add(at, leaves)
		at += int64(len(leaves))
		for w.full() {
			if err := l.derive(ctx, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// until is the tree of a batch as it was before the entry at an index.
func (b *batch) until(index int64) edge {
	e := b.before.clone()
	for i := range b.leaves[:index-b.before.size] {
		e.add(b.leaves[i].hash())
	}
	return e
}

// checkRows checks the tiles that were read against the tree.
func (l *Log) checkRows(w *writer, want edge) error {
	if got := w.edge(); got.size != want.size || !slices.Equal(got.peaks, want.peaks) {
		return diverges(l.Prefix+"/tile", "the tiles of %d entries are not those of the batches", want.size)
	}
	return nil
}

// derive stores what is derived from the next 256 entries, the bundle last: where it is, all
// is.
func (l *Log) derive(ctx context.Context, w *writer) error {
	objects := w.next()
	bundle := objects[len(objects)-1]
	group, groupCtx := errgroup.WithContext(ctx)
	for _, o := range objects[:len(objects)-1] {
		group.Go(func() error { return l.put(groupCtx, o.key, o.raw, "") })
	}
	err := group.Wait()
	if err == nil {
		err = l.put(ctx, bundle.key, bundle.raw, "")
	}
	if err != nil {
		return fmt.Errorf("derive from custody log: %w", err)
	}
	w.drop()
	return nil
}

// publish stores the checkpoint of the head, and what can be derived now. The process whose batch filled a bundle does so;
// the others look after it when the next one is full.
func (l *Log) publish(ctx context.Context) {
	w := l.w
	if w.unsigned {
		if err := l.storeCheckpoint(ctx, &w.head); err != nil {
			l.Warn(fmt.Errorf("checkpoint of custody log: %w", err))
			return
		}
		w.unsigned = false
	}
	for w.full() && (w.crossed || len(w.tail) >= 2*tileWidth) {
		_, err := l.Store.Head(ctx, bundleKey(l.Prefix, w.done))
		switch {
		case err == nil:
			w.drop()
			continue
		case errors.Is(err, blob.ErrNotFound):
			err = l.derive(ctx, w)
		}
		if err != nil {
			l.Warn(err)
			return
		}
	}
	w.crossed = false
}
