package browser

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Phase says where the capture of a page is.
type Phase string

// The phases of a page, in their order. Those before and after the capture itself are its
// caller's to enter.
const (
	// PhaseQueued: it waits for its turn, a tab, or a place in a chunk.
	PhaseQueued Phase = "Queued"
	// PhaseNavigating: its address was asked for, and no document has come.
	PhaseNavigating Phase = "Navigating"
	// PhaseLoading: its document is there, and not complete.
	PhaseLoading Phase = "Loading"
	// PhaseSettling: it is complete, and still asks for things.
	PhaseSettling Phase = "Settling"
	// PhaseBehaving: it is being scrolled, or whatever else is done to it.
	PhaseBehaving Phase = "Behaving"
	// PhaseOutputs: links, text, document and screenshot are taken.
	PhaseOutputs Phase = "Outputs"
	// PhaseLeaving: it is left, and what it sends then is awaited.
	PhaseLeaving Phase = "Leaving"
	// PhaseStoring: it is written down.
	PhaseStoring Phase = "Storing"
)

// Standing is where a page is.
type Standing struct {
	Phase Phase
	// Since is when the phase began, Active when the page last showed a sign of life.
	Since, Active time.Time
}

// Tracker follows one page through its phases. The zero value is one that follows a page
// which nobody has begun with; a nil one follows nothing. It is safe for concurrent use.
type Tracker struct {
	mu     sync.Mutex
	at     Standing
	active func() time.Time // of the capture that goes on, nil when none does
	spent  map[Phase]time.Duration
	steps  []Step
}

// Step is a phase that a page was in, from when to when.
type Step struct {
	Phase        Phase
	Began, Ended time.Time
}

// maxSteps is how many steps of a page are noted: a page that is captured twice has some twenty.
const maxSteps = 64

// Enter notes that the page has come to a phase.
func (t *Tracker) Enter(p Phase) {
	if t == nil {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(now)
	t.at = Standing{Phase: p, Since: now, Active: now}
}

// add counts the time in the present phase. The caller holds the lock.
func (t *Tracker) add(now time.Time) {
	if t.at.Phase == "" {
		return
	}
	if t.spent == nil {
		t.spent = make(map[Phase]time.Duration)
	}
	t.spent[t.at.Phase] += now.Sub(t.at.Since)
	if len(t.steps) < maxSteps {
		t.steps = append(t.steps, Step{Phase: t.at.Phase, Began: t.at.Since, Ended: now})
	}
}

// Steps are the phases that the page was in, one after another, up to now.
func (t *Tracker) Steps() []Step {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	steps := slices.Clone(t.steps)
	if t.at.Phase != "" {
		steps = append(steps, Step{Phase: t.at.Phase, Began: t.at.Since, Ended: now})
	}
	return steps
}

// follow lets a capture tell when the page last showed a sign of life; nil ends that.
func (t *Tracker) follow(active func() time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active = active
}

// Standing is where the page is now.
func (t *Tracker) Standing() Standing {
	t.mu.Lock()
	at, active := t.at, t.active
	t.mu.Unlock()
	if active != nil {
		at.Active = later(at.Active, active())
	}
	return at
}

// Spent is how long the page was in each phase, up to now.
func (t *Tracker) Spent() map[Phase]time.Duration {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	spent := maps.Clone(t.spent)
	if t.at.Phase != "" {
		if spent == nil {
			spent = make(map[Phase]time.Duration)
		}
		spent[t.at.Phase] += now.Sub(t.at.Since)
	}
	return spent
}
