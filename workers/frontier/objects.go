package frontier

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of what is read from the frontier bucket, in bytes.
const (
	maxManifest = 4 << 20
	maxSegment  = 512 << 20
	maxResult   = 64 << 20
	maxSeeds    = 256 << 20
)

// base is the folder of a run in either bucket.
func base(j workflows.Job) string { return j.Namespace + "/" + j.Name + "/" + j.Run }

// archiveOf is where a run's snapshots go.
func archiveOf(j workflows.Job, fallback string) workflows.Archive {
	a := workflows.Archive{Bucket: j.Spec.Storage.Bucket, Prefix: base(j) + "/"}
	if a.Bucket == "" {
		a.Bucket = fallback
	}
	if p := strings.Trim(j.Spec.Storage.Prefix, "/"); p != "" {
		a.Prefix = p + "/" + a.Prefix
	}
	return a
}

func shardBase(j workflows.Job, shard int) string { return fmt.Sprintf("%s/s/%d", base(j), shard) }

func manifestKey(j workflows.Job, shard int, seq int64) string {
	return fmt.Sprintf("%s/m/%08d", shardBase(j, shard), seq)
}

// nonce makes names of one attempt, and objects of equal content, differ.
func nonce() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// put stores bytes under a key that must be free, or hold the very same.
func put(ctx context.Context, store blob.Store, name string, data []byte) error {
	key, err := blob.NewKey(name)
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, key, blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: frontier.Hash(data)})
	return err
}

func get(ctx context.Context, store blob.Store, name string, limit int64) ([]byte, error) {
	key, err := blob.NewKey(name)
	if err != nil {
		return nil, err
	}
	return blob.ReadAll(ctx, store, key, limit)
}

// putPacked and getPacked are for objects of JSON that may be large.
func putPacked(ctx context.Context, store blob.Store, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %q: %w", name, err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close() //nolint:errcheck // EncodeAll leaves nothing to flush
	return put(ctx, store, name, z.EncodeAll(data, nil))
}

func getPacked(ctx context.Context, store blob.Store, name string, limit uint64, v any) error {
	data, err := get(ctx, store, name, int64(limit))
	if err != nil {
		return err
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(limit))
	if err != nil {
		return err
	}
	defer z.Close()
	plain, err := z.DecodeAll(data, nil)
	if err != nil {
		return fmt.Errorf("unpack %q: %w", name, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode %q: %w", name, err)
	}
	return nil
}

// stored is a state with the hash of the manifest that it is at.
type stored struct {
	state *frontier.State
	hash  string
	rules *frontier.Rules
	// memory is what the state took when it was kept.
	memory int64
	// order is what the rules were made of that may change while a run lasts.
	order orderOf
}

// orderOf is the part of an order that can be widened.
type orderOf struct {
	limits  workflows.Limits
	seeding int64
}

// stateCache keeps the state of a few shards between two plans, those that were planned
// last. One is right as long as the manifest that a plan names is the one that the state
// is at; else it is read anew.
type stateCache struct {
	mu     sync.Mutex
	states map[string]*stored
	order  []string // of the keys, the oldest first
	memory int64    // of all of them
	most   int64    // in place of stateMemory, unless 0
}

// maxStates and stateMemory, in bytes, bound the cache: all shards of the largest run and a few more,
// while they are small.
const (
	maxStates   = 4 * frontier.MaxShards
	stateMemory = 384 << 20
)

// take removes a state from the cache: whoever takes it is the only one to use it.
func (c *stateCache) take(shard string, seq int64) *stored {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.states[shard]
	c.drop(shard)
	if s == nil || s.state.Seq() != seq {
		return nil
	}
	return s
}

func (c *stateCache) keep(shard string, s *stored) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(shard)
	s.memory = s.state.Memory()
	for len(c.order) > 0 && (len(c.order) == maxStates || c.memory+s.memory > cmp.Or(c.most, stateMemory)) {
		c.drop(c.order[0])
	}
	if c.states == nil {
		c.states = map[string]*stored{}
	}
	c.states[shard] = s
	c.order = append(c.order, shard)
	c.memory += s.memory
}

func (c *stateCache) drop(shard string) {
	s := c.states[shard]
	if s == nil {
		return
	}
	delete(c.states, shard)
	c.order = slices.DeleteFunc(c.order, func(key string) bool { return key == shard })
	c.memory -= s.memory
}

// seedsObject is the list of seeds, in order, as the rules need it.
type seedsObject struct {
	Version int      `json:"version"`
	Seeds   []string `json:"seeds"`
	// Shards is how many shards the run has; 0 is 1.
	Shards int `json:"shards,omitempty"`
}

func (o seedsObject) shards() int { return max(o.Shards, 1) }

// seedsKey is where the list of seeds lies, and each later one that was added to.
func seedsKey(j workflows.Job) string {
	if j.Seeding > 0 {
		return fmt.Sprintf("%s/seeds-%d", base(j), j.Seeding)
	}
	return base(j) + "/seeds"
}

func (p *Planner) readSeeds(ctx context.Context, store blob.Store, j workflows.Job) (seedsObject, error) {
	var o seedsObject
	if err := getPacked(ctx, store, seedsKey(j), maxSeeds, &o); err != nil {
		return o, fmt.Errorf("read the seeds: %w", err)
	}
	return o, nil
}

// rules compiles the order's rules, for which the seeds are needed.
func (p *Planner) rules(ctx context.Context, store blob.Store, j workflows.Job) (*frontier.Rules, []string, error) {
	o, err := p.readSeeds(ctx, store, j)
	if err != nil {
		return nil, nil, err
	}
	rules, err := frontier.NewRules(SpecOf(j.Spec, o.Seeds))
	return rules, o.Seeds, err
}

// SpecOf is an order in the frontier's words.
func SpecOf(s workflows.Spec, seeds []string) frontier.Spec {
	return frontier.Spec{
		Scope: s.Scope.Type, Depth: s.Scope.Depth, ExtraHops: s.Scope.ExtraHops, Include: s.Scope.Include, Exclude: s.Scope.Exclude,
		Seeds: seeds, Pages: s.Limits.Pages, PagesPerHost: s.Limits.PagesPerHost, PagesPerPattern: s.Limits.PagesPerPattern, Bytes: s.Limits.Bytes, Delay: s.Politeness.Delay,
	}
}

// open reads the state of a shard at a manifest.
func (p *Planner) open(ctx context.Context, store blob.Store, j workflows.Job, shard int, seq int64) (*stored, error) {
	load := func(key string) ([]byte, error) { return get(ctx, store, key, maxSegment) }
	order := orderOf{j.Spec.Limits, j.Seeding}
	if s := p.states.take(shardBase(j, shard), seq); s != nil && s.order == order {
		s.state.LoadWith(load) // the function of the step before ended with it
		return s, nil
	}
	rules, seeds, err := p.rules(ctx, store, j)
	if err != nil {
		return nil, err
	}
	m, hash, err := readManifest(ctx, store, j, shard, seq)
	if err != nil {
		return nil, err
	}
	state, err := frontier.Open(rules, m, load)
	if err != nil {
		return nil, err
	}
	if j.Seeding > 0 { // those that are known already change nothing
		if err := state.Add(seeds); err != nil {
			return nil, err
		}
	}
	return &stored{state: state, hash: hash, rules: rules, order: order}, nil
}

func readManifest(ctx context.Context, store blob.Store, j workflows.Job, shard int, seq int64) (m frontier.Manifest, hash string, err error) {
	data, err := get(ctx, store, manifestKey(j, shard, seq), maxManifest)
	if err != nil {
		return m, "", fmt.Errorf("read manifest %d: %w", seq, err)
	}
	if m, err = frontier.DecodeManifest(data); err != nil {
		return m, "", fmt.Errorf("manifest %d: %w", seq, err)
	}
	if m.Run != j.Run {
		return m, "", fmt.Errorf("manifest %d belongs to run %q", seq, m.Run)
	}
	return m, frontier.Hash(data), nil
}

// commit writes the next manifest of a state: first what it points to, then itself, if
// absent. It returns the output that holds: that of another attempt which was first.
func (p *Planner) commit(ctx context.Context, store blob.Store, j workflows.Job, shard int, s *stored, output json.RawMessage) (json.RawMessage, error) {
	n := nonce()
	seq := s.state.Seq() + 1
	m, objects, err := s.state.Seal(j.Run, n, s.hash, fmt.Sprintf("%s/q/%08d-%s", shardBase(j, shard), seq, n), output)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if err := put(ctx, store, o.Key, o.Data); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode manifest %d: %w", seq, err)
	}
	err = put(ctx, store, manifestKey(j, shard, seq), data)
	if errors.Is(err, blob.ErrExists) {
		winner, _, err := readManifest(ctx, store, j, shard, seq)
		if err != nil {
			return nil, err
		}
		return winner.Output, nil
	}
	if err != nil {
		return nil, err
	}
	s.hash = frontier.Hash(data)
	p.states.keep(shardBase(j, shard), s)
	return output, nil
}
