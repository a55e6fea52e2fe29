package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// TestSilent: who connects and asks for nothing takes no more than there is: one too many is not
// listened to, and when they have gone there is room again.
func TestSilent(t *testing.T) {
	t.Parallel()
	g := run(t, &Server{MaxTunnels: 1})
	at := site(t, echo)
	var silent []net.Conn
	for range g.MaxTunnels + spare {
		c, err := net.Dial("tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		silent = append(silent, c)
	}
	more, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	if err := more.SetDeadline(time.Now().Add(long)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(more, connect(at)) // it may have been ended before
	if got, err := io.ReadAll(io.LimitReader(more, 1)); len(got) > 0 {
		t.Fatalf("one too many is answered: %q, %v", got, err)
	}
	if n := testutil.ToFloat64(g.Metrics.requests.WithLabelValues(string(outcomeFull))); n != 1 {
		t.Errorf("%v are counted as too many", n)
	}
	for _, c := range silent {
		_ = c.Close()
	}
	d := &netguard.Dialer{Upstream: &url.URL{Scheme: "http", Host: g.address}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for until := time.Now().Add(long); ; time.Sleep(time.Millisecond) {
		c, err := d.Dial(t.Context(), "tcp", at)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatalf("there is no room: %v", err)
		}
	}
}

// TestCutWhileDialing: a gateway that ends does not wait for a site that does not answer.
func TestCutWhileDialing(t *testing.T) {
	t.Parallel()
	cut, end := context.WithCancel(t.Context())
	end()
	h := &handler{
		Server: &Server{
			Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, MaxTunnels: 1,
			Metrics: NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler),
		},
		places: make(chan struct{}, 1), cut: cut,
	}
	at := site(t, func(net.Conn) { t.Error("a site is asked") })
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodConnect, "http://"+at, nil)
	r.Host = at
	h.ServeHTTP(w, r)
	if w.Code != http.StatusBadGateway || len(h.places) != 0 {
		t.Errorf("it is answered %d, and %d places are taken", w.Code, len(h.places))
	}
}
