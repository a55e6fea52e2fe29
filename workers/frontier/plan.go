package frontier

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Plan takes in what bundles brought back, hands out new ones and writes the next
// manifest. Two attempts return the same: whose manifest is there first wins.
func (p *Planner) Plan(ctx context.Context, in workflows.PlanInput) (workflows.PlanOutput, error) {
	out, err := p.plan(ctx, in)
	return out, storeError(err)
}

func (p *Planner) plan(ctx context.Context, in workflows.PlanInput) (out workflows.PlanOutput, err error) {
	store := p.Store.Bucket(p.FrontierBucket)
	if in.Probe {
		if _, err := p.Store.Bucket(archiveOf(in.Job, p.ArchiveBucket).Bucket).Probe(ctx); err != nil {
			return out, err
		}
	}
	s, err := p.open(ctx, store, in.Job, in.Shard, in.Seq)
	if err != nil {
		return out, err
	}
	now := p.Now()
	s.state.At(now)
	if in.Shards > 1 {
		s.state.Allow(allowance(in))
	}
	if err := p.receive(ctx, store, in, s.state); err != nil {
		return out, err
	}
	taken, err := p.apply(ctx, store, in, s.state, now, &out)
	if err != nil {
		return out, err
	}
	if in.Job.Spec.Politeness.Scope != workflows.PolitenessJob {
		if err := remember(ctx, store, s.state.Rests(now)); err != nil {
			return out, err
		}
	}
	bundles := step(s.state, in, now, &out)
	for _, b := range bundles {
		ref := workflows.BundleRef{ID: b.ID, Key: fmt.Sprintf("%s/b/%s-%s", shardBase(in.Job, in.Shard), b.ID, nonce()), Pages: b.Pages(), Hosts: len(b.Hosts)}
		if err := putPacked(ctx, store, ref.Key, b); err != nil {
			return out, err
		}
		out.Bundles = append(out.Bundles, ref)
	}
	p.send(in, s.state, &out)
	if err := s.state.Check(); err != nil {
		return out, err
	}
	output, err := json.Marshal(out)
	if err != nil {
		return out, fmt.Errorf("encode the plan: %w", err)
	}
	if output, err = p.commit(ctx, store, in.Job, in.Shard, s, output); err != nil {
		return out, err
	}
	var committed workflows.PlanOutput
	if err := json.Unmarshal(output, &committed); err != nil {
		return out, fmt.Errorf("decode the plan: %w", err)
	}
	p.vouchSoon(ctx, in.Job, taken)
	return committed, nil
}

// apply takes in the results of the bundles that ended, and returns their chunks. The custody log is told first.
func (p *Planner) apply(ctx context.Context, store blob.Store, in workflows.PlanInput, s *frontier.State, now time.Time, out *workflows.PlanOutput) (taken []frontier.Chunk, err error) {
	for _, done := range in.Done {
		activity.RecordHeartbeat(ctx)
		keys := done.Results
		if done.Lost {
			found, err := recoverResults(ctx, store, in.Job, in.Shard, done.ID)
			if err != nil {
				return nil, err
			}
			keys = found
		}
		var results []frontier.Result
		for _, key := range keys {
			var r frontier.Result
			if err := getPacked(ctx, store, key, maxResult, &r); err != nil {
				return nil, err
			}
			results = append(results, r)
		}
		if err := p.log(ctx, in.Job.Run, results...); err != nil {
			return nil, err
		}
		if err := s.Apply(done.ID, results, now); err != nil {
			return nil, err
		}
		s.Rest(restsOf(done.Rests), now)
		out.Applied = append(out.Applied, done.ID)
		for _, r := range results {
			if r.Chunk != nil {
				taken = append(taken, *r.Chunk)
			}
		}
	}
	return taken, nil
}

func restsOf(list []workflows.HostRest) []frontier.HostRest {
	var rests []frontier.HostRest
	for _, r := range list {
		rests = append(rests, frontier.HostRest{Key: r.Key, Until: r.Until, Reason: string(r.Reason), Detail: r.Detail})
	}
	return rests
}

// step is the pure part of a plan: it fills in the output and returns the bundles.
func step(s *frontier.State, in workflows.PlanInput, now time.Time, out *workflows.PlanOutput) []frontier.Bundle {
	if in.Finish != "" {
		s.Finish(string(in.Finish))
	}
	limit := s.Limit()
	before := s.Counts()
	if in.Shards > 1 { // what the order allows is the run's to judge
		out.Hungry = limit != "" && before.Queued+before.Delayed > 0
	} else if limit != "" && before.Queued+before.Delayed > 0 && before.Leased == 0 {
		out.Limit = workflows.Reason(limit)
		s.Finish(limit)
	}
	var bundles []frontier.Bundle
	if limit == "" && in.Finish == "" && in.Slots > 0 {
		bundles = s.Choose(now, in.Slots, bundlePrefix(in)+strconv.FormatInt(s.Seq()+1, 10))
	}
	if limit == "" && in.Finish == "" {
		out.Ready = s.Ready(now, workflows.MaxReady)
	}
	if next := s.NextDue(); limit == "" && !next.IsZero() {
		out.DueIn = max(next.Sub(now), time.Millisecond)
	}
	out.Used = s.Used()
	out.Seq, out.Counts, out.Idle = s.Seq()+1, countsOf(s.Counts()), s.Idle()
	out.Waiting = waitingFor(s, out.Counts)
	return bundles
}

// bundlePrefix begins the names of bundles: those of several shards differ.
func bundlePrefix(in workflows.PlanInput) string {
	if in.Shards > 1 {
		return fmt.Sprintf("s%db", in.Shard)
	}
	return "b"
}

// waitingFor says what the crawl waits for when all that is left failed before, or is
// where nothing was reached.
func waitingFor(s *frontier.State, c workflows.Counts) *workflows.Waiting {
	h, ok := s.Hindered()
	if !ok || h.Reason == string(workflows.ReasonLoginExpired) { // the crawl itself tells of that
		return nil
	}
	reason, what := workflows.ReasonHostUnreachable, "a page"
	if h.Seed && c.Archived == 0 {
		reason, what = workflows.ReasonSeedUnreachable, "a seed"
	}
	if h.Reason == frontier.ReasonHostBusy {
		return &workflows.Waiting{
			Reason:   workflows.ReasonHostBusy,
			Message:  h.Host + " asks to be left alone: " + h.Detail + "; next try at " + clockTime(h.Next),
			NextStep: "Nothing has to be done. If this happens often, a larger politeness.delaySeconds in a new CrawlJob may help.",
		}
	}
	if h.Reason == frontier.ReasonHostShared {
		return &workflows.Waiting{
			Reason:   workflows.ReasonHostShared,
			Message:  h.Host + " is left alone: " + h.Detail + "; next try at " + clockTime(h.Next),
			NextStep: "Nothing has to be done: jobs take turns at a host. For a site of one's own, politeness.scope: Job in a new CrawlJob takes no heed of others.",
		}
	}
	message := what + " on " + h.Host + " cannot be loaded"
	for _, why := range []string{h.Reason, h.Detail} {
		if why != "" {
			message += ": " + why
		}
	}
	message += "; next try at " + clockTime(h.Next)
	if h.Try > 0 {
		message += fmt.Sprintf(", which is number %d of %d", h.Try, frontier.MaxTries)
	}
	return &workflows.Waiting{
		Reason:   reason,
		Message:  message,
		NextStep: "Check that the address is right and that the workers can resolve and reach its host; the crawl goes on by itself then.",
	}
}

// clockTime is a time of today for people.
func clockTime(t time.Time) string { return t.UTC().Format(time.TimeOnly + " UTC") }

func countsOf(c frontier.Counts) workflows.Counts {
	return workflows.Counts{
		Discovered: c.Discovered, Queued: c.Queued, Delayed: c.Delayed, Leased: c.Leased, Archived: c.Archived, Incomplete: c.Incomplete,
		Compared: workflows.Compared(c.Compared),
		Failed:   reasons(c.Failed), Skipped: reasons(c.Skipped), Bytes: c.Bytes, Chunks: c.Chunks,
	}
}

func reasons(m map[string]int64) map[workflows.Reason]int64 {
	if len(m) == 0 {
		return nil
	}
	out := make(map[workflows.Reason]int64, len(m))
	for reason, n := range m {
		out[workflows.Reason(reason)] = n
	}
	return out
}

// resultBase is the folder of a bundle's results. Below it each attempt has a folder of
// its own, a<attempt>-<nonce>, with c<number>.res for each chunk.
func resultBase(j workflows.Job, shard int, bundle string) string {
	return shardBase(j, shard) + "/r/" + bundle
}

// recoverResults finds what a bundle committed when Temporal does not know: it was
// cancelled between two attempts. The newest result names those before it.
func recoverResults(ctx context.Context, store blob.Store, j workflows.Job, shard int, bundle string) ([]string, error) {
	type found struct {
		key             string
		attempt, number int
	}
	var all []found
	err := store.List(ctx, resultBase(j, shard, bundle)+"/", func(o blob.Info) bool {
		folder, file := path.Split(string(o.Key))
		attempt, _, _ := strings.Cut(strings.TrimPrefix(path.Base(folder), "a"), "-")
		a, err1 := strconv.Atoi(attempt)
		n, err2 := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(file, "c"), ".res"))
		if errors.Join(err1, err2) == nil {
			all = append(all, found{string(o.Key), a, n})
		}
		return true
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	newest := slices.MaxFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.attempt, b.attempt), cmp.Compare(a.number, b.number))
	})
	var r frontier.Result
	if err := getPacked(ctx, store, newest.key, maxResult, &r); err != nil {
		return nil, err
	}
	return append(r.Before, newest.key), nil
}
