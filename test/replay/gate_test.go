package replay

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// A gate is the only way that a browser has to the network: a proxy that lets requests to one origin pass, refuses all
// others, and remembers them.
type gate struct {
	proxy *httptest.Server

	mu      sync.Mutex
	passed  int
	foreign []string
}

// newGate starts a gate to an origin such as http://127.0.0.1:8080.
func newGate(t *testing.T, origin string) *gate {
	t.Helper()
	to, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	g.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Requests to a proxy name their host in full (RFC 9112 section 3.2.2), https ones as CONNECT host:port.
		own := r.Method != http.MethodConnect && r.URL.Scheme == to.Scheme && r.URL.Host == to.Host
		g.count(r, own)
		if !own {
			http.Error(w, "only the portal may be asked", http.StatusForbidden)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(g.proxy.Close)
	return g
}

func (g *gate) count(r *http.Request, own bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if own {
		g.passed++
		return
	}
	g.foreign = append(g.foreign, r.Method+" "+r.URL.String()+" "+r.Host)
}

// requests returns how many requests went to the portal, and those that wanted to go elsewhere.
func (g *gate) requests() (passed int, foreign []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed, append([]string(nil), g.foreign...)
}
