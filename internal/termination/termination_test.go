package termination

import "testing"

// TestReached holds as soon as nothing is under way, and not before.
func TestReached(t *testing.T) {
	done := func() []Standing {
		return []Standing{
			{Idle: true, Sent: []int64{0, 3}, Applied: []int64{0, 5}},
			{Idle: true, Sent: []int64{5, 0}, Applied: []int64{3, 0}},
		}
	}
	if !Reached(done()) {
		t.Error("it is done")
	}
	busy, behind, ahead := done(), done(), done()
	busy[1].Idle = false
	behind[1].Applied[0] = 2
	ahead[0].Sent[1] = 4
	for name, s := range map[string][]Standing{"busy": busy, "behind": behind, "ahead": ahead, "unheard": {done()[0], {}}} {
		if Reached(s) {
			t.Errorf("%s: it is not done", name)
		}
	}
	if !Reached([]Standing{{Idle: true}}) || Reached([]Standing{{}}) {
		t.Error("one shard is done when it is idle")
	}
}
