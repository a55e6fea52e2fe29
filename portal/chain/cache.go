package chain

import (
	"context"
	"fmt"
	"io"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// maxCached is how many bytes of entries are remembered, as they are stored.
const maxCached = 64 << 20

// cache remembers the entries of chains. They never change; that one did is seen by its ETag.
type cache[E Event] struct {
	mu     sync.Mutex
	chains map[string]*cached[E]
	bytes  int64
	turn   int64
}

type cached[E Event] struct {
	links []link[E]
	bytes int64
	used  int64 // the turn in which it was last asked for
}

func (c *cache[E]) get(name string) []link[E] {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.chains[name]
	if k == nil {
		return nil
	}
	c.turn++
	k.used = c.turn
	return k.links
}

func (c *cache[E]) put(name string, links []link[E]) {
	k := &cached[E]{links: links}
	for i := range links {
		k.bytes += links[i].size
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(name)
	if k.bytes > maxCached {
		return
	}
	if c.chains == nil {
		c.chains = map[string]*cached[E]{}
	}
	c.turn++
	k.used = c.turn
	c.chains[name] = k
	c.bytes += k.bytes
	for c.bytes > maxCached {
		c.forget(c.oldest())
	}
}

// drop forgets a chain.
func (c *cache[E]) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(name)
}

// oldest is the chain that nobody asked for the longest; the lock is held.
func (c *cache[E]) oldest() (name string) {
	least := c.turn + 1
	for n, k := range c.chains {
		if k.used < least {
			name, least = n, k.used
		}
	}
	return name
}

// forget removes a chain; the lock is held.
func (c *cache[E]) forget(name string) {
	if k := c.chains[name]; k != nil {
		c.bytes -= k.bytes
		delete(c.chains, name)
	}
}

// readAll reads an object of at most MaxEntry bytes, and one byte of a larger one.
func readAll(ctx context.Context, s Store, key blob.Key) ([]byte, error) {
	body, _, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close() // it is only read
	data, err := io.ReadAll(io.LimitReader(body, MaxEntry+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", blob.ErrUnreachable, err)
	}
	return data, nil
}
