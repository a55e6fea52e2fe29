// Command portal serves the analysts' web pages over an archive.
//
// It holds no state of its own: the archive bucket is the only truth. It starts without the
// store, too, and then says on its pages what is wrong with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/portal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "portal:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	listen, replay, bucket string
	allowRemote            bool
	store                  blob.Config
	logFormat, logLevel    string
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "portal",
		Short: "Serve the snapshots of an archive: runs, pages, replay",
		Long: `portal lists what an archive bucket holds and replays it with ReplayWeb.page.

It keeps nothing: the bucket is the only truth. There is no log-in yet, so it
listens on loopback only, unless --allow-remote is set.`,
		Example: `  portal --s3-endpoint http://127.0.0.1:7070 --s3-credentials-file ./credentials \
    --archive-bucket crawlfleet-archive --replay build/replay --listen 127.0.0.1:8080`,
		Args:          cobra.NoArgs,
		Version:       cli.ReadBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "loopback address to listen on")
	f.BoolVar(&o.allowRemote, "allow-remote", false, "listen on any address: whoever reaches it sees everything; for a proxy in front that has a log-in and https")
	f.StringVar(&o.replay, "replay", "build/replay", "folder with ReplayWeb.page's ui.js, sw.js and LICENSE.txt")
	f.StringVar(&o.bucket, "archive-bucket", "crawlfleet-archive", "bucket of the snapshots")
	f.StringVar(&o.store.Endpoint, "s3-endpoint", os.Getenv("CRAWLFLEET_S3_ENDPOINT"), "the store, http://host:port or https://host [$CRAWLFLEET_S3_ENDPOINT]")
	f.StringVar(&o.store.Region, "s3-region", env("CRAWLFLEET_S3_REGION", "us-east-1"), "the store's region [$CRAWLFLEET_S3_REGION]")
	f.StringVar(&o.store.CredentialsFile, "s3-credentials-file", os.Getenv("CRAWLFLEET_S3_CREDENTIALS_FILE"),
		"credentials as an AWS ini file, read again when it changes [$CRAWLFLEET_S3_CREDENTIALS_FILE, or $CRAWLFLEET_S3_ACCESS_KEY and $CRAWLFLEET_S3_SECRET_KEY]")
	f.StringVar(&o.logFormat, "log-format", "auto", "auto (text on a terminal), json or text")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func serve(ctx context.Context, o options) error {
	log, err := logger(o)
	if err != nil {
		return err
	}
	if err := o.checkListen(); err != nil {
		return err
	}
	o.store.AccessKey, o.store.SecretKey = os.Getenv("CRAWLFLEET_S3_ACCESS_KEY"), os.Getenv("CRAWLFLEET_S3_SECRET_KEY")
	client, err := blob.NewClient(o.store)
	if err != nil {
		return err
	}
	bucket := client.Bucket(o.bucket)
	server := portal.Server{
		Catalog: &portal.Catalog{Archive: bucket}, Archive: bucket,
		ReplayDir: o.replay, AnyHost: o.allowRemote, Logger: log,
	}
	handler, err := server.Handler()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if o.allowRemote {
		log.Warn("portal has no log-in and listens where others may reach it: they see everything", "address", listener.Addr().String())
	}
	log.Info("portal is ready", "url", "http://"+listener.Addr().String()+"/", "archiveBucket", o.bucket)
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return run(ctx, srv, listener)
}

// run serves until ctx ends and then lets open answers end.
func run(ctx context.Context, srv *http.Server, listener net.Listener) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := srv.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = srv.Close() // somebody downloads a large file
		}
		stopped <- err
	})
	defer stop()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func logger(o options) (*slog.Logger, error) {
	format, err := telemetry.ParseFormat(o.logFormat)
	if err != nil {
		return nil, fmt.Errorf("--log-format: %w", err)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: use debug, info, warn or error", o.logLevel)
	}
	return telemetry.New(telemetry.Options{Format: format, Level: level}), nil
}

// checkListen refuses an address that others could reach, unless that is wanted.
func (o options) checkListen() error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("--listen %q: must be host:port, such as 127.0.0.1:8080 (%w)", o.listen, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || o.allowRemote || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--listen %q: the portal has no log-in yet, so it listens on loopback only: use 127.0.0.1 and a tunnel to reach it from elsewhere, or --allow-remote behind a proxy that has a log-in", o.listen)
}
