package browser

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// dynamicSite has pages of 25 sub-resources with 20 ms of latency each.
func dynamicSite(tb testing.TB) string {
	pixel := []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
	return serve(tb, map[string]any{
		"/page/": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(20 * time.Millisecond)
			n := strings.TrimPrefix(r.URL.Path, "/page/")
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<!doctype html><title>Page %s</title><link rel=icon href=data:,>", n)
			for i := range 3 {
				fmt.Fprintf(w, "<link rel=stylesheet href='/res/%s/%d.css'>", n, i)
			}
			fmt.Fprint(w, "<ul id=l></ul>")
			for i := range 10 {
				fmt.Fprintf(w, "<img src='/res/%s/%d.gif' width=50 height=50 alt=''>", n, i)
			}
			for i := range 4 {
				fmt.Fprintf(w, "<script src='/res/%s/%d.js'></script>", n, i)
			}
			fmt.Fprintf(w, `<script>for (let i = 0; i < 8; i++) fetch('/res/%s/' + i + '.json').then(r => r.json()).then(v => {
				const li = document.createElement('li'); li.innerHTML = '<a href="/page/' + v.n + '">' + v.text + '</a>'; l.append(li) })</script>`, n)
		},
		"/res/": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(20 * time.Millisecond)
			w.Header().Set("Cache-Control", "no-store")
			switch filepath.Ext(r.URL.Path) {
			case ".css":
				w.Header().Set("Content-Type", "text/css")
				fmt.Fprint(w, strings.Repeat("p { color: #123; margin: 1px }\n", 200))
			case ".js":
				w.Header().Set("Content-Type", "text/javascript")
				fmt.Fprint(w, strings.Repeat("(function(){ var a = 1; return a + 1 })();\n", 500))
			case ".gif":
				w.Header().Set("Content-Type", "image/gif")
				_, _ = w.Write(pixel)
			default:
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"n": 1, "text": %q}`, strings.Repeat("words ", 50))
			}
		},
	}).URL + "/page/"
}

// BenchmarkCapture compares the capture with the bare loop of the same Chrome:
// navigate, wait for the load event, next. Run it with -benchtime=60x -count=3,
// so that the variants interleave.
func BenchmarkCapture(b *testing.B) {
	tabs := 8
	if s := os.Getenv("TABS"); s != "" {
		fmt.Sscan(s, &tabs)
	}
	page := dynamicSite(b)
	docs := func(int64) string { return "" }
	if root := os.Getenv("DOCS"); root != "" {
		docs = docsSite(b, root)
	}
	for _, bench := range []struct {
		name string
		url  func(int64) string
		run  func(*Stay, string, string) error
	}{
		{"dynamic/bare", func(n int64) string { return page + fmt.Sprint(n) }, bareVisit},
		{"dynamic/record", func(n int64) string { return page + fmt.Sprint(n) }, recordVisit(false)},
		{"dynamic/all", func(n int64) string { return page + fmt.Sprint(n) }, recordVisit(true)},
		{"docs/bare", docs, bareVisit},
		{"docs/record", docs, recordVisit(false)},
		{"docs/all", docs, recordVisit(true)},
		{"docs/noscroll", docs, func(s *Stay, a, d string) error {
			_, err := s.Capture(context.Background(), Visit{URL: a, Dir: d, NoScroll: true})
			return err
		}},
		{"dynamic/noscroll", func(n int64) string { return page + fmt.Sprint(n) }, func(s *Stay, a, d string) error {
			_, err := s.Capture(context.Background(), Visit{URL: a, Dir: d, NoScroll: true})
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			if bench.url(0) == "" {
				b.Skip("set DOCS to a folder of HTML")
			}
			p := newPool(b, func(o *Options) { o.Tabs, o.TabsPerBrowser = tabs, tabs })
			stays := make([]*Stay, tabs)
			for i := range stays {
				stays[i] = newStay(b, p, StayOptions{})
				if strings.HasSuffix(bench.name, "bare") {
					goDirect(b, stays[i])
				}
			}
			dir := b.TempDir()
			var n atomic.Int64
			own, chromes := ownCPU(b), chromeCPU(b, p)
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, s := range stays {
				wg.Go(func() {
					for {
						k := n.Add(1)
						if k > int64(b.N) {
							return
						}
						d := filepath.Join(dir, fmt.Sprint(i))
						if err := bench.run(s, bench.url(k), d); err != nil {
							b.Error(err)
							return
						}
						os.RemoveAll(d)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
			b.ReportMetric((ownCPU(b)-own)/float64(b.N)*1000, "own-cpu-ms/page")
			b.ReportMetric((chromeCPU(b, p)-chromes)/float64(b.N)*1000, "chrome-cpu-ms/page")
		})
	}
}

// ownCPU is the processor time of this process in seconds: the test's server,
// the recorder and the driver.
func ownCPU(b *testing.B) float64 {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e9
}

// chromeCPU is the same of the pool's Chromes with their children that live.
func chromeCPU(b *testing.B, p *Pool) float64 {
	ticks := 0
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.chromes {
		for _, st := range family(c.proc.cmd.Process.Pid, c.proc.profile) {
			raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", st.pid))
			if err != nil {
				continue
			}
			f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+2:]))
			for _, i := range []int{11, 12} { // utime and stime, proc_pid_stat(5)
				var n int
				if _, err := fmt.Sscan(f[i], &n); err != nil {
					b.Fatal(err)
				}
				ticks += n
			}
		}
	}
	return float64(ticks) / 100
}

func docsSite(b *testing.B, root string) func(int64) string {
	var pages []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".html") {
			rel, _ := filepath.Rel(root, path)
			pages = append(pages, rel)
		}
		return err
	})
	if err != nil || len(pages) == 0 {
		b.Fatalf("no pages below %s: %v", root, err)
	}
	base := serve(b, map[string]any{"/": http.HandlerFunc(http.FileServer(http.Dir(root)).ServeHTTP)}).URL
	return func(n int64) string { return base + "/" + pages[int(n)%len(pages)] }
}

// goDirect gives a stay a tab that goes straight to the site.
func goDirect(b *testing.B, s *Stay) {
	b.Helper()
	t, err := s.chrome.open(b.Context(), s.opts, "direct://")
	if err != nil {
		b.Fatal(err)
	}
	s.tab.close()
	s.tab = t
}

// bareVisit is the limit: nothing is recorded and nothing kept.
func bareVisit(s *Stay, address, _ string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := newAccount(time.Now, s.tab.id, "")
	s.tab.begin(a)
	defer s.tab.end()
	c := &capture{stay: s, tab: s.tab, acct: a}
	if err := s.tab.session.Call(ctx, "Page.navigate", map[string]any{"url": address}, nil); err != nil {
		return err
	}
	return c.wait(ctx, 0, func(p progress) bool { return !p.document.load.IsZero() })
}

func recordVisit(all bool) func(*Stay, string, string) error {
	return func(s *Stay, address, dir string) error {
		v := Visit{URL: address, Dir: dir}
		if all {
			v.Screenshot, v.Text, v.DOM = ScreenshotViewport, true, true
		}
		p, err := s.Capture(context.Background(), v)
		if err == nil && p.Outcome.State != Archived {
			err = fmt.Errorf("%s: %+v", address, p.Outcome)
		}
		return err
	}
}
