package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/compare"
	timeline "crawlfleet.dev/crawlfleet/portal/history" // main has a history of its own
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// fakePortal answers as the portal's API is described, from the portal's own types. Each of its
// paths is a portal that behaves in a way of its own:
//
//	/         has no log-in
//	/locked   wants the token script-token
//	/closed   refuses everybody
//	/asks     wants a purpose
//	/leads    leads elsewhere
//	/breaks   ends a file in the middle, once for each that asks
//	/lies     tells another SHA-256 than that of the file
//	/endless  has a list that never goes on
//	/behind   has not read all of the archive
//	/away     has a store that does not answer
//	/new      has not listed the archive yet
//	/other    is no portal
type fakePortal struct {
	captures []catalog.Capture
	wacz     []byte
	// elsewhere counts who came to where /leads leads.
	elsewhere atomic.Int64
	asked     atomic.Int64 // of /breaks
	// textless says by the ID of the later capture why there is no text to compare.
	textless map[string]string
}

// fakeID is the ID of a capture of the fake.
func fakeID(n int) string { return fmt.Sprintf("%032x", n+0xa0) }

func newFakePortal() *fakePortal {
	p := &fakePortal{textless: map[string]string{fakeID(20): "Neither", fakeID(21): "OnlyA", fakeID(22): "Unreadable"}, wacz: bytes.Repeat([]byte("WACZ 0123456789\n"), 40_000)}
	for n := range 120 {
		p.captures = append(p.captures, catalog.Capture{
			ID: catalog.ID(fakeID(n)), Run: catalog.Run{Namespace: "research", Job: "board", UID: "5f0c"},
			Page: snapshot.Page{
				Chunk: "research/board/5f0c/chunks/b1.wacz", ID: "p" + strconv.Itoa(n), URL: fmt.Sprintf("https://example.org/ads/%d", n), Kind: snapshot.Web,
				Time: time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC).Add(-time.Duration(n) * time.Hour), Title: fmt.Sprintf("Room to let %d", n),
				Status: 200, MIME: "text/html", Language: "nl", Digest: "sha256:aa", TextDigest: fmt.Sprintf("sha256:%d", n/2), Picture: true,
			},
		})
	}
	p.captures[1].Title, p.captures[1].Status, p.captures[1].Partial, p.captures[1].Reason = hostile+"\u202e", 404, true, "Timeout"
	p.captures[4].URL, p.captures[8].URL = "https://example.org/twice", "https://example.org/twice"
	return p
}

func (p *fakePortal) handler() http.Handler {
	mux := http.NewServeMux()
	api := p.api()
	mount := func(prefix string, h http.Handler) { mux.Handle(prefix+"/", http.StripPrefix(prefix, h)) }
	mux.Handle("/api/", api)
	refuse := func(status int, text, hint string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, status, map[string]any{"status": status, "error": text, "hint": hint})
		})
	}
	unless := func(ok func(*http.Request) bool, otherwise http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ok(r) {
				api.ServeHTTP(w, r)
				return
			}
			otherwise.ServeHTTP(w, r)
		})
	}
	mount("/locked", unless(func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer script-token" },
		refuse(http.StatusUnauthorized, "You are not logged in.", "Log in.")))
	mount("/closed", refuse(http.StatusForbidden, "You may not do this: get snapshots.crawlfleet.dev in research.", ""))
	mount("/asks", unless(func(r *http.Request) bool {
		return r.Header.Get("Crawlfleet-Purpose") == "VictimIdentification" && r.Header.Get("Crawlfleet-Case") == "17/2026"
	}, refuse(http.StatusPreconditionRequired, "Say what you look for.", "It is written down with what you look at.")))
	mount("/breaks", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/wacz") && p.asked.Add(1)%2 == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(p.wacz)))
			w.Header().Set("ETag", `"one"`)
			_, _ = w.Write(p.wacz[:300_001])
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(w, r)
	}))
	mount("/lies", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/wacz") {
			api.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(make([]byte, 32))+":")
		_, _ = w.Write(p.wacz)
	}))
	mount("/endless", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, catalog.Result{Hits: []catalog.Hit{{Capture: p.captures[0]}}, Next: "same", Count: 1, More: true})
	}))
	for path, state := range map[string]string{
		"/behind": `{"listed":true,"waiting":3,"unreadable":2}`, "/away": `{"listed":true,"waiting":0,"since":"2026-03-31T12:00:00Z","unreadable":0}`,
		"/new": `{"listed":false,"waiting":0,"unreadable":0}`,
	} {
		mount(path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, map[string]any{"items": []any{}, "count": 0, "catalog": json.RawMessage(state)})
		}))
	}
	mount("/other", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<p>It works!</p>") }))
	mux.HandleFunc("/leads/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { p.elsewhere.Add(1) })
	return mux
}

// api is the API as it is described.
func (p *fakePortal) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/snapshots", p.search)
	mux.HandleFunc("GET /api/v1/snapshots/{id}", p.one(func(w http.ResponseWriter, _ *http.Request, c catalog.Capture) {
		answer(w, http.StatusOK, struct {
			Capture catalog.Capture `json:"capture"`
			*snapshot.Snapshot
			Later string `json:"later"`
		}{c, &snapshot.Snapshot{
			Page: c.Page, Server: &snapshot.Server{Remote: "192.0.2.7:443", TLS: &snapshot.TLS{Version: "TLS 1.3"}},
			Account:    snapshot.Account{Outcome: "Archived", Redirects: []snapshot.Redirect{{From: c.URL, To: c.URL + "/", Status: 301}}},
			Exchanges:  []snapshot.Exchange{{URL: c.URL, Method: "GET"}, {URL: c.URL + "/", Method: "GET"}},
			Links:      []snapshot.Link{{URL: "https://example.org/" + hostile, Kind: "Anchor"}},
			Provenance: snapshot.Provenance{Authorization: &snapshot.Authorization{Reference: "R-1", Purpose: "Test", RequestedBy: "ada"}},
		}, "kept\U000e0001"})
	}))
	mux.HandleFunc("GET /api/v1/timeline", p.timeline)
	mux.HandleFunc("GET /api/v1/compare", p.compare)
	mux.HandleFunc("GET /api/v1/snapshots/{id}/text", p.one(func(w http.ResponseWriter, _ *http.Request, c catalog.Capture) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s\nroom\tto let\x1b[2J\n\u202e020-1234567", c.Title)
	}))
	mux.HandleFunc("GET /api/v1/snapshots/{id}/picture", p.one(func(w http.ResponseWriter, _ *http.Request, _ catalog.Capture) {
		w.Header().Set("Content-Type", "image/png")
		fmt.Fprint(w, "\x89PNG\r\n\x1a\n")
	}))
	mux.HandleFunc("GET /api/v1/snapshots/{id}/wacz", p.one(func(w http.ResponseWriter, r *http.Request, _ catalog.Capture) {
		sum := sha256.Sum256(p.wacz)
		w.Header().Set("Content-Type", "application/wacz")
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.wacz))
	}))
	mux.HandleFunc("GET /api/v1/snapshots/{id}/evidence.zip", p.one(func(w http.ResponseWriter, _ *http.Request, _ catalog.Capture) {
		w.Header().Set("Content-Type", "application/zip")
		fmt.Fprint(w, "PK\x05\x06")
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, map[string]any{"status": 404, "error": "There is nothing at this address.", "hint": ""})
	})
	return mux
}

// one answers about the capture of an ID.
func (p *fakePortal) one(h func(http.ResponseWriter, *http.Request, catalog.Capture)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(p.captures, func(c catalog.Capture) bool { return string(c.ID) == r.PathValue("id") })
		if i < 0 {
			answer(w, http.StatusNotFound, map[string]any{"status": 404, "error": "The archive has no such snapshot.", "hint": "Search for it."})
			return
		}
		h(w, r, p.captures[i])
	}
}

// search finds the captures whose title has the text in it; a cursor is a place in the list.
func (p *fakePortal) search(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, _ := time.Parse(time.RFC3339, q.Get("from"))
	until, _ := time.Parse(time.RFC3339, q.Get("until"))
	var all []catalog.Hit
	for _, c := range p.captures {
		switch {
		case !strings.Contains(c.Title, q.Get("q")), c.Partial && q.Get("partial") != "1", q.Get("url") != "" && c.URL != q.Get("url"),
			!from.IsZero() && c.Time.Before(from), !until.IsZero() && !c.Time.Before(until), q.Get("kind") != "" && string(c.Kind) != q.Get("kind"):
			continue
		}
		all = append(all, catalog.Hit{Capture: c, Snippet: []catalog.Piece{{Text: "room", Hit: true}}})
	}
	if q.Get("order") == "oldest" {
		slices.Reverse(all)
	}
	at, _ := strconv.Atoi(q.Get("cursor"))
	limit, _ := strconv.Atoi(cmp.Or(q.Get("limit"), "50"))
	result := catalog.Result{Hits: []catalog.Hit{}, Count: len(all), Meant: []catalog.Meaning{{As: "Text", Value: q.Get("q")}}}
	end := min(at+limit, len(all))
	result.Hits = append(result.Hits, all[min(at, end):end]...)
	if end < len(all) {
		result.Next = strconv.Itoa(end)
	}
	answer(w, http.StatusOK, result)
}

// timeline has five captures of an address.
func (p *fakePortal) timeline(w http.ResponseWriter, r *http.Request) {
	var all []timeline.Step
	for n, change := range []timeline.Change{timeline.Back, timeline.Gone, timeline.Changed, timeline.Unchanged, timeline.First} {
		step := timeline.Step{Capture: p.captures[n+6], Change: change}
		step.URL = r.URL.Query().Get("url")
		if change == timeline.Changed {
			step.Parts = []timeline.Part{timeline.Text, timeline.Document}
		}
		all = append(all, step)
	}
	at, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	end := min(at+limit, len(all))
	result := map[string]any{"items": all[at:end]}
	if end < len(all) {
		result["next"] = strconv.Itoa(end)
	}
	answer(w, http.StatusOK, result)
}

// compare finds that captures differ, unless it is one and the same or both are of the same text.
func (p *fakePortal) compare(w http.ResponseWriter, r *http.Request) {
	var pair []catalog.Capture
	for _, id := range []string{r.URL.Query().Get("a"), r.URL.Query().Get("b")} {
		for _, c := range p.captures {
			if string(c.ID) == id {
				pair = append(pair, c)
			}
		}
	}
	slices.SortFunc(pair, func(a, b catalog.Capture) int { return a.Time.Compare(b.Time) })
	if len(pair) < 2 {
		answer(w, http.StatusNotFound, map[string]any{"status": 404, "error": "The archive has no such snapshot.", "hint": ""})
		return
	}
	result := struct {
		A           catalog.Capture     `json:"a"`
		B           catalog.Capture     `json:"b"`
		Facts       []compare.Change    `json:"facts"`
		Text        *compare.Diff       `json:"text,omitempty"`
		Links       compare.LinkDiff    `json:"links"`
		Pictures    compare.PictureDiff `json:"pictures"`
		NotCompared map[string]string   `json:"notCompared,omitempty"`
	}{A: pair[0], B: pair[1], Facts: compare.Facts{}.Compare(compare.Facts{}), Pictures: compare.PictureDiff{Changed: 12.5}}
	was, is := "Amsterdam\ncall 020-1234567 now", "Amsterdam\ncall 020-1234567 now"
	before, after := []compare.Link{{URL: "https://example.org/"}}, []compare.Link{{URL: "https://example.org/"}}
	if pair[0].TextDigest != pair[1].TextDigest {
		result.Facts = compare.Facts{Title: pair[0].Title}.Compare(compare.Facts{Title: hostile})
		is = "Amsterdam\ncall 020-7654321\u202e now"
		before, after = append(before, compare.Link{URL: "tel:020-1234567"}), append(after, compare.Link{URL: "tel:020-7654321"})
	}
	text := compare.Text(was, is)
	result.Text, result.Links = &text, compare.Links(before, after)
	if len(result.Facts) > 0 {
		text.Cut = []compare.Cut{compare.CutHunks}
	}
	if why, ok := p.textless[string(pair[1].ID)]; ok {
		result.Text, result.NotCompared, result.Facts = nil, map[string]string{"text": why}, []compare.Change{}
		result.Links = compare.Links(nil, nil)
	}
	answer(w, http.StatusOK, result)
}

// servePortal starts a portal for a script: $PORTAL, and over TLS $SECUREPORTAL, whose authority is
// portal-ca.pem.
func servePortal(env *testscript.Env) error {
	p := newFakePortal()
	plain, secure := httptest.NewServer(p.handler()), httptest.NewTLSServer(p.handler())
	env.Defer(plain.Close)
	env.Defer(secure.Close)
	env.Setenv("PORTAL", plain.URL)
	env.Setenv("SECUREPORTAL", secure.URL)
	env.Values["portal"] = p
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	return os.WriteFile(env.Getenv("WORK")+"/portal-ca.pem", ca, 0o600)
}

// elsewhere is the script command "elsewhere N": so many requests came to where the portal leads.
func elsewhere(ts *testscript.TestScript, _ bool, args []string) {
	if got := ts.Value("portal").(*fakePortal).elsewhere.Load(); strconv.FormatInt(got, 10) != args[0] {
		ts.Fatalf("%d requests came elsewhere, want %s", got, args[0])
	}
}

// exits is the script command "exits CODE ARGS...": crawlctl ends with this code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	var exit *exec.ExitError
	err := ts.Exec("crawlctl", args[1:]...)
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
