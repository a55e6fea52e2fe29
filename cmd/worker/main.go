// Command worker does the work of crawls: it runs the workflows, plans, and visits pages
// with headless Chromes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/internal/temporalconn"
	"crawlfleet.dev/crawlfleet/workflows"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// The roles of a worker, each with a task queue of its own.
const (
	roleRun     = "run"
	rolePlan    = "plan"
	roleBrowser = "browser"
)

// options are the flags.
type options struct {
	temporal                      temporalconn.Config
	store                         blob.Config
	archiveBucket, frontierBucket string
	roles, allowPrivate, resolve  []string
	version                       version
	tabs                          int
	stopTimeout                   time.Duration
	dir, chrome                   string
	route                         cli.Route
	profileIdentity               string
	payloadKeys                   payload.File
	hashList                      string
	hashListMegabytes             int
	notary                        notaryOptions
	health, metrics               string
	logFormat, logLevel           string
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Work for a fleet: run workflows, plan, visit pages",
		Long: `worker takes the work of crawls from Temporal: workflows, the steps of the
frontier, and bundles of pages, which it visits with headless Chromes and stores as
WACZ files. It knows nothing of Kubernetes.

It waits for Temporal and the store when they are down. On SIGTERM it begins no further
page, lets those end that it has begun, stores what it has, and ends after --stop-timeout
at the latest; what it had not begun goes to another worker.`,
		Example: `  worker --temporal-address temporal:7233 --s3-endpoint https://store.example \
    --s3-credentials-file /etc/crawlfleet/store/credentials --tabs 4
  worker --roles browser --tabs 8     # pages alone; workflows and plans run elsewhere`,
		Args:          cobra.NoArgs,
		Version:       cli.ReadBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := cmd.Flags()
	o.temporal.Add(f, "127.0.0.1:7233", workflows.Namespace)
	addStore(f, &o.store, &o.archiveBucket, &o.frontierBucket)
	f.StringSliceVar(&o.roles, "roles", []string{roleRun, rolePlan, roleBrowser}, "what to do: run (workflows), plan (frontier steps), browser (pages)")
	o.version.add(f)
	f.IntVar(&o.tabs, "tabs", 2*runtime.NumCPU(), "pages that are loaded at once")
	f.DurationVar(&o.stopTimeout, "stop-timeout", 45*time.Second,
		"time after SIGTERM for what was begun, 20s or more: pages load to their end but for the last 15s, in which they are stored. A pod's terminationGracePeriodSeconds has to be 10 more")
	f.StringVar(&o.dir, "dir", os.TempDir(), "folder for scratch files and browser profiles; 1 GB and more of free space")
	f.StringVar(&o.chrome, "chrome", "", "path of the Chrome to use (default: chromium-headless-shell, then chromium)")
	f.StringVar(&o.route.Proxy, "proxy", "", "proxy that all visits go through: http://, https:// or socks5://; with socks5h:// it resolves the names, too")
	f.StringVar(&o.route.ProxyCA, "proxy-ca-file", "", "PEM certificates of the authorities that an https:// proxy's certificate is taken from, in place of the system's")
	f.StringVar(&o.route.NameServer, "name-server", "", "address[:port] of the name server to ask for the hosts of visits, in place of those of the system")
	f.StringArrayVar(&o.allowPrivate, "allow-private", nil, "address range (CIDR) that may be visited although it is not public; for development; may be repeated")
	f.StringArrayVar(&o.resolve, "resolve", nil, "host[:port]=address[:port] to use instead of the name service; may be repeated")
	f.StringVar(&o.profileIdentity, "profile-identity-file", os.Getenv("CRAWLFLEET_PROFILE_IDENTITY_FILE"),
		"secret key, as age-keygen writes it, that opens the BrowserProfiles of jobs; read when it is needed [$CRAWLFLEET_PROFILE_IDENTITY_FILE]")
	o.payloadKeys.Add(f)
	f.StringVar(&o.hashList, "hash-list", os.Getenv("CRAWLFLEET_HASH_LIST"),
		"file of hashes of known illegal images, read again when it changes: what is in it is dropped in memory, before anything is written; see docs/refusals.md [$CRAWLFLEET_HASH_LIST]")
	f.IntVar(&o.hashListMegabytes, "hash-list-megabytes", cli.DefaultPictureMegabytes, "size of a picture, in units of 1,000,000 bytes, up to which it is held to be compared with --hash-list; eight times as much is held at once. Larger ones are dropped")
	o.notary.add(f)
	f.StringVar(&o.health, "health-address", "", "address for /healthz and /readyz, such as :8081 (default: none)")
	f.StringVar(&o.metrics, "metrics-address", "", "address for Prometheus' /metrics, such as :8082 (default: none)")
	addLog(f, &o.logFormat, &o.logLevel)
	cmd.AddCommand(probeCommand(), gatewayCommand())
	return cmd
}

// addLog adds the flags about the log.
func addLog(f *pflag.FlagSet, format, level *string) {
	f.StringVar(format, "log-format", "auto", "auto (text on a terminal), json or text")
	f.StringVar(level, "log-level", "info", "debug, info, warn or error")
}

// addStore adds the flags about the store.
func addStore(f *pflag.FlagSet, store *blob.Config, archive, frontier *string) {
	f.StringVar(&store.Endpoint, "s3-endpoint", os.Getenv("CRAWLFLEET_S3_ENDPOINT"), "the store, http://host:port or https://host [$CRAWLFLEET_S3_ENDPOINT]")
	f.StringVar(&store.Region, "s3-region", env("CRAWLFLEET_S3_REGION", "us-east-1"), "the store's region [$CRAWLFLEET_S3_REGION]")
	f.StringVar(&store.CredentialsFile, "s3-credentials-file", os.Getenv("CRAWLFLEET_S3_CREDENTIALS_FILE"),
		"credentials as an AWS ini file, read again when it changes [$CRAWLFLEET_S3_CREDENTIALS_FILE, or $CRAWLFLEET_S3_ACCESS_KEY and $CRAWLFLEET_S3_SECRET_KEY]")
	f.StringVar(archive, "archive-bucket", "crawlfleet-archive", "bucket of the snapshots, for jobs that name none")
	f.StringVar(frontier, "frontier-bucket", "crawlfleet-frontier", "bucket of the queues")
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
