package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/tempdir"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workers/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// leastStopTimeout leaves a moment to pages that are nearly there, and the rest to the store.
const leastStopTimeout = frontier.StoreGrace + 5*time.Second

// storePatience is how long a bundle waits for a store that has trouble.
const storePatience = 20 * time.Second

// claimPatience is how long a worker that stops waits until hosts may be given back to other
// runs: most pauses are shorter.
const claimPatience = 3 * time.Second

// vouchPatience is how long a worker that stops waits for chunks to be vouched for: what is left is
// made up for when the run is sealed.
const vouchPatience = 3 * time.Second

// bundlesPerTab is how many bundles a worker takes for each tab: one that waits for a
// host's delay holds none.
const bundlesPerTab = 3

// scratchPrefix begins the names of the workers' folders in --dir.
const scratchPrefix = "worker-"

// run wires everything together and works until ctx ends.
func run(ctx context.Context, o options) (err error) {
	log, err := logger(o.logFormat, o.logLevel)
	if err != nil {
		return err
	}
	guard, err := newGuard(o)
	if err != nil {
		return err
	}
	if err := checkRoles(o); err != nil {
		return err
	}
	pictures, err := cli.Pictures(o.hashList, o.hashListMegabytes, log)
	if err != nil {
		return err
	}
	o.store.AccessKey, o.store.SecretKey = os.Getenv("CRAWLFLEET_S3_ACCESS_KEY"), os.Getenv("CRAWLFLEET_S3_SECRET_KEY")
	store, err := blob.NewClient(o.store)
	if err != nil {
		return err
	}
	registry := newRegistry()
	options, err := o.temporal.Options(log)
	if err != nil {
		return err
	}
	log, closeTraces, err := observe(ctx, &options, store, registry, log)
	if err != nil {
		return err
	}
	defer closeTraces()
	keys, err := o.payloadKeys.Apply(&options, log)
	if err != nil {
		return err
	}
	var ready atomic.Bool
	stopServing, err := serveAll(o, &ready, keys, registry)
	if err != nil {
		return err
	}
	defer stopServing()
	temporal, err := dial(ctx, options, keys, log)
	if err != nil {
		return err
	}
	defer temporal.Close()
	clock := frontier.NewClock()
	workers := workersFor(o, temporal, clock)
	if w := workers[roleRun]; w != nil {
		workflows.Register(w)
	}
	robots := &frontier.RobotsCache{
		Client: frontier.NewClient(guard), UserAgent: frontier.ProductToken + "/" + cli.ReadBuild().Version, Token: frontier.ProductToken, Now: time.Now,
		Egress: guard.UpstreamDown,
	}
	dir := "" // a worker that only decides needs none
	if workers[rolePlan] != nil || workers[roleBrowser] != nil {
		folder, failed := scratch(o.dir, log)
		if failed != nil {
			return failed
		}
		dir = folder.Path
		defer func() { err = errors.Join(err, folder.Remove()) }()
	}
	vouched, err := o.vouching(dir, store, clock.Now, registry, log)
	if err != nil {
		return err
	}
	if w := workers[rolePlan]; w != nil {
		planner := &frontier.Planner{
			Store: store, ArchiveBucket: o.archiveBucket, FrontierBucket: o.frontierBucket,
			Robots: robots, Notary: vouched, Dir: dir, Logger: log, Now: clock.Now,
		}
		planner.Register(w)
		defer planner.Wait(vouchPatience)
		keeper := newKeeper(o, store, vouched, log, retention.NewMetrics(registry))
		keeper.Now = clock.Now
		keeper.Register(w)
		probeLocks(ctx, store.Bucket(o.archiveBucket), log)
	}
	if w := workers[roleBrowser]; w != nil {
		crawler, recorded, closeCrawler, err := newCrawler(ctx, o, dir, recorder.Options{Dialer: guard, Logger: log, Pictures: pictures}, store, temporal, log, frontier.NewMetrics(registry))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeCrawler()) }()
		robots.Recorder = recorded
		crawler.Egress = guard.UpstreamDown
		crawler.Robots, crawler.Notary, crawler.Clock, crawler.Now = robots, vouched, clock, clock.Now
		crawler.Register(w)
	}
	return work(ctx, workers, &ready, log)
}

func logger(inFormat, atLevel string) (*slog.Logger, error) {
	format, err := telemetry.ParseFormat(inFormat)
	if err != nil {
		return nil, fmt.Errorf("--log-format: %w", err)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(atLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: use debug, info, warn or error", atLevel)
	}
	return telemetry.New(telemetry.Options{Format: format, Level: level}), nil
}

func checkRoles(o options) error {
	for _, r := range o.roles {
		if r != roleRun && r != rolePlan && r != roleBrowser {
			return fmt.Errorf("--roles %q: use run, plan and browser", r)
		}
	}
	if len(o.roles) == 0 {
		return errors.New("--roles: name at least one of run, plan and browser")
	}
	if err := o.version.check(); err != nil {
		return err
	}
	if o.tabs < 1 || o.tabs > 256 {
		return fmt.Errorf("--tabs %d: want 1 to 256", o.tabs)
	}
	if o.stopTimeout < leastStopTimeout {
		return fmt.Errorf("--stop-timeout %v: want %v or more", o.stopTimeout, leastStopTimeout)
	}
	return nil
}

// newGuard makes the dialer that every visit goes through.
func newGuard(o options) (*netguard.Dialer, error) {
	allow, err := cli.ParsePrefixes(o.allowPrivate)
	if err != nil {
		return nil, err
	}
	resolve, err := cli.ParseResolve(o.resolve)
	if err != nil {
		return nil, err
	}
	guard := &netguard.Dialer{Allow: allow, Resolve: resolve}
	if err := o.route.Apply(guard); err != nil {
		return nil, err
	}
	return guard, nil
}

// dial connects to Temporal once payloads can be encoded, however long that takes.
func dial(ctx context.Context, options client.Options, keys *payload.Keys, log *slog.Logger) (client.Client, error) {
	if err := keys.Wait(ctx); err != nil {
		return nil, err
	}
	for wait := time.Second; ; wait = min(2*wait, 15*time.Second) {
		c, err := client.DialContext(ctx, options)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect to Temporal at %s: %w", options.HostPort, context.Cause(ctx))
		}
		log.Warn("Temporal does not answer; it is tried again", "address", options.HostPort, "after", wait, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// workersFor makes a Temporal worker for each role.
func workersFor(o options, c client.Client, clock *frontier.Clock) map[string]worker.Worker {
	workers := map[string]worker.Worker{}
	for _, role := range o.roles {
		options := worker.Options{WorkerStopTimeout: o.stopTimeout, Interceptors: []interceptor.WorkerInterceptor{clock.Interceptor()}}
		queue := workflows.TaskQueueRun
		switch role {
		case roleRun:
			options.DeploymentOptions = o.version.options()
		case rolePlan:
			queue = workflows.TaskQueuePlan
			options.DisableWorkflowWorker = true
			options.MaxConcurrentActivityExecutionSize = 8
			options.MaxHeartbeatThrottleInterval = 5 * time.Second // an answer says that the step is not wanted any more
		case roleBrowser:
			queue = workflows.TaskQueueBrowser
			options.DisableWorkflowWorker = true
			options.MaxConcurrentActivityExecutionSize = bundlesPerTab * o.tabs
		}
		workers[role] = worker.New(c, queue, options)
	}
	return workers
}

// newCrawler starts the browsers and what records them. They use a folder of the worker's.
func newCrawler(ctx context.Context, o options, dir string, recording recorder.Options, store *blob.Client, beats client.Client, log *slog.Logger, metrics *frontier.Metrics) (*frontier.Crawler, *frontier.RobotsRecorder, func() error, error) {
	executable, err := cli.ExecutableDigest()
	if err != nil {
		return nil, nil, nil, err
	}
	build := cli.ReadBuild()
	recording.Dir = dir
	rec, err := recorder.New(recording)
	if err != nil {
		return nil, nil, nil, err
	}
	pool, err := browser.New(ctx, browser.Options{
		Engine: browser.Engine(o.chrome), Tabs: o.tabs, Dir: filepath.Join(dir, "chrome"), Recorder: rec, Logger: log,
		Refused:  metrics.Refused,
		Replaced: metrics.Replaced,
	})
	if err != nil {
		return nil, nil, nil, errors.Join(err, rec.Close())
	}
	metrics.Follow(pool.Load)
	log.Info("browsers are ready", "chrome", pool.Version().Product, "sandbox", pool.Sandbox(), "tabs", o.tabs)
	hostname, _ := os.Hostname() // it is left out when it is not known
	crawler := &frontier.Crawler{
		Buckets: store, FrontierBucket: o.frontierBucket, Tabs: frontier.Pool{Pool: pool}, Heartbeats: beats, Dir: dir, Patience: storePatience, StopTime: o.stopTimeout,
		IdentityFile: o.profileIdentity,
		Logger:       log, Metrics: metrics,
		Info: archive.Info{
			Software: "crawlfleet", Version: build.String(), Chrome: pool.Version().Product,
			Flags: pool.Flags(), Sandbox: pool.Sandbox(), Hostname: hostname,
		},
		Provenance: archive.Provenance{
			Software: archive.Software{
				Name: "crawlfleet", Version: build.Version, Commit: build.Revision, Go: build.Go, Platform: build.Platform, Executable: executable,
			},
			Machine: archive.Machine{Hostname: hostname, Sandbox: pool.Sandbox()},
		},
	}
	return crawler, &frontier.RobotsRecorder{Recorder: rec, Dir: dir}, func() error {
		crawler.Wait(claimPatience)
		return errors.Join(pool.Close(), rec.Close())
	}, nil
}

// scratch makes a folder of this process's own, and removes those that dead processes
// left behind.
func scratch(parent string, log *slog.Logger) (*tempdir.Folder, error) {
	swept, err := tempdir.Sweep(parent, scratchPrefix, nil)
	if err != nil {
		log.Warn("what a dead worker left in --dir could not be removed", "error", err)
	}
	if len(swept) > 0 {
		log.Info("what dead workers left in --dir was removed", "folders", len(swept))
	}
	f, err := tempdir.Make(parent, scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	return f, nil
}

// serveAll answers the probes and Prometheus.
func serveAll(o options, ready *atomic.Bool, keys *payload.Keys, r *prometheus.Registry) (stop func(), err error) {
	stopHealth, err := serveHealth(o.health, readiness(ready, keys))
	if err != nil {
		return nil, err
	}
	stopMetrics, err := serveMetrics(o.metrics, r)
	if err != nil {
		stopHealth()
		return nil, err
	}
	return func() { stopMetrics(); stopHealth() }, nil
}

// readiness says why a worker is not ready: it is while it works and can encode payloads.
func readiness(working *atomic.Bool, keys *payload.Keys) func() error {
	return func() error {
		if err := keys.Ready(); err != nil {
			return err
		}
		if !working.Load() {
			return errors.New("not connected yet")
		}
		return nil
	}
}

// serveHealth answers the probes of a pod; ready says why it is not.
func serveHealth(address string, ready func() error) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	stop, err = serve(address, mux)
	if err != nil {
		return nil, fmt.Errorf("--health-address: %w", err)
	}
	return stop, nil
}

// serve answers at an address until stop is called.
func serve(address string, handler http.Handler) (stop func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it ends by being closed
	}()
	return func() { _ = server.Close(); <-done }, nil
}

// work runs the workers until ctx ends.
func work(ctx context.Context, workers map[string]worker.Worker, ready *atomic.Bool, log *slog.Logger) error {
	order := slices.DeleteFunc([]string{roleBrowser, rolePlan, roleRun}, func(r string) bool { return workers[r] == nil })
	for _, role := range order {
		if err := workers[role].Start(); err != nil {
			return fmt.Errorf("start to work: %w", err)
		}
	}
	ready.Store(true)
	log.Info("worker is ready", "roles", strings.Join(order, ","))
	<-ctx.Done()
	ready.Store(false)
	log.Info("worker stops; what was captured is stored first")
	var stops sync.WaitGroup // each may take as long as --stop-timeout
	for _, role := range order {
		stops.Go(workers[role].Stop)
	}
	stops.Wait()
	return nil
}
