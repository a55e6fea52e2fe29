package browser

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

// maxOrigins bounds the origins whose certificates are asked for.
const maxOrigins = 200

// certify asks for the chain that an origin has shown: the first time that something of it
// comes, for the browser forgets it with the page. The caller holds the lock.
func (k *intercept) certify(address string) {
	host := hostOf(address)
	if _, known := k.chainOf[host]; known || !secure(address) || len(k.chainOf) >= maxOrigins {
		return
	}
	k.chainOf[host] = nil
	u, err := urls.Split(address)
	if err != nil {
		return
	}
	k.work.Go(func() {
		ctx, cancel := context.WithTimeout(k.ctx, certificateTimeout)
		defer cancel()
		var res struct {
			Chain [][]byte `json:"tableNames"` // DER in base64
		}
		if err := k.main.Call(ctx, "Network.getCertificate", map[string]any{"origin": "https://" + u.Host}, &res); err != nil {
			return // the record of the connection has no chain then
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.chainOf[host] = res.Chain
	})
}

// connections are the tunnels of a page with what the browser tells of them.
type connections struct {
	tunnels []recorder.Tunnel
	conns   []*recorder.Connection
	chains  map[string][][]byte
	verify  func(host string, chain [][]byte) error
	number  map[string]int // tunnels by host and the browser's number of the connection
	used    map[int]bool
}

func newConnections(tunnels []recorder.Tunnel, chains map[string][][]byte, verify func(string, [][]byte) error) *connections {
	return &connections{
		tunnels: tunnels, conns: make([]*recorder.Connection, len(tunnels)), chains: chains, verify: verify,
		number: make(map[string]int), used: make(map[int]bool),
	}
}

// connect fills in the connection of an exchange. The browser numbers its connections, and
// knows nothing of where the proxy's lead: the first exchange of a number is taken to have
// gone over the first tunnel to its host that no other number has.
func (c *connections) connect(t *taken) {
	if t.Response == nil && c.explain(t) {
		return
	}
	key := fmt.Sprint(t.host, " ", t.number)
	i, known := c.number[key]
	if !known {
		open := c.open(t)
		if len(open) == 0 {
			return
		}
		i = open[0]
		if free := slices.IndexFunc(open, func(i int) bool { return !c.used[i] }); free >= 0 {
			i = open[free]
		}
		c.number[key], c.used[i] = i, true
		if remotes := c.remotes(open); len(remotes) > 1 {
			t.Notes = append(t.Notes, fmt.Sprintf("went over one of %d connections to addresses that differ: %v", len(open), remotes))
		}
	}
	if c.conns[i] == nil {
		conn := *c.tunnels[i].Conn
		conn.Protocol = t.protocol
		host, _, _ := net.SplitHostPort(t.host) // it is of hostOf
		if chain := c.chains[t.host]; t.security != nil || len(chain) > 0 {
			conn.TLS = tlsFacts(t.security, host, chain)
			if err := c.verify(host, chain); err != nil && len(chain) > 0 {
				conn.TLS.VerifyError = err.Error()
			}
		}
		c.conns[i] = &conn
	}
	t.Conn = c.conns[i]
}

// open lists the tunnels to the host that were open at the time.
func (c *connections) open(t *taken) []int {
	at := t.FirstByte
	if at.IsZero() {
		at = t.Ended
	}
	var out []int
	for i := range c.tunnels {
		tn := &c.tunnels[i]
		if tn.Host == t.host && tn.Conn != nil && (at.IsZero() || !tn.Started.After(at)) && !tn.Ended.Before(t.Started) {
			out = append(out, i)
		}
	}
	return out
}

func (c *connections) remotes(open []int) []netip.AddrPort {
	var out []netip.AddrPort
	for _, i := range open {
		if r := c.tunnels[i].Conn.Remote; !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// explain says why a request had no answer where its tunnel had failed, and reports
// whether it had.
func (c *connections) explain(t *taken) bool {
	failed := false
	for i := range c.tunnels {
		tn := &c.tunnels[i]
		if tn.Failure == "" || tn.Host != t.host || !t.Ended.IsZero() && tn.Started.After(t.Ended) {
			continue
		}
		t.Failure, t.Detail = tn.Failure, tn.Detail
		failed = true
	}
	return failed
}

// secure reports whether an address is asked for over TLS.
func secure(address string) bool {
	return strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "wss://")
}

// hostOf is the host:port of an address, empty when there is none.
func hostOf(address string) string {
	u, err := urls.Split(address)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(u.Hostname, u.Port)
}
