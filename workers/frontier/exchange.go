package frontier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.temporal.io/sdk/activity"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxPart bounds a part of an exchange as it is stored, in bytes.
const maxPart = 64 << 20

// allowance is how many pages a shard of several may visit, negative for no bound.
func allowance(in workflows.PlanInput) int64 {
	if in.Allowance == nil {
		return -1
	}
	return *in.Allowance
}

// receive takes in what other shards sent. What comes before an older part stays out: the
// run tells of it again.
func (p *Planner) receive(ctx context.Context, store blob.Store, in workflows.PlanInput, s *frontier.State) error {
	inbox := slices.SortedFunc(slices.Values(in.Inbox), func(a, b workflows.Delivery) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Seq, b.Seq))
	})
	for _, d := range inbox {
		activity.RecordHeartbeat(ctx)
		if applied := s.Applied(); d.From < len(applied) && d.Seq <= applied[d.From] {
			continue
		}
		part, err := getPart(ctx, store, d)
		if err != nil {
			return err
		}
		if _, err := s.Receive(d.From, d.Seq, part); err != nil {
			return err
		}
	}
	return nil
}

// getPart reads the part of an exchange.
func getPart(ctx context.Context, store blob.Store, d workflows.Delivery) (data []byte, err error) {
	key, err := blob.NewKey(d.Key)
	if err != nil {
		return nil, err
	}
	if d.Length <= 0 || d.Length > maxPart || d.Offset < 0 {
		return nil, fmt.Errorf("exchange %d of shard %d: a part of %d bytes at %d", d.Seq, d.From, d.Length, d.Offset)
	}
	body, err := store.GetRange(ctx, key, d.Offset, d.Length)
	if err != nil {
		return nil, fmt.Errorf("read exchange %d of shard %d: %w", d.Seq, d.From, err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	data = make([]byte, d.Length)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, fmt.Errorf("read exchange %d of shard %d: %w", d.Seq, d.From, err)
	}
	return data, nil
}

// send notes in the output what the other shards are to learn of the step.
func (p *Planner) send(in workflows.PlanInput, s *frontier.State, out *workflows.PlanOutput) {
	key := fmt.Sprintf("%s/%08d-%s", exchangeBase(in.Job, in.Shard), s.Seq()+1, nonce())
	if e := s.Send(key); e != nil {
		out.Exchange = &workflows.Exchange{From: in.Shard, Seq: e.Seq, Key: e.Key}
		for _, p := range e.Parts {
			out.Exchange.Parts = append(out.Exchange.Parts, workflows.ExchangePart{To: p.To, Offset: p.Offset, Length: p.Length})
		}
	}
	out.Sent, out.TakenIn = s.Sent(), s.Applied()
}

// The bounds of what one shard is meant for.
const (
	shardPages = 100_000
	shardHosts = 64
)

// ShardsFor is how many shards a run has: as many as the order says, or 1, 4, 16 and so on
// so that each has at most 100,000 of the pages that are allowed. When the order bounds
// none, the hosts of its seeds count, 64 a shard. A scope that keeps to those hosts never
// has more shards than them.
func ShardsFor(spec workflows.Spec, seeds []string) int {
	if spec.Shards > 0 {
		return min(spec.Shards, frontier.MaxShards)
	}
	hosts := frontier.Hosts(seeds)
	size, of := spec.Limits.Pages, int64(shardPages)
	if size == 0 {
		size, of = int64(hosts), shardHosts
	}
	shards := 1
	for int64(shards)*of < size && shards < frontier.MaxShards {
		shards *= 4
	}
	switch spec.Scope.Type {
	case "Page", "Prefix", "Host", "Domain":
		if spec.Scope.ExtraHops == 0 {
			return min(shards, hosts)
		}
	}
	return shards
}
