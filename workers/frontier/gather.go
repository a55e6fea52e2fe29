package frontier

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of what gathering holds in memory: how many results are read at once, and how
// large they are together, as stored, unless one is larger.
const (
	resultsAhead      = 32
	resultsAheadBytes = 8 << 20
)

// gather writes what a run leaves beside its chunks and its statement, once: the leads, and
// the index of its visits; and it tells the custody log of chunks that nobody has told it of.
// All is read from the results of the bundles, as far as the chunks are among those of the
// statement: what is in them is in the archive. So results must stay in the store until their
// run is sealed.
func (p *Planner) gather(ctx context.Context, store, archive blob.Store, in workflows.SealInput, st *Statement) (err error) {
	told := make(map[string]bool, len(st.Chunks)) // of the chunks of the statement
	for i, c := range st.Chunks {
		told[c.Key] = c.Told
		st.Chunks[i].Told = false
	}
	leads := &leadsWriter{store: archive, prefix: in.Archive.Prefix, part: leadsPart}
	index := newVisitsWriter(archive, in.Archive.Prefix, p.Dir)
	defer func() { err = errors.Join(err, index.close()) }()
	take := func(r *frontier.Result) error {
		if r.Chunk == nil {
			return nil
		}
		// It was captured, too, when the attempt was refused. And a planner of before, which took it
		// in while workers were upgraded, told nobody.
		done, stated := told[r.Chunk.Key]
		if !done {
			if err := p.log(ctx, in.Job.Run, *r); err != nil {
				return err
			}
		}
		if !stated {
			return nil // of an attempt that was refused
		}
		return errors.Join(leads.add(ctx, r), index.add(r))
	}
	for shard := range in.Seqs {
		if err := eachResult(ctx, store, shardBase(in.Job, shard)+"/r/", take); err != nil {
			return err
		}
	}
	if st.Leads, err = leads.finish(ctx); err != nil {
		return err
	}
	st.Visits, err = index.finish(ctx)
	return err
}

// eachResult hands on the results below a prefix, in the order of their keys.
func eachResult(ctx context.Context, store blob.Store, prefix string, take func(*frontier.Result) error) error {
	batch := resultBatch{store: store, tick: func() { activity.RecordHeartbeat(ctx) }, take: take}
	var all []blob.Info // a shard is meant for a hundred thousand pages, so for some thousand results
	err := store.List(ctx, prefix, func(o blob.Info) bool {
		if strings.HasSuffix(string(o.Key), ".res") {
			all = append(all, o)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, o := range all {
		if err := batch.add(ctx, o); err != nil {
			return err
		}
	}
	return batch.flush(ctx)
}

// resultBatch reads results some at a time, and hands them on in their order.
type resultBatch struct {
	store blob.Store
	// tick is called before each time.
	tick    func()
	take    func(*frontier.Result) error
	waiting []blob.Info
	size    int64
}

func (b *resultBatch) add(ctx context.Context, o blob.Info) error {
	if len(b.waiting) > 0 && (len(b.waiting) == resultsAhead || b.size+o.Size > resultsAheadBytes) {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	b.waiting, b.size = append(b.waiting, o), b.size+o.Size
	return nil
}

func (b *resultBatch) flush(ctx context.Context) error {
	b.tick()
	results := make([]frontier.Result, len(b.waiting))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, o := range b.waiting {
		group.Go(func() error { return getPacked(groupCtx, b.store, string(o.Key), maxResult, &results[i]) })
	}
	b.waiting, b.size = b.waiting[:0], 0
	if err := group.Wait(); err != nil {
		return fmt.Errorf("read the results: %w", err)
	}
	for i := range results {
		if err := b.take(&results[i]); err != nil {
			return err
		}
	}
	return nil
}
