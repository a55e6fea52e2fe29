package custody

import (
	"errors"
	"testing"
)

// TestProveAt: an entry is proven by every checkpoint that has it, however far the log has grown.
func TestProveAt(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	l := k.open(t, store)
	var kept []Checkpoint
	for _, n := range []int{1, 2, 253, 44, 300} { // within a tile, at its end, and beyond
		fill(t, l, string(rune('a'+len(kept))), n, n)
		c, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, c)
	}
	for _, c := range kept {
		for _, index := range []int64{0, c.Size / 2, c.Size - 1} {
			p, err := l.ProveAt(t.Context(), c, index)
			if err != nil {
				t.Fatalf("entry %d by %d: %v", index, c.Size, err)
			}
			if got, err := VerifyProof(&p, testOrigin, k.verifiers); err != nil || got.Size != c.Size || p.Index != index {
				t.Errorf("entry %d by %d: %+v, %v", index, c.Size, got, err)
			}
		}
		if _, err := l.ProveAt(t.Context(), c, c.Size); !errors.Is(err, ErrNotFound) {
			t.Errorf("entry %d by %d: %v", c.Size, c.Size, err)
		}
	}
	other := k.open(t, newMemory())
	fill(t, other, "z", 600, 600)
	var fork *ForkError
	if _, err := other.ProveAt(t.Context(), kept[1], 0); !errors.As(err, &fork) {
		t.Errorf("a log that is another one: %v", err)
	}
}
