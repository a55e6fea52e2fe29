package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/idp"
)

// fixture is a portal behind a gate, on loopback, and a provider.
type fixture struct {
	*testing.T
	gate   *Gate
	idp    *idp.Server
	portal *httptest.Server
	at     *clock
	kube   *reviewer
	log    *logbook
	// tamper changes what the provider answers at a path.
	tamper func(path string, body []byte) []byte
	shown  int // how often something was shown
	said   bytes.Buffer
}

const chunk blob.Key = "zeden/rooms/0001/chunks/c0.wacz"

const (
	sum    = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	secret = "the+secret of/the client"
)

// logbook is a custody log that may fail.
type logbook struct {
	mu      sync.Mutex
	entries []custody.Entry
	trouble error
}

func (l *logbook) Append(_ context.Context, entries ...custody.Entry) (custody.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble != nil {
		return custody.Receipt{}, l.trouble
	}
	if len(entries) > 1000 { // as the log itself
		return custody.Receipt{}, fmt.Errorf("%d entries at once", len(entries))
	}
	for i := range entries {
		if err := entries[i].Validate(); err != nil {
			return custody.Receipt{}, err
		}
	}
	l.entries = append(l.entries, entries...)
	return custody.Receipt{}, nil
}

// chunks is a store of one file.
type chunks struct {
	blob.Store
	asked int
	sum   string
}

func (c *chunks) Head(_ context.Context, key blob.Key) (blob.Info, error) {
	c.asked++
	if key != chunk {
		return blob.Info{}, fmt.Errorf("%w: %s", blob.ErrNotFound, key)
	}
	return blob.Info{Key: key, SHA256: c.sum}, nil
}

func (c *chunks) Get(_ context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	return io.NopCloser(strings.NewReader("test")), blob.Info{Key: key}, nil // whose SHA-256 is sum
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, at: newClock(), log: &logbook{}, kube: &reviewer{allows: map[string]bool{}}}
	var handler http.Handler
	f.portal = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(f.portal.Close)
	var err error
	f.idp, err = idp.Start(idp.Options{
		Listen: "127.0.0.1:0", ClientID: "portal", ClientSecret: secret, Now: f.at.now,
		Redirects: []string{f.portal.URL + CallbackPath, f.portal.URL + LoggedOutPath},
		Users: []idp.User{
			{Name: "ann", Password: "one", FullName: "Ann Example", Groups: []string{"vice", "night shift"}},
			{Name: "bob", Password: "two"}, {Name: "many", Password: "three", Groups: manyGroups(200)}, {Name: "most", Password: "four", Groups: manyGroups(1000)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.idp.Close() })
	external, err := url.Parse(f.portal.URL)
	if err != nil {
		t.Fatal(err)
	}
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.gate = &Gate{
		Provider: &Provider{
			Issuer: f.idp.Issuer, ClientID: "portal", SecretFile: secretFile, External: external, Now: f.at.now, Transport: f,
			Claims: Claims{Username: "preferred_username", UsernamePrefix: "idp:", Groups: "groups", GroupsPrefix: "idp:"},
		},
		Sessions: &Sessions{Keys: RandomKeys(), Now: f.at.now},
		Rights:   &Rights{Reviewer: f.kube, Now: f.at.now},
		Custody:  &Custody{Log: f.log, Chunks: &chunks{sum: sum}, Now: f.at.now},
		Problem:  problem,
		Logger:   slog.New(slog.NewTextHandler(&f.said, nil)),
	}
	if err := f.gate.Provider.Check(); err != nil {
		t.Fatal(err)
	}
	handler = f.gate.Handler(f.routes())
	return f
}

func manyGroups(n int) (groups []string) {
	for i := range n {
		groups = append(groups, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
	}
	return groups
}

// routes are a portal that shows who asks.
func (f *fixture) routes() http.Handler {
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.shown++
		_ = json.NewEncoder(w).Encode(From(r.Context()))
	})
	about := func(r *http.Request) ([]Subject, error) {
		if r.PathValue("page") == "gone" {
			return nil, blob.ErrNotFound
		}
		return []Subject{{Namespace: r.PathValue("namespace"), Snapshot: Snapshot{Chunk: chunk, Page: r.PathValue("page")}}}, nil
	}
	mux := http.NewServeMux()
	for pattern, need := range map[string]Need{
		"GET /healthz": Public, "/me": SignedIn, "GET /forgotten": {},
		"GET /look/{namespace}/{page}": Allowed(Look, about), "GET /copy/{namespace}/{page}": Allowed(Copy, about),
		"GET /nothing": Allowed(Look, func(*http.Request) ([]Subject, error) { return nil, nil }),
		"GET /runs":    Allowed(Find, everywhere), "GET /runs/{namespace}": Allowed(Find, InNamespace),
	} {
		mux.Handle(pattern, f.gate.Require(need, show))
	}
	return mux
}

// problem shows what a person is told, for tests to read.
func problem(w http.ResponseWriter, _ *http.Request, err error) {
	var p *Problem
	if !errors.As(err, &p) {
		p = &Problem{Status: http.StatusInternalServerError, Reason: "Other"}
	}
	if errors.Is(err, blob.ErrNotFound) {
		p = &Problem{Status: http.StatusNotFound, Reason: "NotFound"}
	}
	back := ""
	var needed *PurposeNeeded
	if errors.As(err, &needed) {
		back = needed.Return + " " + needed.Wrong.String()
	}
	w.WriteHeader(p.Status)
	fmt.Fprintf(w, "%s %s", p.Reason, back)
}

// RoundTrip leads to the provider, and changes its answers.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || f.tamper == nil {
		return res, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	body = f.tamper(r.URL.Path, body)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res, nil
}

// browser is one with cookies, which follows where it is led, and keeps track of it.
type browser struct {
	f *fixture
	http.Client
	visited []string
}

func (f *fixture) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	b := &browser{f: f, Client: http.Client{Jar: jar}}
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		b.visited = append(b.visited, r.URL.String())
		return nil
	}
	return b
}

// do asks as a browser that goes to a page, unless headers say otherwise.
func (b *browser) do(method, address string, form url.Values, headers ...string) (int, string) {
	b.f.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.f.portal.URL + address
	}
	req, err := http.NewRequestWithContext(b.f.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.f.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.Do(req)
	if err != nil {
		b.f.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.f.Fatal(err)
	}
	b.visited = append(b.visited, res.Header.Get("Refresh"))
	return res.StatusCode, strings.TrimSpace(string(body))
}

func (b *browser) get(path string, headers ...string) (int, string) {
	b.f.Helper()
	return b.do(http.MethodGet, path, nil, headers...)
}

// login goes to a path, logs in on the way, and says where that ended.
func (b *browser) login(path, user, password string) (int, string) {
	b.f.Helper()
	b.visited = nil
	status, body := b.get(path)
	if status != http.StatusOK || !strings.Contains(body, "for development alone") {
		b.f.Fatalf("%s: not led to the provider: %d %s (by %v)", path, status, body, b.visited)
	}
	form := b.visited[len(b.visited)-2]
	return b.do(http.MethodPost, form, url.Values{"user": {user}, "password": {password}})
}

// cookies are those that the browser has of the portal.
func (b *browser) cookies() map[string]string {
	at, err := url.Parse(b.f.portal.URL)
	if err != nil {
		b.f.Fatal(err)
	}
	has := map[string]string{}
	for _, c := range b.Jar.Cookies(at) {
		has[c.Name] = c.Value
	}
	return has
}

func (b *browser) setCookie(name, value string) {
	at, err := url.Parse(b.f.portal.URL)
	if err != nil {
		b.f.Fatal(err)
	}
	b.Jar.SetCookies(at, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// want checks an answer: its status, and what its body holds.
func (f *fixture) want(reason string, status int, holds string) func(int, string) {
	f.Helper()
	return func(got int, body string) {
		f.Helper()
		if got != status || !strings.Contains(body, holds) {
			f.Errorf("%s: %d %s, want %d %s", reason, got, body, status, holds)
		}
	}
}

// everywhere is a request about all namespaces at once.
func everywhere(*http.Request) ([]Subject, error) { return []Subject{{}}, nil }
