package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	policy "crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workers/notary"
	"crawlfleet.dev/crawlfleet/workers/retention"
)

// probeTime is how long a worker that starts waits for the store to say what it can do.
const probeTime = 10 * time.Second

// newKeeper makes what erases captures that are due.
func newKeeper(o options, store *blob.Client, vouched *notary.Notary, log *slog.Logger, metrics *retention.Metrics) *retention.Keeper {
	build := cli.ReadBuild()
	hostname, _ := os.Hostname() // it is left out when it is not known
	return &retention.Keeper{
		Store: store, Custody: retention.Vouching{Notary: vouched, Store: store}, FrontierBucket: o.frontierBucket, Metrics: metrics, Logger: log,
		Program: policy.Program{Name: "crawlfleet", Version: build.Version, Commit: build.Revision, Hostname: hostname},
	}
}

// probeLocks tells what the archive's bucket can do to keep captures. A store that is down is
// no reason not to start.
func probeLocks(ctx context.Context, bucket *blob.Bucket, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	locking, err := bucket.Locking(ctx)
	switch {
	case err != nil:
		log.Warn("it is not known whether the archive's bucket has Object Lock; it is asked again before anything is erased", "bucket", bucket.Name(), "error", err)
	case locking.ObjectLock:
		log.Info("the archive's bucket has Object Lock: captures are locked in governance mode as long as they are to be kept", "bucket", bucket.Name())
	default:
		log.Warn("the archive's bucket has no Object Lock: that captures are not removed too soon rests on who may write to it", "bucket", bucket.Name(), "versioned", locking.Versioned)
	}
}
