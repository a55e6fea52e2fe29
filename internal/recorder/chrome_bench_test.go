package recorder

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// The page that BenchmarkChrome loads: subresources answered after a while.
const (
	benchResources = 25
	benchLatency   = 20 * time.Millisecond
	benchTabs      = 4
)

func benchSite(w http.ResponseWriter, r *http.Request) {
	time.Sleep(benchLatency)
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.URL.Path == "/":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>page</title>", strings.Repeat("<p>Some text that is laid out.</p>", 100))
		for i := range benchResources {
			switch i % 3 {
			case 0:
				fmt.Fprintf(w, "<img src='/i%d?%s'>", i, r.URL.RawQuery)
			case 1:
				fmt.Fprintf(w, "<script src='/s%d?%s'></script>", i, r.URL.RawQuery)
			default:
				fmt.Fprintf(w, "<link rel=stylesheet href='/c%d?%s'>", i, r.URL.RawQuery)
			}
		}
	case r.URL.Path[1] == 's':
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, "document.title += '.';", strings.Repeat("// nothing\n", 1000))
	case r.URL.Path[1] == 'c':
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, strings.Repeat("p { color: green }\n", 500))
	default:
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>", strings.Repeat("<!-- -->", 1000))
	}
}

// BenchmarkChrome loads pages in four tabs with and without the recorder: the
// ratio of the two is what recording costs. Run it with -benchtime 80x or more.
func BenchmarkChrome(b *testing.B) {
	ca := newOrigins(b)
	for _, protocol := range []string{"http", "https", "h2"} {
		site := httptest.NewUnstartedServer(http.HandlerFunc(benchSite))
		if protocol != "http" {
			site.EnableHTTP2 = protocol == "h2"
			site.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(b, time.Now().Add(time.Hour), "127.0.0.1")}}
			site.StartTLS()
		} else {
			site.Start()
		}
		b.Cleanup(site.Close)
		for _, through := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/recorder=%v", protocol, through), func(b *testing.B) { benchChrome(b, site.URL, trust(ca), through) })
		}
	}
}

func benchChrome(b *testing.B, address string, roots func(*Options), through bool) {
	rec := newRecorder(b, roots)
	dir, err := os.MkdirTemp("", "crawlfleet-recorder-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.UserDataDir(dir), chromedp.NoSandbox, chromedp.ExecPath(chromes[0]))
	if through {
		flags = append(flags, chromedp.Flag("ignore-certificate-errors-spki-list", rec.SPKI()))
	} else {
		flags = append(flags, chromedp.IgnoreCertErrors)
	}
	ctx, cancel := chromedp.NewExecAllocator(b.Context(), flags...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Navigate("about:blank")); err != nil {
		b.Fatal(err)
	}
	var tabs []context.Context
	var sessions []*Session
	for range benchTabs {
		s, err := rec.NewSession(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		tab, cancel := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext(func(p *target.CreateBrowserContextParams) {
			if through {
				p.ProxyServer, p.ProxyBypassList = "http://"+s.Addr(), "<-loopback>"
			}
		}))
		defer cancel()
		if _, err := chromedp.Run(tab, chromedp.Navigate("about:blank")); err != nil {
			b.Fatal(err)
		}
		tabs, sessions = append(tabs, tab), append(sessions, s)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ResetTimer()
	for i, tab := range tabs {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				begin(b, sessions[i])
				if _, err := chromedp.Run(tab, chromedp.Navigate(fmt.Sprintf("%s/?%d", address, n))); err != nil {
					b.Error(err)
					return
				}
				if list := end(b, sessions[i]); through && len(list) != benchResources+1 {
					b.Errorf("%d exchanges", len(list))
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
	b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "own-cpu-ms/page")
}
