package frontier

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// keptManifests is how many of the last manifests stay, with all that they need.
const keptManifests = 20

// Sweep removes objects of a shard that nothing needs: manifests but for the first and the
// last ones, segments that none of those names, bundles that have ended, exchanges that
// everyone has taken in. All of them have to be older than SweepAge. It
// works on the frontier bucket alone.
func (p *Planner) Sweep(ctx context.Context, in workflows.SweepInput) (workflows.SweepOutput, error) {
	out, err := p.sweep(ctx, in)
	return out, storeError(err)
}

func (p *Planner) sweep(ctx context.Context, in workflows.SweepInput) (out workflows.SweepOutput, err error) {
	store := p.Store.Bucket(p.FrontierBucket)
	n, err := p.needs(ctx, store, in)
	if err != nil {
		return out, err
	}
	before := n.at
	if now := p.Now(); now.Before(before) {
		before = now // clocks differ
	}
	before = before.Add(-workflows.SweepAge)
	for _, prefix := range []string{shardBase(in.Job, in.Shard) + "/", exchangeBase(in.Job, in.Shard) + "/"} {
		var failed error
		err := store.List(ctx, prefix, func(o blob.Info) bool {
			activity.RecordHeartbeat(ctx)
			if !o.Modified.Before(before) || o.Modified.IsZero() || n.needed(strings.TrimPrefix(string(o.Key), prefix), string(o.Key)) {
				return true
			}
			if failed = store.Remove(ctx, o.Key); failed != nil {
				return false
			}
			out.Objects++
			out.Bytes += o.Size
			return true
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// needs is what a shard needs at a manifest.
type needs struct {
	at       time.Time // of the manifest: what is newer may be needed
	keys     map[string]bool
	bundles  map[string]bool // by name
	manifest int64           // the oldest one that is kept
}

func (p *Planner) needs(ctx context.Context, store blob.Store, in workflows.SweepInput) (needs, error) {
	n := needs{keys: map[string]bool{}, bundles: map[string]bool{}, manifest: max(0, in.Seq-keptManifests+1)}
	for _, key := range in.Unread {
		n.keys[key] = true
	}
	var last frontier.Manifest
	for seq := n.manifest; seq <= in.Seq; seq++ {
		m, _, err := readManifest(ctx, store, in.Job, in.Shard, seq)
		if err != nil {
			return n, err
		}
		for _, segment := range m.Segments() {
			n.keys[segment.Key] = true
		}
		last = m
	}
	n.at = last.Created
	rules, _, err := p.rules(ctx, store, in.Job)
	if err != nil {
		return n, err
	}
	s, err := frontier.Open(rules, last, func(key string) ([]byte, error) { return get(ctx, store, key, maxSegment) })
	if err != nil {
		return n, err
	}
	for _, id := range s.Open() {
		n.bundles[id] = true
	}
	return n, nil
}

// needed tells whether an object is needed; name is its key within the shard, or within its
// exchanges. One whose name says nothing stays.
func (n needs) needed(name, key string) bool {
	if n.keys[key] {
		return true
	}
	folder, rest, isFolder := strings.Cut(name, "/")
	if !isFolder { // an exchange
		return false
	}
	switch folder {
	case "m":
		seq, err := strconv.ParseInt(rest, 10, 64)
		return err != nil || seq == 0 || seq >= n.manifest
	case "q":
		return false
	case "b":
		id, _, ok := cutLast(path.Base(rest), "-")
		return !ok || n.bundles[id]
	}
	return true // also results (r): the leads in them are read when the run is sealed
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func exchangeBase(j workflows.Job, shard int) string { return fmt.Sprintf("%s/x/%d", base(j), shard) }
