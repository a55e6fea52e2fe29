package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/sealing"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

var (
	noon    = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	run     = catalog.Run{Namespace: "default", Job: "ads", UID: "0b6c1f5e-0000-4000-8000-000000000001"}
	folder  = "default/ads/" + run.UID + "/chunks/"
	page    = snapshot.Page{Chunk: blob.Key(folder + "c0.wacz"), URL: "https://www.example.org/?a=b#c", Time: noon}
	analyst = access.Person{Name: "oidc:analyst"}
)

// fixture is a server on a store in memory, with a clock that tests set.
type fixture struct {
	*Server
	bucket *blob.Bucket
	now    time.Time
	chunks []Chunk
	fail   error
}

// Chunks implements Runs.
func (f *fixture) Chunks(_ context.Context, r catalog.Run) ([]Chunk, error) {
	if r != run {
		return nil, fmt.Errorf("asked for %+v", r)
	}
	return f.chunks, f.fail
}

func newFixture(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{now: noon}
	store := &blobtest.Server{}
	client, err := blob.NewClient(blob.Config{Endpoint: store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret-of-the-store"})
	if err != nil {
		t.Fatal(err)
	}
	f.bucket = client.Bucket("archive")
	keys := secrets(t, "1")
	o := Options{
		URL: "http://localhost:8081", Portal: "http://127.0.0.1:8080/", Dir: published(t), Archive: f.bucket, Runs: f, Look: (&watcher{}).look, Keys: keys,
		Lifetime: time.Hour, Now: func() time.Time { return f.now }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	if f.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c0.wacz", "c1.wacz"} {
		f.chunks = append(f.chunks, f.put(t, folder+name, []byte("0123456789 of "+name)))
	}
	f.put(t, "default/ads/"+run.UID+"/run.json", []byte("{}"))
	f.put(t, "default/others/"+run.UID+"/chunks/c0.wacz", []byte("another run's"))
	return f
}

// secrets are keys of a file.
func secrets(t *testing.T, digits ...string) *sealing.Keys {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "keys"), digits...)
}

// open makes a file of keys, each of one digit, and reads it.
func open(t *testing.T, path string, digits ...string) *sealing.Keys {
	t.Helper()
	var content string
	for _, d := range digits {
		content += strings.Repeat(d, 32) + "\n"
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// published is a folder as ReplayWeb.page comes.
func published(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"ui.js", "sw.js"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("// "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (f *fixture) put(t *testing.T, key string, body []byte) Chunk {
	t.Helper()
	sum := sha256.Sum256(body)
	content := blob.Content{Body: bytes.NewReader(body), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	if _, err := f.bucket.Put(t.Context(), blob.Key(key), content); err != nil {
		t.Fatal(err)
	}
	return Chunk{Key: blob.Key(key), Size: content.Size, SHA256: content.SHA256}
}

// link is the folder of a new address, such as http://localhost:8081/r/…/.
func (f *fixture) link(t *testing.T) string {
	t.Helper()
	link, err := f.Link(t.Context(), analyst, run, page)
	if err != nil {
		t.Fatal(err)
	}
	at, _, _ := strings.Cut(link.Src, "#")
	return at
}

func (f *fixture) get(address string, header ...string) (*http.Response, string) {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, r)
	res := w.Result()
	body, _ := io.ReadAll(res.Body) // of a recorder: never fails
	return res, string(body)
}

func TestLink(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	link, err := f.Link(t.Context(), analyst, run, page)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link.Src)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.ParseQuery(u.Fragment)
	if err != nil {
		t.Fatal(err)
	}
	if u.Host != "localhost:8081" || u.RawQuery != "" || at.Get("url") != page.URL || at.Get("ts") != "20260314120000" {
		t.Errorf("the address is %s", link.Src)
	}
	if link.Origin != "http://localhost:8081" || !link.Expires.Equal(noon.Add(time.Hour)) || !link.Renew.Equal(noon.Add(45*time.Minute)) || link.Single {
		t.Errorf("the link is %+v", link)
	}
	for _, hidden := range []string{"ads", "analyst", run.UID} {
		if strings.Contains(u.Path, hidden) {
			t.Errorf("the path tells %s", hidden)
		}
	}
	if again := f.link(t); again == strings.TrimSuffix(link.Src, "#"+u.Fragment) {
		t.Error("two addresses are the same")
	}
}

func TestLinkRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for name, change := range map[string]func(*snapshot.Page){
		"a file of another run":   func(p *snapshot.Page) { p.Chunk = "default/ads/another/chunks/c0.wacz" },
		"no WACZ file":            func(p *snapshot.Page) { p.Chunk = blob.Key("default/ads/" + run.UID + "/run.json") },
		"a file deeper inside":    func(p *snapshot.Page) { p.Chunk = blob.Key(folder + "x/c0.wacz") },
		"a file that leads away":  func(p *snapshot.Page) { p.Chunk = blob.Key(folder + "../c0.wacz") },
		"a script for an address": func(p *snapshot.Page) { p.URL = "javascript:alert(1)" },
		"an address of data":      func(p *snapshot.Page) { p.URL = "data:text/html,x" },
	} {
		p := page
		change(&p)
		if _, err := f.Link(t.Context(), analyst, run, p); !errors.Is(err, ErrNoReplay) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.fail = errors.New("the store is away")
	if _, err := f.Link(t.Context(), analyst, run, page); !errors.Is(err, f.fail) {
		t.Errorf("a store that is away: %v", err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	at := f.link(t)
	token := strings.Split(at, "/")[4]
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)/2] ^= 1
	other := newFixture(t, func(o *Options) { o.Keys = RandomKeys() })
	both := newFixture(t, func(o *Options) { o.Keys = secrets(t, "2", "1") })
	path := filepath.Join(t.TempDir(), "keys")
	gone := newFixture(t, func(o *Options) { o.Keys = open(t, path, "1") })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason string
		of     *fixture
		token  string
		after  time.Duration
		status int
	}{
		{"its own", f, token, 0, 200},
		{"just before its end", f, token, time.Hour - time.Second, 200},
		{"at its end", f, token, time.Hour, 403},
		{"changed", f, base64.RawURLEncoding.EncodeToString(sealed), 0, 403},
		{"cut short", f, token[:10], 0, 403},
		{"no base64", f, "*", 0, 403},
		{"far too long", f, strings.Repeat("A", maxToken+1), 0, 403},
		{"of another portal's key", other, token, 0, 403},
		{"of a key that was replaced", both, token, 0, 200},
		{"when the keys are gone", gone, token, 0, 503},
	} {
		tc.of.now = noon.Add(tc.after)
		for _, path := range []string{"", "replay/", "replay/sw.js", "replay/ui.js", "collection.json", "wacz/" + folder + "c0.wacz"} {
			want, header := tc.status, []string{}
			if strings.HasPrefix(path, "wacz/") {
				header = []string{"Range", "bytes=0-"}
				if want == http.StatusOK {
					want = http.StatusPartialContent
				}
			}
			if res, _ := tc.of.get("http://localhost:8081/r/"+tc.token+"/"+path, header...); res.StatusCode != want {
				t.Errorf("%s: %q: status %d, want %d", tc.reason, path, res.StatusCode, want)
			}
		}
	}
}

func TestWhatATokenOpens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	at := f.link(t)
	for path, status := range map[string]int{
		"wacz/" + folder + "c0.wacz":                           403, // as a whole
		"wacz/" + folder + "c9.wacz":                           404, // of the run, and not there
		"wacz/default/ads/" + run.UID + "/run.json":            403,
		"wacz/default/others/" + run.UID + "/chunks/c0.wacz":   403,
		"wacz/" + folder + "x/c0.wacz":                         403,
		"wacz/" + folder + "%2e%2e/%2e%2e/x/chunks/c0.wacz":    403,
		"replay/wabac.js":                                      200,
		"replay/LICENSE.txt":                                   404,
		"replay/w/x/20260314120000mp_/https://www.example.org": 404, // the worker answers those, or nobody
		"../../":     404,
		"frame.js":   200,
		"frame.html": 404,
	} {
		res, _ := f.get(at + path)
		if res.StatusCode != status && (res.StatusCode/100 != 3 || status != 403 && status != 404) {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, status)
		}
	}
	res, body := f.get(at+"wacz/"+folder+"c0.wacz", "Range", "bytes=2-4")
	if res.StatusCode != http.StatusPartialContent || body != "234" || res.Header.Get("Content-Range") != "bytes 2-4/21" {
		t.Errorf("a range: %d %q %v", res.StatusCode, body, res.Header)
	}
	f.chunks = append(f.chunks, Chunk{Key: "default/others/" + blob.Key(run.UID) + "/chunks/c0.wacz"})
	_, body = f.get(at + "collection.json")
	if strings.Contains(body, "others") || strings.Count(body, `"path"`) != 2 || !strings.Contains(body, "sha256:"+f.chunks[0].SHA256) {
		t.Errorf("the collection is %s", body)
	}
}

func TestLargeRunsAreShownFileByFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for range MaxFiles {
		f.chunks = append(f.chunks, f.chunks[0])
	}
	link, err := f.Link(t.Context(), analyst, run, page)
	if err != nil {
		t.Fatal(err)
	}
	at, _, _ := strings.Cut(link.Src, "#")
	if _, body := f.get(at); !link.Single || !strings.Contains(body, `/wacz/`+folder+`c0.wacz"`) || strings.Contains(body, "collection.json") {
		t.Errorf("single is %v in %s", link.Single, body)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	at := f.link(t)
	for path, parts := range map[string][]string{
		"":                           {"default-src 'none'", "frame-ancestors 'self' http://127.0.0.1:8080;", "frame-src " + at + ";", "form-action 'none'"},
		"replay/":                    {"default-src 'none'", "frame-ancestors 'self' http://127.0.0.1:8080;", "script-src " + at + ";"},
		"replay/sw.js":               {"default-src 'none'", "connect-src " + at + " "},
		"wacz/" + folder + "c0.wacz": {"default-src 'none'", "frame-ancestors 'none'", "sandbox"},
	} {
		res, _ := f.get(at + path)
		policy := res.Header.Get("Content-Security-Policy")
		for _, part := range parts {
			if !strings.Contains(policy, part) {
				t.Errorf("%q: %q is not in %q", path, part, policy)
			}
		}
		if res.Header.Get("Set-Cookie") != "" || res.Header.Get("Referrer-Policy") != "no-referrer" || res.Header.Get("X-DNS-Prefetch-Control") != "off" {
			t.Errorf("%q: %v", path, res.Header)
		}
	}
	_, worker := f.get(at + "replay/sw.js")
	if strings.Contains(worker, "{policy}") || !strings.Contains(worker, "sandbox allow-scripts allow-same-origin allow-forms") {
		t.Errorf("the worker has no policy: %s", worker)
	}
	archived := f.policy("archived", strings.Split(at, "/")[4])
	if strings.Contains(archived, "ws:") || strings.Contains(archived, "allow-popups") || strings.Contains(archived, "allow-top") || strings.Contains(archived, "'self' http://127.0.0.1:8080 ") {
		t.Errorf("archived pages get %q", archived)
	}
}

func TestAnOriginForEachAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *Options) { o.URL = "https://*.replay.example" })
	if f.FrameSource() != "https://*.replay.example" {
		t.Errorf("the portal is to allow frames of %q", f.FrameSource())
	}
	one, two := f.link(t), f.link(t)
	a, b := strings.Split(one, "/"), strings.Split(two, "/")
	if a[2] == b[2] || !strings.HasSuffix(a[2], ".replay.example") {
		t.Errorf("the names are %s and %s", a[2], b[2])
	}
	if res, _ := f.get(one); res.StatusCode != http.StatusOK {
		t.Errorf("its own name: status %d", res.StatusCode)
	}
	if res, _ := f.get("https://" + b[2] + "/r/" + a[4] + "/"); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another's name: status %d", res.StatusCode)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := published(t)
	good := Options{URL: "http://localhost:8081", Portal: "http://127.0.0.1:8080", Dir: dir, Look: (&watcher{}).look, Keys: RandomKeys(), Lifetime: time.Hour}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no ReplayWeb.page": func(o *Options) { o.Dir = t.TempDir() },
		"one origin":        func(o *Options) { o.Portal = "http://LOCALHOST:8081/" },
		"a path":            func(o *Options) { o.URL = "http://localhost:8081/replay" },
		"no scheme":         func(o *Options) { o.URL = "localhost:8081" },
		"no keys":           func(o *Options) { o.Keys = nil },
		"nobody to tell":    func(o *Options) { o.Look = nil },
		"no time":           func(o *Options) { o.Lifetime = time.Second },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
