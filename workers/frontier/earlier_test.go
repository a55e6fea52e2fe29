package frontier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// answer is what a made-up site says of a page.
type answer struct{ body, etag string }

// answering gives the pages of a web documents.
func answering(t *testing.T, w *web, answers map[string]answer) {
	w.visit = func(_ context.Context, p *browser.Page) error {
		a, ok := answers[p.URL]
		if !ok {
			a = answer{body: "page " + p.URL}
		}
		if err := os.MkdirAll(p.Dir, 0o700); err != nil {
			return err
		}
		path := filepath.Join(p.Dir, "body")
		if err := os.WriteFile(path, []byte(a.body), 0o600); err != nil {
			return err
		}
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: %s\r\nContent-Length: %d\r\n\r\n", a.etag, len(a.body))
		p.Frames = []browser.Frame{{ID: "f"}}
		p.Ledger = []browser.Line{{URL: p.URL, Type: "Document", FrameID: "f", Exchange: 1, Status: 200, Outcome: browser.OutcomeRecord}}
		p.Exchanges = []recorder.Exchange{{
			ID: 1, Method: http.MethodGet, URL: p.URL, Started: p.Started, Ended: time.Now(),
			Request:  recorder.Message{Head: []byte("GET / HTTP/1.1\r\nHost: " + hostIn(p.URL) + "\r\n\r\n")},
			Response: &recorder.Message{Head: []byte(head), Body: recorder.Body{Path: path, Size: int64(len(a.body)), SHA256: frontier.Hash([]byte(a.body))}},
		}}
		return nil
	}
	t.Helper()
}

// next is another run of the same order on the same store, compared with this one.
func (r *rig) next(run string) *rig {
	n := *r
	n.job.Run, n.seq, n.archive = run, 0, workflows.Archive{}
	n.job.Spec.CompareWith = &workflows.EarlierRun{Run: r.job.Run, Name: r.job.Name, Archive: r.archive}
	n.leases = &leases{newest: map[string]int{}, last: map[string]workflows.BundleProgress{}}
	n.web.mu.Lock()
	n.web.loads = nil
	n.web.mu.Unlock()
	c := r.crawler
	n.crawler = &Crawler{
		Buckets: c.Buckets, FrontierBucket: c.FrontierBucket, Tabs: c.Tabs, Heartbeats: n.leases, Robots: c.Robots, Dir: r.t.TempDir(),
		Patience: c.Patience, Logger: c.Logger, Now: c.Now,
	}
	return &n
}

// TestPagesAreCompared: a later run says of each page whether it is as it was, in its books,
// in the closing statement, and by naming the record of before; wherever the earlier run lies.
func TestPagesAreCompared(t *testing.T) {
	t.Parallel()
	w := tree(5, "a.test")
	answers := map[string]answer{"http://a.test/2": {"one", `"v1"`}}
	answering(t, w, answers)
	first := newRig(t, w)
	first.job.Spec.Storage.Prefix = "cases/7"
	first.seed("http://a.test/0")
	if out := first.run(1); out.Counts.Compared != (workflows.Compared{}) {
		t.Errorf("a run that compares nothing counts %+v", out.Counts.Compared)
	}
	before := first.statement(first.seal().Statement)
	if before.Visits == nil || before.Visits.Count != 5 || before.Visits.Objects[0].Visits != 5 || before.Visits.Objects[0].Blocks != nil {
		t.Fatalf("%+v", before.Visits)
	}
	chunks := map[string]bool{}
	for _, c := range before.Chunks {
		chunks[c.Key] = true
	}
	dir := first.archive.Prefix + "visits/"
	for _, o := range append(before.Visits.Objects, before.Visits.Directory) {
		data := first.store.Object("/archive/" + o.Key)
		if !strings.HasPrefix(o.Key, dir) || int64(len(data)) != o.Size || frontier.Hash(data) != o.SHA256 {
			t.Errorf("%+v is not what is stored", o)
		}
	}

	answers["http://a.test/1"] = answer{body: "another page"}
	answers["http://a.test/2"] = answer{"two", `"v1"`}
	w.links["http://a.test/4"] = append(w.links["http://a.test/4"], "http://a.test/5")
	for name, archive := range map[string]workflows.Archive{"Told": first.archive, "Gone": {}} {
		second := first.next("second-" + name)
		second.job.Spec.CompareWith.Archive = archive
		second.seed("http://a.test/0")
		out := second.run(1)
		want := workflows.Compared{Unchanged: 4, Changed: 1, New: 1}
		sealed := second.seal()
		st := second.statement(sealed.Statement)
		if out.Counts.Compared != want || sealed.Counts.Compared != want || !sealed.Balanced || out.Counts.Archived != 6 {
			t.Errorf("%s: counts %+v, sealed %+v, want %+v", name, out.Counts, sealed, want)
		}
		if diff := cmp.Diff(second.job.Spec.CompareWith, st.CompareWith); diff != "" {
			t.Errorf("%s: the statement names (-want +got):\n%s", name, diff)
		}
		got := map[string]visits.Comparison{}
		for _, c := range st.Chunks {
			for _, info := range pageInfos(t, second.store.Object("/archive/"+c.Key)) {
				got[info.URL] = info.Compared
			}
		}
		for address, by := range map[string]visits.By{
			"http://a.test/0": visits.ByDigest, "http://a.test/1": visits.ByDocument, "http://a.test/2": visits.ByETag, "http://a.test/5": "",
		} {
			c := got[address]
			if c.By != by || c.With != (visits.Run{Run: "uid", Name: "name"}) {
				t.Errorf("%s: %s: %+v, want by %q", name, address, c, by)
			}
			if e := c.Earlier; by != "" && (e == nil || e.URL != address || e.Record == "" || !chunks[e.Chunk] || e.At.IsZero()) {
				t.Errorf("%s: %s: the visit of before is %+v", name, address, e)
			}
		}
	}
}

// TestIndexIsFetchedOnce: what a run costs the store does not follow the number of its pages.
func TestIndexIsFetchedOnce(t *testing.T) {
	t.Parallel()
	w := tree(60, "a.test", "b.test")
	answering(t, w, nil)
	first := newRig(t, w)
	first.seed("http://a.test/0", "http://b.test/0")
	first.run(4)
	first.seal()
	second := first.next("second")
	asked := make(chan string, 1000)
	first.store.Answer = func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		if strings.Contains(r.URL.Path, "/visits/") && r.Method == http.MethodGet {
			asked <- r.URL.Path
		}
		return false
	}
	second.seed("http://a.test/0", "http://b.test/0")
	if out := second.run(4); out.Counts.Compared.Unchanged != 120 {
		t.Errorf("%+v", out.Counts)
	}
	if len(asked) != 2 {
		t.Errorf("the store was asked %d times, want the directory and the one object", len(asked))
	}
}

// TestNotComparedIsSaid: where the index is missing, damaged or cannot be had, pages are
// archived all the same, say so, and the store is not asked again for each of them.
func TestNotComparedIsSaid(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		harm   func(r *rig, refused *atomic.Int64, directory, object string)
		by     visits.By
		detail string
	}{
		"Erased":    {"Retention took the run away.", func(r *rig, _ *atomic.Int64, d, _ string) { r.store.Remove(d) }, visits.ByNoIndex, "has no index"},
		"Part":      {"Retention is about to.", func(r *rig, _ *atomic.Int64, _, o string) { r.store.Remove(o) }, visits.ByNoIndex, "has no index"},
		"Damaged":   {"The directory is none.", func(r *rig, _ *atomic.Int64, d, _ string) { r.swap(d, []byte("none")) }, visits.ByIndexUnreadable, "damaged"},
		"Falsified": {"The object is another.", func(r *rig, _ *atomic.Int64, _, o string) { r.swap(o, []byte("other")) }, visits.ByIndexUnreadable, "damaged"},
		"Refused": {"Who may not list is refused what is not there.", func(r *rig, refused *atomic.Int64, d, _ string) {
			r.store.Answer = func(w http.ResponseWriter, req *http.Request, _ func()) bool {
				if req.URL.Path != d || req.Method != http.MethodGet {
					return false
				}
				refused.Add(1)
				w.WriteHeader(http.StatusForbidden)
				return true
			}
		}, visits.ByNoIndex, "may not read it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(4, "a.test")
			answering(t, w, nil)
			first := newRig(t, w)
			first.seed("http://a.test/0")
			first.run(1)
			st := first.statement(first.seal().Statement)
			second := first.next("second")
			second.seed("http://a.test/0")
			directory := "/archive/" + st.Visits.Directory.Key
			var refused atomic.Int64
			tc.harm(second, &refused, directory, "/archive/"+st.Visits.Objects[0].Key)
			out := second.run(1)
			sealed := second.seal()
			if want := (workflows.Compared{NotCompared: 4}); out.Counts.Archived != 4 || sealed.Counts.Compared != want || !sealed.Balanced {
				t.Errorf("%s: %+v, sealed %+v", tc.reason, out.Counts, sealed)
			}
			for _, c := range second.statement(sealed.Statement).Chunks {
				for _, info := range pageInfos(t, second.store.Object("/archive/"+c.Key)) {
					if info.Compared.By != tc.by || !strings.Contains(info.Compared.Detail, tc.detail) || info.Compared.Earlier != nil {
						t.Errorf("%s: %+v", tc.reason, info.Compared)
					}
				}
			}
			if n := refused.Load(); n > 1 {
				t.Errorf("%s: the store was asked %d times", tc.reason, n)
			}
		})
	}
}

// swap replaces an object.
func (r *rig) swap(path string, data []byte) {
	r.t.Helper()
	r.store.Remove(path)
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err := put(r.t.Context(), r.planner.Store.Bucket(bucket), key, data); err != nil {
		r.t.Fatal(err)
	}
}

// TestDiskCacheIsBounded: what was not read for the longest time goes first, and its file
// with it.
func TestDiskCacheIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := diskCache{limit: 25}
	for _, name := range []string{"a", "b"} {
		if err := d.keep(dir, name, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if d.path("a") == "" || d.path("c") != "" {
		t.Error("it does not tell what it has")
	}
	for _, name := range []string{"c", "c"} { // the same again replaces it
		if err := d.keep(dir, name, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 || d.size != 20 || d.path("b") != "" || d.path("a") == "" || d.path("c") == "" {
		t.Errorf("%d files of %d bytes, %v", len(files), d.size, err)
	}
	if err := d.keep(filepath.Join(dir, "gone"), "d", make([]byte, 10)); err == nil || d.path("d") != "" {
		t.Error("what could not be kept is said to be there")
	}
}

// TestIndexesAreBounded: a worker forgets runs that nobody asks for.
func TestIndexesAreBounded(t *testing.T) {
	t.Parallel()
	var x indexes
	for n := range maxIndexes + 10 {
		i := x.of(workflows.Archive{Bucket: "b", Prefix: fmt.Sprintf("%d/", n)})
		i.dir = &visits.Directory{Objects: []visits.Object{{Blocks: make([]visits.Block, indexBlocks/4)}}}
		x.opened(i)
	}
	if len(x.known) != 4 || len(x.order) != 4 || x.blocks != indexBlocks {
		t.Errorf("%d known, %d in order, %d blocks", len(x.known), len(x.order), x.blocks)
	}
	last := workflows.Archive{Bucket: "b", Prefix: fmt.Sprintf("%d/", maxIndexes+9)}
	if x.of(last).dir == nil {
		t.Error("the newest was forgotten")
	}
}

// TestSecondSealKeepsTheIndex: an index that another attempt stored stands, however that
// packed it.
func TestSecondSealKeepsTheIndex(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.test"))
	store := r.planner.Store.Bucket("archive")
	write := func(pages int) *VisitsStatement {
		w := newVisitsWriter(store, "ns/name/uid/", t.TempDir())
		defer w.close()
		res := &frontier.Result{Chunk: &frontier.Chunk{Key: "k"}}
		for i := range pages {
			res.Outcomes = append(res.Outcomes, frontier.Outcome{Status: frontier.Archived, Visit: &visits.Visit{URL: fmt.Sprintf("http://a.test/%d", i)}},
				frontier.Outcome{Status: frontier.Archived}, frontier.Outcome{Status: frontier.Failed, Visit: &visits.Visit{URL: "http://b.test/"}})
		}
		if err := w.add(res); err != nil {
			t.Fatal(err)
		}
		st, err := w.finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := write(0); st != nil {
		t.Errorf("an index of nothing: %+v", st)
	}
	one := write(3)
	if one.Count != 3 {
		t.Errorf("%+v", one)
	}
	if diff := cmp.Diff(one, write(3)); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(one, write(4)); diff != "" {
		t.Errorf("what was stored does not hold (-first +second):\n%s", diff)
	}
}

// comparedInfo is a part of a page's record.
type comparedInfo struct {
	URL      string
	Compared visits.Comparison
}

// pageInfos reads the records of the pages of a WACZ file, which must be sound, and say the
// same in its list of pages.
func pageInfos(t *testing.T, raw []byte) (infos []comparedInfo) {
	t.Helper()
	r := bytes.NewReader(raw)
	if findings, err := wacz.Validate(t.Context(), r, int64(len(raw)), nil); err != nil || len(findings) > 0 {
		t.Fatalf("the file is not sound: %+v, %v", findings, err)
	}
	z, err := wacz.Open(r, int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]any{}
	for p, err := range z.Pages() {
		if err != nil {
			t.Fatal(err)
		}
		listed[p.URL] = p.Extra["compared"]
	}
	for _, name := range z.WARCs() {
		section, err := z.OpenWARC(name)
		if err != nil {
			t.Fatal(err)
		}
		records := warc.NewReader(section, warc.ReaderOptions{})
		for {
			rec, err := records.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Type == warc.Revisit {
				t.Errorf("%s is a revisit: the file does not stand alone", rec.TargetURI)
			}
			if !strings.HasPrefix(rec.TargetURI, "urn:pageinfo:") {
				continue
			}
			body, err := rec.Body.Open()
			if err != nil {
				t.Fatal(err)
			}
			var info comparedInfo
			if err := json.NewDecoder(body).Decode(&info); err != nil {
				t.Fatal(err)
			}
			if listed[info.URL] != string(info.Compared.Verdict) {
				t.Errorf("the list says of %s that it is %v, its record %s", info.URL, listed[info.URL], info.Compared.Verdict)
			}
			infos = append(infos, info)
		}
	}
	return infos
}
