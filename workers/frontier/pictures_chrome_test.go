package frontier

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/hashlist"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// magenta is a harmless picture in a colour that nothing else on the page has.
func magenta(t *testing.T, seed uint64) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 240, 240))
	r := rand.New(rand.NewPCG(seed, seed))
	for y := range 240 {
		for x := range 240 {
			m.SetNRGBA(x, y, color.NRGBA{R: 255 - uint8(r.Uint32()%40), B: 255 - uint8(r.Uint32()%40), A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// listedSite shows a listed picture in every way that pages have.
func listedSite(listed, other []byte) http.Handler {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(listed)
	_ = w.Close()
	mux := http.NewServeMux()
	send := func(path, kind string, body []byte, head ...string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i < len(head); i += 2 {
				w.Header().Set(head[i], head[i+1])
			}
			_, _ = w.Write(body)
		})
	}
	send("/{$}", "text/html", []byte(`<!doctype html><link rel=icon href=/icon.png><body style="background: url(/background.png)">
		<img src=/plain.png><img srcset="/set.png 1x"><picture><source srcset=/source.png><img></picture><img src=/octets><img src=/text><img src=/zipped.png>
		<iframe src=/frame.png></iframe><object data=/object.png></object><video poster=/poster.png></video><svg><image href=/svg.png /></svg>
		<img src=/other.png><p id=p></p><canvas id=c width=240 height=240></canvas><script>
		fetch('/fetched').then(r => r.blob()).then(b => { const i = new Image(); i.src = URL.createObjectURL(b); document.body.append(i) }).catch(e => { p.textContent += ' refused' });
		const i = new Image(); i.onload = () => c.getContext('2d').drawImage(i, 0, 0); i.src = '/drawn.png';
		navigator.serviceWorker?.register('/worker.js').catch(() => {});
		</script><a href=/direct.png>direct</a><a href=/saved.png>saved</a>`))
	send("/worker.js", "text/javascript", []byte(`oninstall = e => e.waitUntil(caches.open('x').then(c => c.add('/cached.png')).catch(() => {}))`))
	for _, name := range []string{"icon", "background", "plain", "set", "source", "frame", "object", "poster", "svg", "drawn", "direct", "cached"} {
		send("/"+name+".png", "image/png", listed, "Cache-Control", "max-age=60")
	}
	send("/octets", "application/octet-stream", listed)
	send("/fetched", "application/octet-stream", listed)
	send("/text", "text/plain", listed)
	send("/zipped.png", "image/png", zipped.Bytes(), "Content-Encoding", "gzip")
	send("/saved.png", "image/png", listed, "Content-Disposition", "attachment")
	send("/other.png", "image/png", other)
	return mux
}

// pieces are parts of a picture, of which every 127 bytes of it have one.
func pieces(picture []byte) [][]byte {
	return slices.Collect(slices.Chunk(picture[:len(picture)/64*64], 64))
}

func holdsAny(raw []byte, parts [][]byte) bool {
	return slices.ContainsFunc(parts, func(p []byte) bool { return bytes.Contains(raw, p) })
}

// searched looks into all files below a folder; those that go meanwhile were looked into
// while they were there, or will not be kept.
func searched(dir string, parts [][]byte) (found []string, files int) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		files++
		if raw, err := os.ReadFile(path); err == nil && holdsAny(raw, parts) {
			found = append(found, path)
		}
		return nil
	})
	return found, files
}

// TestListedPicturesReachNothing crawls, with a real Chrome and with both recorders, a site
// full of a picture that is in the list (a harmless one, and a list made up for it). All that
// is temporary goes to one folder, which is searched for the picture all the while; then what
// is stored is. It sets an environment variable, so it is not parallel.
func TestListedPicturesReachNothing(t *testing.T) {
	listed, other := magenta(t, 1), magenta(t, 2)
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, fmt.Appendf(nil, "# made up\nsha256:%x\n", sha256.Sum256(listed)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Wire", "Browser"} {
		t.Run(kind, func(t *testing.T) { crawlListed(t, kind, list, listed, other) })
	}
}

func crawlListed(t *testing.T, kind, list string, listed, other []byte) {
	dir, err := os.MkdirTemp("", "crawlfleet-pictures-") // which Chrome's unprivileged user can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	site := httptest.NewUnstartedServer(listedSite(listed, other))
	site.EnableHTTP2 = true
	site.StartTLS()
	t.Cleanup(site.Close)
	hashes, err := hashlist.Open(list, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := recorder.New(recorder.Options{
		Dir: dir, Roots: []*x509.Certificate{site.Certificate()}, Pictures: &recorder.Pictures{List: hashes},
		Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rec.Close() })
	pool, err := browser.New(t.Context(), browser.Options{Dir: dir, Recorder: rec, Tabs: 1})
	if err != nil {
		t.Fatalf("this test needs a Chrome: %v", err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	r := newRig(t, &web{})
	r.crawler.Tabs, r.crawler.Dir = Pool{Pool: pool}, dir
	r.job.Spec.Browser.Width, r.job.Spec.Browser.Height = 800, 600
	r.job.Spec.Capture.Screenshot, r.job.Spec.Capture.Recorder = "FullPage", kind
	r.seed(site.URL+"/", site.URL+"/direct.png", site.URL+"/saved.png")

	parts, done := pieces(listed), make(chan struct{})
	var watch sync.WaitGroup
	var found []string
	rounds, files := 0, 0
	watch.Go(func() {
		for over := false; !over; rounds++ {
			select {
			case <-done:
				over = true // once more
			default:
			}
			f, n := searched(dir, parts)
			found, files = append(found, f...), max(files, n)
		}
	})
	out := r.run(3)
	close(done)
	watch.Wait()
	if len(found) > 0 || rounds < 3 || files == 0 {
		t.Errorf("in %d rounds through up to %d files there was something of the picture in %v", rounds, files, found)
	}
	if out.Counts.Archived != 1 || out.Counts.Failed[workflows.ReasonKnownIllegalImage] != 2 {
		t.Errorf("counts %+v, want the page archived and the pictures failed", out.Counts)
	}
	inStore(t, r, site.URL, listed, other)
}

// inStore looks at all that is stored.
func inStore(t *testing.T, r *rig, site string, listed, other []byte) {
	t.Helper()
	parts, others := pieces(listed), pieces(other)
	for _, key := range r.store.Keys("/") {
		if holdsAny(r.store.Object(key), parts) {
			t.Errorf("there is something of the picture in %s", key)
		}
	}
	reported := map[string]bool{}
	control := false
	r.records(func(rec *warc.Record, body []byte) {
		if holdsAny(body, parts) {
			t.Errorf("there is something of the picture in the record of %s", rec.TargetURI)
		}
		control = control || holdsAny(body, others)
		switch {
		case strings.HasPrefix(rec.TargetURI, "urn:pageinfo:"):
			var info struct {
				Exchanges []struct{ URL, Failure, Detail string }
			}
			if err := json.Unmarshal(body, &info); err != nil {
				t.Fatal(err)
			}
			for _, e := range info.Exchanges {
				if e.Failure == recorder.ReasonKnownIllegalImage && strings.Contains(e.Detail, "as sha256:") {
					reported[strings.TrimPrefix(e.URL, site)] = true
				}
			}
		case strings.HasPrefix(rec.TargetURI, "urn:screenshot:"), strings.HasPrefix(rec.TargetURI, "urn:view:"):
			shown(t, rec.TargetURI, body)
		}
	})
	if !control {
		t.Error("the picture that is not in the list is not stored either")
	}
	for _, path := range []string{
		"/background.png", "/plain.png", "/set.png", "/source.png", "/frame.png", "/object.png", "/poster.png", "/svg.png", "/drawn.png",
		"/octets", "/text", "/zipped.png", "/fetched", "/direct.png", "/saved.png",
	} {
		if !reported[path] {
			t.Errorf("%s is not reported; those that are: %v", path, reported)
		}
	}
}

// shown counts what of a screenshot is magenta: it may be the other picture alone.
func shown(t *testing.T, name string, raw []byte) {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	n := 0
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			if r, g, b, _ := m.At(x, y).RGBA(); r>>8 > 180 && g>>8 < 60 && b>>8 > 180 {
				n++
			}
		}
	}
	if n < 200*200 || n > 245*245 {
		t.Errorf("%s shows %d pixels of magenta, want those of the one picture that may be shown", name, n)
	}
}
