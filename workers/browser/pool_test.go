package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHundredPagesLeaveNothing(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<p>Page</p><script>fetch('/x?' + Math.random())</script>`, "/x": func(http.ResponseWriter, *http.Request) {}})
	dir := scratch(t)
	p, err := New(t.Context(), Options{Dir: dir, Recorder: newRecorder(t), Tabs: 4, StaysPerBrowser: 2, RecyclePages: 15})
	if err != nil {
		t.Fatal(err)
	}
	pids := make(map[int]string)
	note := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.chromes {
			pids[c.proc.cmd.Process.Pid] = c.proc.profile
		}
	}
	pages := t.TempDir()
	var wg sync.WaitGroup
	for tab := range 4 {
		wg.Go(func() {
			for host := range 5 {
				s, err := p.Stay(t.Context(), StayOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				for n := range 5 {
					page, err := s.Capture(t.Context(), Visit{URL: site.URL, Dir: filepath.Join(pages, fmt.Sprint(tab, host, n))})
					if err != nil || page.Outcome.State != Archived || len(page.Exchanges) != 2 {
						t.Errorf("page %d of stay %d: %+v, %v", n, host, page, err)
					}
				}
				note()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if len(pids) < 4 {
		t.Errorf("%d Chromes for 100 pages, want them replaced every 15", len(pids))
	}
	for pid, profile := range pids {
		for _, st := range family(pid, profile) {
			if st.state != 'Z' || st.ppid == os.Getpid() {
				t.Errorf("process left: %+v", st)
			}
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("folders left: %v %v", left, err)
	}
	if _, err := p.Stay(t.Context(), StayOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("a stay in a closed pool: %v", err)
	}
}

func TestStaysShareNothing(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{
		"/": `<p id=p></p><script>p.innerText = 'before: ' + document.cookie + localStorage.x; document.cookie = 'a=b'; localStorage.x = 'c'</script><link rel=stylesheet href=/style.css>`,
		"/style.css": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=600")
			w.Header().Set("Content-Type", "text/css")
			fmt.Fprint(w, "p { color: red }")
		},
	})
	pool := newPool(t)
	first := newStay(t, pool, StayOptions{})
	if got := read(t, visit(t, first, site.URL).TextFile); got != "before: undefined" {
		t.Errorf("the first page saw %q", got)
	}
	again := visit(t, first, site.URL)
	if got := read(t, again.TextFile); got != "before: a=bc" {
		t.Errorf("the stay's second page saw %q", got)
	}
	if got := requested(again, site.URL); !slices.Contains(got, "GET /style.css cache") {
		t.Errorf("the style was not taken from the cache: %v", got)
	}
	if err := first.ClearCache(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := requested(visit(t, first, site.URL), site.URL); !slices.Contains(got, "GET /style.css record") {
		t.Errorf("the style was taken from a cleared cache: %v", got)
	}
	second := newStay(t, pool, StayOptions{})
	if got := read(t, visit(t, second, site.URL).TextFile); got != "before: undefined" {
		t.Errorf("another stay saw %q", got)
	}
}

func TestStayOptions(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var head http.Header
	site := serve(t, map[string]any{"/": func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		head = r.Header.Clone()
		mu.Unlock()
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<p id=p></p><script>p.innerText = [innerWidth, innerHeight, navigator.language, Intl.DateTimeFormat().resolvedOptions().timeZone, (1.5).toLocaleString()].join(' ')</script>`)
	}})
	s := newStay(t, newPool(t), StayOptions{Viewport: Viewport{Width: 800, Height: 600}, UserAgent: "crawlfleet-test/1",
		Locale: "de-DE", TimeZone: "Asia/Tokyo", Headers: map[string]string{"X-Case": "17"}})
	p := visit(t, s, site.URL)
	if got := read(t, p.TextFile); !strings.HasPrefix(got, "800 600 ") || !strings.HasSuffix(got, " Asia/Tokyo 1,5") {
		t.Errorf("the page saw %q", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if head.Get("User-Agent") != "crawlfleet-test/1" || head.Get("X-Case") != "17" || p.UserAgent != "crawlfleet-test/1" {
		t.Errorf("the server saw %v", head)
	}
	want := Environment{UserAgent: "crawlfleet-test/1", Languages: p.Environment.Languages, Locale: "de-DE", TimeZone: "Asia/Tokyo"}
	if diff := cmp.Diff(want, p.Environment); diff != "" || len(want.Languages) == 0 {
		t.Errorf("what scripts were told (-want +got):\n%s", diff)
	}
	checkPicture(t, p, 800, 600)
}

func TestSandboxIsOn(t *testing.T) {
	t.Parallel()
	p := newPool(t, func(o *Options) { o.Sandbox = SandboxRequire })
	if !strings.HasPrefix(p.Sandbox(), "on") || slices.Contains(p.Flags(), "--no-sandbox") {
		t.Errorf("sandbox %q, flags %v", p.Sandbox(), p.Flags())
	}
	s := newStay(t, p, StayOptions{})
	proc := s.chrome.proc
	renderers := 0
	for _, st := range family(proc.cmd.Process.Pid, proc.profile) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", st.pid))
		if err != nil {
			continue
		}
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.pid))
		if err != nil || !strings.Contains(string(cmdline), "--type=renderer") {
			continue
		}
		renderers++
		if !strings.Contains(string(raw), "Seccomp:\t2") {
			t.Errorf("a renderer runs without a system call filter:\n%s", raw)
		}
	}
	if renderers == 0 {
		t.Error("found no renderer to look at")
	}
}

func TestNoSuchEngine(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Options{Engine: "/no/such/chrome", Dir: t.TempDir(), Recorder: newRecorder(t)})
	if err == nil || !strings.Contains(err.Error(), "/no/such/chrome") {
		t.Errorf("got %v", err)
	}
	_, err = New(t.Context(), Options{Engine: "/bin/false", Dir: t.TempDir(), Recorder: newRecorder(t)})
	if err == nil || !strings.Contains(err.Error(), "exit") {
		t.Errorf("got %v", err)
	}
}

func TestFramesAndWorkersOfOtherOrigins(t *testing.T) {
	t.Parallel()
	other := serve(t, map[string]any{
		"/frame":  `<p>Other origin</p><script>fetch('/data'); alert('from the frame')</script><iframe src="/nested"></iframe>`,
		"/data":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
		"/nested": `<p>Nested</p>`,
	})
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	js := func(src string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, src)
		}
	}
	site := serve(t, map[string]any{
		"/":          `<iframe src="` + elsewhere + `/frame"></iframe><script>new Worker('/worker.js')</script>`,
		"/worker.js": js(`importScripts('/imported.js'); fetch('/from-worker')`), "/imported.js": js(``),
		"/from-worker": func(http.ResponseWriter, *http.Request) {},
	})
	s := newStay(t, newPool(t), StayOptions{})
	p := visit(t, s, site.URL)
	got := requested(p, "")
	for _, want := range []string{elsewhere + "/frame", elsewhere + "/data", elsewhere + "/nested", site.URL + "/worker.js", site.URL + "/imported.js", site.URL + "/from-worker"} {
		if !slices.Contains(got, "GET "+want+" record") {
			t.Errorf("the ledger lacks %s: %v", want, got)
		}
	}
	if p.Completeness.Ratio != 1 || p.Completeness.OnlyRecorder != 0 {
		t.Errorf("completeness %+v", p.Completeness)
	}
	if !hasAction(p, "dialog") {
		t.Errorf("the frame's dialog was not seen: %+v", p.Actions)
	}
}

func TestWaitingForATab(t *testing.T) {
	t.Parallel()
	p := newPool(t, func(o *Options) { o.Stays = 1 })
	s := newStay(t, p, StayOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Stay(ctx, StayOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	got := make(chan error)
	go func() {
		s, err := p.Stay(t.Context(), StayOptions{})
		if err == nil {
			err = s.Close()
		}
		got <- err
	}()
	for !p.Wanted() {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	if p.Wanted() {
		t.Error("a tab is wanted still, by nobody")
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "-1": 0, "soon": 0, "999999999": maxRetryAfter, "99999999999": maxRetryAfter,
		"99999999999999999999999":       maxRetryAfter,
		"Fri, 01 May 2026 12:00:30 GMT": 30 * time.Second, "Fri, 01 May 2026 11:00:00 GMT": 0,
	} {
		if got := RetryAfter(in, now); got != want {
			t.Errorf("RetryAfter(%q) = %s, want %s", in, got, want)
		}
	}
}
