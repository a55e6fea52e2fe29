// Command operator watches CrawlJob resources and has Temporal do what they order,
// CrawlSchedule resources, for which it creates CrawlJobs, BrowserProfile resources,
// whose state it encrypts to the workers, and the CrawlFleet of its own namespace, whose pods it
// makes.
//
// It holds no state of its own: everything is in the Kubernetes API and in Temporal,
// so it may be killed and started again at any moment. It needs the API server to
// start; Temporal may come later. See docs/reference/crawljob.md for what it tells in
// a CrawlJob's status.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // time zones of CrawlSchedules are known wherever the operator runs

	"filippo.io/age"
	"github.com/spf13/cobra"
	temporal "go.temporal.io/sdk/client"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/browserprofile"
	"crawlfleet.dev/crawlfleet/controllers/crawljob"
	"crawlfleet.dev/crawlfleet/controllers/crawlschedule"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/temporalconn"
	"crawlfleet.dev/crawlfleet/workflows"
)

// leaderElectionID is the lease that operators compete for.
const leaderElectionID = "operator.crawlfleet.dev"

// options are the flags.
type options struct {
	kubeconfig     string
	temporal       temporalconn.Config
	probeAddress   string
	metricsAddress string
	leaderElect    bool
	leaseNamespace string
	recipients     string
	fleetNamespace string
	fleet          fleetOptions
	payloadKeys    payload.File
	logFormat      string
	logLevel       slog.Level
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "operator: %v\n", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var o options
	level := "info"
	c := &cobra.Command{
		Use:           "operator",
		Short:         "Reconcile CrawlJob resources with their crawls in Temporal, CrawlSchedules, BrowserProfiles, and a CrawlFleet with its pods",
		Args:          cobra.NoArgs,
		Version:       cli.ReadBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.logLevel.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("--log-level: %w", err)
			}
			return run(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "file that says how to reach the API server (default: $KUBECONFIG, else the pod's own)")
	o.temporal.Add(f, "127.0.0.1:7233", workflows.Namespace)
	f.StringVar(&o.probeAddress, "health-probe-bind-address", "0", "address for /healthz and /readyz, 0 for none")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "address for /metrics, 0 for none")
	f.BoolVar(&o.leaderElect, "leader-elect", false, "work only while holding the lease, for more than one replica")
	f.StringVar(&o.leaseNamespace, "leader-election-namespace", "", "namespace of the lease (default: the pod's own)")
	f.StringVar(&o.recipients, "profile-recipients", os.Getenv("CRAWLFLEET_PROFILE_RECIPIENTS"),
		"public keys (age1...) of the workers, divided by commas, to which the state of BrowserProfiles is encrypted; none refuses jobs that name one [$CRAWLFLEET_PROFILE_RECIPIENTS]")
	f.StringVar(&o.fleetNamespace, "fleet-namespace", env("CRAWLFLEET_NAMESPACE", "crawlfleet-system"),
		"namespace of the CrawlFleet called crawlfleet, whose policy orders are judged by, and whose pods the operator makes [$CRAWLFLEET_NAMESPACE]")
	o.fleet.add(f)
	o.payloadKeys.Add(f)
	f.StringVar(&o.logFormat, "log-format", "auto", "auto (text on a terminal), json or text")
	f.StringVar(&level, "log-level", level, "debug, info, warn or error")
	c.AddCommand(newKeys())
	return c
}

// run wires everything together and works until the context is done.
func run(ctx context.Context, o options) error {
	format, err := telemetry.ParseFormat(o.logFormat)
	if err != nil {
		return fmt.Errorf("--log-format: %w", err)
	}
	log := telemetry.New(telemetry.Options{Format: format, Level: o.logLevel, Writer: os.Stderr})
	ctrl.SetLogger(telemetry.Logr(log))
	klog.SetSlogLogger(log)

	if _, err := profile.Recipients(o.recipients); err != nil {
		return fmt.Errorf("--profile-recipients: %w", err)
	}
	config, err := restConfig(o.kubeconfig)
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	observed, err := observe(ctx, log)
	if err != nil {
		return err
	}
	defer observed.close()
	changed, err := o.begin(ctx, config)
	if err != nil {
		return err
	}
	recipients, err := profile.Recipients(o.recipients)
	if err != nil {
		return fmt.Errorf("the recipients of profiles: %w", err)
	}
	runs, keys, err := temporalClient(o, log, func(c *temporal.Options) error { return observed.follow(c, metrics.Registry) })
	if err != nil {
		return err
	}
	defer runs.Close()
	mgr, err := manager(config, o, keys)
	if err != nil {
		return err
	}

	if err := wire(mgr, runs, keys, recipients, o, observed); err != nil {
		return err
	}
	if err := count(metrics.Registry, mgr, runs, o.temporal.Namespace); err != nil {
		return fmt.Errorf("set up metrics: %w", err)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	if err := o.watchFleet(ctx, mgr.GetCache(), changed, end, log); err != nil {
		return err
	}
	log.Info("operator starts", "temporalAddress", o.temporal.Address, "temporalNamespace", o.temporal.Namespace)
	if err := mgr.Start(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// temporalClient makes the client, which connects when it is used, and the keys that it encrypts
// with.
func temporalClient(o options, log *slog.Logger, change ...func(*temporal.Options) error) (temporal.Client, *payload.Keys, error) {
	options, err := o.temporal.Options(log)
	if err != nil {
		return nil, nil, err
	}
	options.Logger = telemetry.Temporal(log)
	for _, do := range change {
		if err := do(&options); err != nil {
			return nil, nil, err
		}
	}
	keys, err := o.payloadKeys.Apply(&options, log)
	if err != nil {
		return nil, nil, err
	}
	runs, err := temporal.NewLazyClient(options)
	if err != nil {
		return nil, nil, fmt.Errorf("set up the Temporal client for %s: %w", o.temporal.Address, err)
	}
	return runs, keys, nil
}

// encodes is the probe of whether payloads can be encoded: without, no crawl begins.
func encodes(keys *payload.Keys) healthz.Checker {
	return func(*http.Request) error { return keys.Ready() }
}

// manager makes what the reconcilers run in.
func manager(config *rest.Config, o options, keys *payload.Keys) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), addMade(scheme)); err != nil {
		return nil, fmt.Errorf("register the resource kinds: %w", err)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         o.cacheOptions(),
		HealthProbeBindAddress:        o.probeAddress,
		Metrics:                       server.Options{BindAddress: o.metricsAddress},
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaderElectionID,
		LeaderElectionNamespace:       o.leaseNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("payload-keys", encodes(keys))); err != nil {
		return nil, fmt.Errorf("set up the probes: %w", err)
	}
	return mgr, nil
}

// wire adds the parts that reconcile CrawlJobs, CrawlSchedules, BrowserProfiles and the CrawlFleet
// to the manager.
func wire(mgr ctrl.Manager, runs temporal.Client, keys *payload.Keys, recipients []age.Recipient, o options, observed observer) error {
	log := observed.log
	recorder := kube.Events{EventRecorder: mgr.GetEventRecorder("crawlfleet-operator")}
	reports := crawljob.NewReports(time.Now)
	monitor := &crawljob.Monitor{Checker: runs, Client: mgr.GetClient(), Reports: reports, Log: log}
	calendar := &crawlschedule.Temporal{Client: runs, Namespace: o.temporal.Namespace}
	firings := crawlschedule.NewFirings()
	firings.Client, firings.Reader, firings.Schedules = mgr.GetClient(), mgr.GetAPIReader(), calendar
	firings.Events, firings.Now = recorder, time.Now
	listener := &crawljob.Listener{Client: runs, Reports: reports, Also: firings, Wait: keys.Wait, Log: log}
	reconciler := &crawljob.Reconciler{
		Client:         mgr.GetClient(),
		Reader:         mgr.GetAPIReader(),
		Recipients:     recipients,
		FleetNamespace: o.fleetNamespace,
		Runs:           crawljob.NewTemporal(runs, o.temporal.Namespace, time.Now),
		Health:         monitor,
		Reports:        reports,
		Events:         recorder,
		Tracer:         observed.tracing.Tracer("crawlfleet.dev/crawlfleet"),
		Now:            time.Now,
	}
	profiles := &browserprofile.Reconciler{
		Client: mgr.GetClient(),
		Reader: mgr.GetAPIReader(),
		Events: recorder,
		Now:    time.Now,
	}
	schedules := &crawlschedule.Reconciler{
		Client:    mgr.GetClient(),
		Schedules: calendar,
		Health:    monitor,
		Firings:   firings,
		Events:    recorder,
		Now:       time.Now,
	}
	err := errors.Join(mgr.Add(monitor), mgr.Add(listener),
		reconciler.SetupWithManager(mgr), profiles.SetupWithManager(mgr), schedules.SetupWithManager(mgr),
		o.fleetReconciler(mgr, runs, reports, recorder, log).SetupWithManager(mgr))
	if err != nil {
		return fmt.Errorf("set up the reconciler: %w", err)
	}
	return nil
}

// restConfig finds the API server as kubectl does, and inside a pod as pods do.
func restConfig(kubeconfig string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	// A visit to a CrawlFleet applies some twenty objects, for which client-go's own five requests a
	// second would take half a minute. The API server sees to it that nobody has too much, as
	// controller-runtime relies on it, too.
	config.QPS = -1
	return config, nil
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
