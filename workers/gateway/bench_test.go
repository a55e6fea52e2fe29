package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// BenchmarkTunnel is what a gateway costs: the time of 20 connections with a small answer, and of one with 64 MB, through it and
// straight, one after the other in turns, as their ratio; and how much memory a tunnel takes on both ends and in the gateway.
func BenchmarkTunnel(b *testing.B) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	s := &Server{Dialer: &netguard.Dialer{Allow: loopback}, MaxTunnels: 10_000, Metrics: NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	defer func() { stop(); <-ended }()
	straight := &netguard.Dialer{Allow: loopback}
	through := &netguard.Dialer{Allow: loopback, Upstream: &url.URL{Scheme: "http", Host: l.Addr().String()}}
	for _, bc := range []struct {
		name        string
		connections int
		bytes       int64
	}{{"Connections", 20, 10_000}, {"Bytes", 1, 64 << 20}} {
		b.Run(bc.name, func(b *testing.B) {
			at := source(b, bc.bytes)
			var took [2]time.Duration
			for b.Loop() {
				for i, d := range []*netguard.Dialer{straight, through} {
					began := time.Now()
					for range bc.connections {
						fetch(b, d, at, bc.bytes)
					}
					took[i] += time.Since(began)
				}
			}
			b.ReportMetric(float64(took[1])/float64(took[0]), "through/straight")
		})
	}
	b.Run("Memory", func(b *testing.B) {
		const tunnels = 500
		at := source(b, 1)
		for b.Loop() {
			before := inUse()
			var all []net.Conn
			for range tunnels {
				c, err := through.Dial(b.Context(), "tcp", at)
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, c)
			}
			b.ReportMetric(float64(inUse()-before)/tunnels, "B/tunnel")
			for _, c := range all {
				_ = c.Close()
			}
		}
	})
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// source sends so many bytes to whoever connects and says a word.
func source(b *testing.B, n int64) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 1)); err == nil {
					_, _ = io.CopyN(c, zeros{}, n)
				}
			}()
		}
	}()
	return l.Addr().String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func fetch(b *testing.B, d *netguard.Dialer, at string, want int64) {
	b.Helper()
	c, err := d.Dial(b.Context(), "tcp", at)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "x"); err != nil {
		b.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, c); err != nil || n != want {
		b.Fatalf("%d bytes of %d: %v", n, want, err)
	}
}
