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
	_, c, err := l.signed(ctx)
	return c, err
}

func (l *Log) checkpointKey(number int64) blob.Key {
	return blob.Key(fmt.Sprintf("%s/checkpoints/%012d", l.Prefix, number))
}

// unsigned is how many batches at the end may be without a checkpoint: a writer stores one
// after each batch, and the next writer does where it died before that.
const unsigned = 256

// signed gives the head with its checkpoint. Who has no key to sign with takes the last
// checkpoint that is stored, and the head that it is of.
func (l *Log) signed(ctx context.Context) (head, Checkpoint, error) {
	h, err := l.latest(ctx)
	if err != nil {
		return head{}, Checkpoint{}, err
	}
	if h.number < 0 {
		return head{}, Checkpoint{}, fmt.Errorf("custody log %s: %w", l.Origin, ErrEmpty)
	}
	if l.Signer != nil {
		c, err := sign(l.Origin, &h.tree, l.Signer)
		return h, c, err
	}
	for n := h.number; n >= max(0, h.number-unsigned); n-- {
		c, err := l.checkpoint(ctx, n)
		if err != nil {
			return head{}, Checkpoint{}, err
		}
		if c == nil {
			continue
		}
		if n < h.number {
			b, err := l.batch(ctx, n)
			if err != nil {
				return head{}, Checkpoint{}, err
			}
			h = b.head()
		}
		return h, *c, l.agree(&h, c)
	}
	return head{}, Checkpoint{}, diverges(l.checkpointKey(h.number), "is missing, and so are all before it")
}

// checkpoint reads the checkpoint that was stored after a batch, nil when there is none.
func (l *Log) checkpoint(ctx context.Context, number int64) (*Checkpoint, error) {
	key := l.checkpointKey(number)
	raw, err := l.get(ctx, key, maxNote)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("custody log: %w", err)
	}
	c, err := OpenCheckpoint(raw, l.Origin, l.Verifiers)
	if err != nil {
		return nil, place(key, err)
	}
	return &c, nil
}

// agree checks that a checkpoint is of a head.
func (l *Log) agree(h *head, c *Checkpoint) error {
	if root := h.tree.root(); c.Size != h.tree.size || c.Root != root {
		return diverges(l.checkpointKey(h.number), "is of %d entries with the root %s, the batches have %d and %s", c.Size, c.Root, h.tree.size, root)
	}
	return nil
}

// storeCheckpoint signs a head that the store holds. Another key may have signed it before.
func (l *Log) storeCheckpoint(ctx context.Context, h *head) error {
	c, err := sign(l.Origin, &h.tree, l.Signer)
	if err != nil {
		return err
	}
	err = l.put(ctx, l.checkpointKey(h.number), c.Note, "text/plain; charset=utf-8")
	if errors.Is(err, blob.ErrExists) {
		return nil
	}
	return err
}
