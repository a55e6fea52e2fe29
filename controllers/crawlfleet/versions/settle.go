package versions

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// wakeEvery is how often workflows of a version that drains are woken: those that could not
	// go over the last time are told again.
	wakeEvery = time.Minute
	// wakeAtOnce bounds how many are, so that they do not all come at the same time. What looks
	// after captures is most of them: one for each run that has something to keep.
	wakeAtOnce = 200
)

// Teller is what a Settler asks and tells; [Temporal] is one.
type Teller interface {
	Observe(ctx context.Context) (*State, error)
	MakeCurrent(ctx context.Context, build string) error
	Forget(ctx context.Context, build string) error
	Wake(ctx context.Context, build string, most int) (int, error)
}

// Settler does the part of a plan that is Temporal's. It is safe for use by many goroutines.
type Settler struct {
	Temporal Teller
	Log      *slog.Logger
	// Now is the time; time.Now if nil.
	Now func() time.Time

	mu    sync.Mutex
	woken map[string]time.Time
}

// Settle has workflows run on the desired build: it makes that one current when it is ready, wakes
// those that are to go over, and has Temporal forget what nothing needs. It returns which
// Deployments have to stay and which may go. When there is an error these are still right: what is
// not known stays. It is to be called again every minute or so while Plan.Keep has more than the
// desired build.
func (s *Settler) Settle(ctx context.Context, desired string, deployments []Deployment) (Plan, error) {
	in := Input{Desired: desired, Deployments: deployments, Now: s.now()}
	var err error
	if in.Temporal, err = s.Temporal.Observe(ctx); err != nil {
		in.Temporal = nil
		return Decide(in), err
	}
	p := Decide(in)
	if p.MakeCurrent != "" {
		if err := s.Temporal.MakeCurrent(ctx, p.MakeCurrent); err != nil {
			return p, err // in which nothing is removed that is current
		}
		s.Log.Info("workflows run on another build now", "build", p.MakeCurrent)
		p.Current = p.MakeCurrent
	}
	for _, build := range p.Stranded {
		s.Log.Warn("workflows wait for workers of a build that has none; see docs/reference/temporal.md", "build", build)
	}
	return p, errors.Join(s.wake(ctx, p.Wake), s.forget(ctx, p.Forget))
}

func (s *Settler) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// wake wakes workflows of versions that drain, now and then.
func (s *Settler) wake(ctx context.Context, builds []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.woken
	s.woken = map[string]time.Time{} // of those that still drain
	var problem error
	for _, build := range builds {
		s.woken[build] = before[build]
		if s.now().Sub(before[build]) < wakeEvery {
			continue
		}
		n, err := s.Temporal.Wake(ctx, build, wakeAtOnce)
		s.woken[build] = s.now()
		problem = errors.Join(problem, err)
		s.Log.Debug("workflows of a build that drains were woken", "build", build, "workflows", n)
	}
	return problem
}

// forget tidies up. What is in use for a while is forgotten another time.
func (s *Settler) forget(ctx context.Context, builds []string) error {
	var problem error
	for _, build := range builds {
		switch err := s.Temporal.Forget(ctx, build); {
		case err == nil:
			s.Log.Info("a build that nothing runs on was forgotten", "build", build)
		case !errors.Is(err, ErrInUse):
			problem = errors.Join(problem, err)
		}
	}
	return problem
}
