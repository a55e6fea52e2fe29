package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/profile"
)

// within waits for a person who is at a page soon.
func within(t *testing.T, p *Person, pattern string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Wait(ctx, regexp.MustCompile(pattern)); err != nil {
		t.Fatal(err)
	}
}

// stateOf reads all that a person's browser holds.
func stateOf(t *testing.T, p *Person) *profile.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	state, unread, err := p.State(ctx)
	if err != nil || len(unread) > 0 {
		t.Fatalf("not read %q, %v", unread, err)
	}
	return state
}

// entries writes storage in one line.
func entries(state *profile.State) (s string) {
	for _, o := range state.Origins {
		for _, e := range o.LocalStorage {
			s += "local " + e.Name + "=" + e.Value + ";"
		}
		for _, e := range o.SessionStorage {
			s += "session " + e.Name + "=" + e.Value + ";"
		}
	}
	return s
}

// closePages closes all pages, as a person does who closes the window.
func closePages(t *testing.T, p *Person) {
	t.Helper()
	pages, err := p.tabs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if err := p.proc.conn.root.Call(t.Context(), "Target.closeTarget", map[string]any{"targetId": page.ID}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPersonClosesLastPage: a Chrome without a window goes on when its last page is
// closed, but nobody can do anything in it.
func TestPersonClosesLastPage(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<title>Site</title><script>localStorage.account = 'one'; sessionStorage.tab = 'two'</script>`})
	for name, pattern := range map[string]*regexp.Regexp{"pattern": regexp.MustCompile("/never$"), "none": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openPerson(t, site.URL+"/in")
			within(t, p, "/in$")
			closePages(t, p)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := p.Wait(ctx, pattern); !errors.Is(err, ErrBrowserClosed) {
				t.Errorf("waiting ends with %v", err)
			}
		})
	}
	// Who is done before it is closed loses nothing but what went with the page.
	t.Run("state", func(t *testing.T) {
		t.Parallel()
		p := openPerson(t, site.URL+"/in")
		within(t, p, "/in$")
		closePages(t, p)
		if got := entries(stateOf(t, p)); got != "local account=one;" {
			t.Errorf("the state is %q", got)
		}
	})
}

// TestPersonPageGoes: a page that is closed while it is read costs no other its storage.
func TestPersonPageGoes(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{
		"/in": `<title>In</title><script>localStorage.account = 'one'; sessionStorage.tab = 'two'</script>`,
		// Closed as soon as the page that has opened it is left.
		"/popup": `<title>Popup</title><script>setInterval(() => { try { if (opener.location.pathname === '/in') return } catch {} close() }, 1)</script>`,
	})
	p := openPerson(t, site.URL+"/in")
	within(t, p, "/in$")
	pages, err := p.tabs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.with(t.Context(), pages[0].ID, func(page *session) error {
		return evaluate(t.Context(), page, map[string]any{"expression": `for (let i = 0; i < 4; i++) open('/popup', 'popup' + i)`, "userGesture": true}, nil)
	}); err != nil {
		t.Fatal(err)
	}
	within(t, p, "/popup$")
	if got := entries(stateOf(t, p)); got != "local account=one;session tab=two;" {
		t.Errorf("the state is %q", got)
	}
	if err := p.with(t.Context(), "no-such-page", func(*session) error { return nil }); !pageGone(err) {
		t.Errorf("a page that is closed: %v", err)
	}
}

// TestPersonIsThere: a person is at an address when its page is there, and stays.
func TestPersonIsThere(t *testing.T) {
	t.Parallel()
	var answered atomic.Bool
	site := serve(t, map[string]any{
		"/slow": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(2 * time.Second):
			case <-r.Context().Done():
			}
			answered.Store(true)
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<title>Slow</title>")
		},
		"/account": `<title>Account</title><script>location = '/login'</script>`,
		"/login":   `<title>Log in</title>`,
		"/app":     `<title>App</title><script>setTimeout(() => history.pushState(null, '', '/app/inside'), 500)</script>`,
	})
	t.Run("not before it is answered", func(t *testing.T) {
		t.Parallel()
		within(t, openPerson(t, site.URL+"/slow"), "/slow$")
		if !answered.Load() {
			t.Error("the person is at a page that is not there yet")
		}
	})
	t.Run("not in passing", func(t *testing.T) {
		t.Parallel()
		p := openPerson(t, site.URL+"/account")
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := p.Wait(ctx, regexp.MustCompile("/account$")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting ends with %v", err)
		}
		within(t, p, "/login$")
	})
	t.Run("without a request", func(t *testing.T) {
		t.Parallel()
		within(t, openPerson(t, site.URL+"/app"), "/app/inside$")
	})
	t.Run("before anybody waits", func(t *testing.T) {
		t.Parallel()
		p := openPerson(t, site.URL+"/login")
		time.Sleep(2 * time.Second) // all events have come
		within(t, p, "/login$")
	})
	t.Run("that never ends", func(t *testing.T) {
		t.Parallel()
		endless := serve(t, map[string]any{
			"/":    `<title>Endless</title><img src=/img>`,
			"/img": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		})
		within(t, openPerson(t, endless.URL+"/in"), "/in$")
	})
}

// TestPersonStorageOfLivePage: what a page stores while it loads is saved, and what it
// removes when it is left is too.
func TestPersonStorageOfLivePage(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{
		"/in": `<title>In</title><p>Welcome<script src=/late.js></script>`,
		"/late.js": func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(700 * time.Millisecond)
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `localStorage.account = 'one'; sessionStorage.tab = 'two';
Storage.prototype.getItem = () => 'not for you';
addEventListener('pagehide', () => { localStorage.clear(); sessionStorage.clear() })`)
		},
	})
	p := openPerson(t, site.URL+"/in")
	within(t, p, "/in$")
	if got := entries(stateOf(t, p)); got != "local account=one;session tab=two;" {
		t.Errorf("the state is %q", got)
	}
}
