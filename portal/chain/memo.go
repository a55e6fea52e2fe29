package chain

import "sync"

// Memo remembers what was made of chains, such as a line in a list, until they change: also of
// those that were erased, and of those that are too large to be remembered whole. The zero value is
// ready for use, by many at once.
type Memo[V any] struct {
	mu   sync.Mutex
	made map[string]memoed[V]
}

// memoed is what was made of a listing.
type memoed[V any] struct {
	fingerprint string
	value       V
}

// maxMemoed is how many values are remembered.
const maxMemoed = 10_000

// Of is what was made of a listed chain, or is made of it now. An error is not remembered.
func (m *Memo[V]) Of(l Listing, make func() (V, error)) (V, error) {
	fingerprint := l.Fingerprint()
	m.mu.Lock()
	known, ok := m.made[l.Name]
	m.mu.Unlock()
	if ok && known.fingerprint == fingerprint {
		return known.value, nil
	}
	value, err := make()
	if err != nil {
		return value, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made == nil {
		m.made = map[string]memoed[V]{}
	}
	for name := range m.made {
		if len(m.made) < maxMemoed {
			break
		}
		delete(m.made, name) // any: the next list makes it again
	}
	m.made[l.Name] = memoed[V]{fingerprint, value}
	return value, nil
}
