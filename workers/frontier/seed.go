package frontier

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Preflight asks whether both buckets are there, may be written to, and refuse to
// overwrite.
func (p *Planner) Preflight(ctx context.Context, in workflows.PreflightInput) (workflows.PreflightOutput, error) {
	out := workflows.PreflightOutput{Archive: archiveOf(in.Job, p.ArchiveBucket)}
	for _, name := range []string{out.Archive.Bucket, p.FrontierBucket} {
		abilities, err := p.Store.Bucket(name).Probe(ctx)
		if err != nil {
			return out, storeError(err)
		}
		if !abilities.Checksums {
			p.Logger.WarnContext(ctx, "the store keeps no SHA-256 of its own; the one that is sent along is believed", "bucket", name)
		}
	}
	return out, nil
}

// Seed collects the seeds and writes the first manifest, once.
func (p *Planner) Seed(ctx context.Context, in workflows.SeedInput) (workflows.SeedOutput, error) {
	out, err := p.seed(ctx, in)
	return out, storeError(err)
}

func (p *Planner) seed(ctx context.Context, in workflows.SeedInput) (workflows.SeedOutput, error) {
	store := p.Store.Bucket(p.FrontierBucket)
	o, err := p.readSeeds(ctx, store, in.Job)
	if errors.Is(err, blob.ErrNotFound) {
		o, err = p.storeSeeds(ctx, store, in)
	}
	if err != nil {
		return workflows.SeedOutput{}, err
	}
	rules, err := frontier.NewRules(SpecOf(in.Job.Spec, o.Seeds))
	if err != nil {
		return workflows.SeedOutput{}, invalidSeeds(err)
	}
	out := workflows.SeedOutput{Shards: o.shards()}
	for shard := range out.Shards {
		activity.RecordHeartbeat(ctx)
		counts, err := p.begin(ctx, store, in.Job, o, rules, shard)
		if err != nil {
			return workflows.SeedOutput{}, err
		}
		out.Counts = out.Counts.Plus(counts)
		if out.Shards > 1 {
			out.Each = append(out.Each, counts)
		}
	}
	return out, nil
}

// storeSeeds collects the seeds and stores them, once.
func (p *Planner) storeSeeds(ctx context.Context, store blob.Store, in workflows.SeedInput) (seedsObject, error) {
	if err := storeScripts(ctx, store, in); err != nil {
		return seedsObject{}, err
	}
	seeds, err := p.collect(ctx, in)
	if err != nil {
		return seedsObject{}, err
	}
	o := seedsObject{Version: 1, Seeds: seeds, Shards: ShardsFor(in.Job.Spec, seeds)}
	if err := putPacked(ctx, store, seedsKey(in.Job), o); err != nil && !errors.Is(err, blob.ErrExists) {
		return seedsObject{}, err
	}
	// What is stored counts: another attempt may have read another sitemap.
	return p.readSeeds(ctx, store, in.Job)
}

// Amend stores the list of seeds of an order that was widened, once: those of before, and
// those that are new. One that cannot be visited is passed over and named: it can never be
// taken out of the order again, and must not keep back what comes after it.
func (p *Planner) Amend(ctx context.Context, in workflows.AmendInput) (workflows.AmendOutput, error) {
	out, err := p.amend(ctx, in)
	return out, storeError(err)
}

func (p *Planner) amend(ctx context.Context, in workflows.AmendInput) (out workflows.AmendOutput, err error) {
	store := p.Store.Bucket(p.FrontierBucket)
	before, err := p.readSeeds(ctx, store, in.Job)
	if err != nil {
		return out, err
	}
	var r SeedReader
	if err := r.Lists(workflows.Seeds{URLs: before.Seeds}, nil); err != nil {
		return out, seedFailure(err)
	}
	if out.Invalid, err = r.valid(in.Seeds); err != nil {
		return out, seedFailure(err)
	}
	o := seedsObject{Version: 1, Seeds: r.Seeds(), Shards: before.Shards}
	job := in.Job
	job.Seeding = in.Seeding
	if err := putPacked(ctx, store, seedsKey(job), o); err != nil && !errors.Is(err, blob.ErrExists) {
		return out, err
	}
	return out, nil
}

// begin writes the first manifest of a shard, unless an attempt before this one did, and
// returns its books.
func (p *Planner) begin(ctx context.Context, store blob.Store, j workflows.Job, o seedsObject, rules *frontier.Rules, shard int) (workflows.Counts, error) {
	first, _, err := readManifest(ctx, store, j, shard, 0)
	if err == nil {
		return countsOf(first.Counts), nil
	}
	if !errors.Is(err, blob.ErrNotFound) {
		return workflows.Counts{}, err
	}
	state := frontier.NewShard(rules, shard, o.shards())
	if err := state.Add(o.Seeds); err != nil {
		return workflows.Counts{}, invalidSeeds(err)
	}
	counts := countsOf(state.Counts())
	_, err = p.commit(ctx, store, j, shard, &stored{state: state, rules: rules, order: orderOf{j.Spec.Limits, j.Seeding}}, nil)
	return counts, err
}

// invalidSeeds ends the run: trying again would not help.
func invalidSeeds(err error) error {
	message := err.Error() + ". Correct it in a new CrawlJob"
	return temporal.NewNonRetryableApplicationError(message, string(workflows.ReasonInvalidSeeds), err)
}

// collect gathers the seeds of the order, of the packed list and of the sitemaps.
func (p *Planner) collect(ctx context.Context, in workflows.SeedInput) ([]string, error) {
	r := p.seedings.take(in.Job.Run)
	r.Robots, r.Delay = p.Robots.For(in.Job.Spec), in.Job.Spec.Politeness.Delay
	r.Tick = func() { activity.RecordHeartbeat(ctx) }
	r.Warn = func(message string, err error) { p.Logger.WarnContext(ctx, message, "run", in.Job.Run, "error", err) }
	err := r.Order(ctx, in.Job.Spec, in.Seeds, in.SeedList)
	if err == nil {
		return r.Seeds(), nil
	}
	var e *SeedError
	if !errors.As(err, &e) || e.Reason != workflows.ReasonInvalidSeeds {
		p.seedings.keep(r) // the next attempt goes on there
	}
	return nil, seedFailure(err)
}

// seedFailure gives what is wrong with seeds the type by which a workflow knows it.
func seedFailure(err error) error {
	var e *SeedError
	switch {
	case !errors.As(err, &e):
		return err
	case e.Reason == workflows.ReasonInvalidSeeds:
		return invalidSeeds(e)
	}
	message := e.Message
	if !e.until.IsZero() {
		message += "; it is not asked for before " + clockTime(e.until)
	}
	return workflows.NewTrouble(e.Reason, message, e.Err)
}
