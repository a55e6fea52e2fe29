// Package kube runs a real kube-apiserver, with etcd beneath it, inside this
// process.
//
// It is an API server and nothing else: RBAC, admission (validating admission
// policies among it), CRDs, watches, server-side apply all work as in any
// cluster, but there is no controller-manager, scheduler or kubelet. Nothing
// collects the garbage of deleted owners, a deleted namespace stays Terminating,
// no Deployment gets pods and no pod runs. The ServiceAccount admission plugin is
// off, since no controller makes the accounts that it asks for.
//
// The API server keeps its feature gates, its metrics and its log in package
// variables: one Server per process.
package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// Options say where a cluster lives.
type Options struct {
	// Dir is the stack's folder: the cluster keeps DIR/etcd, DIR/pki and
	// DIR/kubeconfig, and writes its logs to DIR/logs.
	Dir string
	// Port is the API server's on the loopback address.
	Port int
	// Fast turns etcd's fsync off: state survives the death of the process,
	// but not that of the machine.
	Fast bool
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (o Options) Kubeconfig() string { return filepath.Join(o.Dir, "kubeconfig") }

// URL is the API server's.
func (o Options) URL() string { return "https://" + stack.Loopback + ":" + strconv.Itoa(o.Port) }

// Server is a running cluster.
type Server struct {
	etcd   *embed.Etcd
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// apiStopTimeout bounds how long the API server may take to end its requests.
const apiStopTimeout = 15 * time.Second

// Start starts etcd and the API server and returns when the API server is ready
// and has made its own roles and namespaces.
func Start(ctx context.Context, opts Options) (*Server, error) {
	certs, err := openPKI(filepath.Join(opts.Dir, "pki"), time.Now())
	if err != nil {
		return nil, err
	}
	logs := filepath.Join(opts.Dir, stack.LogDir)
	etcdDir := filepath.Join(opts.Dir, "etcd")
	if err := os.MkdirAll(etcdDir, 0o700); err != nil {
		return nil, fmt.Errorf("make etcd's folder: %w", err)
	}
	etcd, etcdURL, err := startEtcd(etcdDir, filepath.Join(logs, "etcd.log"), certs, opts.Fast)
	if err != nil {
		return nil, err
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{etcd: etcd, cancel: cancel, done: make(chan struct{})}
	if err := s.serve(ctx, runCtx, opts, certs, etcdURL, filepath.Join(logs, "kube-apiserver.log")); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) serve(ctx, runCtx context.Context, opts Options, certs *pki, etcdURL, logFile string) error {
	run, err := newAPIServer(runCtx, opts, certs, etcdURL, logFile)
	if err != nil {
		close(s.done)
		return err
	}
	go s.watch(runCtx, run)
	// An API server that is stopped before it is ready ends the process with stack
	// traces. It takes seconds only: whoever called the start off waits for that.
	if err := s.waitReady(context.WithoutCancel(ctx), opts, certs); err != nil {
		return fmt.Errorf("wait for the API server at %s: %w; see %s", opts.URL(), err, logFile)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return writeKubeconfig(opts, certs)
}

// watch runs the API server until it ends, or etcd beneath it does.
func (s *Server) watch(ctx context.Context, run func(context.Context) error) {
	defer close(s.done)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case err := <-ended:
		if ctx.Err() == nil {
			s.err = errors.Join(errors.New("the API server ended"), err)
		}
	case err := <-s.etcd.Err():
		s.cancel()
		s.err = errors.Join(fmt.Errorf("etcd ended: %w", err), <-ended)
	}
}

// Done is closed when the API server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err tells, after Done, why the server ended by itself; nil after Stop.
func (s *Server) Err() error { return s.err }

// Stop ends the API server first and then etcd, so that the API server does not
// spend its last seconds on a store that is gone.
func (s *Server) Stop() {
	s.cancel()
	select {
	case <-s.done:
	case <-time.After(apiStopTimeout):
	}
	s.etcd.Close()
}
