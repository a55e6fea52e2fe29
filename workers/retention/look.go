package retention

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// run is what one attempt knows of a run.
type run struct {
	*Keeper
	in                workflows.EraseInput
	archive, frontier *blob.Bucket
	prefix            string

	locking, stateLocking blob.Locking

	// What a look finds.
	clocks        retention.Clocks
	statement     *retention.Statement // nil while the run is not sealed
	statementInfo blob.Info
	period        retention.Period
	stated        map[string]retention.Stated
	log           *retention.Log
	present       map[string]object
	proven        map[int64]bool // by the number of the intent
	voided        map[int64]bool // in the same way
	names         []string       // of all that there is, or should be
	fates         map[string]retention.Fate
	verdicts      map[int64]verdict // of intents, by their number
	waiting       map[int64]bool    // doubtful intents of what is not due, or is held
	contrary      []int64           // intents that are void and proven, untold
	damage        error             // nothing is erased because of it

	// What the attempt met with.
	blocked  map[string]string // objects that are due and cannot be erased, and why
	unlocked map[string]string // objects whose locks do not follow what was decided, and why
	stuck    map[int64]bool    // intents that cannot be carried out now
	back     map[string]bool   // objects that were erased and are there again
	done     map[string]bool   // objects that this attempt has erased: it does so once
	mine     []int64           // intents of this attempt
	noting   sync.Mutex        // of unlocked
}

// object is one that the store has.
type object struct {
	size int64
	sum  string
	// hidden is set when it can be had as an old version alone.
	hidden bool
}

// begin reads what does not change.
func (r *run) begin(ctx context.Context) (err error) {
	if r.locking, err = r.archive.Locking(ctx); err != nil {
		return err
	}
	if r.stateLocking, err = r.frontier.Locking(ctx); err != nil {
		return err
	}
	r.period = retention.Period{Begins: r.in.EndedAt.UTC(), Length: r.in.Retention.Screening}
	r.stated, r.stuck, r.verdicts, r.unlocked = map[string]retention.Stated{}, map[int64]bool{}, map[int64]verdict{}, map[string]string{}
	return nil
}

// look finds out how the run stands. The order matters where somebody else erases meanwhile:
// what is proven is there no more when objects are listed, and what was listed as gone was
// decided before the decisions are read.
func (r *run) look(ctx context.Context) (err error) {
	if err := r.readClocks(ctx); err != nil {
		return err
	}
	if err := r.readPeriod(ctx); err != nil {
		return err
	}
	if err := r.listProofs(ctx); err != nil {
		return err
	}
	if err := r.list(ctx); err != nil {
		return err
	}
	if err := r.readLog(ctx); err != nil {
		return err
	}
	r.damage = nil
	if err := r.checkProofs(ctx); err != nil {
		return err
	}
	r.names = slices.Sorted(maps.Keys(r.present))
	for name := range r.stated {
		if _, ok := r.present[name]; !ok {
			r.names = append(r.names, name)
		}
	}
	if _, ok := r.present[retention.State]; !ok {
		r.names = append(r.names, retention.State)
	}
	r.settleVoids()
	r.fates = retention.Judge(r.period, r.standingDecisions(), append(r.erasedNames(), r.names...))
	r.judge()
	for name, f := range r.fates {
		if _, ok := r.present[name]; ok && name != retention.State && r.proven[f.Erasing] {
			r.back[name] = true
		}
	}
	return nil
}

// erasedNames are those of what is proven to be erased: lists go with the first chunk, also where it
// went before them and nothing else knows of it.
func (r *run) erasedNames() (names []string) {
	for _, d := range r.log.Decisions {
		if r.proven[d.Seq] {
			for _, e := range d.Erasing {
				names = append(names, e.Name)
			}
		}
	}
	return names
}

// readLog reads the decisions. They must go on from what was seen before, by this attempt, too.
func (r *run) readLog(ctx context.Context) error {
	log, err := retention.Read(ctx, r.archive, r.prefix)
	if err != nil {
		return err
	}
	if err := log.Follows(retention.Mark(r.in.Log)); err != nil {
		return err
	}
	if r.log != nil {
		if err := log.Follows(r.log.Mark()); err != nil {
			return err
		}
	}
	r.log = log
	return nil
}

// tooEarly are the objects of intents of this attempt that became void.
func (r *run) tooEarly() map[string]bool {
	names := map[string]bool{}
	for _, seq := range r.mine {
		for _, e := range r.log.Decisions[seq-1].Erasing {
			names[e.Name] = names[e.Name] || r.voided[seq]
		}
	}
	return names
}

func (r *run) readClocks(ctx context.Context) error {
	at, err := r.archive.Time(ctx)
	if err != nil {
		return err
	}
	r.clocks = retention.Clocks{Worker: r.Now().UTC(), Store: at}
	return nil
}

func (r *run) listProofs(ctx context.Context) error {
	r.proven = map[int64]bool{}
	return r.archive.List(ctx, r.prefix+retention.Folder, func(o blob.Info) bool {
		if seq, ok := retention.Proven(strings.TrimPrefix(string(o.Key), r.prefix)); ok {
			r.proven[seq] = true
		}
		return true
	})
}

// list reads the names of all that could be erased.
func (r *run) list(ctx context.Context) error {
	r.present = map[string]object{}
	note := func(o blob.Info, current bool) bool {
		name := strings.TrimPrefix(string(o.Key), r.prefix)
		if !erasable(name) {
			return true
		}
		if have, ok := r.present[name]; !ok || have.hidden && current {
			r.present[name] = object{size: o.Size, sum: o.SHA256, hidden: !current}
		}
		return true
	}
	if err := each(ctx, r.archive, r.locking, r.prefix, note); err != nil {
		return err
	}
	return each(ctx, r.frontier, r.stateLocking, r.statePrefix(), func(blob.Info, bool) bool {
		r.present[retention.State] = object{} // how much there is of it is counted when it goes
		return false
	})
}

// each calls yield for all that lies below a prefix, old versions too.
func each(ctx context.Context, b *blob.Bucket, l blob.Locking, prefix string, yield func(o blob.Info, current bool) bool) error {
	if l.Versioned {
		return b.ListVersions(ctx, prefix, yield)
	}
	return b.List(ctx, prefix, func(o blob.Info) bool { return yield(o, true) })
}

// erasable tells whether objects of a name are captures, or made of captures. The closing
// statement, the decisions and the proofs are what stays.
func erasable(name string) bool {
	for _, folder := range []string{retention.Chunks, retention.Leads, retention.Visits} {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}

// statePrefix is where the state of the run's queue lies in the frontier's bucket.
func (r *run) statePrefix() string {
	return r.in.Namespace + "/" + r.in.Name + "/" + r.in.Run + "/"
}

func (r *run) objectLock() string {
	if r.locking.ObjectLock {
		return workflows.ObjectLockGovernance
	}
	return workflows.ObjectLockUnavailable
}

// due are objects that are to be erased now, as many as one decision names. What the store
// itself keeps under a lock is left out, and told.
func (r *run) due(ctx context.Context) (list []retention.Erasing, err error) {
	clear(r.blocked)
	early := r.tooEarly()
	for _, name := range slices.Sorted(maps.Keys(r.fates)) {
		if !r.isDue(name) {
			continue
		}
		if early[name] { // once a look: the next one would be as early
			r.blocked[name] = "the store dates decisions before the time that it tells: its clocks differ"
			continue
		}
		locked, err := r.isLocked(ctx, name)
		if err != nil {
			return nil, err
		}
		if locked {
			continue
		}
		e, err := r.erasing(ctx, name)
		if err != nil {
			return nil, err
		}
		if list = append(list, e); len(list) == retention.MaxObjects {
			return list, nil
		}
	}
	return list, nil
}

// isDue tells whether an object is to be erased by both clocks. One that is gone, and that
// the closing statement names, is to be once: then that is stated, and versions of it go.
func (r *run) isDue(name string) bool {
	f := r.fates[name]
	if !f.IsDue(r.clocks.Both()) || r.underWay(f) || r.done[name] {
		return false
	}
	_, there := r.present[name]
	_, stated := r.stated[name]
	return there || stated && !r.proven[f.Erasing]
}

// isLocked tells whether the store itself keeps an object, and notes why.
func (r *run) isLocked(ctx context.Context, name string) (bool, error) {
	_, there := r.present[name]
	if !r.locking.ObjectLock || !there || name == retention.State {
		return false, nil
	}
	why, err := r.lockedBy(ctx, name)
	if why != "" {
		r.blocked[name] = why
	}
	return why != "", err
}

// erasing is an object as a decision names it.
func (r *run) erasing(ctx context.Context, name string) (retention.Erasing, error) {
	f, have := r.fates[name], r.present[name]
	e := retention.Erasing{Name: name, Size: have.size, SHA256: have.sum, Due: f.Due, For: f.For}
	if said, stated := r.stated[name]; stated {
		_, there := r.present[name]
		e.Size, e.SHA256, e.Stated, e.Missing = said.Size, said.SHA256, true, !there || have.hidden
		return e, nil
	}
	if name == retention.State {
		return e, nil
	}
	err := r.fill(ctx, &e)
	return e, err
}

// underWay tells whether an object is named by an erasure that is not proven.
func (r *run) underWay(f retention.Fate) bool { return f.Erasing > 0 && !r.proven[f.Erasing] }

// fill asks the store for the sum of an object that nothing else names.
func (r *run) fill(ctx context.Context, e *retention.Erasing) error {
	info, err := r.archive.Head(ctx, blob.Key(r.prefix+e.Name))
	if errors.Is(err, blob.ErrNotFound) {
		return nil // it is hidden, or somebody else erases it
	}
	if err != nil {
		return err
	}
	e.Size, e.SHA256 = info.Size, info.SHA256
	return nil
}
