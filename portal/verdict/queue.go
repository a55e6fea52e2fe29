package verdict

import (
	"context"
	"errors"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

const (
	// atOnce is how many files are verified at once, queued how many more may wait for that.
	atOnce, queued = 2, 20
	// longest is how long a verification may take, once it has begun.
	longest = 10 * time.Minute
)

// ErrBusy says that too many verifications wait already.
var ErrBusy = errors.New("too many files are being verified")

// queue lets a few verifications run at a time. One that waits is given up when nobody waits for it any more; one that
// runs goes on, for who asks next.
type queue struct {
	slots chan struct{}
	runs  map[string]*run
}

// run is a verification that waits or runs, for all who asked for it.
type run struct {
	callers int
	begun   bool
	giveUp  context.CancelFunc
	done    chan struct{}
	verdict Verdict // when it is done
	err     error
}

// join asks for a verification, which others may have asked for.
func (j *Judge) join(ctx context.Context, key blob.Key, of string, objects map[string]blob.Info) (*run, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.queue.runs[of]
	if r == nil {
		if len(j.queue.runs) >= atOnce+queued {
			return nil, ErrBusy
		}
		// Who asks first may go away: the others still want to know.
		shared := context.WithoutCancel(ctx)
		waiting, giveUp := context.WithCancel(shared)
		r = &run{giveUp: giveUp, done: make(chan struct{})}
		j.queue.runs[of] = r
		go func() {
			defer giveUp()
			r.verdict, r.err = j.turn(waiting, shared, r, key, objects)
			j.end(key, of, r)
		}()
	}
	r.callers++
	return r, nil
}

// turn waits for a slot and verifies.
func (j *Judge) turn(waiting, shared context.Context, r *run, key blob.Key, objects map[string]blob.Info) (Verdict, error) {
	select {
	case j.queue.slots <- struct{}{}:
		defer func() { <-j.queue.slots }()
	case <-waiting.Done():
		return Verdict{}, waiting.Err()
	}
	if !j.begin(r) {
		return Verdict{}, context.Canceled
	}
	ctx, cancel := context.WithTimeout(shared, longest)
	defer cancel()
	v, err := j.judge(ctx, key, objects)
	if j.Observe != nil {
		j.Observe(v.Verdict, err)
	}
	return v, err
}

// begin is false when nobody waits for a verification any more.
func (j *Judge) begin(r *run) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.begun = r.callers > 0
	return r.begun
}

// end keeps what came of a verification, and tells who waits.
func (j *Judge) end(key blob.Key, of string, r *run) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.queue.runs[of] == r {
		delete(j.queue.runs, of)
	}
	if r.err == nil {
		j.keep(key, known{of, r.verdict})
	}
	close(r.done)
}

// wait is what comes of a verification that was joined.
func (j *Judge) wait(ctx context.Context, of string, r *run) (Verdict, error) {
	select {
	case <-r.done:
		return r.verdict, r.err
	case <-ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.callers--; r.callers == 0 && !r.begun {
		r.giveUp()
		delete(j.queue.runs, of) // who comes now begins anew
	}
	return Verdict{}, ctx.Err()
}
