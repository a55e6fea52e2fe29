package frontier

import (
	"context"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// shortRest is how long a bundle waits for a host that asked to be left alone; for a longer
// time the host is given back.
const shortRest = 5 * time.Second

// firstRest is how long other runs leave a host alone that has just asked to be, and not said
// for how long.
const firstRest = 30 * time.Second

// awaitTurn waits until no other run is at the host. It is false when the host is to be left
// alone for now.
func (v *hostVisit) awaitTurn(ctx context.Context) (bool, error) {
	if v.claim == nil {
		return true, nil
	}
	defer v.waits(waitTurn)()
	for waited := false; ; waited = true {
		turn, err := v.claim.turn(ctx, v.host.Key)
		if err != nil {
			return false, err
		}
		if turn {
			if waited { // when the other one was there last is known to that one alone
				v.ready = later(v.ready, v.Now().Add(v.delay))
			}
			break
		}
		if !waited {
			v.Logger.InfoContext(ctx, "a host is visited by another run: its pages wait", "run", v.in.Job.Run, "bundle", v.in.Bundle.ID)
		}
		if why := v.stopReason(ctx); why != "" {
			v.lease.ask(why)
			v.giveBack(workflows.HostRest{Key: v.host.Key, Until: v.Now(), Reason: frontier.ReasonHostShared, Detail: "another job is visiting it"})
			return false, nil
		}
		v.pause(ctx, v.Now().Add(lookEvery))
	}
	until := v.claim.rest(v.host.Key)
	if until.Sub(v.Now()) > shortRest {
		v.giveBack(workflows.HostRest{Key: v.host.Key, Until: until, Reason: frontier.ReasonHostBusy, Detail: "it asked the fleet to"})
		return false, nil
	}
	v.ready = later(v.ready, until)
	return true, nil
}

// giveBack notes that a host is left alone.
func (b *bundleRun) giveBack(r workflows.HostRest) {
	b.restMu.Lock()
	defer b.restMu.Unlock()
	b.rests = append(b.rests, r)
}

// restUntil notes when a host has had its pause.
func (b *bundleRun) restUntil(ready time.Time) {
	b.restMu.Lock()
	defer b.restMu.Unlock()
	b.rested = later(b.rested, ready)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tell has other runs leave a host alone that asked to be, before its claim is given back; for
// how long in all is found out by the next plan.
func (v *hostVisit) tell(ctx context.Context, o frontier.Outcome) {
	until := o.Ended.Add(max(o.RetryAfter, firstRest))
	if v.claim == nil || !o.Asks() {
		return
	}
	if err := remember(ctx, v.claim.store, []frontier.HostRest{{Key: v.host.Key, Until: until}}); err != nil {
		v.Logger.WarnContext(ctx, "other runs could not be told that a host wants to be left alone", "run", v.in.Job.Run, "error", err)
	}
}
