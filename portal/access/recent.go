package access

import (
	"container/list"
	"sync"
	"time"
)

// recent remembers a bounded number of things for a time: who was not asked for the longest is
// forgotten first. It may be used at the same time.
type recent[K comparable, V any] struct {
	most int

	mu      sync.Mutex
	order   list.List // of remembered, the last used in front
	entries map[K]*list.Element
}

type remembered[K comparable, V any] struct {
	key   K
	value V
	until time.Time
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, entries: map[K]*list.Element{}}
}

func (r *recent[K, V]) get(key K, now time.Time) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	element, ok := r.entries[key]
	if !ok {
		return value, false
	}
	known := element.Value.(remembered[K, V])
	if !now.Before(known.until) {
		r.drop(element)
		return value, false
	}
	r.order.MoveToFront(element)
	return known.value, true
}

func (r *recent[K, V]) put(key K, value V, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if element, ok := r.entries[key]; ok {
		r.drop(element)
	}
	r.entries[key] = r.order.PushFront(remembered[K, V]{key, value, until})
	for len(r.entries) > r.most {
		r.drop(r.order.Back())
	}
}

// drop forgets one. The caller holds the lock.
func (r *recent[K, V]) drop(element *list.Element) {
	delete(r.entries, element.Value.(remembered[K, V]).key)
	r.order.Remove(element)
}
