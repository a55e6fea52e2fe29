package frontier

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/notary"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Chunks are vouched for beside the crawl, which does not wait for authorities: so many at
// once, each for so long. What is left over is made up for when the run is sealed.
const (
	maxVouching  = 64
	vouchTimeout = time.Minute
)

// vouching is what is under way of that.
type vouching struct {
	group sync.WaitGroup
	count atomic.Int64
}

// log tells the custody log of the chunks of results, before these are taken in. It is the planner
// who does, and not who stored the chunk: what has a browser beside it can neither read what is
// stored nor add to the log.
func (p *Planner) log(ctx context.Context, run string, results ...frontier.Result) error {
	if !p.Notary.Logs() {
		return nil
	}
	var captures []notary.Capture
	for _, r := range results {
		if r.Chunk != nil && r.Captured != nil && r.Stored != nil {
			captures = append(captures, notary.Capture{Object: objectOf(*r.Chunk), Captured: *r.Captured, Stored: *r.Stored})
		}
	}
	if err := p.Notary.Captured(ctx, run, captures...); err != nil {
		return err
	}
	for _, r := range results {
		if r.Chunk != nil {
			r.Chunk.Told = true
		}
	}
	return nil
}

// vouchSoon has the sidecars of chunks made, in the background.
func (p *Planner) vouchSoon(ctx context.Context, job workflows.Job, chunks []frontier.Chunk) {
	store, order := p.Store.Bucket(archiveOf(job, p.ArchiveBucket).Bucket), notary.Order{Run: job.Run, Authorization: job.Spec.Authorization.Reference}
	for _, c := range chunks {
		if p.vouching.count.Add(1) > maxVouching {
			p.vouching.count.Add(-1)
			return
		}
		p.vouching.group.Go(func() {
			defer p.vouching.count.Add(-1)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), vouchTimeout)
			defer cancel()
			if _, err := p.Notary.Vouch(ctx, store, order, objectOf(c)); err != nil {
				p.Logger.Warn("a chunk has no sidecar yet; it gets one when the run is sealed", "error", err)
			}
		})
	}
}

// Wait returns when the chunks are vouched for that were begun with, or after a time: what is left
// is made up for when its run is sealed.
func (p *Planner) Wait(patience time.Duration) { waitFor(&p.vouching.group, patience) }

func waitFor(group *sync.WaitGroup, patience time.Duration) {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}

func objectOf(c frontier.Chunk) notary.Object {
	return notary.Object{Key: blob.Key(c.Key), Size: c.Size, SHA256: c.SHA256}
}

// Stamp fetches the time stamps that a sealed run is owed.
func (p *Planner) Stamp(ctx context.Context, in workflows.StampInput) (workflows.StampOutput, error) {
	defer beat(ctx)()
	out, err := p.stamp(ctx, in)
	return out, storeError(err)
}

func (p *Planner) stamp(ctx context.Context, in workflows.StampInput) (out workflows.StampOutput, err error) {
	key, err := blob.NewKey(in.Statement)
	if err != nil {
		return out, err
	}
	data, err := get(ctx, p.Store.Bucket(in.Archive.Bucket), in.Statement, maxStatement)
	if err != nil {
		return out, err
	}
	var st Statement
	if err := json.Unmarshal(data, &st); err != nil {
		return out, fmt.Errorf("decode %q: %w", key, err)
	}
	out.Owed, err = p.vouch(ctx, in.Archive.Bucket, key, data, st)
	return out, err
}

// vouch sees to it that a closing statement is signed, and everything that it names is as far as
// its maker could sign it; it tells how many stamps are owed.
func (p *Planner) vouch(ctx context.Context, bucket string, key blob.Key, data []byte, st Statement) (owed int, err error) {
	statement := notary.Object{Key: key, Size: int64(len(data)), SHA256: frontier.Hash(data), Plain: true}
	if err := p.Notary.Stored(ctx, st.Run, statement, st.SealedAt); err != nil {
		return 0, err
	}
	objects := []notary.Object{statement}
	for _, c := range st.Chunks {
		objects = append(objects, objectOf(c))
	}
	return p.Notary.VouchAll(ctx, p.Store.Bucket(bucket), notary.Order{Run: st.Run, Authorization: st.Authorization.Reference}, objects)
}
