package frontier

import (
	"context"
	"encoding/json"
	"fmt"
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

// log tells the custody log of a chunk that is stored.
func (c *committer) log(ctx context.Context, stored *frontier.Chunk, chunk *closing) error {
	if stored == nil {
		return nil
	}
	return c.run.Notary.Captured(ctx, c.run.in.Job.Run, objectOf(*stored), chunk.closed, c.run.Now())
}

// vouch has the sidecar of a chunk made, in the background.
func (c *committer) vouch(ctx context.Context, stored *frontier.Chunk, chunk *closing) {
	b := c.run
	if stored == nil || chunk.signed == nil {
		return
	}
	if b.vouching.Add(1) > maxVouching {
		b.vouching.Add(-1)
		return
	}
	o, order := objectOf(*stored), notary.Order{Run: b.in.Job.Run, Authorization: b.in.Job.Spec.Authorization.Reference}
	o.Signed = chunk.signed.Data()
	store, crawler := b.Buckets.Bucket(b.in.Archive.Bucket), b.Crawler // the run itself may end
	crawler.background.Go(func() {
		defer crawler.vouching.Add(-1)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), vouchTimeout)
		defer cancel()
		if _, err := crawler.Notary.Vouch(ctx, store, order, o); err != nil {
			crawler.Logger.Warn("a chunk has no sidecar yet; it gets one when the run is sealed", "error", err)
		}
	})
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
