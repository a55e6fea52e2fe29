package browser

import (
	"context"
	"time"
)

// scrolled is where a pass of the scroll got to.
type scrolled struct {
	// Height is that of the document and Content that of its body, in pixels.
	Height  int  `json:"height"`
	Content int  `json:"content"`
	End     bool `json:"end"`
	Steps   int  `json:"steps"`
	// Drawn is whether the frames came in which the page notices where it is.
	Drawn bool `json:"drawn"`
}

// scrolling is the state of a scroll between its passes.
type scrolling struct {
	began           time.Time
	steps           int
	height, content int
	// undrawn is how many passes in a row had no frame, owed whether the one before had none.
	undrawn int
	owed    bool
	// grown is whether the page has grown since the pass before.
	grown bool
	wait  time.Duration
}

// take takes in a pass.
func (s *scrolling) take(at scrolled) {
	s.steps += at.Steps
	s.grown = at.Height != s.height || at.Content != s.content
	s.height, s.content = at.Height, at.Content
	if s.undrawn++; at.Drawn {
		s.undrawn = 0
	}
}

// atEnd reports whether there was nothing more to come in a pass: the page had been quiet for d
// at its end, had a frame in which it could notice where it is (on a busy machine that may take
// longer), and has not grown. What came into view with the pass's own steps is yet to come.
func (s *scrolling) atEnd(at scrolled, d time.Duration) bool {
	return at.End && at.Steps == 0 && !s.grown && s.wait == d && s.undrawn == 0 && !s.owed
}

// scroll goes down the page until nothing new comes, and waits until it is quiet.
func (c *capture) scroll(ctx context.Context, d time.Duration) {
	c.visit.Track.Enter(PhaseBehaving)
	s := scrolling{began: time.Now(), wait: quietScroll}
	for {
		at, ok := c.scrollOn(ctx, &s)
		if !ok {
			return
		}
		if s.atEnd(at, d) || c.scrolledEnough(&s) {
			break
		}
		if !at.End {
			continue
		}
		s.wait = d
		if s.grown && s.steps > 0 {
			s.wait = min(quietScroll, d)
		}
		if !c.quiet(ctx, s.wait) {
			break
		}
	}
	if s.steps > 0 {
		c.acct.action("scroll", "%d steps to %d pixels", s.steps, s.height)
	}
}

// scrollOn makes a pass; ok is false when the page did not let itself be scrolled.
func (c *capture) scrollOn(ctx context.Context, s *scrolling) (at scrolled, ok bool) {
	s.owed = s.undrawn > 0
	c.acct.setScrolling(true)
	ok = c.ask(ctx, func(ctx context.Context, w world) error { return w.apply(ctx, scrollScript, &at, 2000, s.owed) })
	c.acct.setScrolling(false)
	if !ok {
		return at, false
	}
	if s.take(at); s.grown {
		c.acct.forgetPollers()
	}
	return at, true
}

// scrolledEnough tells whether the scroll is at one of its bounds, and notes at which.
func (c *capture) scrolledEnough(s *scrolling) bool {
	switch took := time.Since(s.began); {
	case s.undrawn > maxUndrawn:
		c.acct.limit("Scroll", "the browser drew no frame after the last step: what the page does where it came to may be missing")
	case took > maxScroll || s.steps > maxScrollSteps:
		c.acct.limit("Scroll", "the scroll was ended after %d steps and %s, though more kept coming", s.steps, took.Round(time.Second))
	default:
		return false
	}
	return true
}
