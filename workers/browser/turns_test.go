package browser

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnsServeWhoGoesOnFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		if err := turns.take(t.Context(), true, nil); err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 3)
		wait := func(name string, begin bool) {
			go func() {
				if err := turns.take(t.Context(), begin, nil); err != nil {
					t.Error(err)
				}
				order <- name
				turns.give()
			}()
			synctest.Wait()
		}
		wait("first to begin", true)
		wait("second to begin", true)
		wait("to go on", false)
		turns.give()
		for _, want := range []string{"to go on", "first to begin", "second to begin"} {
			if got := <-order; got != want {
				t.Errorf("the turn went to %q, want %q", got, want)
			}
		}
	})
}

func TestTurnsAreNotLostWithWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		if err := turns.take(t.Context(), true, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, begin := range []bool{true, false} {
			if err := turns.take(ctx, begin, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("take with begin %v: %v", begin, err)
			}
		}
		turns.give()
		if err := turns.take(t.Context(), false, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestNoTurnIsBegunWhenStopped: who waits to begin a page gives up when no more are to be begun, and takes
// no turn from who goes on.
func TestNoTurnIsBegunWhenStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		if err := turns.take(t.Context(), true, nil); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			waiting := turn{turns: turns}
			ended <- waiting.begin(t.Context(), stop)
		}()
		synctest.Wait()
		close(stop)
		if err := <-ended; !errors.Is(err, ErrNotBegun) {
			t.Errorf("begin: %v, want %v", err, ErrNotBegun)
		}
		turns.give()
		if err := turns.take(t.Context(), false, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestTurnIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		page, other := &turn{turns: turns}, &turn{turns: turns}
		if err := page.begin(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		resume := page.lend(t.Context(), loadTurn)
		if err := other.begin(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(began); got != loadTurn {
			t.Errorf("the turn was lent after %s, want %s", got, loadTurn)
		}
		time.AfterFunc(time.Minute, other.rest)
		resume()
		if got := time.Since(began); got != loadTurn+time.Minute {
			t.Errorf("the page went on after %s", got)
		}
		page.lend(t.Context(), loadTurn)() // what is quick keeps its turn
		page.rest()
		page.rest()
		if turns.free != 1 {
			t.Errorf("%d turns are free, want 1", turns.free)
		}
	})
}

// A page that nobody answers does not keep others from being captured.
func TestSilentPagesLeaveTheWorkToOthers(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/silent": silent, "/page": "<p>Here"}).URL
	p := newPool(t, func(o *Options) { o.Tabs = 1 })
	slow, quick := newStay(t, p, StayOptions{}), newStay(t, p, StayOptions{})
	ended := make(chan *Page, 1)
	go func() {
		ended <- visit(t, slow, site+"/silent", func(v *Visit) { v.LoadTimeout = 15 * time.Second })
	}()
	time.Sleep(100 * time.Millisecond)
	if page := visit(t, quick, site+"/page"); page.Outcome.State != Archived {
		t.Errorf("the other page: %+v", page.Outcome)
	}
	select {
	case <-ended:
		t.Error("the other page waited for the silent one")
	default:
	}
	<-ended
}
