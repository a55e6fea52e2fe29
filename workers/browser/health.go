package browser

import (
	"context"
	"errors"
	"time"
)

// The times by which a Chrome is watched while it captures a page.
const (
	// watchEvery is how often its helpers are looked at.
	watchEvery = time.Second
	// quietLimit is how long a page may show no sign of life before Chrome is asked
	// whether it lives. A page that waits for a slow server is quiet as well.
	quietLimit = 10 * time.Second
)

// The causes of what a watch has ended.
var (
	errStuck = errors.New("the browser did not answer any more")
	errHung  = errors.New("the page's scripts did not give way")
)

// maimedError is the cause of what a Chrome that lost a helper has ended.
type maimedError struct{ helper string }

func (e *maimedError) Error() string { return e.helper + " of Chrome died" }

// watch ends a capture whose Chrome or renderer cannot go on, until ctx ends. What
// cannot be told from silence is asked for: Chrome itself, and the page's renderer when
// it has nothing to wait for. A Chrome that is of no use is ended, which its other stays
// notice.
func (c *capture) watch(ctx context.Context, crash context.CancelCauseFunc) {
	ch := c.tab.chrome
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var pinged chan error // an answer is being waited for
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.tab.gone:
			crash(errCrashed)
			return
		case <-ch.proc.conn.done:
			crash(errLost)
			return
		case err := <-pinged:
			pinged, last = nil, time.Now()
			if err != nil {
				c.condemn(crash, err)
				return
			}
		case <-tick.C:
			if err := ch.maimed(); err != nil {
				if ch.ends() { // its helpers went with it
					err = errLost
				}
				c.condemn(crash, err)
				return
			}
			if pinged == nil && time.Since(later(last, c.visit.Track.Standing().Active)) > quietLimit {
				pinged = make(chan error, 1)
				go func() { pinged <- c.ping(ctx) }()
			}
		}
	}
}

// condemn ends a capture, and its Chrome when that is to blame.
func (c *capture) condemn(crash context.CancelCauseFunc, why error) {
	crash(why)
	if causeOf(why) != "" {
		c.tab.chrome.end(why)
	}
}

// active is when the page last showed a sign of life: an event of its own, a byte that
// the recorder received for it, a step of the capture.
func (c *capture) active() time.Time {
	c.acct.mu.Lock()
	heard := c.acct.heard
	c.acct.mu.Unlock()
	return later(heard, c.stay.session.InFlight().Last)
}

// follow lets the visit's tracker see the capture until the returned function is called.
func (c *capture) follow() func() {
	c.visit.Track.follow(c.active)
	return func() { c.visit.Track.follow(nil) }
}

// ping asks whether Chrome lives, and whether the page's renderer does.
func (c *capture) ping(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, hangTimeout)
	defer cancel()
	_ = c.tab.chrome.proc.conn.root.Call(asking, "Browser.getVersion", nil, nil) // any answer will do
	if asking.Err() != nil && ctx.Err() == nil {
		if c.tab.chrome.proc.conn.speaks(hangTimeout) {
			return nil // the answer is on its way
		}
		return errStuck
	}
	if c.stay.session.InFlight().Open > 0 {
		return nil // a script may wait for the answer
	}
	asking, cancel = context.WithTimeout(ctx, c.patience())
	defer cancel()
	_ = c.tab.session.Call(asking, "Runtime.evaluate", map[string]any{"expression": "1"}, nil)
	if asking.Err() != nil && ctx.Err() == nil {
		return errHung
	}
	return nil
}

// blame is the outcome of a page that hung: Chrome itself may be what does not answer.
func (c *capture) blame(o Outcome) Outcome {
	if c.tab.chrome.lost() { // somebody else has found it so
		return Outcome{State: Failed, Reason: ReasonBrowserCrashed, Detail: c.tab.chrome.proc.why()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), failedTimeout)
	defer cancel()
	_ = c.tab.chrome.proc.conn.root.Call(ctx, "Browser.getVersion", nil, nil) // any answer will do
	switch {
	case ctx.Err() != nil && !c.tab.chrome.proc.conn.speaks(failedTimeout):
		c.tab.chrome.end(errStuck)
		return Outcome{State: Failed, Reason: ReasonBrowserCrashed, Detail: errStuck.Error()}
	case o.State != Failed:
		return Outcome{State: Failed, Reason: ReasonPageTimeout, Detail: errHung.Error()}
	}
	return o
}

// maimed says which helper Chrome has lost, nil when it has all that it began with.
func (c *chrome) maimed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for pid, name := range c.helpers {
		if st, ok := readStat(pid); !ok || st.state == 'Z' || st.pgid != c.proc.cmd.Process.Pid {
			return &maimedError{name}
		}
	}
	return nil
}

// lookOver ends a Chrome that has lost a helper, and says which.
func (c *chrome) lookOver() error {
	err := c.maimed()
	if err != nil {
		c.end(err)
	}
	return err
}

// ends reports whether Chrome as a whole is about to end.
func (c *chrome) ends() bool {
	select {
	case <-c.proc.conn.done:
		return true
	case <-time.After(watchEvery / 4):
		return false
	}
}

// learn notes Chrome's helpers, once all of them have started: with its first tab.
func (c *chrome) learn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.helpers == nil {
		c.helpers = helpers(c.proc.cmd.Process.Pid, c.proc.profile)
	}
}

// end kills a Chrome that is of no further use, and says why.
func (c *chrome) end(why error) {
	c.pool.retire(c, causeOf(why))
	c.proc.condemn(why)
	c.proc.conn.close() // the pool's own watch kills it
}

// The causes for which a Chrome is replaced.
const (
	CausePages   = "Pages"   // it has shown as many as it should
	CauseMemory  = "Memory"  // it has grown too large
	CauseStuck   = "Stuck"   // it does not answer
	CauseHung    = "Hung"    // a page of it did not give way
	CauseMaimed  = "Maimed"  // it lost a process that it cannot do without
	CauseCrashed = "Crashed" // it ended by itself, was killed, or hung up
)

// causeOf is the cause for which a Chrome is replaced after an error, empty when the
// error is not its own.
func causeOf(why error) string {
	var maimed *maimedError
	switch {
	case errors.As(why, &maimed):
		return CauseMaimed
	case errors.Is(why, errStuck):
		return CauseStuck
	}
	return ""
}
