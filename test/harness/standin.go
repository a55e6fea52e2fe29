package harness

import (
	"path/filepath"
	"strconv"
	"testing"
)

// AddStandIn starts a program of a test's own in place of a worker, and returns when it is ready: it is given the flags
// of a worker and further ones, variables that are added to its environment, and answers /readyz at --health-address.
// It ends with the fleet, on SIGTERM.
func (f *Fleet) AddStandIn(t testing.TB, path string, env []string, flags ...string) *Process {
	t.Helper()
	name := "standin-" + strconv.Itoa(len(f.Workers))
	health := FreeAddress(t)
	p := &Process{
		Name: name, Path: path, Log: filepath.Join(f.Logs, name+".log"), Env: env, mark: f.mark,
		Args: append(f.workerArgs(name, health), flags...),
	}
	f.Workers = append(f.Workers, p)
	f.operatorOrWorker(t, p, health)
	return p
}
