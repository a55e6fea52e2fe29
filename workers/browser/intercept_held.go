package browser

import (
	"context"
	"time"
)

// A body that is asked for at once is held by Chrome until it is whole, and then by us.
// Where its length is not known, neither of the two knows beforehand what it takes, and
// Chrome ends, with all its pages, where it should tell some 200 MB.
const (
	// heldEvery is how often it is looked how large a held body has become.
	heldEvery = 20 * time.Millisecond
	// heldGrowth is by how much the browser process may grow while a body is held whose
	// content coding may make anything of a few bytes. Others' pictures are in it, too:
	// it is the last resort before the browser's end.
	heldGrowth = 160 << 20
)

// weight is what there was when a body began to be held.
type weight struct {
	tunneled, streamed, resident int64
	coded                        bool // it has a content coding
}

// hold asks for a body that Chrome holds until it is whole. The error is errTooLarge when
// that is more than it should; ended reports whether Chrome had come to its end all the same.
// done is called when the result has been written away (see [session.callHeld]).
func (k *intercept) hold(s *session, a *answer, result any) (done func(), ended bool, err error) {
	coded := decodes(a.header("Content-Encoding"))
	if a.length() >= 0 && !coded {
		done, err = s.callHeld(k.ctx, "Fetch.getResponseBody", map[string]any{"requestId": a.RequestID}, result)
		return done, true, err
	}
	k.mu.Lock()
	k.holding++
	w := weight{tunneled: k.session.InFlight().Tunneled, streamed: k.streamed, coded: coded}
	k.mu.Unlock()
	if coded {
		w.resident = k.resident()
	}
	ctx, cancel := context.WithCancelCause(k.ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		k.weigh(ctx, cancel, w)
	}()
	done, err = s.callHeld(ctx, "Fetch.getResponseBody", map[string]any{"requestId": a.RequestID}, result)
	ended = ctx.Err() == nil
	cancel(nil)
	<-watched
	k.mu.Lock()
	k.holding--
	k.mu.Unlock()
	return done, ended, err
}

// weigh ends a context when what is held has become too large.
func (k *intercept) weigh(ctx context.Context, cancel context.CancelCauseFunc, w weight) {
	tick := time.NewTicker(heldEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if k.outgrown(w) {
				cancel(errTooLarge)
				return
			}
		}
	}
}

// outgrown reports whether more has come for the bodies that are held than they may have
// together. What was streamed meanwhile came through the same tunnels.
func (k *intercept) outgrown(w weight) bool {
	k.mu.Lock()
	came := k.session.InFlight().Tunneled - w.tunneled - (k.streamed - w.streamed)
	may := maxDocument * int64(max(k.holding, 1))
	k.mu.Unlock()
	return came > may || w.coded && k.resident()-w.resident > heldGrowth
}

// tooLarge ends a body that cannot be held, and reports whether its request must not go on:
// a document is better had as a file than not at all, and what has not come to its end would
// be held on.
func (k *intercept) tooLarge(a *answer, ended bool) (spent bool) {
	k.giveUp(a, "the browser did not hand out the body: it is too large to be held")
	k.mu.Lock()
	defer k.mu.Unlock()
	a.outgrew = true
	document := a.ResourceType == "Document"
	if document && a.FrameID == k.account.main {
		k.outgrew = a
	}
	return document || !ended
}

// again reports, once, whether the page's document was too large to be held, and has to be
// asked for anew: it is saved then, and not shown.
func (k *intercept) again() bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.outgrew == nil || k.saves {
		return false
	}
	k.saves = true
	k.outgrew.outgrew = false
	k.outgrew.noBody += ", and was asked for again to be saved"
	return true
}

// isSaved reports whether an answer is the page's document that was asked for anew.
func (k *intercept) isSaved(a *answer) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.saves && a.FrameID == k.account.main
}

// missing notes, of a record that was stopped, that there are bodies which could not be held.
func (k *intercept) missing() {
	k.mu.Lock()
	n := 0
	for _, c := range k.chains {
		for _, a := range c.answers {
			if a.outgrew {
				n++
			}
		}
	}
	k.mu.Unlock()
	if n > 0 {
		k.account.limit(LimitHeld, "%d bodies were too large to be held while they were taken down", n)
	}
}
