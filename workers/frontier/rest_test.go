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
