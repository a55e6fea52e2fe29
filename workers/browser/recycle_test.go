package browser

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// TestRecycling: a Chrome that is due serves its stays to their end, and no new ones.
func TestRecycling(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<p>Page</p>`})
	tests := map[string]struct {
		reason string
		change func(*Options)
		pages  int // after which it is due
		cause  string
	}{
		"Pages":  {"It has shown as many pages as it should.", func(o *Options) { o.RecyclePages = 2 }, 2, CausePages},
		"Memory": {"It has grown larger than it should.", func(o *Options) { o.RecycleBytes = 1 }, memoryEvery, CauseMemory},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var causes []string
			told := func() []string {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(causes)
			}
			pool := newPool(t, tc.change, func(o *Options) {
				o.Replaced = func(cause string) {
					mu.Lock()
					defer mu.Unlock()
					causes = append(causes, cause)
				}
			})
			s, err := pool.Stay(t.Context(), StayOptions{})
			if err != nil {
				t.Fatal(err)
			}
			due := s.chrome
			for n := range tc.pages + 1 {
				if got := told(); n < tc.pages && len(got) > 0 {
					t.Errorf("%s: after %d pages it was replaced for %v", tc.reason, n, got)
				}
				if p := visit(t, s, site.URL); p.Outcome.State != Archived || s.chrome != due {
					t.Errorf("%s: page %d: %+v, in the same Chrome %v", tc.reason, n, p.Outcome, s.chrome == due)
				}
			}
			if got := told(); !slices.Equal(got, []string{tc.cause}) {
				t.Errorf("%s: replaced for %v, want %s once", tc.reason, got, tc.cause)
			}
			if next := newStay(t, pool, StayOptions{}); next.chrome == due {
				t.Errorf("%s: a new stay is in it", tc.reason)
			}
			if due.lost() {
				t.Errorf("%s: it was ended with a stay in it", tc.reason)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			select {
			case <-due.proc.exited:
			case <-time.After(10 * time.Second):
				t.Errorf("%s: it was not ended with its last stay", tc.reason)
			}
		})
	}
}
