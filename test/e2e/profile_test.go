package e2e

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// members is a site that shows its pages to those alone who are logged in, and ends a session after some pages.
type members struct {
	mu       sync.Mutex
	sessions map[string]int // pages that are left, by the value of the cookie
	shown    map[string]int // by path
}

const memberPages = 12

func (m *members) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.URL.Path == "/robots.txt" || r.URL.Path == "/favicon.ico" {
		http.NotFound(w, r)
		return
	}
	if r.URL.Path == "/login" {
		fmt.Fprint(w, "<title>Log in</title><form id=login></form>")
		return
	}
	c, err := r.Cookie("session")
	if err != nil || m.sessions[c.Value] == 0 {
		http.Redirect(w, r, "/login", http.StatusFound)
		return
	}
	m.sessions[c.Value]--
	m.shown[r.URL.Path]++
	fmt.Fprintf(w, "<title>For members: %s</title><p>What members read", r.URL.Path)
	if r.URL.Path == "/" {
		for i := range memberPages - 1 {
			fmt.Fprintf(w, `<a href="/m/%d">%d</a> `, i, i)
		}
	}
}

func stateSecret(site, value string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(site, "http://"), ":")
	state := fmt.Sprintf(`{"cookies":[{"name":"session","value":%q,"domain":%q,"path":"/","expires":-1}],"origins":[{"origin":%q,"localStorage":[{"name":"token","value":%q}]}]}`, value, host, site, value)
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: members-state, namespace: default}\nstringData:\n  state.json: '" + state + "'\n"
}

// TestProfile crawls a site for members with a log-in that ends in the middle, and looks for the log-in everywhere.
func TestProfile(t *testing.T) {
	t.Parallel()
	const first, second = "s3cr3t-session-number-one", "s3cr3t-session-number-two"
	site := &members{sessions: map[string]int{first: 4, second: 1000}, shown: map[string]int{}}
	srv := serve(t, site)
	keys := filepath.Join(t.TempDir(), "identity")
	recipient := keygen(t, keys)
	fleet := harness.Start(t, harness.Options{
		OperatorFlags: []string{"--profile-recipients", recipient, "--log-level", "debug"},
		WorkerFlags:   []string{"--profile-identity-file", keys, "--log-level", "debug"},
	})
	job := harness.NewJob("members", srv.URL+"/")
	job.Spec.Browser.Profile = v1alpha1.ProfileReference{Name: "members"}
	fleet.Apply(t, job)
	stalled(t, fleet, "members", "ProfileNotFound")
	if n := len(site.shown); n != 0 {
		t.Errorf("%d pages were loaded without the log-in", n)
	}

	fleet.ApplyYAML(t, stateSecret(srv.URL, first)+`---
apiVersion: crawlfleet.dev/v1alpha1
kind: BrowserProfile
metadata: {name: members, namespace: default}
spec:
  secretRef: {name: members-state}
  loginCheck: {loggedOut: {urlPattern: /login$}}
`)
	stalled(t, fleet, "members", "LoginExpired")
	if out := ready(t, fleet, "LoginExpired"); strings.Contains(out, "s3cr3t") {
		t.Errorf("the BrowserProfile tells the log-in: %s", out)
	}
	before := fleet.Job(t, "members")
	if p := before.Status.Profile; p == nil || p.Name != "members" || len(p.SHA256) != 64 || p.UID == "" {
		t.Errorf("the status names the profile as %+v", p)
	}

	fleet.ApplyYAML(t, stateSecret(srv.URL, second))
	done := succeeded(t, fleet, "members")
	if done.Status.Profile.SHA256 == before.Status.Profile.SHA256 {
		t.Error("the status speaks of the old log-in still")
	}
	if n := *done.Status.Counters.Archived; n != memberPages || len(done.Status.FailedByReason) > 0 {
		t.Errorf("%d pages are archived, want %d; failed %+v", n, memberPages, done.Status.FailedByReason)
	}
	titles := map[string]int{}
	for _, p := range fleet.ReadRun(t, "members").Pages() {
		title, _, _ := strings.Cut(p.Title, ":")
		titles[title]++
	}
	if titles["For members"] != memberPages || titles["Log in"] == 0 {
		t.Errorf("the archive has %v, want each page for members, and the log-in page that was shown instead of one", titles)
	}
	ready(t, fleet, "Usable")

	// The Secret itself is in Kubernetes. Elsewhere the log-in is in the requests that were recorded, and nowhere else.
	requests := requestsWith(t, fleet, "members", first, second)
	if requests < memberPages {
		t.Errorf("%d recorded requests carry the cookie, want one for each page", requests)
	}
	for _, value := range []string{first, second} {
		if found := traces(t, fleet, value); len(found) > 0 {
			t.Errorf("%s is in %q", value, found)
		}
	}
	// What must be there shows that the search finds things.
	if found := traces(t, fleet, done.Status.Profile.SHA256); len(found) == 0 {
		t.Error("the search does not even find the checksum of the state")
	}
}

func keygen(t *testing.T, file string) string {
	t.Helper()
	bin := os.Getenv("CRAWLFLEET_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin")
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "crawlctl"), "profile", "keygen", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// ready waits until the BrowserProfile says why it is ready or not, and returns all that it says.
func ready(t *testing.T, fleet *harness.Fleet, reason string) string {
	t.Helper()
	for deadline := time.Now().Add(troubleTimeout); ; time.Sleep(500 * time.Millisecond) {
		out, err := fleet.Kubectl(t.Context(), "", "get", "browserprofile", "members", "-o", "yaml")
		if err == nil && strings.Contains(out, "reason: "+reason+"\n") {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("the BrowserProfile does not say %s: %v\n%s", reason, err, out)
		}
	}
}

// requestsWith counts the request records that hold one of some values; no other record may hold one.
func requestsWith(t *testing.T, fleet *harness.Fleet, name string, values ...string) (requests int) {
	t.Helper()
	client, err := fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	job := fleet.Job(t, name)
	for listed := range client.ListObjectsIter(t.Context(), job.Status.Archive.Bucket, minio.ListObjectsOptions{Prefix: job.Status.Archive.Prefix, Recursive: true}) {
		if listed.Err != nil {
			t.Fatal(listed.Err)
		}
		if !strings.HasSuffix(listed.Key, ".wacz") {
			continue
		}
		raw := get(t, fleet, listed.Key)
		file, err := wacz.Open(strings.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range file.WARCs() {
			section, err := file.OpenWARC(name)
			if err != nil {
				t.Fatal(err)
			}
			requests += requestRecords(t, warc.NewReader(section, warc.ReaderOptions{}), values)
		}
	}
	return requests
}

func requestRecords(t *testing.T, r *warc.Reader, values []string) (n int) {
	t.Helper()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		text := bytes.Clone(rec.Head)
		if rec.Body != nil {
			body, err := rec.Body.Open()
			if err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(body)
			if err = errors.Join(err, body.Close()); err != nil {
				t.Fatal(err)
			}
			text = append(text, rest...)
		}
		for _, v := range values {
			switch {
			case !bytes.Contains(text, []byte(v)):
			case rec.Type == "request":
				n++
			default:
				t.Errorf("a record of type %s of %s holds the log-in", rec.Type, rec.TargetURI)
			}
		}
	}
}

// traces are the files of the fleet that hold a value, as it is, packed, or as base64: Temporal's database, the buckets, the
// workers' folders and all logs, but for the API server's store, where the Secret is.
func traces(t *testing.T, fleet *harness.Fleet, value string) (found []string) {
	t.Helper()
	needles := [][]byte{[]byte(value)}
	for shift := range 3 { // base64 has three forms of a text inside another one
		coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
		needles = append(needles, []byte(coded[4*((shift+2)/3):len(coded)-4]))
	}
	unpack, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unpack.Close()
	err = filepath.WalkDir(fleet.Dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // the worker is still tidying up
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "etcd" || d.Name() == "chrome"): // Chrome's own folder is looked at in workers/browser
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if plain, err := unpack.DecodeAll(raw, nil); err == nil {
			raw = append(raw, plain...)
		}
		for _, n := range needles {
			if bytes.Contains(raw, n) {
				found = append(found, strings.TrimPrefix(path, fleet.Dir))
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
