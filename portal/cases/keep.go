package cases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
)

// Keeper keeps captures for a case. [Retention] is the one of an archive.
type Keeper interface {
	Keep(ctx context.Context, k Keeping) ([]Kept, error)
}

// Keeping says what is to be kept, and why.
type Keeping struct {
	// Case is the name of the case, Captures are what is to be kept: with each the chunk that it is in,
	// whatever else that has.
	Case     string
	Captures []Capture
	// Until is to when they are kept. A later decision of the same case takes the place of the one
	// before: a shorter time is refused unless Shorten is set, as chunks may be kept for other
	// captures of the case, too.
	Until   time.Time
	Shorten bool
	// By is who decides, Why the reason in a sentence. Both stand in the decision for good, also
	// when the captures are erased and the case is.
	By, Why string
}

// Kept is what became of it in one run.
type Kept struct {
	// Run is where its archive lies: NAMESPACE/JOB/UID/, with a prefix before it where there is one.
	Run string `json:"run"`
	// Decision is where the decision stands, the last one when it took more than one. It is zero
	// when nothing is kept.
	Decision retention.Mark `json:"decision"`
	// Chunks are kept, Gone are not there any more, and for TooLate an erasure is decided already.
	Chunks  []blob.Key `json:"chunks"`
	Gone    []blob.Key `json:"gone,omitempty"`
	TooLate []blob.Key `json:"tooLate,omitempty"`
	// Untold says why who looks after the run could not be told. It sees the decision within a day.
	Untold string `json:"untold,omitempty"`
}

// ErrShorter says that a chunk is kept for the case for longer than that.
var ErrShorter = errors.New("is kept for the case for longer")

// Retention keeps captures by decisions about retention, which lie beside the captures as those of
// crawlctl retention keep do (docs/retention.md).
//
// The store is enough: whoever erases reads all decisions first, so that none is missed. What looks after a
// run reads them once a day, and sets the store's own locks then where it has any. To have that at once it is
// told by Decided.
type Retention struct {
	Store retention.Store
	// Now is the clock.
	Now func() time.Time
	// Decided tells who looks after the run of that UID that something was decided (the signal
	// Decided of its workflow Retain); nil tells nobody. That there is nobody is no error.
	Decided func(ctx context.Context, uid string) error
}

// Keep implements Keeper. It goes on with other runs when one fails, so that what it returns holds
// also when there is an error.
func (r *Retention) Keep(ctx context.Context, k Keeping) ([]Kept, error) {
	if err := chain.Name(k.Case); err != nil {
		return nil, err
	}
	now := r.Now().UTC()
	if !k.Until.After(now) {
		return nil, fmt.Errorf("the date %s has passed: the decision %w", k.Until.Format(time.RFC3339), chain.ErrInvalid)
	}
	runs := map[string][]string{}
	for i := range k.Captures {
		if err := k.Captures[i].check(); err != nil {
			return nil, err
		}
		run, unit := unitOf(k.Captures[i].Chunk)
		if !slices.Contains(runs[run], unit) {
			runs[run] = append(runs[run], unit)
		}
	}
	var all []Kept
	var errs []error
	for _, run := range slices.Sorted(maps.Keys(runs)) {
		slices.Sort(runs[run])
		kept, err := r.keepRun(ctx, run, runs[run], &k, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("keep what is in %s: %w", run, err))
		}
		all = append(all, kept)
	}
	return all, errors.Join(errs...)
}

// unitOf is the run of a chunk, with a slash at its end, and the chunk's name below it.
func unitOf(chunk blob.Key) (run, unit string) {
	p, _ := catalog.ParseKey(chunk) // that it is one was checked
	return p.Folder, retention.Chunks + p.File
}

func (r *Retention) keepRun(ctx context.Context, run string, units []string, k *Keeping, now time.Time) (Kept, error) {
	kept := Kept{Run: run, Chunks: []blob.Key{}}
	there := map[string]bool{}
	err := r.Store.List(ctx, run+retention.Chunks, func(o blob.Info) bool {
		there[strings.TrimPrefix(string(o.Key), run)] = true
		return true
	})
	if err != nil {
		return kept, err
	}
	var left []string
	for _, unit := range units {
		if there[unit] {
			left = append(left, unit)
		} else {
			kept.Gone = append(kept.Gone, blob.Key(run+unit))
		}
	}
	if len(left) == 0 {
		return kept, nil
	}
	log, err := retention.Read(ctx, r.Store, run)
	if err == nil && !k.Shorten {
		err = longer(log, left, k)
	}
	if err != nil {
		return kept, err
	}
	d := retention.Decision{Action: retention.Keep, Case: k.Case, Until: k.Until.UTC(), By: k.By, Why: k.Why, At: now}
	for some := range slices.Chunk(left, retention.MaxObjects) {
		d.Objects = some
		if err := r.decide(ctx, &kept, d); err != nil {
			return kept, err
		}
	}
	r.tell(ctx, &kept)
	return kept, nil
}

// KeptUntil tells to when a case keeps the chunks of captures; those that it does not keep are left
// out. Other cases, and holds, may keep them as well.
func (r *Retention) KeptUntil(ctx context.Context, name string, captures []Capture) (map[blob.Key]time.Time, error) {
	kept, logs := map[blob.Key]time.Time{}, map[string]*retention.Log{}
	for i := range captures {
		run, unit := unitOf(captures[i].Chunk)
		if logs[run] == nil {
			log, err := retention.Read(ctx, r.Store, run)
			if err != nil {
				return nil, fmt.Errorf("read what is decided about %s: %w", run, err)
			}
			logs[run] = log
		}
		if until := keptUntil(logs[run], unit, name); !until.IsZero() {
			kept[captures[i].Chunk] = until
		}
	}
	return kept, nil
}

// keptUntil is to when a case keeps a chunk: what was decided last counts.
func keptUntil(log *retention.Log, unit, name string) (until time.Time) {
	for i := range log.Decisions {
		d := &log.Decisions[i]
		if d.Action == retention.Keep && d.Case == name && (len(d.Objects) == 0 || slices.Contains(d.Objects, unit)) {
			until = d.Until
		}
	}
	return until
}

// longer refuses to shorten what the case keeps.
func longer(log *retention.Log, units []string, k *Keeping) error {
	for _, unit := range units {
		until := keptUntil(log, unit, k.Case)
		if until.After(k.Until) {
			return fmt.Errorf("%s %w: until %s", unit, ErrShorter, until.Format(time.RFC3339))
		}
	}
	return nil
}

// decide writes a decision. Where it comes too late for one of the chunks, each is decided about by
// itself.
func (r *Retention) decide(ctx context.Context, kept *Kept, d retention.Decision) error {
	log, err := retention.Decide(ctx, r.Store, kept.Run, d)
	switch {
	case errors.Is(err, retention.ErrErasing) && len(d.Objects) > 1:
		for _, unit := range d.Objects {
			one := d
			one.Objects = []string{unit}
			if err := r.decide(ctx, kept, one); err != nil {
				return err
			}
		}
		return nil
	case errors.Is(err, retention.ErrErasing):
		kept.TooLate = append(kept.TooLate, blob.Key(kept.Run+d.Objects[0]))
		return nil
	case err != nil:
		return err
	}
	kept.Decision = log.Mark()
	for _, unit := range d.Objects {
		kept.Chunks = append(kept.Chunks, blob.Key(kept.Run+unit))
	}
	return nil
}

// tell has who looks after the run see the decision at once.
func (r *Retention) tell(ctx context.Context, kept *Kept) {
	if r.Decided == nil || len(kept.Chunks) == 0 {
		return
	}
	if err := r.Decided(ctx, retention.RunOf(kept.Run)); err != nil {
		kept.Untold = err.Error()
	}
}
