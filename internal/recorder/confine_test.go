package recorder

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestConfine: a page that is confined reaches nobody else, and the next one is free again.
func TestConfine(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(site.Close)
	s := newTestSession(t) // with a page open
	ask := func() string {
		return talk(t, s, lines("GET "+site.URL+"/ HTTP/1.1", "Host: x", "Connection: close"))
	}
	s.Confine(func(host string) bool { return host == "127.0.0.1" })
	if got := ask(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("allowed: %q", got)
	}
	s.Confine(func(string) bool { return false })
	if got := ask(); !strings.Contains(got, ReasonHeader+": "+ReasonOutOfReach) {
		t.Errorf("refused: %q", got)
	}
	list := end(t, s)
	if len(list) != 2 || list[0].Failure != "" || list[1].Failure != ReasonOutOfReach || list[1].Conn != nil || list[1].Response != nil || hits.Load() != 1 {
		t.Errorf("%d hits, recorded %+v", hits.Load(), list)
	}
	begin(t, s)
	if got := ask(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("the next page: %q", got)
	}
	end(t, s)
}

// TestConfineConnectsToNobody: a tunnel to a host out of reach is no reason to connect to it.
func TestConfineConnectsToNobody(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	site.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	site.StartTLS()
	t.Cleanup(site.Close)
	s := newTestSession(t)
	s.Confine(func(string) bool { return false })
	res, err := h2Client(t, s).Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get(ReasonHeader); got != ReasonOutOfReach || connections.Load() != 0 {
		t.Errorf("reason %q after %d connections, want %q after none", got, connections.Load(), ReasonOutOfReach)
	}
	end(t, s)
}
