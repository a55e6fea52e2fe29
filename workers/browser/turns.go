package browser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// turns are the pages that are worked on at once. A page that waits for the network, or
// for quiet, has no turn: more tabs can be open than the machine could render at a
// time. Who waits to go on with a page goes before those who wait to begin one, so that
// what was loaded is captured soon.
type turns struct {
	mu              sync.Mutex
	free            int
	going, starting []chan struct{} // each gets a turn by being closed
}

func newTurns(n int) *turns { return &turns{free: n} }

// ErrNotBegun is the error of a page whose turn had not come when its visit was told to begin no
// more, see Visit.Stop. Nothing was asked of the site.
var ErrNotBegun = errors.New("the page was not begun")

// take waits for a turn, which has to be given back, until ctx ends or stop is closed; a nil one
// never is.
func (t *turns) take(ctx context.Context, begin bool, stop <-chan struct{}) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	got := make(chan struct{})
	if begin {
		t.starting = append(t.starting, got)
	} else {
		t.going = append(t.going, got)
	}
	t.mu.Unlock()
	var why error
	select {
	case <-got:
		return nil
	case <-stop:
		why = ErrNotBegun
	case <-ctx.Done():
		why = context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !drop(&t.going, got) && !drop(&t.starting, got) {
		t.pass() // it was given meanwhile
	}
	return fmt.Errorf("wait for a turn: %w", why)
}

// give gives a turn back.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass gives a turn to the next who waits.
func (t *turns) pass() {
	for _, list := range []*[]chan struct{}{&t.going, &t.starting} {
		if len(*list) > 0 {
			close((*list)[0])
			*list = (*list)[1:]
			return
		}
	}
	t.free++
}

func drop(list *[]chan struct{}, c chan struct{}) bool {
	i := slices.Index(*list, c)
	if i < 0 {
		return false
	}
	*list = slices.Delete(*list, i, i+1)
	return true
}

// loadTurn is how long a page keeps its turn while it loads. One that takes longer
// waits for the network more than it works.
const loadTurn = 2 * time.Second

// turn is a page's turn, which it has or has not.
type turn struct {
	turns *turns

	mu  sync.Mutex
	has bool
}

// begin waits for the page's first turn.
func (t *turn) begin(ctx context.Context, stop <-chan struct{}) error {
	if err := t.turns.take(ctx, true, stop); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.has = true
	return nil
}

// lend lets others work when what the page waits for takes longer than d. The returned
// function waits until the page has a turn again, or ctx ends: what is left to do then
// is to leave the page, which needs none.
func (t *turn) lend(ctx context.Context, d time.Duration) (resume func()) {
	if d == 0 {
		t.rest()
		return func() { t.resume(ctx) }
	}
	later := time.AfterFunc(d, t.rest)
	return func() {
		later.Stop()
		t.resume(ctx)
	}
}

func (t *turn) resume(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.has {
		t.has = t.turns.take(ctx, false, nil) == nil
	}
}

// rest lets others work; the page that has no turn may call it too.
func (t *turn) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has {
		t.has = false
		t.turns.give()
	}
}
