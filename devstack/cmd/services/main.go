// Services runs Temporal and an S3 store for an installation of crawlfleet on a single node: the
// servers of devstack, without its Kubernetes, on fixed ports, for other machines to reach.
//
//	services --dir /data
//
// Whoever reaches the ports reaches Temporal, which asks nobody who they are, and the store in plain
// HTTP, which asks for its keys: let network policies say who does.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/devstack/s3"
	"crawlfleet.dev/crawlfleet/devstack/stack"
	"crawlfleet.dev/crawlfleet/devstack/temporal"
)

// lockTimeout is how long to wait for the process before this one to be gone.
const lockTimeout = 15 * time.Second

// stopTimeout is how long Temporal may take to end; by itself it would wait for minutes. The store may take 20 s after
// that (stack.Child), and a pod has 60 s for all (charts/crawlfleet/templates/services.yaml).
const stopTimeout = 25 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	dir, credentials, namespace string
	users                       []string
	temporalPort, s3Port        int
	loopback                    bool
}

func newCommand() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "services --dir DIR",
		Short: "Temporal and an S3 store for an installation on a single node",
		Long: `Temporal (gRPC, without TLS) and an S3 store (HTTP) for an installation on a single node.

All state lies in DIR, and is on the disk before it is confirmed: a power cut loses nothing of it. The store has the buckets crawlfleet-archive and crawlfleet-frontier, and
Temporal has the namespace. The store's keys are those of --s3-credentials-file; without it, those in
DIR/s3/credentials, which are made at the first start.

Ready is what answers: GET /-healthz of the store, and gRPC's health check
(temporal.api.workflowservice.v1.WorkflowService) of Temporal. SIGTERM ends both in order, within 45 seconds.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := root.PersistentFlags()
	f.StringVar(&o.dir, "dir", "", "the `FOLDER` of all state")
	f.BoolVar(&o.loopback, "loopback", false, "listen on the loopback address alone")
	f.IntVar(&o.s3Port, "s3-port", 7070, "`PORT` of the store")
	f.StringVar(&o.credentials, "s3-credentials-file", os.Getenv("CRAWLFLEET_S3_CREDENTIALS_FILE"),
		"`FILE` with the store's keys, an AWS credentials file [$CRAWLFLEET_S3_CREDENTIALS_FILE]")
	f.StringArrayVar(&o.users, "s3-user", nil, "a further user of the store, `POLICY=CREDENTIALS`: a file with what it may do, as AWS has policies of users, and its AWS credentials file; may be repeated")
	root.Flags().IntVar(&o.temporalPort, "temporal-port", 7233, "`PORT` of Temporal")
	root.Flags().StringVar(&o.namespace, "temporal-namespace", temporal.DefaultNamespace, "`NAME` of Temporal's namespace")
	if err := root.MarkPersistentFlagRequired("dir"); err != nil {
		panic(err) // the flag was added above
	}
	root.AddCommand(&cobra.Command{
		Use:    stack.S3,
		Short:  "Run the store; \"services\" does so",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return o.runS3(cmd.Context()) },
	})
	return root
}

func (o *options) s3() (opts s3.Options, err error) {
	opts = s3.Options{Dir: o.dir, Everywhere: !o.loopback, Port: o.s3Port, Credentials: o.credentials, Durable: true}
	opts.Users, err = s3.ParseUsers(o.users)
	return opts, err
}

// run starts both and ends them when ctx is done: Temporal first, since it hands out work that the store is
// needed for. To be called off before both are up is no error.
func (o *options) run(ctx context.Context) (err error) {
	if o.dir, err = stack.PrepareDir(o.dir); err != nil {
		return err
	}
	if o.credentials != "" {
		if o.credentials, err = filepath.Abs(o.credentials); err != nil {
			return err
		}
	}
	if _, err := o.s3(); err != nil { // before anything is started
		return err
	}
	lock, err := o.lock(ctx)
	if err != nil {
		return unlessCalledOff(ctx, err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))

	// The store changes its working directory: it is a process of its own.
	store, err := stack.StartChild(ctx, stack.ChildOptions{
		Name: stack.S3, Args: o.s3Args(), Log: filepath.Join(o.dir, stack.LogDir, stack.S3+".log"), Lock: lock,
		Restarted: func(int) {}, Logger: log,
	})
	if err != nil {
		return unlessCalledOff(ctx, fmt.Errorf("start the store: %w", err))
	}
	defer store.Stop()
	server, err := temporal.Start(ctx, temporal.Options{Dir: o.dir, Everywhere: !o.loopback, Port: o.temporalPort, Namespace: o.namespace, Durable: true})
	if err != nil {
		return unlessCalledOff(ctx, err)
	}
	defer o.stop(log, server)
	log.Info("services are up", "temporalPort", o.temporalPort, "s3Port", o.s3Port, "dir", o.dir)
	<-ctx.Done()
	log.Info("services are ending")
	return nil
}

// lock waits for the process before this one, if there is one, to be gone.
func (o *options) lock(ctx context.Context) (*stack.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock, err := stack.AcquireLock(ctx, o.dir)
	var held *stack.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("other services run in %s, since %s: end them, or use another --dir (%s is theirs)",
			o.dir, held.Holder.Since.Local().Format(time.DateTime), filepath.Join(o.dir, stack.LockFile))
	}
	return lock, err
}

// unlessCalledOff is the error of a start that was not called off.
func unlessCalledOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// stop ends Temporal, in a time that leaves the store its own. What it has confirmed is on the disk.
func (o *options) stop(log *slog.Logger, server *temporal.Server) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Stop()
	}()
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		log.Warn("Temporal did not end in time", "seconds", stopTimeout.Seconds(), "log", filepath.Join(o.dir, stack.LogDir))
	}
}

// s3Args are the command line on which the store runs by itself.
func (o *options) s3Args() []string {
	args := []string{stack.S3, "--dir", o.dir, "--loopback=" + strconv.FormatBool(o.loopback), "--s3-port", strconv.Itoa(o.s3Port)}
	if o.credentials != "" {
		args = append(args, "--s3-credentials-file", o.credentials)
	}
	for _, u := range o.users {
		args = append(args, "--s3-user", u)
	}
	return args
}

// runS3 is the store's process.
func (o *options) runS3(ctx context.Context) error {
	parent, err := stack.NewReporter()
	if err != nil {
		return err
	}
	opts, err := o.s3()
	if err != nil {
		return parent.Failed(err)
	}
	server, err := s3.Start(ctx, opts)
	if err != nil {
		return parent.Failed(err)
	}
	defer server.Stop()
	if err := parent.Ready(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-server.Done():
		return server.Err()
	}
}
