package frontier

import (
	"fmt"
	"slices"
	"time"
)

// finish is an attempt that ends with a result; one that comes too late is refused.
func (t *bundleTask) finish(a *bundleAttempt, results []string) {
	if t.closed || t.live != a {
		return
	}
	t.closed = true
	t.flow.returned(t, bundleDone{id: t.ref.ID, results: slices.Clone(results)})
}

// timeout is what the server does when no heartbeat came for too long.
func (t *bundleTask) timeout(a *bundleAttempt) {
	if t.closed || t.live != a || t.waiting {
		return
	}
	if t.cancelled || t.attempts == simBundleTries {
		t.closed = true
		t.flow.returned(t, bundleDone{id: t.ref.ID, results: t.details.results})
		return
	}
	t.flow.s.actions.retries++
	t.dispatch(min(time.Second<<(t.attempts-1), 30*time.Second))
}

// cancel asks the activity to come to an end. An attempt learns it with its next heartbeat;
// between two attempts there is nobody to ask.
func (t *bundleTask) cancel() {
	s := t.flow.s
	if t.cancelled || t.closed {
		return
	}
	t.cancelled = true
	if t.waiting {
		t.closed = true
		s.after(0, func() { t.flow.returned(t, bundleDone{id: t.ref.ID, lost: true}) })
		return
	}
	s.after(s.between(0, simBeat), func() {
		if a := t.live; a != nil && !a.over && !t.closed {
			a.yield(s.now)
			a.schedule()
		}
	})
}

// abandon is a reset of the workflow: nobody asks for the activity any more. Its worker
// finds out with the next heartbeat.
func (t *bundleTask) abandon() {
	t.closed = true
	s := t.flow.s
	if a := t.live; a != nil && !a.over {
		s.after(s.between(0, simBeat), func() { a.leave(s.now) })
	}
}

// store stores a chunk and its result, of the loads up to n.
func (a *bundleAttempt) store(n int) (string, error) {
	s, t := a.task.flow.s, a.task
	r := &Result{Version: 1, Bundle: t.ref.ID, Attempt: a.number, Number: len(a.results), Before: slices.Clone(a.results)}
	key := fmt.Sprintf("%d/r/%s/a%d-%s/c%d.res", t.flow.shard, t.ref.ID, a.number, a.nonce, r.Number)
	chunk := &Chunk{Key: "chunks/" + key, Size: 1}
	for _, l := range a.loads[a.next:n] {
		o := Outcome{FP: l.page.FP, Status: Failed, Reason: l.given}
		switch l.given {
		case "":
			o = s.web.outcome(l.page, l.id, l.end)
		case reasonDuplicate:
			o.Status = Skipped
		}
		if s.hooks.outcome != nil {
			s.hooks.outcome(l.id, &o)
		}
		if o.Status == Archived && o.Reason == "" {
			chunk.Pages++
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	if chunk.Pages > 0 && s.large {
		s.store.puts++ // what there is of it is counted, and not kept
		r.Chunk = chunk
	} else if chunk.Pages > 0 {
		if err := s.store.put(chunk.Key, simObject{value: chunk}); err != nil {
			return "", err
		}
		r.Chunk = chunk
	}
	if err := s.store.put(key, simObject{value: r}); err != nil {
		return "", err
	}
	return key, nil
}
