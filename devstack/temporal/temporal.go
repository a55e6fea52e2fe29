// Package temporal runs a real Temporal server (frontend, history, matching and
// worker service) inside this process, with its state in an SQLite file.
//
// The server has no TLS and no authorisation; it listens on the loopback address
// only. What crawlfleet relies on and this version has on by default: workflow
// updates, worker deployment versions and task priorities.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// DefaultNamespace is the Temporal namespace that crawlfleet works in.
const DefaultNamespace = "crawlfleet"

// retention is how long the histories of closed workflows are kept.
const retention = 7 * 24 * time.Hour

// Options say where a server keeps its state and where it listens.
type Options struct {
	// Dir is the stack's folder: the server keeps DIR/temporal and writes its
	// log to DIR/logs.
	Dir string
	// Everywhere has the frontend listen on all addresses, not on the loopback address alone.
	Everywhere bool
	// Port is the frontend's.
	Port int
	// Namespace is made if it does not exist; DefaultNamespace when empty.
	Namespace string
	// SearchAttributes are made in that namespace if they do not exist.
	SearchAttributes map[string]enumspb.IndexedValueType
	// Fast turns SQLite's fsync off: state survives the death of the process,
	// but not that of the machine.
	Fast bool
	// Durable has each transaction on the disk before it counts: state survives a power
	// cut, too.
	Durable bool
}

// Server is a running Temporal server.
type Server struct {
	internal temporal.Server
	done     chan struct{}
}

// Start starts a server and returns when its frontend is healthy and knows the
// namespace.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Namespace == "" {
		opts.Namespace = DefaultNamespace
	}
	dir := filepath.Join(opts.Dir, "temporal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make Temporal's folder: %w", err)
	}
	db := sqliteConfig(filepath.Join(dir, "temporal.db"), opts.synchronous())
	if err := prepareDatabase(db, filepath.Join(dir, "temporal.db"), opts); err != nil {
		return nil, err
	}
	ports, err := choosePorts(opts.Port)
	if err != nil {
		return nil, err
	}
	logFile := filepath.Join(opts.Dir, stack.LogDir, "temporal-server.log")
	logger := newLogger(logFile)
	cfg := serverConfig(db, ports, stack.Listen(opts.Everywhere))
	srv, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(ports.hosts()),
		temporal.WithLogger(logger),
		temporal.WithDynamicConfigClient(dynamicConfig()),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare the Temporal server: %w", err)
	}
	if err := srv.Start(); err != nil {
		return nil, fmt.Errorf("start the Temporal server: %w; see %s", err, logFile)
	}
	s := &Server{internal: srv, done: make(chan struct{})}
	if err := waitReady(ctx, ports.address(frontend), opts); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the Temporal server at %s: %w; see %s", ports.address(frontend), err, logFile), s.internal.Stop())
	}
	return s, nil
}

// synchronous is how SQLite writes its log to the disk (sqlite.org/pragma.html#pragma_synchronous).
func (o Options) synchronous() string {
	switch {
	case o.Durable:
		return "full"
	case o.Fast:
		return "off"
	default:
		return "normal"
	}
}

// newLogger writes warnings and errors to a file. What ends the process, as some
// errors of the server do, is said on the terminal too.
func newLogger(file string) log.Logger {
	fatal := zapcore.NewCore(zapcore.NewConsoleEncoder(log.DefaultZapEncoderConfig), zapcore.Lock(os.Stderr), zapcore.FatalLevel)
	both := func(c zapcore.Core) zapcore.Core { return zapcore.NewTee(c, fatal) }
	return log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", OutputFile: file}).WithOptions(zap.WrapCore(both)))
}

// Done is closed by Stop. The server has no end of its own: what it cannot
// recover from ends the process.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is nil: see Done.
func (s *Server) Err() error { return nil }

// Stop ends the server. Errors of its parts are in its log.
func (s *Server) Stop() {
	defer close(s.done)
	_ = s.internal.Stop()
}
