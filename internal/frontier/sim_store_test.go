package frontier

import (
	"bytes"
	"errors"
	"math/rand/v2"
)

// The errors of the modelled store, as internal/blob has them.
var (
	errSimExists      = errors.New("object exists already")
	errSimNotFound    = errors.New("no such object")
	errSimUnreachable = errors.New("store unreachable")
)

// simStore is the store: immutable objects, written once. A request fails now and then,
// before it was done or after; then the client tries again, as internal/blob's does, and may
// be told of its own success. What it holds is either bytes, or, where the frontier's
// activities store JSON, the value itself.
type simStore struct {
	r *rand.Rand
	// trouble is one in how many requests that fail, 0 for none; down fails all.
	trouble int
	down    bool

	objects map[string]simObject
	// results are the keys of results by bundle: what a listing shows.
	results map[string][]string
	// stored is called when an object was stored, whoever learns of it.
	stored func(key string, o simObject)

	puts, gets, lists int64
	bytes             int64
	largest           int
	// weighed, when it is set, is the size of a value as it would be stored: of one in
	// weighEvery it is asked, and counts for all of them.
	weighed func(value any) int
	values  int
}

const weighEvery = 64

type simObject struct {
	data  []byte
	value any
}

// simTries is how often the client sends a request.
const simTries = 3

func newSimStore(r *rand.Rand, trouble int) *simStore {
	return &simStore{r: r, trouble: trouble, objects: map[string]simObject{}, results: map[string][]string{}}
}

func (st *simStore) fails() bool { return st.down || st.trouble > 0 && st.r.IntN(st.trouble) == 0 }

// put stores an object under a key that must be free, or hold the very same.
func (st *simStore) put(key string, o simObject) error {
	for range simTries {
		st.puts++
		if st.fails() {
			continue // 503
		}
		have, ok := st.objects[key]
		switch {
		case ok && (have.value != nil && have.value == o.value || o.value == nil && bytes.Equal(have.data, o.data)):
			return nil // 412, about our own success
		case ok:
			return errSimExists
		}
		st.objects[key] = o
		st.bytes += int64(len(o.data))
		if st.values++; o.data == nil && st.weighed != nil && st.values%weighEvery == 0 {
			st.bytes += weighEvery * int64(st.weighed(o.value))
		}
		st.largest = max(st.largest, len(o.data))
		if st.stored != nil {
			st.stored(key, o)
		}
		if st.fails() {
			continue // done, and the answer is lost
		}
		return nil
	}
	return errSimUnreachable
}

func (st *simStore) get(key string) (simObject, error) {
	for range simTries {
		st.gets++
		if st.fails() {
			continue
		}
		o, ok := st.objects[key]
		if !ok {
			return o, errSimNotFound
		}
		return o, nil
	}
	return simObject{}, errSimUnreachable
}

func (st *simStore) list(bundle string) ([]string, error) {
	st.lists++
	if st.fails() {
		return nil, errSimUnreachable
	}
	return st.results[bundle], nil
}

func (st *simStore) remove(key string) { delete(st.objects, key) }
