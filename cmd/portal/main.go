// Command portal serves the analysts' web pages over an archive.
//
// It holds no state of its own: the archive bucket is the only truth. It starts without the
// store, too, and then says on its pages what is wrong with it, and without the identity
// provider, of which it says so at the log-in.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
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
	listen, bucket      string
	metrics             string
	certFile, keyFile   string
	access              accessOptions
	archive             archiveOptions
	replay              replayOptions
	live                liveOptions
	dossiers            dossierOptions
	store               blob.Config
	logFormat, logLevel string
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "portal",
		Short: "Find, see, compare, verify and hand over the snapshots of an archive",
		Long: `portal serves the analysts' pages and API over an archive bucket.

The bucket is the only truth: what the portal finds with is derived from it. People log in at an OpenID Connect
provider (--oidc-issuer), and Kubernetes says what they may see. Without a provider
there is one local person, and the portal listens on loopback only.`,
		Example: `  portal --s3-endpoint http://127.0.0.1:7070 --s3-credentials-file ./credentials \
    --archive-bucket crawlfleet-archive --replay build/replay --listen 127.0.0.1:8080

  portal --listen :8443 --tls-cert-file tls.crt --tls-key-file tls.key --external-url https://portal.example \
    --oidc-issuer https://login.example/realm --oidc-client-id portal --oidc-client-secret-file ./client-secret \
    --session-key-file ./session-keys --custody-key ./custody.key --ask-purpose look`,
		Args:          cobra.NoArgs,
		Version:       cli.ReadBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address to listen on; one of loopback unless people log in (--oidc-issuer)")
	f.StringVar(&o.certFile, "tls-cert-file", "", "certificate chain (PEM) for https, read again when it changes; without it https ends in front of the portal")
	f.StringVar(&o.keyFile, "tls-key-file", "", "private key (PEM) of the certificate")
	o.access.add(f)
	o.archive.add(f)
	o.replay.add(f)
	o.live.add(f)
	o.dossiers.add(f)
	f.StringVar(&o.bucket, "archive-bucket", "crawlfleet-archive", "bucket of the snapshots")
	f.StringVar(&o.store.Endpoint, "s3-endpoint", os.Getenv("CRAWLFLEET_S3_ENDPOINT"), "the store, http://host:port or https://host [$CRAWLFLEET_S3_ENDPOINT]")
	f.StringVar(&o.store.Region, "s3-region", env("CRAWLFLEET_S3_REGION", "us-east-1"), "the store's region [$CRAWLFLEET_S3_REGION]")
	f.StringVar(&o.store.CredentialsFile, "s3-credentials-file", os.Getenv("CRAWLFLEET_S3_CREDENTIALS_FILE"),
		"credentials as an AWS ini file, read again when it changes [$CRAWLFLEET_S3_CREDENTIALS_FILE, or $CRAWLFLEET_S3_ACCESS_KEY and $CRAWLFLEET_S3_SECRET_KEY]")
	f.StringVar(&o.metrics, "metrics-address", "", "address for Prometheus' /metrics, such as :8082 (default: none)")
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

func logger(o options) (*slog.Logger, error) {
	format, err := telemetry.ParseFormat(o.logFormat)
	if err != nil {
		return nil, fmt.Errorf("--log-format: %w", err)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level %q: use debug, info, warn or error", o.logLevel)
	}
	return telemetry.WithoutAddresses(telemetry.New(telemetry.Options{Format: format, Level: level})), nil
}
