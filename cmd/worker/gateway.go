package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/workers/gateway"
)

// linger is for how long a gateway that is to end still serves who asks: it takes moments until
// everybody knows that it is not to be asked any more.
const linger = 5 * time.Second

// gatewayOptions are the flags of the command gateway.
type gatewayOptions struct {
	listen              string
	allowPrivate        []string
	maxTunnels          int
	drain               time.Duration
	health, metrics     string
	logFormat, logLevel string
}

func gatewayCommand() *cobra.Command {
	var o gatewayOptions
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Be the proxy by which workers get to the sites that they visit, and to nothing else",
		Long: `gateway makes tunnels (CONNECT) to public addresses for workers with --proxy=http://GATEWAY:3128.
Where the network lets workers reach nothing else of the Internet, it is what decides where a browser
gets to that a hostile page has taken over: not to private addresses, and not to ports of services
that are not the web.

It takes addresses alone: workers resolve the names, whose answers are evidence. On SIGTERM it tells
by /readyz that it goes, serves who asks for 5s more, and lets tunnels end for --stop-timeout.`,
		Example: `  worker gateway --listen :3128
  worker --proxy http://gateway.example:3128 --temporal-address temporal:7233 …`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:3128", "address to be asked at. Whoever reaches it can visit public addresses by it")
	f.StringArrayVar(&o.allowPrivate, "allow-private", nil, "address range (CIDR) that may be visited although it is not public; may be repeated")
	f.IntVar(&o.maxTunnels, "max-tunnels", 8192, "tunnels at once; each takes up to some 50 kB of memory, with the kernel's buffers")
	f.DurationVar(&o.drain, "stop-timeout", 2*time.Minute, "time after SIGTERM that tunnels have to end by themselves. A pod's terminationGracePeriodSeconds has to be 15 more")
	f.StringVar(&o.health, "health-address", "", "address for /healthz and /readyz, such as :8081 (default: none)")
	f.StringVar(&o.metrics, "metrics-address", "", "address for Prometheus' /metrics, such as :8082 (default: none)")
	addLog(f, &o.logFormat, &o.logLevel)
	return cmd
}

func (o *gatewayOptions) run(ctx context.Context) error {
	log, err := logger(o.logFormat, o.logLevel)
	if err != nil {
		return err
	}
	allow, err := cli.ParsePrefixes(o.allowPrivate)
	switch {
	case err != nil:
		return err
	case o.maxTunnels < 1:
		return fmt.Errorf("--max-tunnels %d: want 1 or more", o.maxTunnels)
	case o.drain < 0:
		return fmt.Errorf("--stop-timeout %v: want 0s or more", o.drain)
	}
	registry := newRegistry()
	s := &gateway.Server{
		Dialer: &netguard.Dialer{Allow: allow}, MaxTunnels: o.maxTunnels, Drain: o.drain, Metrics: gateway.NewMetrics(registry), Logger: log,
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	var ready atomic.Bool
	stopHealth, err := serveHealth(o.health, func() error {
		if !ready.Load() {
			return errors.New("it is about to end")
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer stopHealth()
	stopMetrics, err := serveMetrics(o.metrics, registry)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer stopMetrics()
	ready.Store(true)
	log.Info("gateway is ready", "address", l.Addr().String(), "private", o.allowPrivate)
	return s.Serve(later(ctx, &ready, log), l)
}

// later ends some time after ctx, in which nobody is ready any more.
func later(ctx context.Context, ready *atomic.Bool, log *slog.Logger) context.Context {
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		ready.Store(false)
		log.Info("gateway is about to end", "after", linger)
		time.AfterFunc(linger, end)
	})
	return after
}
