package load

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"crawlfleet.dev/crawlfleet/test/harness"
)

// calls counts requests to the store, and what they carried.
type calls struct {
	puts, gets, heads, lists, deletes int64
	// written is the size in bytes of all that was put: of chunks, and of all other objects.
	chunks, others int64
}

func (c calls) all() int64 { return c.puts + c.gets + c.heads + c.lists + c.deletes }

func (c calls) minus(o calls) calls {
	return calls{
		puts: c.puts - o.puts, gets: c.gets - o.gets, heads: c.heads - o.heads, lists: c.lists - o.lists, deletes: c.deletes - o.deletes,
		chunks: c.chunks - o.chunks, others: c.others - o.others,
	}
}

func (c calls) plus(o calls) calls { return c.minus(calls{}.minus(o)) }

// counter counts the requests that pass a gateway.
type counter struct {
	gateway *harness.Gateway
	mu      sync.Mutex
	calls   calls
}

// newCounter starts a gateway before the store that counts.
func newCounter(t testing.TB, fleet *harness.Fleet) *counter {
	t.Helper()
	g, err := harness.NewGateway()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	endpoint, err := url.Parse(fleet.State().S3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g.To(endpoint.Host)
	c := &counter{gateway: g}
	g.Fail(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		c.note(r)
		pass.ServeHTTP(w, r)
	})
	return c
}

func (c *counter) note(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := &c.calls; r.Method {
	case http.MethodPut:
		n.puts++
		if strings.HasSuffix(r.URL.Path, ".wacz") {
			n.chunks += r.ContentLength
		} else {
			n.others += r.ContentLength
		}
	case http.MethodGet:
		if r.URL.Query().Has("list-type") {
			n.lists++
		} else {
			n.gets++
		}
	case http.MethodHead:
		n.heads++
	case http.MethodDelete:
		n.deletes++
	}
}

func (c *counter) read() calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func TestCallsAreToldApart(t *testing.T) {
	c := &counter{}
	for _, r := range []string{
		"PUT /archive/ns/name/uid/chunks/s0b1-0-a1-ab-c0.wacz", "PUT /frontier/ns/name/uid/s/0/m/00000001", "GET /frontier/x",
		"GET /frontier/?delimiter=&list-type=2&prefix=fleet", "HEAD /archive/x", "DELETE /frontier/fleet/claims/x",
	} {
		method, path, _ := strings.Cut(r, " ")
		c.note(httptest.NewRequest(method, path, strings.NewReader("seven.."[:7])))
	}
	want := calls{puts: 2, gets: 1, heads: 1, lists: 1, deletes: 1, chunks: 7, others: 7}
	if got := c.read(); got != want || got.all() != 6 || got.minus(got).all() != 0 || got.plus(got).puts != 4 {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}
