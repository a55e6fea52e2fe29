package retention

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// clocksApart is how far the clocks of a worker and of the store may be from each other.
	clocksApart = time.Minute
	// blockedAgain is after how long something is tried again that the store refused, or that
	// came back.
	blockedAgain = time.Hour
)

// tally counts the chunks of a run by what becomes of them, and all that is not as it should be.
type tally struct {
	chunks, held, kept, erased int
	missing                    int // chunks and lists that nobody erased
	missingHeld                int
	missed                     int // those whose time has come since
	left                       int // objects of any kind
	blocked                    int
	next                       time.Time
	keptUntil                  time.Time
}

// standing says what is left after all was done that could be.
func (r *run) standing() workflows.EraseOutput {
	now := r.clocks.Both()
	t := r.tally()
	out := workflows.EraseOutput{ObjectLock: r.objectLock()}
	out.Reason, out.Message = r.words(t)
	if !t.next.IsZero() { // by the clock that is behind: the other one has said so already
		out.Wait = max(t.next.Sub(now), time.Second)
	}
	var lifting time.Duration
	if out.Lifted, lifting = r.lifted(); lifting > 0 && (out.Wait == 0 || lifting < out.Wait) {
		out.Wait = lifting
	}
	if t.blocked > 0 || len(r.unlocked) > 0 || len(r.back) > 0 || len(r.contrary) > 0 {
		out.Wait = min(cmp.Or(out.Wait, blockedAgain), blockedAgain)
	}
	out.Done = t.left == 0 && len(r.contrary) == 0 && t.missing == 0 && len(r.stuck) == 0 && !now.Before(r.period.Ends())
	return out
}

func (r *run) tally() tally {
	t := tally{blocked: len(r.blocked)}
	for _, d := range r.log.Decisions {
		if r.voided[d.Seq] {
			continue
		}
		if r.stuck[d.Seq] && !r.waiting[d.Seq] {
			t.blocked += len(d.Erasing)
		}
		for _, e := range d.Erasing {
			if e.Missing {
				t.missed++
			}
		}
	}
	for name, f := range r.fates {
		r.add(&t, name, f)
	}
	if ends := r.period.Ends(); t.next.IsZero() && r.clocks.Both().Before(ends) { // what comes late is looked for until then
		t.next = ends
	}
	return t
}

// add counts one object.
func (r *run) add(t *tally, name string, f retention.Fate) {
	have, there := r.present[name]
	_, stated := r.stated[name]
	gone := r.proven[f.Erasing] && !there
	if there {
		t.left++
	}
	if stated && (!there || have.hidden) && f.Erasing == 0 {
		t.missing++
		if f.Held() {
			t.missingHeld++
		}
	}
	waits := (there || stated && !gone) && !f.Held() && f.Due.After(r.clocks.Both())
	if waits && (t.next.IsZero() || f.Due.Before(t.next)) {
		t.next = f.Due
	}
	if retention.UnitOf(name) == name { // a chunk
		t.count(f, gone || r.goes(f), r.period)
	}
}

func (t *tally) count(f retention.Fate, erased bool, p retention.Period) {
	t.chunks++
	switch {
	case erased:
		t.erased++
	case f.Held():
		t.held++
	case f.Due.After(p.Ends()):
		t.kept++
		if f.Due.After(t.keptUntil) {
			t.keptUntil = f.Due
		}
	}
}

// words are the reason and the sentence for it.
func (r *run) words(t tally) (workflows.Reason, string) {
	counts := t.String()
	switch {
	case len(r.contrary) > 0:
		return workflows.ReasonRetentionDrift, fmt.Sprintf("number %d of the decisions is proven to be carried out, and another says that it is void; %s", r.contrary[0], counts)
	case t.missing+t.missed > 0 || len(r.back) > 0:
		return workflows.ReasonRetentionDrift, fmt.Sprintf("%d objects are missing that nobody had erased, %d of them held; %d were there again after they had been erased; %s",
			t.missing+t.missed, t.missingHeld, len(r.back), counts)
	case t.blocked > 0 || len(r.unlocked) > 0:
		return workflows.ReasonErasureBlocked, r.refusals(t) + counts
	case r.clocks.Apart() > clocksApart:
		return workflows.ReasonClocksDiffer, fmt.Sprintf("the clocks of a worker and of the store are %s apart, and both have to say that something is due; %s",
			r.clocks.Apart().Round(time.Second), counts)
	case t.held > 0:
		return workflows.ReasonHeld, counts
	case t.kept > 0:
		return workflows.ReasonKept, counts + "; the last date is " + t.keptUntil.Format(time.RFC3339)
	case t.left > 0 || r.clocks.Both().Before(r.period.Ends()):
		return workflows.ReasonScreening, counts + "; what no case needs is erased at " + r.period.Ends().Format(time.RFC3339)
	}
	return workflows.ReasonErased, counts + "; the closing statement, the decisions and the proofs are left"
}

// refusals say what the store does not do, with the first object of each kind.
func (r *run) refusals(t tally) (text string) {
	if n := len(r.unlocked); n > 0 {
		text = fmt.Sprintf("%d objects are not locked in the store as was decided: %s; ", n, first(r.unlocked))
	}
	if t.blocked > 0 {
		why := "they were decided about, and are not due by these clocks, or the store refuses it (see the worker's log)"
		if len(r.blocked) > 0 {
			why = first(r.blocked)
		}
		text += fmt.Sprintf("%d objects are due and cannot be erased: %s; ", t.blocked, why)
	}
	return text
}

// first is the first object by its name, and why it is told of.
func first(whys map[string]string) string {
	name := slices.Min(slices.Collect(maps.Keys(whys)))
	return name + ": " + whys[name]
}

// String says how many chunks there are, and what becomes of them.
func (t tally) String() string {
	if t.chunks == 1 {
		return strings.NewReplacer("1 chunks", "1 chunk").Replace(t.list())
	}
	return t.list()
}

func (t tally) list() string {
	return fmt.Sprintf("%d chunks: %d held, %d kept for a case, %d erased, %d others", t.chunks, t.held, t.kept, t.erased, t.chunks-t.held-t.kept-t.erased)
}
