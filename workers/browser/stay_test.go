package browser

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A stay may be in another engine than the pool's own. The Chromes of the two live side by
// side, and one that nobody stays in makes room for the other's.
func TestStayOfAnotherEngine(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<title>Both</title><p>Shown by either</p>`})
	pool := newPool(t)
	shell := newStay(t, pool, StayOptions{})
	whole, err := pool.Stay(t.Context(), StayOptions{Engine: EngineChromium})
	if err != nil {
		t.Fatal(err)
	}
	first, second := visit(t, shell, site.URL), visit(t, whole, site.URL)
	if !strings.HasPrefix(first.Browser, "HeadlessChrome/") || first.Browser != pool.Version().Product {
		t.Errorf("the pool's own engine is %q, of the pool %q", first.Browser, pool.Version().Product)
	}
	if !strings.HasPrefix(second.Browser, "Chrome/") || second.Outcome.State != Archived || second.Title != "Both" {
		t.Errorf("the other engine is %q, the page %+v", second.Browser, second.Outcome)
	}
	checkPicture(t, second, DefaultViewport.Width, DefaultViewport.Height)
	idle := whole.chrome
	if err := whole.Close(); err != nil {
		t.Fatal(err)
	}
	pool.dismiss(shell.chrome.path)
	select {
	case <-idle.proc.exited:
	case <-time.After(10 * time.Second):
		t.Error("a Chrome that nobody stays in keeps its memory from one of another engine")
	}
	if shell.chrome.lost() {
		t.Error("a Chrome that somebody stays in was ended")
	}
	if _, err := pool.Stay(t.Context(), StayOptions{Engine: "/no/such/chrome"}); !errors.Is(err, ErrNoEngine) {
		t.Errorf("an engine that is not there: %v", err)
	}
}

// What a page leaves behind is there for the next of its stay, unless the stay promises each
// page a fresh context.
func TestFreshPages(t *testing.T) {
	t.Parallel()
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var asked []string // what was asked for, with the cookie that came along
			site := serve(t, map[string]any{"/": func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				asked = append(asked, r.URL.Path+" "+r.Header.Get("Cookie"))
				mu.Unlock()
				if r.URL.Path == "/style.css" {
					w.Header().Set("Cache-Control", "max-age=3600")
					w.Header().Set("Content-Type", "text/css")
					return
				}
				http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, `<link rel=stylesheet href=/style.css><p id=p></p><script>
					p.innerText = 'stored: ' + localStorage.getItem('seen'); localStorage.setItem('seen', 'yes')</script>`)
			}})
			s := newStay(t, newPool(t), StayOptions{FreshPages: fresh})
			for _, path := range []string{"/one", "/two"} {
				if p := visit(t, s, site.URL+path); path == "/two" && read(t, p.TextFile) != map[bool]string{true: "stored: null", false: "stored: yes"}[fresh] {
					t.Errorf("the second page shows %q", read(t, p.TextFile))
				}
			}
			want := []string{"/one ", "/style.css seen=yes", "/two seen=yes"}
			if fresh {
				want = []string{"/one ", "/style.css seen=yes", "/two ", "/style.css seen=yes"}
			}
			mu.Lock()
			defer mu.Unlock()
			got := slices.DeleteFunc(asked, func(a string) bool { return strings.HasPrefix(a, "/favicon.ico") })
			if !slices.Equal(got, want) {
				t.Errorf("asked for %q, want %q", got, want)
			}
		})
	}
}

// A service worker and what it has stored answer the pages of a stay until the cache is
// emptied for a new chunk: what it would answer from then on is not in that one.
func TestServiceWorkersEndWithTheCache(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	site := serve(t, map[string]any{"/": func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		mu.Unlock()
		if r.URL.Path == "/worker.js" {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `
				self.addEventListener('install', (e) => e.waitUntil(caches.open('all').then((c) => c.add('/page')).then(() => skipWaiting())));
				self.addEventListener('activate', (e) => e.waitUntil(clients.claim()));
				self.addEventListener('fetch', (e) => e.respondWith(caches.match(e.request).then((found) => found || fetch(e.request))));`)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, `<p>of the site</p><script>navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => document.title = 'ready')</script>`)
	}})
	loads := func() int {
		mu.Lock()
		defer mu.Unlock()
		return asked["/page"]
	}
	s := newStay(t, newPool(t), StayOptions{})
	if p := visit(t, s, site.URL+"/page"); p.Title != "ready" {
		t.Fatalf("the service worker is not ready: %q", p.Title)
	}
	before := loads()
	answered := visit(t, s, site.URL+"/page")
	if loads() != before || answered.MainExchange() != nil {
		t.Fatalf("the page was loaded %d times, then %d: the service worker did not answer", before, loads())
	}
	if err := s.ClearCache(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := visit(t, s, site.URL+"/page"); loads() == before || p.MainExchange() == nil {
		t.Errorf("the page of the next chunk was answered by a service worker of the one before: %+v", p.Ledger)
	}
}

// What is asked for between two pages, as the browser's own reports are, goes nowhere, and
// the next page's account tells of it.
func TestRefusedBetweenPagesIsTold(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<p>a page</p>`})
	s := newStay(t, newPool(t), StayOptions{})
	if p := visit(t, s, site.URL); len(p.Refused) != 0 {
		t.Errorf("refused before anything was asked: %+v", p.Refused)
	}
	report(t, s)
	report(t, s)
	for i, want := range []int{2, 0} {
		p := visit(t, s, site.URL)
		if n := reported(p); n != want {
			t.Errorf("page %d tells of %d refused reports, want %d: %+v", i, n, want, p.Refused)
		}
	}
}

// TestRefusedAfterTheLastPageIsTold: of what no page follows, the pool tells the number. That
// a stay has a session for each page loses nothing.
func TestRefusedAfterTheLastPageIsTold(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<p>a page</p>`})
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			t.Parallel()
			var told []int
			pool := newPool(t, func(o *Options) { o.Refused = func(n int) { told = append(told, n) } })
			s, err := pool.Stay(t.Context(), StayOptions{FreshPages: fresh})
			if err != nil {
				t.Fatal(err)
			}
			visit(t, s, site.URL)
			report(t, s)
			if p := visit(t, s, site.URL); reported(p) != 1 {
				t.Errorf("the page after a report tells of %+v", p.Refused)
			}
			report(t, s)
			report(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if !slices.Equal(told, []int{2}) {
				t.Errorf("told of %v refused requests, want 2 at once", told)
			}
		})
	}
}

// report has a stay's recorder asked for something that belongs to no page.
func report(t *testing.T, s *Stay) {
	t.Helper()
	proxy := &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("http://" + s.session.Addr()) }}}
	defer proxy.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://reports.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := proxy.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusBadGateway {
		t.Errorf("answered %s, %v", res.Status, err)
	}
}

// reported is how many of such requests a page tells of.
func reported(p *Page) (n int) {
	for _, r := range p.Refused {
		if r.Host == "reports.example" && r.Method == http.MethodPost && r.Why != "" {
			n += r.Count
		}
	}
	return n
}

// A server can tell the pages of a visitor by their connection, and by a TLS session that is
// taken up again, too. A stay with fresh pages gives it neither.
func TestFreshPagesShareNoConnection(t *testing.T) {
	t.Parallel()
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			clients := make(map[string][]string) // addresses by path
			resumed := false
			site := serveTLS(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				clients[r.URL.Path] = append(clients[r.URL.Path], r.RemoteAddr)
				resumed = resumed || r.TLS.DidResume
				mu.Unlock()
				page("<p>Page</p>")(w, r)
			}))
			s := newStay(t, newPool(t), StayOptions{FreshPages: fresh, AcceptBadCertificates: true})
			for _, path := range []string{"/one", "/two", "/three"} {
				if p := visit(t, s, site.URL+path); p.Outcome.State != Archived {
					t.Errorf("%s: %+v", path, p.Outcome)
				}
				// What is not kept open has to be made anew, and may take the session up again.
				if path == "/two" {
					site.CloseClientConnections()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			shared := slices.ContainsFunc(clients["/two"], func(c string) bool { return slices.Contains(clients["/one"], c) })
			if shared == fresh || resumed == fresh {
				t.Errorf("with fresh pages %v: the same connection %v, a session taken up again %v; clients %v", fresh, shared, resumed, clients)
			}
		})
	}
}
