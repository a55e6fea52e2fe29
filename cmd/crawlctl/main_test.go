package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"crawlctl": main})
}

// TestScripts runs the command as people do, with a real Chrome and each script
// against a site of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			asked := make(chan struct{}, 16)
			site := httptest.NewServer(newSite(asked))
			env.Defer(func() {
				site.CloseClientConnections()
				site.Close()
			})
			_, port, err := net.SplitHostPort(strings.TrimPrefix(site.URL, "http://"))
			if err != nil {
				return err
			}
			secure := httptest.NewTLSServer(newSite(asked)) // of an authority that nobody trusts
			env.Defer(secure.Close)
			env.Setenv("SECURE", secure.URL)
			env.Setenv("SITE", site.URL)
			env.Setenv("PORT", port)
			// The script's own folder is private: Chrome's unprivileged user
			// could not pass through it.
			env.Setenv("TMPDIR", os.TempDir())
			env.Values["asked"] = asked
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			_, debug, err := net.SplitHostPort(free.Addr().String())
			env.Setenv("DEBUGPORT", debug)
			return errors.Join(err, free.Close(), serveStamps(env), serveCluster(env), serveStore(env), servePortal(env))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"apply":     apply,
			"asked":     waitUntilAsked,
			"awaited":   awaited,
			"elsewhere": elsewhere,
			"exits":     exits,
			"flip":      flip,
			"judge":     judge,
			"leave":     leave,
			"press":     press,
			"seeds":     writeSeeds,
			"stored":    stored,
		},
	})
}

// writeSeeds writes a list of addresses that hardly compress, of so many bytes: seeds FILE SIZE.
func writeSeeds(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "http://a.example/%x\n", sha256.Sum256([]byte(args[0]+strconv.Itoa(i))))
	}
	list := b.Bytes()[:size]
	whole := bytes.LastIndexByte(list, '\n') + 1
	copy(list[whole:], bytes.Repeat([]byte("#"), size-whole)) // no half address
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), list, 0o600))
}

// newSite is a page rendered by a script, and one that never comes.
func newSite(asked chan<- struct{}) http.Handler {
	mux := http.NewServeMux()
	html := func(path, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, body)
		})
	}
	html("/{$}", `<title>Board</title><p id=p></p><script>fetch('/api').then(r => r.json()).then(v => p.innerText = v.text)</script>`)
	html("/login", `<title>Log in</title><button id=go onclick="localStorage.account = 'stored-secret'; location = '/in'">Log in</button>`)
	mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "cookie-secret", Path: "/", MaxAge: 3600, HttpOnly: true})
		http.Redirect(w, r, "/members", http.StatusFound)
	})
	mux.HandleFunc("/members", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if c, err := r.Cookie("session"); err != nil || c.Value != "cookie-secret" {
			fmt.Fprint(w, `<title>For members alone</title>`)
			return
		}
		fmt.Fprint(w, `<title>?</title><script>document.title = 'Welcome ' + (localStorage.account === 'stored-secret')</script>`)
	})
	html("/hostile", "<title>x&#27;[2J\u009b31m &#x202e;lmth.exe&#10;--- WARC-Type: response owned</title>"+
		"<script>const t = document.title; Object.defineProperty(document, 'title', {get: () => t + '\\r\\nforged: line'})</script>")
	html("/two", `<title>Two</title><a href="/three">not followed</a>`)
	mux.HandleFunc("/api", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"text": "from the API"}`) })
	html("/large", `<title>Large</title><script>fetch('/body').then(r => r.blob()).catch(() => {})</script>`)
	mux.HandleFunc("/body", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("0123456789", 300_000)) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	addOrderRoutes(mux)
	return mux
}

// waitUntilAsked is the script command "asked": it waits until the site has
// been asked for /slow.
func waitUntilAsked(ts *testscript.TestScript, _ bool, _ []string) {
	select {
	case <-ts.Value("asked").(chan struct{}):
	case <-time.After(time.Minute):
		ts.Fatalf("the site was not asked for /slow")
	}
}

// press is the script command "press": it leads the browser that waits at $DEBUGPORT as a
// person does from another Chrome, and presses the button of the page that is there until
// that leads on.
func press(ts *testscript.TestScript, _ bool, _ []string) {
	base := "http://127.0.0.1:" + ts.Getenv("DEBUGPORT")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	id := waitingPage(ctx, ts, base)
	ctx, cancel = remote.NewAllocator(ctx, base)
	defer cancel()
	// Else the page would be closed in the end, under the feet of whoever waits.
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithTargetID(target.ID(id)), chromedp.WithDetachOnCancel())
	defer cancel()
	for ctx.Err() == nil {
		// What is pressed before the page has first been drawn is lost, for a person too. The
		// button is waited for, and is not there any more when the page has led on.
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := chromedp.Do(bounded, chromedp.Click(chromedp.ID("go")))
		cancel()
		for range 20 {
			time.Sleep(50 * time.Millisecond)
			if !slices.ContainsFunc(pages(base), func(p page) bool { return p.ID == id && strings.HasSuffix(p.URL, "/login") }) {
				return
			}
		}
		ts.Logf("the button leads nowhere yet (%v)", err)
	}
	ts.Fatalf("the button leads nowhere")
}

// leave is the script command "leave": it closes the page of the browser that waits at
// $DEBUGPORT.
func leave(ts *testscript.TestScript, _ bool, _ []string) {
	base := "http://127.0.0.1:" + ts.Getenv("DEBUGPORT")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	id := waitingPage(ctx, ts, base)
	// A page that is on its way to another process may not hear that it is closed.
	for slices.ContainsFunc(pages(base), func(p page) bool { return p.ID == id }) {
		if ctx.Err() != nil {
			ts.Fatalf("the page cannot be closed")
		}
		if res, err := http.Get(base + "/json/close/" + id); err == nil {
			res.Body.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// awaited is the script command "awaited": it waits until there is a browser at $DEBUGPORT.
func awaited(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	waitingPage(ctx, ts, "http://127.0.0.1:"+ts.Getenv("DEBUGPORT"))
}

// page is one that can be led over a port.
type page struct{ ID, URL string }

// pages are those of a browser, none when there is no browser.
func pages(base string) (list []page) {
	res, err := http.Get(base + "/json/list")
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	if json.NewDecoder(res.Body).Decode(&list) != nil {
		return nil
	}
	return list
}

// waitingPage waits for a browser that shows the log-in page.
func waitingPage(ctx context.Context, ts *testscript.TestScript, base string) (id string) {
	for ctx.Err() == nil {
		for _, p := range pages(base) {
			if strings.HasSuffix(p.URL, "/login") {
				return p.ID
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("no browser waits at %s", base)
	return ""
}

// flip is the script command "flip FILE OFFSET": it changes a byte.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	raw, err := os.ReadFile(path)
	ts.Check(err)
	var at int
	_, err = fmt.Sscan(args[1], &at)
	ts.Check(err)
	raw[at] ^= 1
	ts.Check(os.WriteFile(path, raw, 0o600))
}
