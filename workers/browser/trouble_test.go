package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// flushed writes a beginning and then nothing more until the client leaves.
func endless(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, body)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestPagesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{
		"/silent":   silent,
		"/endless":  endless("<p>The beginning " + strings.Repeat("x", 2000)),
		"/picture":  `<p>Whole but for a picture</p><img src="/silent">`,
		"/stream":   `<p>Streaming</p><script>new EventSource('/events'); fetch('/silent')</script>`,
		"/events":   endless(""),
		"/poll":     `<p>Polling</p><script>setInterval(() => fetch('/tick'), 50)</script>`,
		"/tick":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") },
		"/loop":     `<p>Before the loop</p><script>for(;;);</script>`,
		"/lateloop": `<p>Before the loop</p><script>addEventListener('load', () => setTimeout(() => { for(;;); }, 20))</script>`,
		"/reload":   `<p>again</p><script>location.href = '/reload?' + Math.random()</script>`,
		"/after":    `<p>All is well</p>`,
	})
	pool := newPool(t, func(o *Options) { o.Tabs = 4 })
	short := func(v *Visit) { v.LoadTimeout, v.Timeout = 3*time.Second, 25*time.Second }
	tests := map[string]struct {
		reason string
		path   string
		state  State
		word   string
		limit  string
		text   string
	}{
		"Silent":         {"A server that never answers fails the page.", "/silent", Failed, ReasonPageTimeout, "", ""},
		"EndlessBody":    {"A document that never ends was never complete; its beginning is kept.", "/endless", Failed, ReasonPageTimeout, "", "The beginning"},
		"EndlessPicture": {"A whole document counts although a picture never came.", "/picture", Archived, "", "LoadTimeout", "Whole but"},
		"Streams":        {"Streams and long polls do not keep a page from settling.", "/stream", Archived, "", "", "Streaming"},
		"Poller":         {"A poller does not keep a page from settling.", "/poll", Archived, "", "", "Polling"},
		"Loop":           {"A script that never gives way fails the page.", "/loop", Failed, ReasonPageTimeout, "", ""},
		"LateLoop":       {"So does one that begins after the load.", "/lateloop", Failed, ReasonPageTimeout, "", ""},
		"Reload":         {"A page that takes itself elsewhere for ever is ended.", "/reload", Failed, ReasonTooManyRedirects, "", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStay(t, pool, StayOptions{})
			p := visit(t, s, site.URL+tc.path, short, func(v *Visit) {
				if tc.word == ReasonTooManyRedirects { // that many take a while on a busy machine
					v.LoadTimeout = v.Timeout
				}
			})
			if p.Outcome.State != tc.state || p.Outcome.Reason != tc.word {
				t.Errorf("%s: outcome %+v, want %s %s", tc.reason, p.Outcome, tc.state, tc.word)
			}
			if tc.limit != "" && !hasLimit(p, tc.limit) {
				t.Errorf("%s: limits %+v lack %s", tc.reason, p.Limits, tc.limit)
			}
			if tc.text != "" && (p.TextFile == "" || !strings.Contains(read(t, p.TextFile), tc.text)) {
				t.Errorf("%s: the text lacks %q", tc.reason, tc.text)
			}
			if len(p.Exchanges) == 0 {
				t.Errorf("%s: no exchanges were kept", tc.reason)
			}
			after := visit(t, s, site.URL+"/after", short)
			if after.Outcome.State != Archived || len(after.Exchanges) != 1 {
				t.Errorf("%s: the page after it: %+v with %d exchanges", tc.reason, after.Outcome, len(after.Exchanges))
			}
		})
	}
}

func hasLimit(p *Page, name string) bool {
	for _, l := range p.Limits {
		if l.Name == name {
			return true
		}
	}
	return false
}

func hasAction(p *Page, name string) bool {
	for _, a := range p.Actions {
		if a.Name == name {
			return true
		}
	}
	return false
}

func TestRendererCrash(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	site := serve(t, map[string]any{
		"/": `<p>Soon gone</p><img src="/wait">`,
		"/wait": func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-r.Context().Done()
		},
		"/after": `<p>All is well</p>`,
	})
	s := newStay(t, newPool(t), StayOptions{})
	crashed := s.tab
	go func() {
		<-asked
		// Until Chrome says that the page is there, it is the process of the
		// empty page before it that would crash.
		for crashed.account().progress().documents == 0 {
			time.Sleep(time.Millisecond)
		}
		crashed.session.post("Page.navigate", map[string]any{"url": "chrome://crash"})
	}()
	p := visit(t, s, site.URL+"/")
	if p.Outcome.State != Failed || p.Outcome.Reason != ReasonRendererCrashed {
		t.Errorf("outcome %+v, want %s", p.Outcome, ReasonRendererCrashed)
	}
	if len(p.Exchanges) != 2 || len(p.Ledger) != 2 {
		t.Errorf("%d exchanges and %d ledger lines were kept, want 2 and 2", len(p.Exchanges), len(p.Ledger))
	}
	if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
}

func TestBrowserKilled(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	site := serve(t, map[string]any{
		"/": `<p>Soon gone</p><img src="/wait">`,
		"/wait": func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-r.Context().Done()
		},
		"/after": `<p>All is well</p>`,
	})
	pool := newPool(t)
	s := newStay(t, pool, StayOptions{})
	killed := s.chrome.proc
	go func() {
		<-asked
		if err := syscall.Kill(killed.cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}()
	p := visit(t, s, site.URL+"/")
	if p.Outcome.State != Failed || p.Outcome.Reason != ReasonBrowserCrashed || !strings.Contains(p.Outcome.Detail, "killed") {
		t.Errorf("outcome %+v, want %s", p.Outcome, ReasonBrowserCrashed)
	}
	if len(p.Exchanges) != 2 {
		t.Errorf("%d exchanges were kept, want 2", len(p.Exchanges))
	}
	if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
	for _, st := range family(killed.cmd.Process.Pid, killed.profile) {
		// Orphans belong to the machine's first process, which reaps when it likes.
		if st.state != 'Z' || st.ppid != 1 {
			t.Errorf("a process of the killed Chrome is left: %+v", st)
		}
	}
}

func TestCancelIsQuick(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": silent, "/after": "<p>All is well</p>"})
	s := newStay(t, newPool(t), StayOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	p, err := s.Capture(ctx, Visit{URL: site.URL, Dir: filepath.Join(t.TempDir(), "p")})
	if p != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v, %v; want a deadline's error", p, err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
	if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived {
		t.Errorf("the page after it: %+v", p.Outcome)
	}
}

func TestPagesThatInsist(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{
		"/dialogs":  `<p id=p>x</p><script>alert(1); const c = confirm(2); const q = prompt(3); p.innerText = 'said ' + c + ' ' + q; onbeforeunload = e => { e.preventDefault(); e.returnValue = 'stay'; }</script>`,
		"/asking":   `<title>asking</title><p id=p>x</p><script>onload = () => { p.innerText = 'after' }</script><script>while (!confirm('Sure?'));</script>`,
		"/storm":    `<title>storm</title><p>w</p><script>for (let i = 0; i < 1000; i++) window.open('/popup?' + i); document.title = 'over'</script>`,
		"/popovers": `<p>x</p><div popover=manual id=d>in a popover</div><dialog id=m>in a modal</dialog><script>d.showPopover(); m.showModal(); print(); onbeforeunload = e => { e.preventDefault(); return 'stay' }; for (let i = 0; i < 5; i++) setTimeout(print)</script>`,
		"/windows":  `<p>w</p><script>for (let i = 0; i < 20; i++) window.open('/popup?' + i)</script>`,
		"/popup":    `<p>popup</p>`,
		"/download": `<p>d</p><script>const a = document.createElement('a'); a.href = '/file'; a.download = '../../evil'; a.click()</script>`,
		"/file": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Disposition", `attachment; filename="../../../evil.bin"`)
			fmt.Fprint(w, strings.Repeat("bytes", 100_000))
		},
		"/paper.pdf": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write([]byte("%PDF-1.4\n%%EOF\n"))
		},
		"/cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Length", "5000")
			fmt.Fprint(w, "<p>cut off "+strings.Repeat("x", 2000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"/asks":            `<p>a</p><script>Notification.requestPermission(); navigator.geolocation.getCurrentPosition(() => {}, () => {})</script>`,
		"/beacon":          `<p>b</p><script>addEventListener('pagehide', () => navigator.sendBeacon('/bye', 'x'))</script>`,
		"/bye":             func(http.ResponseWriter, *http.Request) {},
		"/script-redirect": `<script>location.replace('/end')</script>`,
		"/meta-redirect":   `<meta http-equiv=refresh content="0;url=/end">`,
		"/end":             `<title>The end</title>`,
		"/redirect":        func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/redirect2", http.StatusFound) },
		"/redirect2":       func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/end", http.StatusMovedPermanently) },
		"/circle":          func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) },
		"/stays":           `<title>Stays</title><script>onload = () => location = '/nothing'</script>`,
		"/offers":          `<title>Offers</title><script>onload = () => location = '/archive'</script>`,
		"/archive": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/zip")
			w.Header().Set("Content-Disposition", "attachment")
			fmt.Fprint(w, "PK")
		},
		"/nothing": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"/slow-down": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, "slow down")
		},
		"/text": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, "plain words")
		},
		"/lazy":     `<div style="height:6000px">top</div><img loading=lazy src=/lazy.png alt="">`,
		"/lazy.png": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"/infinite": growing,
		"/more":     func(w http.ResponseWriter, _ *http.Request) { time.Sleep(50 * time.Millisecond) },
		"/tall":     `<div style="height:40000px">tall</div>`,
		"/external": `<p>x</p><a href="foo:bar">y</a><script>location.href = 'foo:bar'</script>`,
	})
	pool := newPool(t, func(o *Options) { o.Tabs = 4 })
	tests := map[string]struct {
		reason string
		path   string
		want   Outcome
		check  func(*testing.T, *Page)
	}{
		"Asking": {"A question that is asked until it is answered otherwise is ended.", "/asking", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if text := read(t, p.TextFile); !strings.Contains(text, "after") || !hasLimit(p, "Dialogs") || len(p.Actions) > 5 {
				t.Errorf("text %q, limits %+v, actions %+v", text, p.Limits, p.Actions)
			}
		}},
		"Storm": {"A storm of windows passes.", "/storm", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			n := 0
			for _, a := range p.Actions {
				n += max(a.Count, 1)
			}
			if p.Title != "over" || n < 1000 || len(p.Actions) > 5 || len(p.Exchanges) != 1 || p.Timings.Settled > 20*time.Second {
				t.Errorf("title %q after %s, %d windows, actions %+v, %d exchanges", p.Title, p.Timings.Settled, n, p.Actions, len(p.Exchanges))
			}
		}},
		"Popovers": {"Popovers and modal dialogs stay, and printing is nothing.", "/popovers", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if text := read(t, p.TextFile); !strings.Contains(text, "in a popover") || !strings.Contains(text, "in a modal") {
				t.Errorf("text %q", text)
			}
		}},
		"Dialogs": {"Dialogs are closed and the page goes on.", "/dialogs", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if text := read(t, p.TextFile); !strings.Contains(text, "said false null") || !hasAction(p, "dialog") {
				t.Errorf("text %q, actions %+v", text, p.Actions)
			}
		}},
		"Windows": {"Windows do not open; where they would lead is kept.", "/windows", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if !hasAction(p, "window.open") || len(p.Links) == 0 || p.Links[0].Kind != LinkWindow {
				t.Errorf("actions %+v links %+v", p.Actions, p.Links)
			}
		}},
		"Download": {"A file that a page downloads is recorded whole.", "/download", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			for _, e := range p.Exchanges {
				if strings.HasSuffix(e.URL, "/file") && e.Response != nil && e.Response.Body.Size == 500_000 {
					return
				}
			}
			t.Errorf("no whole file in %v", requested(p, ""))
		}},
		"DownloadPage": {"A main document that is a file is archived as such.", "/file", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if !p.Download || p.Status != 200 || len(p.Exchanges) != 1 || p.Exchanges[0].Response.Body.Size != 500_000 {
				t.Errorf("download %v status %d exchanges %+v", p.Download, p.Status, p.Exchanges)
			}
		}},
		"PDF": {"A document that is no page is archived as what it is.", "/paper.pdf", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if p.Status != 200 || p.MIME != "application/pdf" || len(p.Exchanges) != 1 || p.Exchanges[0].Response.Body.Size != 15 {
				t.Errorf("download %v status %d MIME %q exchanges %+v", p.Download, p.Status, p.MIME, p.Exchanges)
			}
		}},
		"Permissions": {"Permission prompts do not hold the page up.", "/asks", Outcome{State: Archived}, nil},
		"Beacon": {"What is sent on leaving belongs to the page.", "/beacon", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			// Chrome says nothing of it: the second witness does.
			if len(p.Exchanges) != 2 || p.Completeness.OnlyRecorder != 1 {
				t.Errorf("%d exchanges, completeness %+v", len(p.Exchanges), p.Completeness)
			}
		}},
		"ScriptRedirect": {"A redirect by script is followed.", "/script-redirect", Outcome{State: Archived}, ends},
		"MetaRedirect":   {"A redirect by meta refresh is followed.", "/meta-redirect", Outcome{State: Archived}, ends},
		"Redirect": {"A chain of redirects is kept.", "/redirect", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			ends(t, p)
			if len(p.Redirects) != 2 || p.Redirects[0].Status != 302 || p.Redirects[1].Status != 301 || len(p.Exchanges) != 3 {
				t.Errorf("redirects %+v, %d exchanges", p.Redirects, len(p.Exchanges))
			}
			if p.Completeness.Ratio != 1 || p.Completeness.OnlyRecorder != 0 {
				t.Errorf("completeness %+v", p.Completeness)
			}
		}},
		"Circle":    {"A circle of redirects fails the page.", "/circle", Outcome{State: Failed, Reason: ReasonTooManyRedirects, Detail: "ERR_TOO_MANY_REDIRECTS"}, nil},
		"Stays":     {"What a page asks for that leads nowhere is not the page.", "/stays", Outcome{State: Archived}, theSame("Stays", "/stays")},
		"Offers":    {"A download that a page begins is not the page.", "/offers", Outcome{State: Archived}, theSame("Offers", "/offers")},
		"NoContent": {"A page without content is archived.", "/nothing", Outcome{State: Archived}, nil},
		"Missing": {"An HTTP error is an archived page.", "/no/such", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if p.Status != 404 {
				t.Errorf("status %d", p.Status)
			}
		}},
		"RetryAfter": {"A server that asks for patience is heard.", "/slow-down", Outcome{State: Archived, RetryAfter: 17 * time.Second}, nil},
		"PlainText": {"Plain text has text and a picture too.", "/text", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if p.ScreenshotFile == "" || !strings.Contains(read(t, p.TextFile), "plain words") {
				t.Errorf("page %+v", p)
			}
		}},
		"Lazy": {"The scroll loads what loads lazily.", "/lazy", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if len(p.Exchanges) != 2 {
				t.Errorf("ledger %v", requested(p, ""))
			}
		}},
		"Infinite": {"An infinite scroll is followed to its end.", "/infinite", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			if !strings.Contains(read(t, p.TextFile), "item 5.29") || !hasAction(p, "scroll") {
				t.Errorf("text %q actions %+v", read(t, p.TextFile), p.Actions)
			}
		}},
		"Tall": {"A picture is cut at a height, and says so.", "/tall", Outcome{State: Archived}, func(t *testing.T, p *Page) {
			checkPicture(t, p, 1280, maxScreenshotHeight)
			if !hasLimit(p, "Screenshot") {
				t.Errorf("limits %+v", p.Limits)
			}
		}},
		"External": {"Other schemes lead nowhere.", "/external", Outcome{State: Archived}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStay(t, pool, StayOptions{})
			p := visit(t, s, site.URL+tc.path)
			if p.Outcome != tc.want {
				t.Errorf("%s: outcome %+v, want %+v", tc.reason, p.Outcome, tc.want)
			}
			if hasLimit(p, "SettleTimeout") {
				t.Errorf("%s: it was waited for too long: %+v", tc.reason, p.Limits)
			}
			if tc.check != nil && !t.Failed() {
				tc.check(t, p)
			}
		})
	}
}

func ends(t *testing.T, p *Page) {
	t.Helper()
	if !strings.HasSuffix(p.FinalURL, "/end") || p.Title != "The end" || p.Status != 200 || len(p.Redirects) == 0 {
		t.Errorf("final %q title %q status %d redirects %+v", p.FinalURL, p.Title, p.Status, p.Redirects)
	}
}

func TestServersThatFail(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// Hear the request and hang up.
			_, _ = c.Read(make([]byte, 1))
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	pool := newPool(t)
	tests := map[string]struct {
		reason, url, word string
	}{
		"Refused": {"A port that nobody listens on.", "http://" + nobody + "/", ReasonConnectFailed},
		"Reset":   {"A server that hangs up.", "http://" + l.Addr().String() + "/", ReasonConnectionReset},
		"NoName":  {"A name that does not resolve.", "http://does-not-exist.invalid/", ReasonDNSFailed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := visit(t, newStay(t, pool, StayOptions{}), tc.url)
			if p.Outcome.State != Failed || p.Outcome.Reason != tc.word {
				t.Errorf("%s: outcome %+v, want %s", tc.reason, p.Outcome, tc.word)
			}
			if p.Status != 0 || p.MIME != "" || p.Title != "" || p.TextFile != "" || p.DOMFile != "" || p.ScreenshotFile != "" {
				t.Errorf("%s: the recorder's own answer stands as the page's: %d %s %q %s %s", tc.reason, p.Status, p.MIME, p.Title, p.TextFile, p.ScreenshotFile)
			}
			for _, l := range p.Ledger {
				if l.Status != 0 || l.Outcome != OutcomeFailed {
					t.Errorf("%s: ledger %+v", tc.reason, l)
				}
			}
		})
	}
}

// theSame checks that a page is what was asked for, though it wanted to go elsewhere since.
func theSame(title, path string) func(*testing.T, *Page) {
	return func(t *testing.T, p *Page) {
		main := p.MainExchange()
		if p.Status != http.StatusOK || p.MIME != "text/html" || p.Title != title || main == nil || !strings.HasSuffix(main.URL, path) || len(p.Exchanges) < 2 {
			t.Errorf("the page is %d %s %q, its exchange %+v of %d", p.Status, p.MIME, p.Title, main, len(p.Exchanges))
		}
	}
}
