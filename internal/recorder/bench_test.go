package recorder

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// benchmark fetches bodies of a size through the recorder and, to compare,
// without it, four at a time.
func benchmark(b *testing.B, secure bool, size int) {
	body := make([]byte, size)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(body)
	})
	for _, through := range []bool{false, true} {
		b.Run(fmt.Sprintf("recorder=%v", through), func(b *testing.B) {
			ca := newOrigins(b)
			site := httptest.NewUnstartedServer(h)
			if secure {
				site.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(b, time.Now().Add(time.Hour), "127.0.0.1")}}
				site.StartTLS()
			} else {
				site.Start()
			}
			defer site.Close()
			s := newTestSession(b, trust(ca))
			roots := x509.NewCertPool()
			roots.AddCert(ca.cert)
			roots.AddCert(s.rec.Authority())
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 32, DisableCompression: true}
			if through {
				tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: s.Addr()})
			}
			defer tr.CloseIdleConnections()
			c := &http.Client{Transport: tr}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.SetParallelism(2)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					res, err := c.Get(site.URL)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "responses/s")
			for _, e := range end(b, s) {
				if e.Failure != "" || e.Response.Body.Size != int64(size) {
					b.Fatalf("%+v", e)
				}
			}
		})
	}
}

func BenchmarkSmallHTTP(b *testing.B)  { benchmark(b, false, 8<<10) }
func BenchmarkSmallHTTPS(b *testing.B) { benchmark(b, true, 8<<10) }
func BenchmarkLargeHTTP(b *testing.B)  { benchmark(b, false, 16<<20) }
func BenchmarkLargeHTTPS(b *testing.B) { benchmark(b, true, 16<<20) }
