package custody

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// ahead is how many objects are asked for at once.
const ahead = 16

// batches reads batches in order, some of them ahead.
func (l *Log) batches(ctx context.Context, from, to int64) iter.Seq2[*batch, error] {
	return inOrder(ctx, from, to, l.batch)
}

// inOrder calls read for numbers, for some of them ahead, and yields what it gives in order.
func inOrder(ctx context.Context, from, to int64, read func(context.Context, int64) (*batch, error)) iter.Seq2[*batch, error] {
	type result struct {
		b   *batch
		err error
	}
	return func(yield func(*batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		var queue []chan result
		for next := from; len(queue) > 0 || next <= to; {
			for ; next <= to && len(queue) < ahead; next++ {
				c, n := make(chan result, 1), next
				readers.Go(func() {
					b, err := read(ctx, n)
					c <- result{b, err}
				})
				queue = append(queue, c)
			}
			r := <-queue[0]
			queue = queue[1:]
			if !yield(r.b, r.err) || r.err != nil {
				return
			}
		}
	}
}

// maxRecent is how many batches are kept in memory for whoever looks for entries.
const maxRecent = 16

// recall reads a batch, or gives one that was read just now. A batch never changes;
// [Log.Verify], which is to find out whether one did, reads all.
func (l *Log) recall(ctx context.Context, number int64) (*batch, error) {
	l.mu.Lock()
	for _, b := range l.recent {
		if b.number == number {
			l.mu.Unlock()
			return b, nil
		}
	}
	l.mu.Unlock()
	b, err := l.batch(ctx, number)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = append(l.recent, b)
	if len(l.recent) > maxRecent {
		l.recent = append([]*batch(nil), l.recent[len(l.recent)-maxRecent:]...)
	}
	return b, nil
}

// locate finds the number of the batch that holds the entry at an index: from the head back
// in growing steps, then by halves.
func (l *Log) locate(ctx context.Context, h *head, index int64) (int64, error) {
	if index < 0 || index >= h.tree.size {
		return 0, fmt.Errorf("entry %d of %d: %w", index, h.tree.size, ErrNotFound)
	}
	low, high := h.number, h.number+1 // the batch is at low or after it, and before high
	for step := int64(1); ; step *= 2 {
		b, err := l.recall(ctx, low)
		if err != nil {
			return 0, err
		}
		if b.before.size <= index {
			break
		}
		low, high = max(0, low-step), low
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		b, err := l.recall(ctx, middle)
		if err != nil {
			return 0, err
		}
		if b.before.size <= index {
			low = middle
			continue
		}
		high = middle
	}
	return low, nil
}

// leaves gives the first entries of a bundle: from the bundle if it is stored, else from the
// batches.
func (l *Log) leaves(ctx context.Context, h *head, bundle int64, width int) ([]leaf, error) {
	if width == tileWidth {
		key := bundleKey(l.Prefix, bundle)
		raw, err := l.get(ctx, key, maxBundle)
		if err == nil {
			leaves, err := parseBundle(raw)
			if err != nil {
				return nil, place(key, err)
			}
			return leaves, nil
		}
		if !errors.Is(err, blob.ErrNotFound) {
			return nil, err
		}
	}
	from := bundle * tileWidth
	number, err := l.locate(ctx, h, from)
	if err != nil {
		return nil, err
	}
	leaves := make([]leaf, 0, width)
	for b, err := range inOrder(ctx, number, h.number, l.recall) {
		if err != nil {
			return nil, err
		}
		leaves = append(leaves, b.leaves[max(0, from-b.before.size):]...)
		if len(leaves) >= width {
			return leaves[:width], nil
		}
	}
	return nil, fmt.Errorf("entry %d: %w", from+int64(width)-1, ErrNotFound)
}

// tileSource reads tiles for [tlog.TileHashReader], which checks them. What is not stored is
// computed from what is below it.
type tileSource struct {
	ctx  context.Context
	log  *Log
	head *head
	// bottom is the last tile of level 0, which is stored nowhere, once it was computed.
	bottom []byte
}

// Height implements [tlog.TileReader].
func (s *tileSource) Height() int { return tileHeight }

// SaveTiles implements [tlog.TileReader].
func (s *tileSource) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements [tlog.TileReader].
func (s *tileSource) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		if data[i], err = s.tile(t.L, t.N, t.W); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (s *tileSource) tile(level int, n int64, width int) ([]byte, error) {
	if level == 0 && width < tileWidth && len(s.bottom) == width*tlog.HashSize {
		return s.bottom, nil
	}
	if level > 0 || width == tileWidth {
		key := tileKey(s.log.Prefix, level, n, width)
		raw, err := s.log.get(s.ctx, key, tileBytes)
		if err == nil && len(raw) != width*tlog.HashSize {
			return nil, diverges(key, "has %d bytes, must have %d", len(raw), width*tlog.HashSize)
		}
		if !errors.Is(err, blob.ErrNotFound) {
			return raw, err
		}
	}
	var hashes []tlog.Hash
	if level == 0 {
		leaves, err := s.log.leaves(s.ctx, s.head, n, width)
		if err != nil {
			return nil, err
		}
		for i := range leaves {
			hashes = append(hashes, leaves[i].hash())
		}
		if width < tileWidth {
			s.bottom = join(hashes)
		}
		return join(hashes), nil
	}
	for i := range int64(width) {
		raw, err := s.tile(level-1, n*tileWidth+i, tileWidth)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, rootOf(split(raw)))
	}
	return join(hashes), nil
}

// hashes reads hashes of the head's tree. They are checked against its root.
func (l *Log) hashes(ctx context.Context, h *head) tlog.HashReader {
	source := &tileSource{ctx: ctx, log: l, head: h}
	return tlog.TileHashReader(tlog.Tree{N: h.tree.size, Hash: h.tree.root()}, source)
}

// entryAt reads an entry and checks that it is in the tree.
func (l *Log) entryAt(ctx context.Context, h *head, index int64) (leaf, error) {
	return l.entryIn(ctx, h, l.hashes(ctx, h), index)
}

// entryIn reads an entry and checks that it is in the tree of these hashes.
func (l *Log) entryIn(ctx context.Context, h *head, tree tlog.HashReader, index int64) (leaf, error) {
	if index < 0 || index >= h.tree.size {
		return leaf{}, fmt.Errorf("entry %d of %d: %w", index, h.tree.size, ErrNotFound)
	}
	bundle := index / tileWidth
	leaves, err := l.leaves(ctx, h, bundle, int(min(tileWidth, h.tree.size-bundle*tileWidth)))
	if err != nil {
		return leaf{}, err
	}
	entry := leaves[index%tileWidth]
	hashes, err := tree.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return leaf{}, fmt.Errorf("custody log: read hash of entry %d: %w", index, err)
	}
	if hashes[0] != entry.hash() {
		return leaf{}, &Divergence{Key: bundleKey(l.Prefix, bundle), Entry: index, Reason: "is not the entry that is in the tree"}
	}
	return entry, nil
}
