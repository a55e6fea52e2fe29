package browser

import (
	"context"
	_ "embed" // the scripts that are run in pages
	"fmt"
	"strings"
	"time"
)

// The behaviours, by the names under which the page's Actions and Limits speak of them.
const (
	behaveConsent = "consent"
	behaveExpand  = "expand"
	behaveMedia   = "media"
	behaveScript  = "script"
)

// behaviors are the behaviours that are switched on.
func (v *Visit) behaviors() []string {
	on := []string{}
	for _, b := range []struct {
		name string
		off  bool
	}{
		{behaveConsent, v.NoConsent}, {"scroll", v.NoScroll}, {behaveExpand, v.NoExpand}, {behaveMedia, v.NoMedia}, {behaveScript, len(v.Scripts) == 0},
	} {
		if !b.off {
			on = append(on, b.name)
		}
	}
	return on
}

// The bounds of the behaviours.
const (
	// slice is how long a behaviour's script may work before it gives back control.
	slice = 2 * time.Second
	// maxExpand bounds what is opened and clicked, in time, rounds, folds and clicks.
	maxExpand       = 15 * time.Second
	maxExpandRounds = 60
	maxFolds        = 500
	maxClicks       = 100
	// maxMedia bounds what is played, in time and number.
	maxMedia      = 12 * time.Second
	maxMediaCount = 20
	// maxStart is how long one is waited for that does not begin.
	maxStart = 5 * time.Second
	// maxAhead is how much of a medium, beyond where it plays, is enough.
	maxAhead = 20 * time.Second
	// maxConsent is how many dialogs about consent are closed on a page.
	maxConsent = 3
)

//go:embed js/find.js
var findScript string

//go:embed js/known.js
var knownScript string

//go:embed js/click.js
var clickScript string

//go:embed js/expand.js
var expandOnly string

//go:embed js/consent.js
var consentOnly string

//go:embed js/media.js
var mediaOnly string

// The scripts with what they share in front of them. Each is an expression for a function.
var (
	probeScript   = library(findScript, knownScript, probeOnly)
	expandScript  = library(findScript, knownScript, clickScript, expandOnly)
	consentScript = library(findScript, knownScript, clickScript, consentOnly)
	mediaScript   = library(findScript, mediaOnly)
)

// library makes one function expression of declarations and, last, a function.
func library(parts ...string) string {
	last := len(parts) - 1
	return "(() => {\n" + strings.Join(parts[:last], "\n") + "\nreturn (" + parts[last] + "\n);\n})()"
}

// findings are what the probe says of a document.
type findings struct {
	Scripted bool    `json:"scripted"`
	Lazy     bool    `json:"lazy"`
	Refresh  float64 `json:"refresh"`
	// What there is to do for the behaviours.
	Media   bool `json:"media"`
	Expand  bool `json:"expand"`
	Consent bool `json:"consent"`
	// Age is set when the page asks for the visitor's age.
	Age bool `json:"age"`
	// Huge is set when there are too many elements to look for any of these.
	Huge bool `json:"huge"`
	// Frames are the addresses of frames that may hold a dialog or a player.
	Frames []string `json:"frames"`
}

// probe looks at the document.
func (c *capture) probe(ctx context.Context) (f findings, ok bool) {
	ok = c.ask(ctx, func(ctx context.Context, w world) error { return w.apply(ctx, probeScript, &f) })
	return f, ok
}

// act does to a page that is quiet what there is to do, and waits until it is quiet
// again. first is what the probe found before: a document without scripts is still that.
func (c *capture) act(ctx context.Context, first findings, quiet time.Duration) {
	f := first
	if f.Scripted && c.calm(ctx) {
		var ok bool
		if f, ok = c.probe(ctx); !ok {
			return
		}
	}
	if f.Huge {
		c.acct.limit("Behaviors", "the document has more elements than are looked through: it was scrolled and nothing else")
	}
	if f.Age {
		c.acct.limit("AgeGate", "the page asks for the visitor's age, which is not answered: what lies behind is not captured")
	}
	script := c.script()
	c.holds = true
	did := false
	for _, b := range []struct {
		on bool
		do func(context.Context, findings) bool
	}{
		{f.Consent && !c.visit.NoConsent && !c.consented, c.consent},
		{f.Expand && !c.visit.NoExpand, c.expand},
		{(f.Media || len(f.Frames) > 0) && !c.visit.NoMedia, c.media},
		{script != nil, func(ctx context.Context, _ findings) bool { return c.runScript(ctx, script) }},
	} {
		if b.on && c.calm(ctx) {
			did = b.do(ctx, f) || did
		}
	}
	if !did || !c.calm(ctx) {
		return
	}
	// What has come may load lazily, too.
	if c.visit.NoScroll {
		c.quiet(ctx, quietScroll)
	} else {
		c.scroll(ctx, min(quiet, quietScroll))
	}
}

// calm reports whether the page is there, answers and stays.
func (c *capture) calm(ctx context.Context) bool {
	return ctx.Err() == nil && !c.hung && !c.acct.progress().navigating
}

// hold does something to the page, and refuses meanwhile what would lead the page away:
// it would be our doing. See account.held. When do reports that it did anything, and
// nothing but behaviours is to come, it stays so.
func (c *capture) hold(name string, do func() bool) bool {
	if !c.alone {
		// The empty page that was there before cannot be gone back to.
		c.tab.session.post("Page.resetNavigationHistory", nil)
		c.alone = true
	}
	before := c.acct.setActing(name)
	did := do()
	if !did || !c.holds {
		c.acct.setActing(before)
	}
	return did
}

// rest waits until what a click has brought about has come.
func (c *capture) rest(ctx context.Context) {
	c.acct.stir()
	for until := time.Now().Add(maxSettle); !c.quiet(ctx, quietScroll); {
		// It was about to go elsewhere, and is kept from it.
		if c.wait(ctx, time.Second, func(p progress) bool { return !p.navigating }) != nil || time.Now().After(until) {
			return
		}
	}
}

// consent closes dialogs about consent. It reports whether it did anything.
func (c *capture) consent(ctx context.Context, f findings) bool {
	did := false
	for range maxConsent {
		clicked := c.hold(behaveConsent, func() bool {
			clicked := c.consentOnce(ctx, f)
			if clicked {
				c.rest(ctx)
			}
			return clicked
		})
		did = did || clicked
		c.consented = did
		if !clicked || !c.calm(ctx) {
			break
		}
	}
	return did
}

// answered is what consent.js gives.
type answered struct {
	Found string `json:"found"`
	Did   string `json:"did"`
}

// consentOnce looks into the page and, where there is nothing to click, into the frames.
func (c *capture) consentOnce(ctx context.Context, f findings) bool {
	var got answered
	if !c.ask(ctx, func(ctx context.Context, w world) error {
		return w.apply(ctx, consentScript, &got, map[string]any{"frame": false})
	}) {
		return false
	}
	if got.Did == "" || got.Did == "left" {
		c.inFrames(ctx, f.Frames, func(ctx context.Context, w world) error {
			if got.Did != "" && got.Did != "left" {
				return nil
			}
			var inner answered
			if err := w.apply(ctx, consentScript, &inner, map[string]any{"frame": true}); err != nil {
				return err
			}
			if inner.Did != "" && (got.Did == "" || inner.Did != "left") {
				got = inner
			}
			return nil
		})
	}
	switch got.Did {
	case "":
		return false
	case "left":
		if !c.leftOpen {
			c.acct.action(behaveConsent, "%s was left open: it offers nothing that rejects or closes", got.Found)
		}
		c.leftOpen = true
		return false
	}
	c.acct.action(behaveConsent, "%s was %s", got.Found, got.Did)
	return true
}

// expand opens folds and clicks what there is more behind.
func (c *capture) expand(ctx context.Context, _ findings) bool {
	began := time.Now()
	details, toggles, more, left, moved := 0, 0, 0, true, false
	for round := 0; left && !moved && c.calm(ctx); round++ {
		if time.Since(began) > maxExpand || round == maxExpandRounds || toggles+more >= maxClicks {
			c.acct.limit("Expand", "no more was opened after %d clicks and %s, though there may be more", toggles+more, time.Since(began).Round(time.Second))
			break
		}
		var got struct {
			Details int  `json:"details"`
			Toggles int  `json:"toggles"`
			More    int  `json:"more"`
			Left    bool `json:"left"`
			Moved   bool `json:"moved"`
		}
		ok := true
		c.hold(behaveExpand, func() bool {
			c.acct.setScrolling(true) // what it asks for is no poller's
			ok = c.ask(ctx, func(ctx context.Context, w world) error {
				return w.apply(ctx, expandScript, &got, map[string]any{
					"budget": slice.Milliseconds(), "folds": maxFolds, "clicks": maxClicks - toggles - more,
				})
			})
			c.acct.setScrolling(false)
			if ok && got.Left {
				c.rest(ctx)
			}
			return got.Details+got.Toggles+got.More > 0 || !ok
		})
		if !ok {
			break
		}
		details, toggles, more, left, moved = details+got.Details, toggles+got.Toggles, more+got.More, got.Left, got.Moved
	}
	if moved {
		c.acct.limit("Expand", "a click led to another route of the page, which was left again")
	}
	if details+toggles+more == 0 {
		return false
	}
	c.acct.action(behaveExpand, "%d folds opened, %d toggles and %d buttons for more clicked", details, toggles, more)
	return true
}

// played is what media.js says of one element.
type played struct {
	Kind     string  `json:"kind"`
	State    string  `json:"state"`
	Why      string  `json:"why"`
	Duration float64 `json:"duration"`
	Fetched  float64 `json:"fetched"`
}

// media plays what there is to play, in the page and in the frames that hold players.
func (c *capture) media(ctx context.Context, f findings) bool {
	until := time.Now().Add(maxMedia)
	did := false
	if f.Media {
		did = c.play(ctx, until, func(fn func(context.Context, world) error) bool { return c.ask(ctx, fn) })
	}
	c.inFrames(ctx, f.Frames, func(ctx context.Context, w world) error {
		var err error
		inner := c.play(ctx, until, func(fn func(context.Context, world) error) bool {
			err = fn(ctx, w)
			return err == nil
		})
		did = did || inner
		return err
	})
	return did
}

// play plays the media of one document. in runs a script there.
func (c *capture) play(ctx context.Context, until time.Time, in func(func(context.Context, world) error) bool) bool {
	var got struct {
		Left  bool     `json:"left"`
		Found int      `json:"found"`
		Media []played `json:"media"`
	}
	for {
		last := time.Until(until) <= slice
		resume := c.turn.lend(ctx, slice/4) // it waits more than it works
		ok := in(func(ctx context.Context, w world) error {
			w.gesture = true
			return w.apply(ctx, mediaScript, &got, map[string]any{
				"budget": max(min(slice, time.Until(until)), 0).Milliseconds(), "max": maxMediaCount, "last": last, "ahead": maxAhead.Seconds(), "start": maxStart.Milliseconds(),
			})
		})
		resume()
		if !ok {
			return false
		}
		if !got.Left || last || !c.calm(ctx) {
			break
		}
	}
	stuck := false
	for i, m := range got.Media {
		c.acct.action(behaveMedia, "%s", m.String(i+1, got.Found))
		stuck = stuck || m.State == "stuck"
	}
	switch {
	case got.Left:
		c.acct.limit("Media", "media were not waited for any longer than %s", maxMedia)
	case stuck:
		c.acct.limit("Media", "media that did not begin were not waited for any longer than %s", maxStart)
	}
	if got.Found > len(got.Media) {
		c.acct.limit("Media", "%d of %d media were played", len(got.Media), got.Found)
	}
	return len(got.Media) > 0
}

// String says how the nth of count elements stands.
func (m played) String(n, count int) string {
	s := fmt.Sprintf("%s %d of %d ", m.Kind, n, count)
	switch {
	case m.State == "fails":
		return s + "does not play: " + clip(m.Why, 40)
	case m.State == "empty":
		return s + "has no source"
	case m.State == "stuck":
		return s + fmt.Sprintf("did not begin to play in %s", maxStart)
	case m.State != "plays":
		return s + "did not begin to play"
	case m.Duration < 0:
		return s + fmt.Sprintf("played: %.1f seconds fetched of a stream", m.Fetched)
	}
	return s + fmt.Sprintf("played: %.1f of %.1f seconds fetched", m.Fetched, m.Duration)
}
