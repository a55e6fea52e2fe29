package chrome

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// A Gate is the only way that a browser has to the network: a proxy that lets requests to some origins pass, refuses all
// others, and remembers them. It sees plain http alone; what is asked for by https is refused with its host.
type Gate struct {
	proxy   *httptest.Server
	origins []string

	mu      sync.Mutex
	passed  map[string]int
	foreign []string
}

// NewGate starts a gate to origins such as http://127.0.0.1:8080. It ends with the test.
func NewGate(t testing.TB, origins ...string) *Gate {
	t.Helper()
	g := &Gate{origins: origins, passed: map[string]int{}}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: r.In.URL.Scheme, Host: r.In.URL.Host})
			r.Out.Host = r.In.Host
		},
		// A browser that goes on breaks off what it asked for.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	g.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Requests to a proxy name their host in full (RFC 9112 section 3.2.2), https ones as CONNECT host:port.
		origin := r.URL.Scheme + "://" + r.URL.Host
		own := r.Method != http.MethodConnect && slices.Contains(g.origins, origin)
		g.count(r, origin, own)
		if !own {
			http.Error(w, "nobody else may be asked", http.StatusForbidden)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(g.proxy.Close)
	return g
}

// Flags have a browser go through the gate.
func (g *Gate) Flags() []chromedp.ExecAllocatorOption { return Through(g.proxy.URL) }

// Through has a browser ask a proxy for everything, also for loopback addresses and in service workers.
func Through(proxy string) []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{chromedp.ProxyServer(proxy), chromedp.Flag("proxy-bypass-list", "<-loopback>")}
}

func (g *Gate) count(r *http.Request, origin string, own bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if own {
		g.passed[origin]++
		return
	}
	g.foreign = append(g.foreign, r.Method+" "+r.URL.String()+" "+r.Host)
}

// Passed is how many requests went to an origin.
func (g *Gate) Passed(origin string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed[origin]
}

// Foreign are the requests that wanted to go elsewhere.
func (g *Gate) Foreign() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.foreign)
}
