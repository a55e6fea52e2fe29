package chaos

import (
	"testing"
	"time"
)

// A moment is when in a crawl a fault strikes. The sites' log tells it, or a request to the store,
// which is held back meanwhile.
type moment string

const (
	// atStart is when the first page has been asked for: nothing is committed.
	atStart moment = "start"
	// inMiddle is when half of the pages have been asked for: some are committed.
	inMiddle moment = "middle"
	// atCommit is when, after that, a worker stores a chunk.
	atCommit moment = "commit"
	// atSeal is when a worker stores the closing statement.
	atSeal moment = "seal"
)

// A fault is a row of the table.
type fault struct {
	kind string
	// what happens and what is expected beside the archive of an undisturbed crawl, for
	// docs/chaos.md.
	what, expect string
	moments      []moment
	// strike disturbs the crawl and returns when the disturbance is over.
	strike func(*testing.T, *crawl)
	// end waits for the end of the crawl and judges it; [whole] when it is nil.
	end func(*testing.T, *crawl)
	// frozen is how many processes stand still for longer than their leases: each may load
	// one page of each host too soon when it wakes up. (Or one a second for as long as nobody
	// tells it that its lease is over.)
	frozen int
	// lasts is about how long the disturbance does: the long ones are begun first.
	lasts time.Duration
}

// always are all moments.
var always = []moment{atStart, inMiddle, atCommit, atSeal}

// leaseOver is longer than a worker's heartbeats may stay away (60 s): its bundles are given
// to another one.
const leaseOver = 68 * time.Second

// table are all faults.
var table = []fault{
	{
		kind: "WorkerKilled", what: "kill -9 of a worker that is loading pages; started again after a second",
		moments: always, strike: killWorker, lasts: time.Second,
	},
	{
		kind: "WorkerStopped", what: "SIGTERM to a worker that is loading pages, as in an upgrade; started again",
		expect: "it ends by itself, with exit status 0", moments: always, strike: stopWorker, lasts: 5 * time.Second,
	},
	{
		kind: "WorkerFrozen", what: "SIGSTOP of a worker that is loading pages for longer than its lease, then SIGCONT: a zombie attempt",
		expect: "at most one page of each host too soon", moments: always, strike: freezeWorker, frozen: 1, lasts: leaseOver,
	},
	{
		kind: "BrowserKilled", what: "kill -9 of the Chromes of a worker",
		moments: always, strike: killBrowser, lasts: time.Second,
	},
	{
		kind: "BrowserFrozen", what: "SIGSTOP of the Chromes of a worker with all their helpers, until the worker has replaced them",
		moments: always, strike: freezeBrowser, lasts: 30 * time.Second,
	},
	{
		kind: "OperatorKilled", what: "kill -9 of both operators; started again after two seconds",
		moments: always, strike: killOperators, lasts: 17 * time.Second,
	},
	{
		kind: "LeaderKilled", what: "kill -9 of the operator that leads; the other one takes over, and it is started again",
		moments: always, strike: killLeader, lasts: 17 * time.Second,
	},
	{
		kind: "LeaderFrozen", what: "SIGSTOP of the operator that leads for longer than its lease (15 s), then SIGCONT: two believe to lead",
		expect: "the other one takes over, and the old one ends", moments: always, strike: freezeLeader, lasts: 22 * time.Second,
	},
	{
		kind: "TemporalKilled", what: "kill -9 of the Temporal server; started again",
		moments: always, strike: killPart("temporal"), lasts: 5 * time.Second,
	},
	{
		kind: "TemporalFrozen", what: "SIGSTOP of the Temporal server for longer than a worker's lease, then SIGCONT",
		expect: "no page is loaded while no lease is live", moments: always, strike: freezePart("temporal", leaseOver), lasts: leaseOver,
	},
	{
		kind: "StoreKilled", what: "kill -9 of the S3 server; started again",
		moments: always, strike: killPart("s3"), lasts: 2 * time.Second,
	},
	{
		kind: "StoreFrozen", what: "SIGSTOP of the S3 server for 30 s, then SIGCONT",
		moments: always, strike: freezePart("s3", 30*time.Second), lasts: 30 * time.Second,
	},
	{
		kind: "APIServerKilled", what: "kill -9 of the Kubernetes API server with its etcd; started again",
		moments: always, strike: killPart("kube"), lasts: 8 * time.Second,
	},
	{
		kind: "APIServerFrozen", what: "SIGSTOP of the Kubernetes API server with its etcd for 20 s, then SIGCONT",
		expect: "operators that lost their lease end, and are started again", moments: always, strike: freezePart("kube", 20*time.Second), lasts: 20 * time.Second,
	},
	{
		kind: "StackKilled", what: "kill -9 of API server, Temporal and S3 server at once; started again",
		moments: always, strike: killStack, lasts: 10 * time.Second,
	},
	{
		kind: "StoreSlowDown", what: "the store answers every request 503 SlowDown for 8 s",
		moments: always, strike: failStore(slowDown, 8*time.Second), lasts: 8 * time.Second,
	},
	{
		kind: "StoreSlow", what: "every request to the store takes 2 s longer, for 16 s",
		moments: always, strike: failStore(late, 16*time.Second), lasts: 16 * time.Second,
	},
	{
		kind: "StoreAnswersLost", what: "the store carries every request out and no answer arrives, for 8 s: success that looks like failure",
		moments: always, strike: failStore(answersLost, 8*time.Second), lasts: 8 * time.Second,
	},
	{
		kind: "StoreUploadsReset", what: "every connection to the store is reset in the middle of a request, for 8 s",
		moments: always, strike: failStore(halfReceived, 8*time.Second), lasts: 8 * time.Second,
	},
	{
		kind: "WorkerCutOff", what: "a partition between Temporal and a worker that is loading pages, for longer than its lease",
		expect: "it loads no page once its lease is over", moments: always, strike: cutOffWorker, lasts: leaseOver,
	},
	{
		kind: "TemporalCut", what: "all connections to Temporal are cut, and new ones refused, for 15 s",
		moments: always, strike: disturbTemporal(cut, 15*time.Second), lasts: 15 * time.Second,
	},
	{
		kind: "TemporalSlow", what: "all that passes to and from Temporal takes 300 ms longer, for 20 s",
		moments: always, strike: disturbTemporal(slow, 20*time.Second), lasts: 20 * time.Second,
	},
	{
		kind: "ClockAhead", what: "the clock of a worker jumps five minutes ahead, and back when the crawl is over",
		moments: always, strike: shiftOne(5 * time.Minute), lasts: time.Second,
	},
	{
		kind: "ClockBehind", what: "the clock of a worker jumps five minutes back, and forth when the crawl is over",
		moments: always, strike: shiftOne(-5 * time.Minute), lasts: time.Second,
	},
	{
		kind: "ClocksFarOff", what: "the clocks of all workers jump twenty minutes ahead, which no store bears, and are set right",
		expect: "`Stalled` with `ClocksDiffer` meanwhile", moments: always, strike: shiftAll, lasts: 10 * time.Second,
	},
	{
		kind: "DiskFull", what: "the disk of the workers' scratch folders is filled up to the last byte, and freed after 10 s",
		moments: always, strike: fillDisk, lasts: 10 * time.Second,
	},
	{
		kind: "Suspended", what: "`spec.state` is set to `Suspended`, and to `Active` when the crawl rests",
		expect: "no page is loaded while it rests", moments: always, strike: suspend, lasts: 5 * time.Second,
	},
	{
		kind: "Edited", what: "limits are lowered and politeness and scope edited, which is refused; limits are raised and a label is put on, which is not",
		moments: always, strike: edit, lasts: time.Second,
	},
	{
		kind: "ActivitiesPaused", what: "CrawlBundle and Plan are paused in Temporal, and go on after 5 s",
		moments: always, strike: pauseActivities, lasts: 5 * time.Second,
	},
	{
		kind: "ShardReset", what: "every shard is reset in Temporal to the middle of its history: all that it did since is forgotten, and done",
		expect: "a bundle that is nobody's any more goes on until its next heartbeat is refused, 15 s at most: its hosts are visited by two", moments: []moment{atStart, inMiddle, atCommit}, strike: resetShards, frozen: 15, lasts: time.Second,
	},
	{
		kind: "RunReset", what: "the run is reset in Temporal to its beginning, where it has brought no seeds in yet",
		moments: []moment{atStart, inMiddle, atCommit}, strike: resetRun, lasts: time.Second,
	},
	{
		kind: "Deleted", what: "the CrawlJob is deleted",
		expect:  "`kubectl delete` returns; what was captured is sealed and stays, and so do the frontier's objects; the books balance; no page is loaded any more",
		moments: always, strike: remove, end: removed, lasts: time.Second,
	},
}
