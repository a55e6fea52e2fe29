package netguard

import (
	"context"
	"sync"
	"time"
)

// maxCached bounds the number of names in the cache.
const maxCached = 4096

// answerCache remembers answers, and lets those who ask for the same name at
// the same time ask once: a browser opens half a dozen connections to a host
// together. The zero value is empty.
type answerCache struct {
	mu      sync.Mutex
	entries map[string]cached
	asking  map[string]*question
}

// question is one that is being asked.
type question struct {
	done   chan struct{} // closed when the rest is there
	answer *Answer
	err    error
	// gaveUp is true when the one who asked gave up, which is no answer.
	gaveUp bool
}

type cached struct {
	answer *Answer
	until  time.Time
}

// answer returns a remembered answer or gets one with ask, which says for how
// long it may be remembered.
func (c *answerCache) answer(ctx context.Context, host string, now func() time.Time, ask func() (*Answer, time.Duration, error)) (*Answer, error) {
	for {
		c.mu.Lock()
		if e, ok := c.entries[host]; ok && now().Before(e.until) {
			c.mu.Unlock()
			return e.answer, nil
		}
		q, asking := c.asking[host]
		if !asking {
			break
		}
		c.mu.Unlock()
		select {
		case <-q.done:
		case <-ctx.Done():
			return nil, &ResolveError{Name: host, Err: context.Cause(ctx)}
		}
		if !q.gaveUp {
			return q.answer, q.err
		}
	}
	q := &question{done: make(chan struct{})}
	if c.asking == nil {
		c.asking = make(map[string]*question)
	}
	c.asking[host] = q
	c.mu.Unlock()

	var keep time.Duration
	q.answer, keep, q.err = ask()

	c.mu.Lock()
	defer c.mu.Unlock()
	q.gaveUp = q.err != nil && ctx.Err() != nil
	delete(c.asking, host)
	close(q.done)
	if q.err == nil && keep > 0 {
		if c.entries == nil || len(c.entries) >= maxCached {
			c.entries = make(map[string]cached)
		}
		c.entries[host] = cached{q.answer, q.answer.At.Add(keep)}
	}
	return q.answer, q.err
}
