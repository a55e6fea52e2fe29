package retention

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
)

// Who may write to the bucket can write an intent, and a proof of it, as workers do. So each intent
// is judged by what was decided before it, also one that is proven, until the custody log was told of
// it: the fleet must neither erase by a forged one, nor vouch for it.

// verdict is what is to be thought of an intent.
type verdict struct {
	// proven is set when there was a proof when it was judged.
	proven bool
	// unlawful says that it names what was held, or what is never erased: it is a forger's.
	unlawful error
	// early is set when the closing statement says that it was written too early: it is to be void.
	early bool
	// doubtful is set when it was early by the period of this Retain, and the statement does not
	// say that: one that was started anew cannot know what an earlier one knew.
	doubtful bool
}

// readPeriod finds out how long captures are there to be looked through. A closing statement says it,
// whenever the Retain was started: all who read one that names a period agree.
func (r *run) readPeriod(ctx context.Context) error {
	info, err := r.archive.Head(ctx, blob.Key(r.prefix+"run.json"))
	if errors.Is(err, blob.ErrNotFound) {
		return nil // the run was not sealed: what it stored is captured all the same
	}
	if err != nil || r.statement != nil && info.ETag == r.statementInfo.ETag && info.Modified.Equal(r.statementInfo.Modified) {
		return err
	}
	st, err := retention.ReadStatement(ctx, r.archive, r.prefix)
	if err != nil {
		return err
	}
	r.statement, r.statementInfo, r.verdicts = &st, info, map[int64]verdict{}
	r.period = r.periodOf(st.Period)
	r.stated = map[string]retention.Stated{}
	for _, o := range st.Objects {
		if erasable(o.Name) {
			r.stated[o.Name] = o
		}
	}
	return nil
}

// periodOf is the period that a statement says. The longer one holds where somebody started the Retain
// with another.
func (r *run) periodOf(said retention.Period) retention.Period {
	ordered := r.in.Retention.Screening
	if said.Length == 0 { // it is older than such periods, and who started the Retain knows one
		begins := r.in.EndedAt.UTC()
		if said.Begins.After(begins) {
			begins = said.Begins
		}
		return retention.Period{Begins: begins, Length: ordered}
	}
	if said.Length != ordered {
		r.Logger.Warn("the closing statement says another screening period: the longer one holds", "run", r.in.Run, "stated", said.Length, "ordered", ordered)
	}
	return retention.Period{Begins: said.Begins, Length: max(said.Length, ordered)}
}

// judge looks at each intent that is not void, and not told as done.
func (r *run) judge() {
	r.waiting = map[int64]bool{}
	for i := range r.log.Decisions {
		d := &r.log.Decisions[i]
		if d.Action != retention.Erase || r.voided[d.Seq] || r.proven[d.Seq] && d.Seq <= r.in.Told {
			continue
		}
		v, ok := r.verdicts[d.Seq]
		if !ok || v.proven != r.proven[d.Seq] {
			v = r.verdictOf(d)
			r.verdicts[d.Seq] = v
		}
		r.broken(v.unlawful)
		r.waiting[d.Seq] = v.doubtful && !r.areDue(d, r.fatesNow())
	}
}

func (r *run) verdictOf(d *retention.Decision) verdict {
	v := verdict{proven: r.proven[d.Seq]}
	fates := r.fatesAt(r.period, d.Seq)
	for _, e := range d.Erasing {
		if f := fates[e.Name]; e.Name != retention.State && !erasable(e.Name) || f.Held() {
			v.unlawful = fmt.Errorf("%w: number %d erases %q, which it must not", retention.ErrBroken, d.Seq, e.Name)
			return v
		}
	}
	v.early = r.isEarly(d.Seq)
	v.doubtful = !v.early && r.log.IsEarly(d.Seq, fates)
	return v
}

// isEarly tells whether an intent was written too early, by the closing statement alone: who does not
// know when the run was over, such as a person who holds something, must find the same. What is proven
// is judged by the words of the statement: the store dates it anew when it is restored.
func (r *run) isEarly(seq int64) bool {
	if r.statement == nil {
		return false
	}
	p := r.statement.Period
	if r.proven[seq] {
		p = r.statement.Said()
	}
	return r.log.IsEarly(seq, r.fatesAt(p, seq))
}

// fatesAt is what was decided about the objects of an intent when that was decided.
func (r *run) fatesAt(p retention.Period, seq int64) map[string]retention.Fate {
	return r.log.FatesAt(p, seq, slices.Clip(r.names))
}

// fatesNow is what is decided about all that any intent names.
func (r *run) fatesNow() map[string]retention.Fate {
	return r.fatesAt(r.period, r.log.Mark().Seq+1)
}

// areDue tells whether all that an intent names is due, by the clocks as they are now.
func (r *run) areDue(d *retention.Decision, fates map[string]retention.Fate) bool {
	return !slices.ContainsFunc(d.Erasing, func(e retention.Erasing) bool {
		f := fates[e.Name]
		return !f.IsDue(r.clocks.Both())
	})
}

// broken remembers the first of what is wrong with the decisions.
func (r *run) broken(err error) {
	if r.damage == nil {
		r.damage = err
	}
}

// checkProofs finds proofs of what was not decided, or of something else. They prove nothing.
func (r *run) checkProofs(ctx context.Context) error {
	for _, seq := range slices.Sorted(maps.Keys(r.proven)) {
		err := r.checkProof(ctx, seq)
		if err != nil && !errors.Is(err, retention.ErrBroken) {
			return err
		}
		if err != nil {
			r.broken(err)
			delete(r.proven, seq)
		}
	}
	return nil
}

func (r *run) checkProof(ctx context.Context, seq int64) error {
	if seq > r.log.Mark().Seq {
		return fmt.Errorf("%w: number %d is proven, and was never decided", retention.ErrBroken, seq)
	}
	p, err := retention.ReadProof(ctx, r.archive, r.prefix, r.log.MarkAt(seq))
	if err != nil {
		return err
	}
	return p.Proves(&r.log.Decisions[seq-1])
}

// settleVoids decides between proofs and decisions that say that the same erasure is void. It is either
// carried out or void from there on, and told as drift until the custody log was told of that.
func (r *run) settleVoids() {
	r.voided, r.contrary = r.log.Voided(), nil
	for _, d := range r.log.Decisions {
		if d.Action == retention.Void && r.proven[d.Voids] && d.Seq > r.in.Told {
			r.contrary = append(r.contrary, d.Voids)
		}
	}
	for seq := range r.voided {
		switch {
		case !r.proven[seq]:
		case r.wasCarriedOut(&r.log.Decisions[seq-1]):
			delete(r.voided, seq)
		default:
			delete(r.proven, seq)
		}
	}
}

// wasCarriedOut tells whether a proof of an intent that is void is to be believed: a worker was carrying
// it out, by right. What was kept or held since must not be explained away by a proof.
func (r *run) wasCarriedOut(d *retention.Decision) bool {
	v := r.verdictOf(d)
	return v.unlawful == nil && !v.early && !r.anyThere(d) && !r.log.KeptSince(d.Seq)
}

// anyThere tells whether the store has any of what an intent names.
func (r *run) anyThere(d *retention.Decision) bool {
	return slices.ContainsFunc(d.Erasing, func(e retention.Erasing) bool {
		_, there := r.present[e.Name]
		return there
	})
}

// standingDecisions are all but those that call void what was carried out.
func (r *run) standingDecisions() []retention.Decision {
	return slices.DeleteFunc(slices.Clone(r.log.Decisions), func(d retention.Decision) bool {
		return d.Action == retention.Void && !r.voided[d.Voids]
	})
}

// isDone tells whether the custody log may be told that an intent is carried out: the fleet vouches for
// that.
func (r *run) isDone(d *retention.Decision) bool {
	v := r.verdicts[d.Seq]
	return r.proven[d.Seq] && v.unlawful == nil && !v.early && !r.waiting[d.Seq] && !r.anyThere(d)
}

// goes tells whether an object is being erased: by an intent that is carried out as soon as the store
// allows it.
func (r *run) goes(f retention.Fate) bool {
	v := r.verdicts[f.Erasing]
	return r.underWay(f) && v.unlawful == nil && !v.early && !r.waiting[f.Erasing]
}
