package frontier

import (
	"slices"
	"sync"
)

// The bounds of what is kept between the attempts of seedings.
const (
	maxSeedings     = 8
	maxSeedingBytes = 64 << 20
	// seedMemory is what a seed takes beside its letters: two strings and a place in a map.
	seedMemory = 64
)

// seedings keeps what was read for orders whose seeds are not complete, so that the next
// attempt goes on where the last one ended instead of loading a thousand sitemaps again. It is
// a worker's memory: on another one an attempt begins anew.
type seedings struct {
	mu       sync.Mutex
	kept     []*SeedReader // the newest last
	patience patience
}

// take gives a reader to an attempt of a run. No other attempt has the same one.
func (s *seedings) take(run string) *SeedReader {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.kept, func(r *SeedReader) bool { return r.run == run })
	if i < 0 {
		return &SeedReader{run: run, patience: &s.patience}
	}
	r := s.kept[i]
	s.kept = slices.Delete(s.kept, i, i+1)
	r.resume()
	return r
}

// keep holds a reader for the next attempt of its run, and lets the oldest ones go for it.
func (s *seedings) keep(r *SeedReader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.bytes > maxSeedingBytes {
		return
	}
	s.kept = slices.DeleteFunc(s.kept, func(k *SeedReader) bool { return k.run == r.run })
	s.kept = append(s.kept, r)
	bytes := 0
	for _, k := range s.kept {
		bytes += k.bytes
	}
	for len(s.kept) > maxSeedings || bytes > maxSeedingBytes {
		bytes -= s.kept[0].bytes
		s.kept = slices.Delete(s.kept, 0, 1)
	}
}
