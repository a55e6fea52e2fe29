package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/replay"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

// parts are what a portal is put together of.
type parts struct {
	store   *blob.Client
	cluster *rest.Config // nil for none
	gate    *access.Gate
	doors   *doors
	derived *archive
	fleet   *fleetTemporal // nil for none
	log     *slog.Logger
}

// serve serves until ctx ends. What was begun before something fails is ended again.
func serve(ctx context.Context, o options) (err error) {
	p := parts{}
	if p.log, err = logger(o); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if p.store, err = o.client(); err != nil {
		return err
	}
	if p.cluster, err = clusterConfig(o.access.kubeconfig); err != nil {
		return err
	}
	if p.gate, err = o.access.gate(p.store.Bucket(o.bucket), p.cluster, p.log); err != nil {
		return err
	}
	defer keepCurrent(ctx, p.gate.Policy)()
	if p.doors, err = o.open(); err != nil {
		return err
	}
	defer p.doors.close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	if p.derived, err = o.archive.open(ctx, p.store.Bucket(o.bucket), end, p.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.derived.close()) }()
	if p.fleet, err = o.live.dial(p.log); err != nil {
		return err
	}
	if p.fleet != nil {
		defer p.fleet.Close()
	}
	sites, err := o.sites(&p)
	if err != nil {
		return err
	}
	return run(ctx, sites...)
}

func (o *options) loggedIn() bool { return o.access.issuer != "" }

// check finds what is wrong with where the portal is to be reached.
func (o *options) check() error {
	return errors.Join(checkListen("--listen", o.listen, o.loggedIn()), o.checkTLS(), o.replay.check(o.loggedIn(), o.access.external))
}

func (o *options) client() (*blob.Client, error) {
	o.store.AccessKey, o.store.SecretKey = os.Getenv("CRAWLFLEET_S3_ACCESS_KEY"), os.Getenv("CRAWLFLEET_S3_SECRET_KEY")
	return blob.NewClient(o.store)
}

// doors are where the portal listens, and how browsers know it.
type doors struct {
	portal, replay net.Listener
	scheme, origin string
}

// open takes both addresses.
func (o *options) open() (*doors, error) {
	secure, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	d := &doors{scheme: "http://", origin: strings.TrimSuffix(o.access.external, "/")}
	if secure != nil {
		d.scheme = "https://"
	}
	if d.portal, err = listen("--listen", o.listen, secure); err != nil {
		return nil, err
	}
	if d.replay, err = listen("--replay-listen", o.replay.listen, secure); err != nil {
		return nil, errors.Join(err, d.portal.Close())
	}
	if d.origin == "" {
		d.origin = d.scheme + d.portal.Addr().String()
	}
	return d, nil
}

// close closes what a server may have closed before.
func (d *doors) close() { _ = errors.Join(d.portal.Close(), d.replay.Close()) }

// sites are the portal, the origin of its replays, and what Prometheus asks.
func (o *options) sites(p *parts) ([]site, error) {
	archive := p.store.Bucket(o.bucket)
	runs := &portal.Runs{Archive: archive, Listing: p.derived.follow}
	replays, err := o.replay.server(p.doors.scheme, p.doors.replay.Addr(), p.doors.origin, archive, runs, p.gate.Custody, p.log)
	if err != nil {
		return nil, err
	}
	registry := newRegistry()
	metrics := observe(registry, p.gate, p.derived, replays)
	p.store.Observe(blob.NewMetrics(registry))
	pages, err := o.portal(p, runs, replays, metrics)
	if err != nil {
		return nil, err
	}
	sites, err := o.metricsSite(registry)
	if err != nil {
		return nil, err
	}
	p.log.Info("portal is ready", "url", p.doors.origin+"/", "replay", replays.URL, "archiveBucket", o.bucket)
	return append(sites, site{p.doors.portal, newServer(pages, p.log)}, site{p.doors.replay, newServer(metrics.Count(replays.Handler()), p.log)}), nil
}

// portal is the portal itself.
func (o *options) portal(p *parts, runs *portal.Runs, replays *replay.Server, metrics *portal.Metrics) (http.Handler, error) {
	board, err := o.board(p.cluster, p.store, p.fleet, p.derived.catalog, p.log)
	if err != nil {
		return nil, err
	}
	dossiers, err := o.dossiers.open(p.derived.judge.Verifier, p.derived.stamps, p.gate.Custody.Log)
	if err != nil {
		return nil, err
	}
	archive := p.store.Bucket(o.bucket)
	keeper := &cases.Retention{Store: archive, Now: time.Now}
	if p.fleet != nil {
		keeper.Decided = p.fleet.decided
	}
	p.derived.tools.Base = p.doors.origin // not the name that somebody asks by
	server := portal.Server{
		Catalog: metrics.Timed(p.derived.catalog), Metrics: metrics, Follow: p.derived.follow, Judge: p.derived.judge, Tools: p.derived.tools, Board: board,
		Cases: cases.New(archive, time.Now), Keeper: keeper, Dossiers: dossiers, Temp: p.derived.temp.Path,
		Runs: runs, Watches: watches.New(archive, time.Now), Archive: archive, Gate: p.gate, Replay: replays, ReplayDir: o.replay.dir,
		Origin: p.doors.origin, AnyHost: o.loggedIn(), Logger: p.log,
	}
	return server.Handler()
}

// listen takes an address; nobody is answered there before a server serves.
func listen(flag, address string, secure *tls.Config) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	return listener, nil
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// site is a server and where it listens.
type site struct {
	listener net.Listener
	server   *http.Server
}

// run serves until ctx ends, or one of the sites does, and then lets open answers end.
func run(ctx context.Context, sites ...site) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sites {
		group.Go(func() error { return s.serve(ctx) })
	}
	return group.Wait()
}

// serve serves until ctx ends and then lets open answers end.
func (s site) serve(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := s.server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = s.server.Close() // somebody downloads a large file
		}
		stopped <- err
	})
	defer stop()
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
