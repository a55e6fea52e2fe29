package harness

import (
	"path/filepath"
	"testing"
)

// EgressGateway starts a gateway that may visit sites on loopback addresses, and returns when it is ready, with the address that
// workers are given as --proxy and the one at which it tells its metrics.
func (f *Fleet) EgressGateway(t testing.TB) (p *Process, proxy, metrics string) {
	t.Helper()
	listen, health, tells := FreeAddress(t), FreeAddress(t), FreeAddress(t)
	p = &Process{
		Name: "gateway", Path: f.Binary(t, "worker"), Log: filepath.Join(f.Logs, "gateway.log"), mark: f.mark, health: health,
		Args: []string{"gateway", "--listen", listen, "--allow-private", "127.0.0.0/8", "--health-address", health, "--metrics-address", tells, "--stop-timeout", "1s", "--log-format", "json"},
	}
	f.beside(t, p, "http://"+health+"/readyz")
	return p, "http://" + listen, tells
}
