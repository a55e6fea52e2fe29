package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/workers/gateway"
)

// TestGateway: the command makes a tunnel, tells what it did, and is not ready any more when it is to
// end, while it still serves.
func TestGateway(t *testing.T) {
	t.Parallel()
	site, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := site.Accept(); err == nil {
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	defer func() { _ = site.Close(); <-done }()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listen, health, metrics := freeAddress(t), freeAddress(t), freeAddress(t)
	c := command()
	c.SetArgs([]string{"gateway", "--listen=" + listen, "--health-address=" + health, "--metrics-address=" + metrics, "--allow-private=127.0.0.0/8", "--stop-timeout=0s", "--log-level=error"})
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	asker := awaitListener(t, listen, ended)
	defer asker.Close()
	if _, err := io.WriteString(asker, "CONNECT "+site.Addr().String()+" HTTP/1.1\r\nHost: site.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(asker)
	res, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", res, err)
	}
	if got, err := io.ReadAll(io.LimitReader(r, 5)); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	expectProbe(t, health+"/readyz", http.StatusOK, "")
	expectProbe(t, metrics+"/metrics", http.StatusOK, `crawlfleet_gateway_requests_total{outcome="Tunnel"} 1`)
	stop()
	for until := time.Now().Add(linger); ; time.Sleep(time.Millisecond) {
		if why := readyz(t, health); strings.Contains(why, "about to end") || time.Now().After(until) {
			break
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func readyz(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitListener connects to what is about to listen.
func awaitListener(t *testing.T, address string, ended <-chan error) net.Conn {
	t.Helper()
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			return c
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestGatewayFlags: what cannot be is named.
func TestGatewayFlags(t *testing.T) {
	t.Parallel()
	for flag, says := range map[string]string{
		"--max-tunnels=0": "--max-tunnels 0", "--stop-timeout=-1s": "--stop-timeout -1s", "--allow-private=10.0.0": "10.0.0", "--listen=nowhere": "--listen",
	} {
		c := command()
		c.SetArgs([]string{"gateway", flag})
		c.SetErr(io.Discard)
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// TestGatewayMetricsAreDocumented: each is explained, and nothing else.
func TestGatewayMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(docs), "\n## Of a gateway\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(text, -1) {
		explained = append(explained, row[1])
	}
	r := prometheus.NewRegistry()
	gateway.NewMetrics(r)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var has []string
	for _, f := range families {
		has = append(has, f.GetName())
	}
	slices.Sort(explained)
	if !slices.Equal(explained, has) {
		t.Errorf("docs/reference/metrics.md explains %q, a gateway has %q", explained, has)
	}
}
