package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/devstack/s3"
	"crawlfleet.dev/crawlfleet/devstack/stack"
	"crawlfleet.dev/crawlfleet/devstack/temporal"
)

// lockTimeout is how long to wait for the children of a killed stack to end.
const lockTimeout = 15 * time.Second

type startOptions struct {
	settings
	split bool
}

func newStartCommand() *cobra.Command {
	var o startOptions
	cmd := &cobra.Command{
		Use:   "start --dir DIR",
		Short: "Start the stack and run until Ctrl-C or devstack stop",
		Long: `Start the stack and run until Ctrl-C or devstack stop.

All state lies in DIR: a second start with the same folder goes on where the
first one was, on the same ports. DIR/stack.json says where everything listens;
it exists as long as the stack is up.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	dirFlag(cmd, &o.dir)
	flags := cmd.Flags()
	flags.BoolVar(&o.fast, "fast", false, "no fsync: state survives kill -9, but not a power cut")
	flags.BoolVar(&o.split, "split", false, "run every part as a process of its own and start it again when it dies")
	flags.StringArrayVar(&o.users, "s3-user", nil, "further user of the store, as POLICY=CREDENTIALS: a file with what it may do, as AWS has policies of users, and its AWS credentials file (repeatable)")
	flags.StringArrayVar(&o.searchAttributes, "search-attribute", nil, "Temporal search attribute to make, as Name=Type (repeatable)")
	return cmd
}

// run starts all parts, tells of it, and ends them when ctx is done or one of them
// ends by itself.
func (o *startOptions) run(ctx context.Context, out io.Writer) (err error) {
	began := time.Now()
	if _, err := o.temporal(); err != nil {
		return err
	}
	if _, err := o.s3WithUsers(); err != nil {
		return err
	}
	if o.dir, err = stack.PrepareDir(o.dir); err != nil {
		return err
	}
	lockCtx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock, err := stack.AcquireLock(lockCtx, o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	// What a killed predecessor left would send clients to ports of the past.
	if err := stack.RemoveState(o.dir); err != nil {
		return fmt.Errorf("remove the old state: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if o.ports, err = stack.ChoosePorts(o.dir, []string{stack.Kube, stack.Temporal, stack.S3}, log); err != nil {
		return err
	}

	r := &running{opts: o, lock: lock, log: log, out: out, servers: make(map[string]server)}
	defer r.stopAll()
	if err := r.startAll(ctx); err != nil {
		return err
	}
	if err := r.writeState(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%-9s up in %s, %s\n", "stack", seconds(time.Since(began)), filepath.Join(o.dir, stack.StateFile))
	return r.wait(ctx)
}

// running is a stack between its start and its end.
type running struct {
	opts *startOptions
	lock *stack.Lock
	log  *slog.Logger
	out  io.Writer

	mu      sync.Mutex
	servers map[string]server
	started time.Time
}

// startAll starts the parts side by side. If one cannot start, its error is
// returned and the others are called off.
func (r *running) startAll(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, name := range []string{stack.Kube, stack.Temporal, stack.S3} {
		wg.Go(func() {
			if err := r.start(ctx, name); err != nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	wg.Wait()
	if parent.Err() != nil {
		return errors.New("stopped before the stack was up")
	}
	return context.Cause(ctx)
}

func (r *running) start(ctx context.Context, name string) error {
	began := time.Now()
	s, err := r.launch(ctx, name)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers[name] = s
	fmt.Fprintf(r.out, "%-9s ready in %s, %s, process %d\n", name, seconds(time.Since(began)), r.opts.address(name), pidOf(s))
	return nil
}

// launch starts a part where it belongs. The S3 server changes the working
// directory and so is always a process of its own.
func (r *running) launch(ctx context.Context, name string) (server, error) {
	if !r.opts.split && name != stack.S3 {
		return r.opts.startHere(ctx, name)
	}
	return started(stack.StartChild(ctx, stack.ChildOptions{
		Name:      name,
		Args:      r.opts.args(name),
		Log:       filepath.Join(r.opts.dir, stack.LogDir, name+".log"),
		Lock:      r.lock,
		Restarted: r.restarted,
		Logger:    r.log,
	}))
}

func (o *startOptions) address(name string) string {
	switch name {
	case stack.Kube:
		return o.kube().URL()
	case stack.S3:
		return o.s3().Endpoint()
	default:
		return o.ports.Address(name)
	}
}

// restarted records the new process of a part that came back.
func (r *running) restarted(int) {
	r.mu.Lock()
	up := !r.started.IsZero()
	r.mu.Unlock()
	if !up {
		return // the first state is not written yet, and will have the new process
	}
	if err := r.writeState(); err != nil {
		r.log.Error("state cannot be written", "err", err)
	}
}

func (r *running) writeState() error {
	keys, err := s3.LoadKeys(r.opts.s3())
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started.IsZero() {
		r.started = time.Now().UTC().Truncate(time.Second)
	}
	pids := make(map[string]int, len(r.servers))
	for name, s := range r.servers {
		pids[name] = pidOf(s)
	}
	return stack.WriteState(r.opts.dir, &stack.State{
		PID:        os.Getpid(),
		PIDs:       pids,
		Started:    r.started,
		APIServer:  r.opts.kube().URL(),
		Kubeconfig: r.opts.kube().Kubeconfig(),
		Temporal: stack.TemporalState{
			Address:   r.opts.ports.Address(stack.Temporal),
			Namespace: temporal.DefaultNamespace,
		},
		S3: stack.S3State{
			Endpoint:        r.opts.s3().Endpoint(),
			Region:          s3.Region,
			AccessKey:       keys.Access,
			SecretKey:       keys.Secret,
			CredentialsFile: r.opts.s3().CredentialsFile(),
			ArchiveBucket:   s3.ArchiveBucket,
			FrontierBucket:  s3.FrontierBucket,
		},
	})
}

// wait returns when the stack is to end: nil when asked to, otherwise why.
func (r *running) wait(ctx context.Context) error {
	ended := make(chan error, len(r.servers))
	for name, s := range r.servers {
		go func() {
			<-s.Done()
			ended <- fmt.Errorf("%s ended by itself: %w", name, s.Err())
		}()
	}
	select {
	case <-ctx.Done():
		fmt.Fprintf(r.out, "%-9s stopping\n", "stack")
		return nil
	case err := <-ended:
		return err
	}
}

// stopAll takes stack.json away first, so that nobody new comes, and then ends all
// parts side by side.
func (r *running) stopAll() {
	if err := stack.RemoveState(r.opts.dir); err != nil {
		r.log.Error("state cannot be removed", "err", err)
	}
	began := time.Now()
	var wg sync.WaitGroup
	for _, s := range r.servers {
		wg.Go(s.Stop)
	}
	wg.Wait()
	fmt.Fprintf(r.out, "%-9s stopped in %s\n", "stack", seconds(time.Since(began)))
}

// pidOf returns the process that a part runs in.
func pidOf(s server) int {
	if child, ok := s.(interface{ PID() int }); ok {
		return child.PID()
	}
	return os.Getpid()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
