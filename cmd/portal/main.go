// Command portal serves the analysts' web pages over an archive.
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
	store                  blob.Config
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "portal",
		Short: "Serve the snapshots of an archive: runs, pages, replay",
		Long: `portal lists what an archive bucket holds and replays it with ReplayWeb.page.

It keeps nothing: the bucket is the only truth. There is no log-in yet, so it
listens on loopback only.`,
		Example: `  portal --s3-endpoint http://127.0.0.1:7070 --s3-credentials-file ./credentials \
    --archive-bucket crawlfleet-archive --replay build/replay --listen 127.0.0.1:8080`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "loopback address to listen on")
	f.StringVar(&o.replay, "replay", "build/replay", "folder with ReplayWeb.page's ui.js, sw.js and LICENSE.txt")
	f.StringVar(&o.bucket, "archive-bucket", "crawlfleet-archive", "bucket of the snapshots")
	f.StringVar(&o.store.Endpoint, "s3-endpoint", os.Getenv("CRAWLFLEET_S3_ENDPOINT"), "the store, http://host:port or https://host [$CRAWLFLEET_S3_ENDPOINT]")
	f.StringVar(&o.store.Region, "s3-region", env("CRAWLFLEET_S3_REGION", "us-east-1"), "the store's region [$CRAWLFLEET_S3_REGION]")
	f.StringVar(&o.store.CredentialsFile, "s3-credentials-file", os.Getenv("CRAWLFLEET_S3_CREDENTIALS_FILE"),
		"credentials as an AWS ini file, read again when it changes [$CRAWLFLEET_S3_CREDENTIALS_FILE, or $CRAWLFLEET_S3_ACCESS_KEY and $CRAWLFLEET_S3_SECRET_KEY]")
	return cmd
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func serve(ctx context.Context, o options) error {
	o.store.AccessKey, o.store.SecretKey = os.Getenv("CRAWLFLEET_S3_ACCESS_KEY"), os.Getenv("CRAWLFLEET_S3_SECRET_KEY")
	client, err := blob.NewClient(o.store)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	bucket := client.Bucket(o.bucket)
	server := portal.Server{Catalog: &portal.Catalog{Archive: bucket}, Archive: bucket, ReplayDir: o.replay, Logger: logger}
	handler, err := server.Handler()
	if err != nil {
		return err
	}
	if err := loopback(o.listen); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	logger.Info("portal is ready; it has no log-in and serves this machine alone", "url", "http://"+listener.Addr().String()+"/")
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(grace)
	}()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// loopback refuses an address that others could reach.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--listen %q: must be host:port, such as 127.0.0.1:8080 (%w)", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %q: the portal has no log-in yet, so it listens on loopback only: use 127.0.0.1, and a tunnel to reach it from elsewhere", address)
	}
	return nil
}
