package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/cdx"
	origin "crawlfleet.dev/crawlfleet/portal/replay"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/test/chrome"
	"crawlfleet.dev/crawlfleet/test/viewer"
)

// hostilePage tries everything that a page can do to reach somebody, each way under a host name of its own below
// evil.test, and everything that it could do to its surroundings. What it got hold of is in window.found.
//
//go:embed testdata/hostile.html
var hostilePage string

//go:embed testdata/hostile.js
var hostileScript string

// replayDir is where `make replay` has put ReplayWeb.page.
const replayDir = "../../build/replay"

const (
	hostileURL = "https://hostile.test/"
	secret     = "what-only-the-portal-may-see"
)

// hostileSettles is how long a page is given to reach somebody when all of it has been tried.
const hostileSettles = 4 * time.Second

// TestHostilePagesReachNobody opens the page in the open, where all that it does must be noticed, and then in a replay,
// where nothing may be.
func TestHostilePagesReachNobody(t *testing.T) {
	t.Parallel()
	live := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hostile.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(scriptFor("http://127.0.0.1:9/"))) // the browser may have gone
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Link", "<https://linkheader.evil.test/>; rel=preconnect, <https://linkheaderdns.evil.test/>; rel=dns-prefetch")
		_, _ = w.Write([]byte(hostilePage)) // the browser may have gone
	}))
	t.Cleanup(live.Close)
	stun := listenUDP(t)
	inTheOpen := look(t, live.URL, stun, func(t *testing.T, tab context.Context) {
		awaitTried(t, func() map[string]string {
			found, err := chromedp.Run(tab, chromedp.Evaluate[map[string]string](`window.found`))
			if err != nil {
				t.Logf("ask the page: %v", err)
			}
			return found
		})
		if _, err := chromedp.Run(tab, chromedp.Evaluate[any](`leave()`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(hostileSettles) // that nothing more happens takes time
	})
	for _, way := range ways(t) {
		if !slices.Contains(inTheOpen.reached, way) {
			t.Logf("in the open %s is not noticed", way)
		}
	}
	if n := len(inTheOpen.reached); n < 20 {
		t.Fatalf("in the open only %d ways out are noticed, which is too few to tell anything: %q", n, inTheOpen.reached)
	}
	if !slices.Contains(inTheOpen.reached, "webrtc") {
		t.Error("in the open WebRTC is not noticed")
	}

	p := newPlaces(t, "*.localhost")
	stun = listenUDP(t)
	p.put(t, hostilePage)
	replayed := look(t, p.portal.URL+p.path+"?clear", stun, p.watch)
	if len(replayed.reached) > 0 {
		t.Errorf("from a replay these were reached: %q", replayed.reached)
	}
	if n := p.stolen(); n > 0 {
		t.Errorf("the portal's secret was asked for %d times", n)
	}
	t.Logf("in the open %d ways out were noticed (%q), from a replay none", len(inTheOpen.reached), inTheOpen.reached)
}

// scriptFor is the page's script for a portal's address.
func scriptFor(portal string) string { return strings.ReplaceAll(hostileScript, "{portal}", portal) }

// ways are the names of all ways out that the page tries.
func ways(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`([a-z0-9]+)\.evil\.test`).FindAllStringSubmatch(hostilePage+hostileScript, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// udp is a server that WebRTC finds when it looks for one.
type udp struct {
	conn net.PacketConn
	mu   sync.Mutex
	got  int
}

func listenUDP(t *testing.T) *udp {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:3478") // STUN (RFC 8489 section 15.1)
	if err != nil {
		t.Fatal(err)
	}
	u := &udp{conn: conn}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		for b := make([]byte, 2048); ; {
			if _, _, err := conn.ReadFrom(b); err != nil {
				return
			}
			u.mu.Lock()
			u.got++
			u.mu.Unlock()
		}
	}()
	return u
}

func (u *udp) close() int {
	_ = u.conn.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got
}

// reached is who a browser wanted to reach.
type reached struct{ reached []string }

// look opens an address in a browser of its own, does what there is to do then, and returns which of the names below
// evil.test it looked up, connected to or asked a proxy for, as the network's own log has it.
func look(t *testing.T, address string, stun *udp, then func(*testing.T, context.Context)) reached {
	t.Helper()
	netLog := filepath.Join(t.TempDir(), "net.json")
	t.Run("look", func(t *testing.T) { // the log is whole when the browser has ended
		tab := chrome.New(t, chromedp.Flag("log-net-log", netLog), chromedp.Flag("net-log-capture-mode", "Everything"), chromedp.Flag("no-pings", false),
			chromedp.Flag("disable-background-networking", false), chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter"),
			chromedp.Flag("disable-popup-blocking", true), chromedp.Flag("allow-loopback-in-peer-connection", true))
		ctx, cancel := context.WithTimeout(tab, time.Minute)
		defer cancel()
		if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
			t.Fatal(err)
		}
		then(t, tab)
	})
	b, err := os.ReadFile(netLog)
	if err != nil {
		t.Fatal(err)
	}
	var events struct{ Events []struct{ Params any } }
	if err := json.Unmarshal(b, &events); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range events.Events {
		names = append(names, namesIn(e.Params)...)
	}
	if stun.close() > 0 {
		names = append(names, "webrtc")
	}
	slices.Sort(names)
	return reached{slices.Compact(names)}
}

// asHost finds the names in a host, host:port or address; not in the path of an address, as the replay's own have them.
var asHost = regexp.MustCompile(`^(?:[a-z]+:)?/{0,2}([a-z0-9]+)\.evil\.test(?:[:/]|$)`)

// namesIn are the names below evil.test in an event of the log.
func namesIn(v any) (names []string) {
	switch v := v.(type) {
	case string:
		if m := asHost.FindStringSubmatch(v); m != nil {
			names = append(names, m[1])
		}
	case []any:
		for _, e := range v {
			names = append(names, namesIn(e)...)
		}
	case map[string]any:
		for _, e := range v {
			names = append(names, namesIn(e)...)
		}
	}
	return names
}

// places are a portal and the origin of its replays, which is under another name of this machine.
type places struct {
	portal, replay  *httptest.Server
	pages, archived http.Handler
	bucket          *blob.Bucket
	known           *catalog.Catalog
	// path is that of the page's replay in the portal.
	path string

	mu    sync.Mutex
	asked int
}

func (p *places) stolen() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func newPlaces(t *testing.T, host string) *places {
	t.Helper()
	p := &places{}
	store := &blobtest.Server{}
	client, err := blob.NewClient(blob.Config{Endpoint: store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret-of-the-store"})
	if err != nil {
		t.Fatal(err)
	}
	p.bucket = client.Bucket("archive")
	if p.known, err = catalog.Open(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.known.Close() })
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: secret, Path: "/"})
		p.pages.ServeHTTP(w, r)
	})
	mux.HandleFunc("/secret", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		p.asked++
		p.mu.Unlock()
		_, _ = w.Write([]byte(secret)) // the browser may have gone
	})
	p.portal = httptest.NewServer(mux)
	t.Cleanup(p.portal.Close)
	p.replay = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.archived.ServeHTTP(w, r) }))
	t.Cleanup(p.replay.Close)
	p.serve(t, host)
	return p
}

// serve makes the portal and its replays, which know each other's addresses. Each replay has an origin of its own.
func (p *places) serve(t *testing.T, host string) {
	t.Helper()
	log, runs := slog.New(slog.NewTextHandler(t.Output(), nil)), &portal.Runs{Archive: p.bucket}
	replays, err := origin.New(origin.Options{
		URL: strings.Replace(p.replay.URL, "127.0.0.1", host, 1), Portal: p.portal.URL, Dir: replayDir,
		Archive: p.bucket, Runs: runs, Look: func(context.Context, access.Person, blob.Key) error { return nil }, Keys: origin.RandomKeys(), Lifetime: time.Hour, Now: time.Now, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	gate := &access.Gate{
		Local: true, Sessions: &access.Sessions{Keys: access.RandomKeys()}, Rights: &access.Rights{}, Custody: &access.Custody{}, Logger: log,
	}
	server := portal.Server{
		Catalog: p.known, Runs: runs, Gate: gate, Tools: &cdx.Server{Catalog: p.known, Archive: p.bucket}, Archive: p.bucket,
		Replay: replays, ReplayDir: replayDir, Origin: p.portal.URL, Logger: log,
	}
	if p.pages, err = server.Handler(); err != nil {
		t.Fatal(err)
	}
	p.archived = replays.Handler()
}

// put stores the page as a crawl would have. In the portal its title is a secret.
func (p *places) put(t *testing.T, html string) {
	t.Helper()
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var records, file bytes.Buffer
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n" +
		"Link: <https://linkheader.evil.test/>; rel=preconnect, <https://linkheaderdns.evil.test/>; rel=dns-prefetch\r\n\r\n"
	out := warc.NewWriter(&records, warc.WriterOptions{})
	for _, r := range []*warc.Record{
		warc.NewResponse(hostileURL, at, []byte(head), warc.Text(html)),
		warc.NewResponse(hostileURL+"hostile.js", at, []byte("HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\n\r\n"), warc.Text(scriptFor(p.portal.URL+"/"))),
	} {
		if _, err := out.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	pages := []wacz.Page{{ID: "p1", URL: hostileURL, Title: "Hostile", Time: at, Extra: map[string]any{"status": 200, "mime": "text/html"}}}
	contents := wacz.Contents{Title: "test", Created: at, WARCs: []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes(records.Bytes())}}, Pages: pages}
	if err := wacz.Create(&file, contents); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(file.Bytes())
	run := catalog.Run{Namespace: "default", Job: "hostile", UID: "0b6c1f5e-0000-4000-8000-000000000001"}
	chunk := catalog.Chunk{Key: blob.Key("default/hostile/" + run.UID + "/chunks/c0.wacz"), Size: int64(file.Len()), Modified: at, Run: run}
	content := blob.Content{Body: bytes.NewReader(file.Bytes()), Size: chunk.Size, SHA256: hex.EncodeToString(sum[:])}
	if _, err := p.bucket.Put(t.Context(), chunk.Key, content); err != nil {
		t.Fatal(err)
	}
	page := snapshot.Page{Chunk: chunk.Key, ID: "p1", URL: hostileURL, Time: at, Title: secret}
	if err := p.known.Add(t.Context(), chunk, []catalog.Entry{{Page: page}}, nil); err != nil {
		t.Fatal(err)
	}
	p.path = "/snapshots/" + string(catalog.NewID(chunk.Key, page.ID)) + "/replay"
}

// awaitTried asks the page what it has found until it has tried everything but to leave.
func awaitTried(t *testing.T, ask func() map[string]string) map[string]string {
	t.Helper()
	var found map[string]string
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if found = ask(); found["tried"] != "" {
			return found
		}
	}
	t.Fatalf("the page did not try everything: %q", found)
	return nil
}

// watch waits until the page has tried everything in its frame, checks what it got hold of, and lets it leave.
func (p *places) watch(t *testing.T, tab context.Context) {
	t.Helper()
	found := awaitTried(t, func() map[string]string { return p.found(t, tab) })
	b, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("what the page got hold of: %s", b)
	for what, value := range found {
		if what != "tried" && !strings.HasPrefix(value, "no") {
			t.Errorf("the page got hold of %s: %s", what, value)
		}
		if strings.Contains(value, secret) {
			t.Errorf("the page got hold of the portal's secret: %s: %s", what, value)
		}
	}
	ctx, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	if _, err := viewer.InReplay[any](ctx, `(w) => { w.leave() }`); err != nil {
		t.Fatal(err)
	}
	time.Sleep(hostileSettles) // that nothing happens takes time
	at, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + ' ' + document.title + ' ' + document.querySelector('.what bdi').textContent`))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(at, p.portal.URL+p.path) || !strings.Contains(at, " "+secret+" ") || strings.Contains(at, "spoof") {
		t.Errorf("the portal's page is %q", at)
	}
}

// found asks the archived page for its window.found.
func (p *places) found(t *testing.T, tab context.Context) map[string]string {
	t.Helper()
	ctx, stop := context.WithTimeout(tab, 10*time.Second)
	defer stop()
	found, err := viewer.InReplay[map[string]string](ctx, `(w) => w?.found ?? { nothing: w ? w.document.documentElement.innerText.slice(0, 300) : location.hash }`)
	if err != nil {
		t.Logf("ask the frame: %v", err)
	}
	return found
}

// frameOf attaches to the frame of a replay, nil while there is none.
func frameOf(t *testing.T, tab context.Context) (ctx context.Context, done func()) {
	t.Helper()
	targets, err := chromedp.Targets(tab)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(targets, func(i *target.Info) bool {
		u, err := url.Parse(i.URL)
		return err == nil && i.Type == "iframe" && strings.HasPrefix(u.Path, "/r/")
	})
	if i < 0 {
		return nil, func() {}
	}
	frame, cancel := chromedp.NewContext(tab, chromedp.WithTargetID(targets[i].TargetID), chromedp.WithDetachOnCancel())
	ctx, stop := context.WithTimeout(frame, 10*time.Second)
	return ctx, func() { stop(); cancel() }
}
