package frontier

import (
	"testing"
	"time"
)

// A host finds the visitor who was there before, also after a polite pause; but a tab that
// another one waits for is not held.
func TestTabIsHeldWhileNobodyWantsIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		wanted func() bool
		stays  int
	}{
		"nobody":   {func() bool { return false }, 4}, // one a bundle: of 1, 1, 2 and 4 pages
		"somebody": {func() bool { return true }, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(8, "a.test")
			w.wanted = tc.wanted
			r := newRig(t, w)
			r.job.Spec.Politeness.Delay = 3 * lookAgain
			r.seed("http://a.test/0")
			r.run(1)
			if len(w.stays) != tc.stays || w.repeated() != 0 {
				t.Errorf("%d tabs were taken for 8 pages, want %d (%d loads were not needed)", len(w.stays), tc.stays, w.repeated())
			}
			for _, p := range w.pauses {
				if p < 3*lookAgain-10*time.Millisecond {
					t.Errorf("the host had a pause of %s", p)
				}
			}
		})
	}
}

// TestRestHasOneName: a time and what the frontier makes of it, whole milliseconds, are one rest.
func TestRestHasOneName(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{time.Unix(1000, 0), time.Unix(1000, 1), time.Unix(1000, 500_000_001), time.Unix(1000, 999_999_999)} {
		up := at.Add(time.Millisecond - 1).Truncate(time.Millisecond)
		if a, b := restKey("a.example", at), restKey("a.example", up); a != b {
			t.Errorf("%s is %s, and %s is %s", at.UTC(), a, up.UTC(), b)
		}
		if _, until, ok := parseRest(restKey("a.example", at)); !ok || !until.After(at) || until.Sub(at) > 2*time.Second {
			t.Errorf("%s is read as %s", at.UTC(), until)
		}
	}
}
