package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/portal/live"
)

// The bounds of what is read of a job's frontier, in bytes.
const (
	maxManifest = 4 << 20
	// maxRead is what the hosts of a shard may take: some 300,000 hosts.
	maxRead   = 32 << 20
	maxBundle = 16 << 20
	// keptShards and keptBundles are how many are kept, because neither changes.
	keptShards, keptBundles = 128, 512
)

// errLarge means that a frontier is too large to be read for a look.
var errLarge = errors.New("the frontier is too large to be shown")

// frontiers reads what Plan left in the frontier bucket, as package workers/frontier lays it out:
// NAMESPACE/NAME/UID/s/SHARD/m/SEQ are the manifests of a shard, …/b/ID the bundles that it
// handed out. It only reads.
type frontiers struct {
	store blob.Store

	mu      sync.Mutex
	shards  map[blob.Key]view
	bundles map[blob.Key][]string
}

// view is what is shown of a manifest.
type view struct {
	hosts  []live.Host
	shards int
}

// hosts are those of all shards of a job.
func (f *frontiers) hosts(ctx context.Context, job live.Job) (hosts []live.Host, shards int, err error) {
	for shard := 0; shard == 0 || shard < shards; shard++ {
		v, err := f.shard(ctx, fmt.Sprintf("%s/s/%d/m/", base(job), shard))
		if err != nil {
			return hosts, shards, err
		}
		hosts, shards = append(hosts, v.hosts...), min(v.shards, frontier.MaxShards)
	}
	return hosts, shards, nil
}

// base is the folder of a run.
func base(job live.Job) string { return job.Namespace + "/" + job.Name + "/" + job.UID }

// shard reads the last manifest of a shard.
func (f *frontiers) shard(ctx context.Context, folder string) (view, error) {
	var last blob.Key // keys are listed in order, and numbers have eight digits
	err := f.store.List(ctx, folder, func(o blob.Info) bool {
		last = o.Key
		return true
	})
	if err != nil {
		return view{}, fmt.Errorf("list the manifests: %w", err)
	}
	if last == "" {
		return view{}, fmt.Errorf("%s: %w", folder, blob.ErrNotFound)
	}
	f.mu.Lock()
	v, known := f.shards[last]
	f.mu.Unlock()
	if known {
		return v, nil
	}
	if v, err = f.read(ctx, last); err != nil {
		return view{}, fmt.Errorf("read %q: %w", last, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shards == nil || len(f.shards) >= keptShards {
		f.shards = map[blob.Key]view{}
	}
	f.shards[last] = v
	return v, nil
}

func (f *frontiers) read(ctx context.Context, key blob.Key) (view, error) {
	data, err := blob.ReadAll(ctx, f.store, key, maxManifest)
	if err != nil {
		return view{}, err
	}
	m, err := frontier.DecodeManifest(data)
	if err != nil {
		return view{}, err
	}
	var size int64
	for _, tables := range [][]frontier.Segment{m.Tables.Hosts, m.Tables.Held, m.Tables.Chunks, m.Deltas} {
		for _, segment := range tables {
			size += segment.Size
		}
	}
	if size > maxRead {
		return view{}, errLarge
	}
	hosts, _, err := frontier.OpenView(m, func(key string) ([]byte, error) { return blob.ReadAll(ctx, f.store, blob.Key(key), maxRead) })
	if err != nil {
		return view{}, err
	}
	v := view{shards: max(m.Shards, 1)}
	for _, h := range hosts {
		v.hosts = append(v.hosts, live.Host{
			Host: h.Key, Queued: h.Queued, Delayed: h.Delayed, InFlight: h.Leased, Visited: h.Visited, NextDue: h.Ready,
			DelaySeconds: h.Delay.Seconds(), Failures: h.Failures, LastError: h.Detail, Reason: h.Reason,
		})
	}
	return v, nil
}

// bundle are the addresses of a bundle's pages, in their order. The key comes from a heartbeat: it
// must be of the job.
func (f *frontiers) bundle(ctx context.Context, job live.Job, name string) ([]string, error) {
	key, err := blob.NewKey(name)
	if err != nil || !strings.HasPrefix(name, base(job)+"/s/") {
		return nil, fmt.Errorf("%q is no bundle of the job", name)
	}
	f.mu.Lock()
	addresses, known := f.bundles[key]
	f.mu.Unlock()
	if known {
		return addresses, nil
	}
	if addresses, err = f.readBundle(ctx, key); err != nil {
		return nil, fmt.Errorf("read %q: %w", key, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bundles == nil || len(f.bundles) >= keptBundles {
		f.bundles = map[blob.Key][]string{}
	}
	f.bundles[key] = addresses
	return addresses, nil
}

func (f *frontiers) readBundle(ctx context.Context, key blob.Key) ([]string, error) {
	data, err := blob.ReadAll(ctx, f.store, key, maxBundle)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBundle))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	plain, err := z.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	var b frontier.Bundle
	if err := json.Unmarshal(plain, &b); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	var addresses []string
	for _, h := range b.Hosts {
		for _, p := range h.Pages {
			addresses = append(addresses, p.URL)
		}
	}
	return addresses, nil
}
