package frontier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Restore looks what the store has of a run that began in another cluster. It changes nothing but
// the list of seeds, which it adds to when the order names more than the frontier has heard of.
func (p *Planner) Restore(ctx context.Context, in workflows.RestoreInput) (workflows.RestoreOutput, error) {
	defer beat(ctx)() // listing the manifests of a large run may take longer than a heartbeat may
	out, err := p.restore(ctx, in)
	return out, storeError(err)
}

func (p *Planner) restore(ctx context.Context, in workflows.RestoreInput) (out workflows.RestoreOutput, err error) {
	if out.Sealed, err = p.sealedRun(ctx, in.Job); err != nil || out.Sealed != nil {
		return out, err
	}
	store, job := p.Store.Bucket(p.FrontierBucket), in.Job
	first, err := p.readSeeds(ctx, store, job)
	if errors.Is(err, blob.ErrNotFound) { // it was saved before it had begun
		return workflows.RestoreOutput{}, nil
	}
	if err != nil {
		return out, err
	}
	if job.Seeding, err = p.newestSeeding(ctx, store, job, in.Seeds); err != nil {
		return out, err
	}
	for shard := range first.shards() {
		seq, err := newestManifest(ctx, store, job, shard)
		if errors.Is(err, blob.ErrNotFound) { // so does one that was just being seeded
			return workflows.RestoreOutput{}, nil
		}
		if err != nil {
			return out, err
		}
		s, err := p.open(ctx, store, job, shard, seq)
		if err != nil {
			return out, err
		}
		out.Shards = append(out.Shards, workflows.RestoredShard{Seq: seq, Counts: countsOf(s.state.Counts()), Open: s.state.Open()})
	}
	out.Seeding = job.Seeding
	return out, nil
}

// sealedRun is what the closing statement says, nil when there is none.
func (p *Planner) sealedRun(ctx context.Context, j workflows.Job) (*workflows.SealedRun, error) {
	archive := archiveOf(j, p.ArchiveBucket)
	key := archive.Prefix + "run.json"
	data, err := get(ctx, p.Store.Bucket(archive.Bucket), key, maxStatement)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the closing statement: %w", err)
	}
	var st Statement
	if err := json.Unmarshal(data, &st); err != nil {
		return nil, fmt.Errorf("decode %q: %w", key, err)
	}
	if st.Run != j.Run { // nothing may be added to what is another's
		return nil, temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s is the statement of run %q, and not of %q: restore the archive's bucket as it was", key, st.Run, j.Run),
			string(workflows.ReasonRunLost), nil)
	}
	return &workflows.SealedRun{Verdict: st.Verdict, Reason: st.Reason, Counts: st.Counts, Statement: key, StartedAt: st.StartedAt, SealedAt: st.SealedAt}, nil
}

// newestManifest is the number of the last manifest of a shard.
func newestManifest(ctx context.Context, store blob.Store, j workflows.Job, shard int) (int64, error) {
	newest := int64(-1)
	err := store.List(ctx, shardBase(j, shard)+"/m/", func(o blob.Info) bool {
		if seq, err := strconv.ParseInt(path.Base(string(o.Key)), 10, 64); err == nil {
			newest = max(newest, seq)
		}
		return true
	})
	if err == nil && newest < 0 {
		err = fmt.Errorf("manifests of shard %d: %w", shard, blob.ErrNotFound)
	}
	return newest, err
}

// newestSeeding is the number of the last list of seeds, with all that an order names: a later list
// is stored when it names more.
func (p *Planner) newestSeeding(ctx context.Context, store blob.Store, j workflows.Job, named workflows.Seeds) (int64, error) {
	prefix := seedsKey(workflows.Job{Namespace: j.Namespace, Name: j.Name, Run: j.Run}) + "-"
	j.Seeding = 0
	err := store.List(ctx, prefix, func(o blob.Info) bool {
		if n, err := strconv.ParseInt(strings.TrimPrefix(string(o.Key), prefix), 10, 64); err == nil {
			j.Seeding = max(j.Seeding, n)
		}
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("list the seeds: %w", err)
	}
	have, err := p.readSeeds(ctx, store, j)
	if err != nil {
		return 0, err
	}
	var r SeedReader
	if err := r.Lists(workflows.Seeds{URLs: have.Seeds}, nil); err != nil {
		return 0, err
	}
	before := len(r.Seeds())
	if _, err := r.valid(named.URLs); err != nil {
		return 0, err
	}
	if len(r.Seeds()) == before {
		return j.Seeding, nil
	}
	j.Seeding++
	err = putPacked(ctx, store, seedsKey(j), seedsObject{Version: 1, Seeds: r.Seeds(), Shards: have.Shards})
	if errors.Is(err, blob.ErrExists) {
		err = nil
	}
	return j.Seeding, err
}
