package portal

import (
	"slices"
	"sync"
)

// kept are values that took long to make, the newest up to so many bytes. They are in memory alone:
// what is erased from the archive lies on no disk of the portal.
type kept[K comparable, V any] struct {
	mu     sync.Mutex
	max    int
	values map[K]keptValue[V]
	order  []K // the oldest first
	bytes  int
}

type keptValue[V any] struct {
	value V
	bytes int
}

func newKept[K comparable, V any](most int) *kept[K, V] {
	return &kept[K, V]{max: most, values: map[K]keptValue[V]{}}
}

func (k *kept[K, V]) get(key K) (V, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.values[key]
	return v.value, ok
}

func (k *kept[K, V]) keep(key K, value V, bytes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.values[key]; ok {
		return
	}
	k.values[key] = keptValue[V]{value, bytes}
	k.order = append(k.order, key)
	k.bytes += bytes
	for k.bytes > k.max {
		oldest := k.order[0]
		k.bytes -= k.values[oldest].bytes
		delete(k.values, oldest)
		k.order = k.order[1:]
	}
}

// retain lets go of all but those that a function names.
func (k *kept[K, V]) retain(stays func(K) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.order = slices.DeleteFunc(k.order, func(key K) bool {
		if stays(key) {
			return false
		}
		k.bytes -= k.values[key].bytes
		delete(k.values, key)
		return true
	})
}
