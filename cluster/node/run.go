package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/cluster/images"
	"crawlfleet.dev/crawlfleet/cluster/pki"
)

// readyTimeout is how long a component may take until it answers. The machine may be busy.
const readyTimeout = 3 * time.Minute

// Options are what the first process of a node is told.
type Options struct {
	Dir Dir
	// Programs is the folder with the components.
	Programs string
	// Listener takes connections for the API server. It was made outside the node, so
	// that clients there reach it.
	Listener net.Listener
	// Progress is told in words what is being waited for.
	Progress func(string)
	// Ready is called when the node is.
	Ready func()
}

// Run is the first process of a node's namespaces: it prepares them, starts the
// components, and keeps them until the context is done.
func Run(ctx context.Context, opts Options) error {
	if os.Getpid() != 1 {
		return errors.New("this is no process of its own namespaces: use \"cluster up\"")
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	procs := newProcesses()
	reaping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go procs.reap(reaping, children)
	defer procs.stop()

	server := "https://" + opts.Listener.Addr().String()
	n := &node{Options: opts, procs: procs, began: time.Now().Truncate(time.Second)}
	if err := n.prepare(server); err != nil {
		return err
	}
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-procs.failed:
			cancel(err)
		case <-reaping.Done():
		}
	}()
	if err := n.start(starting); err != nil {
		if cause := context.Cause(starting); cause != nil {
			return cause
		}
		return err
	}
	procs.setReady()
	opts.Ready()
	<-starting.Done()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(starting)
}

type node struct {
	Options
	procs *processes
	ca    *pki.Authority
	// client is the administrator's.
	client *rest.Config
	// began is when the node did, in whole seconds as Kubernetes counts.
	began time.Time
}

// prepare makes the node's files, mounts, addresses and cgroups.
func (n *node) prepare(server string) error {
	for _, d := range []string{"lib", "logs"} {
		if err := os.MkdirAll(n.Dir.Path(d), 0o755); err != nil {
			return err
		}
	}
	cgroup := n.Dir.Cgroup()
	if err := makeCgroups(cgroup); err != nil {
		return err
	}
	// For clients outside: written before the folder is out of sight.
	ca, err := pki.Open(n.Dir.Path("lib", "pki"))
	if err != nil {
		return err
	}
	if err := ca.Kubeconfig(n.Dir.Kubeconfig(), server, "admin", "crawlfleet-admin", "system:masters"); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(Name)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := hide(n.Dir, n.Programs); err != nil {
		return err
	}
	if err := connect(); err != nil {
		return err
	}
	if n.ca, err = pki.Open(pkiDir); err != nil {
		return err
	}
	if err := os.MkdirAll(configDir, 0o700); err != nil {
		return err
	}
	if err := certificates(n.ca); err != nil {
		return err
	}
	if n.client, err = clientcmd.BuildConfigFromFlags("", kubeconfig("admin")); err != nil {
		return err
	}
	return writeConfigs(n.ca, cgroup)
}

// start starts the components, one after the other answers.
func (n *node) start(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"the API server", n.controlPlane},
		{"containerd", n.runtime},
		{"the images", n.loadImages},
		{"the node", n.joinNode},
		{"cluster DNS", n.addons},
	} {
		n.Progress("waiting for " + step.name)
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("start %s: %w", step.name, err)
		}
		slog.Info("started", "step", step.name, "seconds", time.Since(began).Seconds())
	}
	return nil
}

func (n *node) controlPlane(ctx context.Context) error {
	for _, c := range []component{etcd(n.ca), apiServer(n.ca)} {
		if err := n.procs.start(c); err != nil {
			return err
		}
	}
	if err := n.await(ctx, "kube-apiserver", n.apiReady); err != nil {
		return err
	}
	go forward(ctx, n.Listener, Address+":"+apiPort)
	for _, c := range []component{controllerManager(n.ca), scheduler()} {
		if err := n.procs.start(c); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) runtime(ctx context.Context) error {
	if err := n.procs.start(containerd()); err != nil {
		return err
	}
	return n.await(ctx, "containerd", func(context.Context) error {
		return n.procs.run(component{name: "ctr", path: "ctr", args: []string{"version"}}, nil)
	})
}

// loadImages packs the images that the node itself needs.
func (n *node) loadImages(context.Context) error {
	for _, p := range []images.Program{
		{Ref: pauseImage, Path: filepath.Join(programs, "pause"), User: "65535:65535"},
		{Ref: coreDNSImage, Path: filepath.Join(programs, "coredns")},
	} {
		ctr := component{name: "ctr", path: "ctr", args: ImportArgs()}
		if err := n.procs.run(ctr, func(w io.Writer) error { return p.Write(w) }); err != nil {
			return fmt.Errorf("load %s: %w", p.Ref, err)
		}
	}
	// The images were in memory, and nothing this process does from now on needs as much.
	debug.FreeOSMemory()
	return nil
}

// ImportArgs are those of ctr to import an archive from its standard input for Kubernetes.
func ImportArgs() []string { return []string{"--namespace", "k8s.io", "images", "import", "-"} }

func (n *node) joinNode(ctx context.Context) error {
	for _, c := range []component{netpol(), provisioner(), kubelet(), proxy()} {
		if err := n.procs.start(c); err != nil {
			return err
		}
	}
	return n.await(ctx, "kubelet", n.nodeReady)
}

// await asks until there is an answer without error.
func (n *node) await(ctx context.Context, component string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("no answer within %v", readyTimeout))
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w; the end of logs/%s.log:\n%s", context.Cause(ctx), err, component,
				Tail(filepath.Join(logDir, component+".log")))
		case <-tick.C:
		}
	}
}

// nodeCondition is the condition of a node that says that it takes pods, and when the
// kubelet said so.
func nodeCondition(n *corev1.Node) (ready bool, why string, said time.Time) {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue, c.Message, c.LastHeartbeatTime.Time
		}
	}
	return false, "the kubelet has not said yet", time.Time{}
}
