package custody

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

func randomID() string { return rand.Text() }

// batchPrefix is what the keys of all batches begin with.
func (l *Log) batchPrefix() string { return string(l.Prefix) + "/batches/" }

func (l *Log) batchKey(number int64) blob.Key {
	return blob.Key(fmt.Sprintf("%s%012d", l.batchPrefix(), number))
}

// put writes a derived object or a batch.
func (l *Log) put(ctx context.Context, key blob.Key, raw []byte, mediaType string) error {
	_, err := l.Store.Put(ctx, key, blob.Content{
		Body: bytes.NewReader(raw), Size: int64(len(raw)), SHA256: digest(raw), Type: mediaType,
	})
	return err
}

// get reads an object of at most limit bytes.
func (l *Log) get(ctx context.Context, key blob.Key, limit int64) ([]byte, error) {
	return blob.ReadAll(ctx, getter{store: l.Store}, key, limit)
}

// getter is as much of a blob.Store as ReadAll asks for.
type getter struct {
	blob.Store
	store Store
}

// Get implements [blob.Store].
func (g getter) Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	return g.store.Get(ctx, key)
}

// batch reads and checks a batch by itself.
func (l *Log) batch(ctx context.Context, number int64) (*batch, error) {
	key := l.batchKey(number)
	raw, err := l.get(ctx, key, maxBatch)
	if err != nil {
		return nil, fmt.Errorf("custody log: %w", err)
	}
	b, err := parseBatch(raw, number, l.Origin, l.Verifiers)
	if err != nil {
		return nil, place(key, err)
	}
	return b, nil
}

// has asks whether there is a batch of a number.
func (l *Log) has(ctx context.Context, number int64) (bool, error) {
	_, err := l.Store.Head(ctx, l.batchKey(number))
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// last finds the number of the last batch from one that is there (or -1) on: in long steps
// until one is not there, then by halves. Of a million batches it takes 26 questions.
func (l *Log) last(ctx context.Context, from int64) (int64, error) {
	there := from
	absent := int64(-1)
	for step := int64(1); absent < 0; step *= 16 {
		found, err := l.has(ctx, from+step)
		if err != nil {
			return 0, fmt.Errorf("find the end of the custody log: %w", err)
		}
		if found {
			there = from + step
			continue
		}
		absent = from + step
	}
	for absent-there > 1 {
		middle := there + (absent-there)/2
		found, err := l.has(ctx, middle)
		if err != nil {
			return 0, fmt.Errorf("find the end of the custody log: %w", err)
		}
		if found {
			there = middle
			continue
		}
		absent = middle
	}
	return there, l.noneAfter(ctx, there)
}

// noneAfter looks whether there are batches beyond the end, so that one was removed: taking
// its number again would be a fork. It looks at the numbers that share all digits but the
// last three; [Log.Verify] looks at all.
func (l *Log) noneAfter(ctx context.Context, end int64) error {
	first := string(l.batchKey(end + 1))
	var beyond blob.Key
	err := l.Store.List(ctx, first[:len(first)-3], func(i blob.Info) bool {
		if string(i.Key) > first {
			beyond = i.Key
		}
		return beyond == ""
	})
	if err != nil {
		return fmt.Errorf("find the end of the custody log: %w", err)
	}
	if beyond == "" {
		return nil
	}
	found, err := l.has(ctx, end+1) // it may have been written just now
	if err != nil {
		return fmt.Errorf("find the end of the custody log: %w", err)
	}
	if !found {
		return diverges(blob.Key(first), "is missing, and %s is there", beyond)
	}
	return nil
}

// latest finds the head and checks it by itself.
func (l *Log) latest(ctx context.Context) (head, error) {
	l.mu.Lock()
	known := l.known
	l.mu.Unlock()
	number, err := l.last(ctx, known.number)
	if err != nil || number == known.number {
		return known, err
	}
	b, err := l.batch(ctx, number)
	if err != nil {
		return head{}, err
	}
	h := b.head()
	if err := l.remember(&h); err != nil {
		return head{}, err
	}
	return h, nil
}

// remember keeps the furthest head that was seen.
func (l *Log) remember(h *head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.number == l.known.number && h.digest != l.known.digest {
		return diverges(l.batchKey(h.number), "is another one than before")
	}
	if h.number > l.known.number {
		if h.tree.size <= l.known.tree.size {
			return diverges(l.batchKey(h.number), "ends at entry %d, and a batch before it at %d", h.tree.size, l.known.tree.size)
		}
		l.known = *h
	}
	return nil
}

// Head gives the last checkpoint of the log, or ErrEmpty.
func (l *Log) Head(ctx context.Context) (Checkpoint, error) {
	h, err := l.latest(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	if h.number < 0 {
		return Checkpoint{}, fmt.Errorf("custody log %s: %w", l.Origin, ErrEmpty)
	}
	return h.checkpoint, nil
}
