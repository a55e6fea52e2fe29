package cdx

import (
	"container/list"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
)

// cache keeps the indexes that were used last, up to a size in bytes. A chunk never
// changes, so nothing in it gets old.
type cache struct {
	mu     sync.Mutex
	limit  int64
	size   int64
	recent *list.List // of *cached, the last used first
	byKey  map[blob.Key]*list.Element
}

type cached struct {
	key     blob.Key
	entries []cdxj.Entry
	size    int64
}

func newCache(limit int64) *cache {
	return &cache{limit: limit, recent: list.New(), byKey: map[blob.Key]*list.Element{}}
}

// get returns the index of a chunk. It must not be changed.
func (c *cache) get(key blob.Key) ([]cdxj.Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).entries, true
}

func (c *cache) put(key blob.Key, entries []cdxj.Entry) {
	size := int64(0)
	for _, e := range entries {
		// The strings that belong to the entry alone, and the entry.
		size += int64(len(e.Key)+len(e.URL)+len(e.Digest)+len(e.RecordDigest)+len(e.RequestBody)) + 256
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if size > c.limit || c.byKey[key] != nil {
		return
	}
	c.byKey[key] = c.recent.PushFront(&cached{key, entries, size})
	c.size += size
	for c.size > c.limit {
		c.remove(c.recent.Back())
	}
}

func (c *cache) forget(key blob.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) {
	old := c.recent.Remove(e).(*cached)
	c.size -= old.size
	delete(c.byKey, old.key)
}
