package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// arrivals are requests that came to a site and are more than questions.
type arrivals struct {
	mu   sync.Mutex
	list []string
}

func (a *arrivals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Allow-Methods", "*")
	if r.Method == http.MethodGet || r.Method == http.MethodOptions {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, r.Method+" "+r.URL.Path)
}

func (a *arrivals) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.list
	a.list = nil
	slices.Sort(out)
	return out
}

// posting is a page that sends in every way that it has. other is an origin of another site.
func posting(other string) string {
	return fmt.Sprintf(`<!doctype html><link rel=icon href=data:,><p id=p></p>
	<form id=f method=post action=/sink/form><input name=a value=1></form><iframe name=i></iframe><form id=g method=post action=/sink/framed target=i></form>
	<script>
	const other = %q;
	const send = async () => {
		for (const to of ['', other]) {
			await fetch(to + '/sink/fetch', {method: 'POST', body: 'x'}).catch(() => {});
			await fetch(to + '/sink/put', {method: 'PUT', body: 'x'}).catch(() => {});
			await new Promise(done => { const x = new XMLHttpRequest(); x.onloadend = done; x.open('POST', to + '/sink/xhr'); x.send('x') });
			navigator.sendBeacon(to + '/sink/beacon', 'x');
		}
		await fetch('/sink/asked').catch(() => {});
		const w = new Worker(URL.createObjectURL(new Blob(["fetch('" + location.origin + "/sink/worker', {method: 'POST', body: 'x'}).catch(() => {}).finally(() => postMessage(1))"])));
		await new Promise(done => { w.onmessage = done });
		p.textContent = 'sent'; g.submit(); f.submit();
	};
	send();
	</script>`, other)
}

// TestScriptPosts: forms are never submitted, and scripts send to whom the order lets them.
func TestScriptPosts(t *testing.T) {
	t.Parallel()
	own := []string{"POST /sink/beacon", "POST /sink/fetch", "POST /sink/worker", "POST /sink/xhr", "PUT /sink/put"}
	foreign := slices.DeleteFunc(slices.Clone(own), func(s string) bool { return strings.HasSuffix(s, "worker") })
	for _, kind := range []Recorder{RecorderWire, RecorderBrowser} {
		var here, there arrivals
		mux := http.NewServeMux()
		mux.Handle("/sink/", &here)
		site := serveTLS(t, true, mux)
		other := serveTLS(t, true, &there)
		elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
		mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, posting(elsewhere))
		})
		rec := recorderFor(t, site)
		pool := newPool(t, func(o *Options) { o.Recorder = rec })
		for _, tc := range []struct {
			posts       ScriptPosts
			here, there []string
			blocked     int
		}{
			{ScriptPostsAny, own, foreign, 0},
			{ScriptPostsSameSite, own, nil, 4},
			{ScriptPostsNone, nil, nil, 9},
		} {
			s := newStay(t, pool, StayOptions{Recorder: kind, ScriptPosts: tc.posts, AcceptBadCertificates: true})
			p := visit(t, s, site.URL+"/")
			if p.Outcome.State != Archived || !strings.Contains(read(t, p.TextFile), "sent") {
				t.Errorf("%s %q: %+v", kind, tc.posts, p.Outcome)
			}
			if diff := cmp.Diff(tc.here, here.take()); diff != "" {
				t.Errorf("%s %q, to the page's site (-want +got):\n%s", kind, tc.posts, diff)
			}
			if diff := cmp.Diff(tc.there, there.take()); diff != "" {
				t.Errorf("%s %q, to another site (-want +got):\n%s", kind, tc.posts, diff)
			}
			blocked, forms := 0, 0
			for _, l := range p.Ledger {
				switch l.Reason {
				case ReasonPostBlocked:
					blocked++
				case ReasonNavigationBlocked:
					forms++
				}
			}
			if blocked != tc.blocked || forms != 2 {
				t.Errorf("%s %q: %d lines of the ledger are blocked, want %d; %d forms, want 2", kind, tc.posts, blocked, tc.blocked, forms)
			}
			if t.Failed() {
				dump(t, p)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestImagesOff: pictures are neither asked for, where the browser says that it wants one, nor
// kept or shown.
func TestImagesOff(t *testing.T) {
	t.Parallel()
	for _, kind := range []Recorder{RecorderWire, RecorderBrowser} {
		var mu sync.Mutex
		asked := map[string]bool{}
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked[r.URL.Path] = true
			mu.Unlock()
			_, _ = w.Write([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
		})
		mux.HandleFunc("/{$}", page(`<img src=/a.gif><p style="background: url(/b.gif)">text</p><script>fetch('/c').then(r => r.text()).catch(() => {})</script>`))
		site := serveTLS(t, true, mux)
		rec := recorderFor(t, site)
		s := newStay(t, newPool(t, func(o *Options) { o.Recorder = rec }), StayOptions{Recorder: kind, NoImages: true, AcceptBadCertificates: true})
		p := visit(t, s, site.URL+"/")
		if p.Outcome.State != Archived || p.ScreenshotFile == "" || p.Incomplete() != "" {
			t.Errorf("%s: %+v, incomplete: %q", kind, p.Outcome, p.Incomplete())
		}
		mu.Lock()
		if asked["/a.gif"] || asked["/b.gif"] || !asked["/c"] {
			t.Errorf("%s: the site was asked for %v", kind, asked)
		}
		mu.Unlock()
		off := 0
		for _, l := range p.Ledger {
			if l.Reason == ReasonImagesOff {
				off++
			}
		}
		if off != 3 {
			t.Errorf("%s: %d pictures are said to be left out, want 3", kind, off)
			dump(t, p)
		}
		for _, e := range p.Exchanges {
			if e.URL != site.URL+"/" && e.Response != nil && e.Response.Body.Size > 0 {
				t.Errorf("%s: there is a body of %s", kind, e.URL)
			}
		}
		p = visit(t, s, site.URL+"/d")
		if p.Outcome.State != Failed || p.Outcome.Reason != ReasonImagesOff {
			t.Errorf("%s: a page that is a picture: %+v", kind, p.Outcome)
		}
	}
}
