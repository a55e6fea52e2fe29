package frontier

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSeenFind looks up every row of runs of all sizes, and fingerprints that are not there:
// also where many begin with the same bytes, which no good hash has.
func TestSeenFind(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for _, spread := range []uint64{1, 3, 1000, 0} {
		for _, n := range []int{0, 1, 2, 3, 10, 100, 1000} {
			known := map[fp]fate{}
			random := func() (key fp) {
				head := r.Uint64()
				if spread > 0 {
					head = r.Uint64N(spread) * 0x0123_4567_89ab_cdef
				}
				binary.BigEndian.PutUint64(key[:], head)
				binary.BigEndian.PutUint64(key[8:], r.Uint64N(2000))
				return key
			}
			var keys []fp
			for range n {
				key := random()
				if _, again := known[key]; !again {
					known[key] = fate(r.IntN(256))
					keys = append(keys, key)
				}
			}
			slices.SortFunc(keys, func(a, b fp) int { return bytes.Compare(a[:], b[:]) })
			run := &seenRun{}
			for _, key := range keys {
				run.rows = append(append(run.rows, key[:]...), byte(known[key]))
			}
			for range 500 {
				key := random()
				if len(keys) > 0 && r.IntN(2) == 0 {
					key = keys[r.IntN(len(keys))]
				}
				want, there := known[key]
				if got, ok := run.find(key); ok != there || got != want {
					t.Fatalf("%d rows of %d kinds: %x is found %v with %d, want %v with %d", len(keys), spread, key, ok, got, there, want)
				}
			}
		}
	}
}
