package load

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// asWorker is the variable that makes this binary a worker instead of a test.
const asWorker = "CRAWLFLEET_LOAD_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) == "" {
		os.Exit(m.Run())
	}
	if err := workAsFlagsSay(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stand-in:", err)
		os.Exit(1)
	}
}

// The settings of a worker, as cmd/worker has them.
const (
	stopTimeout   = 30 * time.Second
	storePatience = 20 * time.Second
	claimPatience = 3 * time.Second
	bundlesPerTab = 3
)

// standInFlags are those of a worker that harness gives, and what the web is.
type standInFlags struct {
	temporalAddress, temporalNamespace string
	store                              blob.Config
	archiveBucket, frontierBucket      string
	dir, health, logFormat, allow      string
	payloadKeys                        payload.File
	tabs                               int
	sites, stats                       string
	web                                web
}

// tabsOfWorker is how many tabs a worker has that a stand-in stands for.
const tabsOfWorker = 4

// pollers is how many polls are open: 2 for each worker that the tabs would be spread over, as is the SDK's default. With
// 2 for hundreds of tabs, bundles would wait for the next poll and not for a tab.
func (o standInFlags) pollers() int { return 2 * max(1, o.tabs/tabsOfWorker) }

func parseFlags(args []string) (o standInFlags, err error) {
	f := flag.NewFlagSet("stand-in", flag.ContinueOnError)
	f.StringVar(&o.temporalAddress, "temporal-address", "", "as of worker")
	f.StringVar(&o.temporalNamespace, "temporal-namespace", "", "as of worker")
	f.StringVar(&o.store.Endpoint, "s3-endpoint", "", "as of worker")
	f.StringVar(&o.store.Region, "s3-region", "", "as of worker")
	f.StringVar(&o.store.CredentialsFile, "s3-credentials-file", "", "as of worker")
	f.StringVar(&o.archiveBucket, "archive-bucket", "", "as of worker: one that visits pages is told the bucket by the run")
	f.StringVar(&o.frontierBucket, "frontier-bucket", "", "as of worker")
	f.StringVar(&o.payloadKeys.Path, "payload-keys", "", "as of worker")
	f.StringVar(&o.dir, "dir", "", "as of worker")
	f.StringVar(&o.health, "health-address", "", "as of worker")
	f.StringVar(&o.logFormat, "log-format", "json", "as of worker")
	f.StringVar(&o.allow, "allow-private", "", "as of worker")
	f.IntVar(&o.tabs, "tabs", 1, "as of worker")
	f.StringVar(&o.sites, "sites", "", "address of the server that all hosts are at")
	f.StringVar(&o.stats, "stats-address", "", "where the counters are told")
	f.IntVar(&o.web.hosts, "hosts", 0, "hosts of the web")
	f.IntVar(&o.web.seeds, "seeds", 0, "hosts that the order names")
	f.IntVar(&o.web.links, "links", 0, "links of a page to its host")
	f.IntVar(&o.web.foreign, "foreign", 0, "links of a page to other hosts")
	f.IntVar(&o.web.largest, "largest", 1, "the most pages of a host")
	f.DurationVar(&o.web.fastest, "fastest", 0, "the least time of a page")
	f.DurationVar(&o.web.slowest, "slowest", 0, "the longest time of a page")
	return o, f.Parse(args)
}

// beats counts heartbeats, each of which is a call of the Temporal server.
type beats struct {
	client.Client
	sent, refused atomic.Int64
}

// RecordActivityHeartbeat implements frontier.Heartbeater.
func (b *beats) RecordActivityHeartbeat(ctx context.Context, token []byte, details ...any) error {
	b.sent.Add(1)
	err := b.Client.RecordActivityHeartbeat(ctx, token, details...)
	if err != nil && ctx.Err() == nil { // else the bundle is over, and the answer is not wanted any more
		b.refused.Add(1)
	}
	return err
}

// counters are what a stand-in tells of itself.
type counters struct {
	// Pages are those that were captured, Beats the heartbeats, Refused those of them that were not accepted.
	Pages   int64 `json:"pages"`
	Beats   int64 `json:"beats"`
	Refused int64 `json:"refused"`
	// Tabs are those in use, Waiting the hosts that wait for one.
	Tabs    int64 `json:"tabs"`
	Waiting int64 `json:"waiting"`
}

func workAsFlagsSay(args []string) (err error) {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	format, err := telemetry.ParseFormat(o.logFormat)
	if err != nil {
		return err
	}
	log := telemetry.New(telemetry.Options{Format: format, Level: slog.LevelWarn})
	guard, err := newGuard(o)
	if err != nil {
		return err
	}
	store, err := blob.NewClient(o.store)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	options := client.Options{HostPort: o.temporalAddress, Namespace: o.temporalNamespace, Logger: telemetry.Temporal(log)}
	if _, err := o.payloadKeys.Apply(&options, log); err != nil {
		return err
	}
	temporal, err := client.DialContext(ctx, options)
	if err != nil {
		return err
	}
	defer temporal.Close()
	rec, err := recorder.New(recorder.Options{Dir: o.dir, Dialer: guard, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	clock, leases, lent := frontier.NewClock(), &beats{Client: temporal}, newTabs(o.web, o.tabs)
	build := cli.ReadBuild()
	crawler := &frontier.Crawler{
		Buckets: store, FrontierBucket: o.frontierBucket, Tabs: lent, Heartbeats: leases, Dir: o.dir, Patience: storePatience, StopTime: stopTimeout,
		Robots: &frontier.RobotsCache{
			Client: frontier.NewClient(guard), UserAgent: frontier.ProductToken + "/" + build.Version, Token: frontier.ProductToken, Now: time.Now,
			Recorder: &frontier.RobotsRecorder{Recorder: rec, Dir: o.dir},
		},
		Info:   archive.Info{Software: "crawlfleet", Version: build.String(), Chrome: standIn},
		Logger: log, Now: clock.Now,
	}
	w := worker.New(temporal, workflows.TaskQueueBrowser, worker.Options{
		WorkerStopTimeout: stopTimeout, Interceptors: []interceptor.WorkerInterceptor{clock.Interceptor()},
		DisableWorkflowWorker: true, MaxConcurrentActivityExecutionSize: bundlesPerTab * o.tabs, MaxConcurrentActivityTaskPollers: o.pollers(),
	})
	crawler.Register(w)
	if err := w.Start(); err != nil {
		return err
	}
	stats := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(counters{ // who asked may be gone
			Pages: lent.pages.Load(), Beats: leases.sent.Load(), Refused: leases.refused.Load(), Tabs: int64(len(lent.slots)), Waiting: lent.waiting.Load(),
		})
	}
	closeStats, err := serve(o.stats, http.HandlerFunc(stats))
	if err != nil {
		return err
	}
	defer closeStats()
	closeHealth, err := serve(o.health, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if err != nil {
		return err
	}
	defer closeHealth()
	<-ctx.Done()
	w.Stop()
	crawler.Wait(claimPatience)
	return nil
}

// newGuard makes a dialer for which all hosts of the web are at one address.
func newGuard(o standInFlags) (*netguard.Dialer, error) {
	allow, err := cli.ParsePrefixes([]string{o.allow})
	if err != nil {
		return nil, err
	}
	guard := &netguard.Dialer{Allow: allow, Resolve: make(map[string]string, o.web.hosts)}
	for host := range o.web.hosts {
		guard.Resolve[name(host)+":80"] = o.sites
	}
	return guard, nil
}

// serve answers at an address until stop is called.
func serve(address string, handler http.Handler) (stop func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(handler)
	if err := server.Listener.Close(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	server.Listener = listener
	server.Start()
	return server.Close, nil
}

// TestFlagsOfStandIn finds the hosts of the web at the one address that serves them.
func TestFlagsOfStandIn(t *testing.T) {
	o, err := parseFlags([]string{"--allow-private", "127.0.0.0/8", "--sites", "127.0.0.1:8080", "--hosts", "3", "--dir", filepath.Join(t.TempDir(), "x")})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := newGuard(o)
	if err != nil {
		t.Fatal(err)
	}
	if o.tabs = 128; o.pollers() != 64 {
		t.Errorf("%d polls for %d tabs", o.pollers(), o.tabs)
	}
	if len(guard.Resolve) != 3 || guard.Resolve["h2.test:80"] != "127.0.0.1:8080" || !guard.Allow[0].Contains(netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("the guard is %+v", guard)
	}
}
