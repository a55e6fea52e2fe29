package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/wacz"
)

func TestEmptyArchiveSaysWhatToDo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	res := f.get("/")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
	wantAll(t, "the empty archive", body(t, res), "Nothing is archived yet", "kubectl apply -f job.yaml", "--archive-bucket")
}

func TestPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	wantAll(t, "the list of crawls", body(t, f.get("/")), `href="`+runPath+`"`, ">ads</a>", "Succeeded", "1 crawl,", "DPIA-2026-014", `>3<span class="unit"> pages`)
	run := body(t, f.get(runPath))
	wantAll(t, "the crawl", run, "2 WACZ files", "2026-03-14 12:00:00 UTC", "2026-03-14 13:00:00 UTC", "5 discovered",
		"3 archived, 1 failed (Timed out), 1 skipped (Robots disallowed)", "DPIA-2026-014", "Victim identification, Research unit",
		"www.example.org/b", "2026-03-14 12:03:00 UTC", "Pages that failed", ">Slow<", "SHA-256 ")
	wantNone(t, "the crawl", run, "not whole", "what it says")
	if a, b := strings.Index(run, ">Rooms<"), strings.Index(run, ">Bikes<"); a < 0 || b < a {
		t.Errorf("the pages are not in the order of their times: Rooms at %d, Bikes at %d", a, b)
	}
	found := body(t, f.get(runPath+"?q=BIKES"))
	wantAll(t, "the search", found, "1 page with", ">Bikes<", `value="BIKES"`)
	wantNone(t, "the search", found, ">Rooms<")
	wantAll(t, "a search without result", body(t, f.get(runPath+"?q=nothing")), "0 pages with")
	view := body(t, f.get(runPath+"/view?url=https%3A%2F%2Fwww.example.org%2Fa&ts=20260314120200"))
	wantAll(t, "the view", view, `source="`+runPath+`/collection.json"`, `url="https://www.example.org/a"`, `ts="20260314120200"`,
		"2026-03-14 12:02:00 UTC", "status 200", folder+"chunks/c1.wacz", `src="/replay/ui.js"`, " sandbox", " noCache")
	wantAll(t, "the view without a time", body(t, f.get(runPath+"/view?url=https%3A%2F%2Fwww.example.org%2Fa")), `ts="20260314120200"`)
}

func TestCollectionNamesTheFilesThatCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.put(t, f.bucket, folder+"chunks/orphan.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start again", 9)}, nil))
	res := f.get(runPath + "/collection.json")
	if res.ContentLength <= 0 && res.Header.Get("Content-Length") == "" {
		t.Error("no Content-Length, which ReplayWeb.page asks for")
	}
	var got struct {
		Profile   string
		Resources []struct{ Name, Path, Hash string }
	}
	if err := json.Unmarshal([]byte(body(t, res)), &got); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, r := range got.Resources {
		paths = append(paths, r.Path)
		if !strings.HasPrefix(r.Hash, "sha256:") {
			t.Errorf("%s has the hash %q", r.Path, r.Hash)
		}
	}
	want := []string{"/wacz/" + folder + "chunks/c0.wacz", "/wacz/" + folder + "chunks/c1.wacz"}
	if diff := cmp.Diff(want, paths); diff != "" || got.Profile != "multi-wacz-package" {
		t.Errorf("profile %q, files (-want +got):\n%s", got.Profile, diff)
	}
	run := body(t, f.get(runPath))
	wantAll(t, "the crawl", run, "orphan.wacz", "not in the closing statement")
	wantNone(t, "the crawl", run, "Start again")
}

func TestLargeRunReplaysFromOneFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(t, f.bucket, folder+"chunks/c0.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1)}, nil))
	empty := pack(t, nil, nil)
	for i := range maxCollection {
		f.put(t, f.bucket, fmt.Sprintf("%schunks/e%d.wacz", folder, i), empty)
	}
	view := body(t, f.get(runPath+"/view?url=https%3A%2F%2Fwww.example.org%2F"))
	wantAll(t, "the view", view, `source="/wacz/`+folder+`chunks/c0.wacz"`, "links lead within this file only")
}

func TestGrowingRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(t, f.bucket, "team/"+folder+"chunks/c0.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1)}, nil))
	wantAll(t, "the list", body(t, f.get("/")), "Running", `>1<span class="unit"> pages`)
	wantAll(t, "the crawl below a prefix", body(t, f.get(runPath)), "Running", "None yet", ">Start<")
	f.put(t, f.bucket, "team/"+folder+"chunks/c1.wacz", pack(t, []wacz.Page{archived("https://www.example.org/2", "Second", 2)}, nil))
	wantAll(t, "the crawl when it has grown", body(t, f.get(runPath)), ">Start<", ">Second<")
}

// TestDamageIsShown takes a file away, cuts one off, and puts one that is no WACZ: the crawl must be shown all the same, with what is wrong.
func TestDamageIsShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.store.Remove("/archive/" + folder + "chunks/c0.wacz")
	f.store.Remove("/archive/" + folder + "chunks/c1.wacz")
	f.put(t, f.bucket, folder+"chunks/c1.wacz", []byte("PK no more"))
	res := f.get(runPath)
	page := body(t, res)
	wantAll(t, "the crawl", page, "not whole", "c0.wacz is missing", "the closing statement says", "cannot be read")
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	wantAll(t, "the list", body(t, f.get("/")), "2 problems")
}

func TestUnknownStatement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(t, f.bucket, folder+"chunks/c0.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1)}, nil))
	f.put(t, f.bucket, folder+"run.json", []byte(`{"format":"crawlfleet-run","version":2}`))
	wantAll(t, "the crawl", body(t, f.get(runPath)), "version 2", "upgrade it", ">Start<", "cannot be read")
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	for _, tc := range []struct{ reason, path, want string }{
		{"no such crawl", "/runs/default/ads/none", "holds nothing of this crawl"},
		{"no such crawl to view", "/runs/default/none/" + uid + "/view?url=x", "holds nothing of this crawl"},
		{"no such page", runPath + "/view?url=https%3A%2F%2Fwww.example.org%2Fnone", "not in this crawl"},
		{"not at that time", runPath + "/view?url=https%3A%2F%2Fwww.example.org%2Fa&ts=20200101000000", "not in this crawl"},
		{"no address", runPath + "/view", "not in this crawl"},
		{"no such file", "/wacz/" + folder + "chunks/none.wacz", "no file of this name"},
		{"no such route", "/nowhere", "nothing at this address"},
		{"no such asset", "/assets/none.css", "nothing at this address"},
		{"a template", "/assets/run.html", "nothing at this address"},
		{"another file of the replay folder", "/replay/private.txt", "nothing at this address"},
	} {
		res := f.get(tc.path)
		page := body(t, res)
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", tc.reason, res.StatusCode)
		}
		wantAll(t, tc.reason, page, tc.want, `href="/"`)
	}
	res := f.get("/api/runs/default/ads/none", "Accept", "application/json")
	wantAll(t, "for a program", body(t, res), `"status":404`, `"error":"`, `"hint":"`)
	if f.log.Len() > 0 {
		t.Errorf("what is not there was logged as a fault: %s", f.log)
	}
}

func TestPagesOfALongList(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var pages []wacz.Page
	for i := range pagesAtOnce + 5 {
		pages = append(pages, archived(fmt.Sprintf("https://www.example.org/%d", i), fmt.Sprintf("Page %d", i), i))
	}
	f.put(t, f.bucket, folder+"chunks/c0.wacz", pack(t, pages, nil))
	first, last := body(t, f.get(runPath)), body(t, f.get(runPath+"?page=2&q=page"))
	wantAll(t, "the first part", first, ">Page 0<", "1 of 2", `href="?page=2"`)
	wantNone(t, "the first part", first, ">Page 204<")
	wantAll(t, "the last part", last, ">Page 204<", "2 of 2", `href="?page=1&amp;q=page"`)
	for _, odd := range []string{"-1", "0", "x", "999999999999999999999"} {
		wantAll(t, "page "+odd, body(t, f.get(runPath+"?page="+odd)), "of 2")
	}
	var api struct{ Pages []Page }
	if err := json.Unmarshal([]byte(body(t, f.get("/api"+runPath))), &api); err != nil || len(api.Pages) != len(pages) {
		t.Errorf("the API has %d pages, %v", len(api.Pages), err)
	}
}

// TestHostilePages shows what strangers may write into a title and an address.
func TestHostilePages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hostile := []wacz.Page{
		archived(`https://www.example.org/?"><script>alert(1)</script>`, `<script>alert(2)</script>`, 1),
		archived(`javascript:alert(3)`, `</title><img src=x onerror=alert(4)>`, 2),
		archived("https://www.example.org/\u202egnp.exe", "safe\u202e\u2066\u200f\x00\x1b[31m", 3),
		archived("https://www.example.org/q", `" onmouseover="alert(5)`, 4),
	}
	f.put(t, f.bucket, folder+"chunks/c0.wacz", pack(t, hostile, nil))
	pages := map[string]string{
		"the crawl":  body(t, f.get(runPath)),
		"the search": body(t, f.get(runPath+"?q="+url.QueryEscape(`"><script>alert(6)</script>`))),
	}
	for _, p := range hostile {
		res := f.get(runPath + "/view?url=" + url.QueryEscape(p.URL))
		want := http.StatusOK
		if strings.HasPrefix(p.URL, "javascript:") {
			want = http.StatusNotFound
		}
		if res.StatusCode != want {
			t.Errorf("view of %q: status %d, want %d", p.URL, res.StatusCode, want)
		}
		pages["view of "+p.URL] = body(t, res)
	}
	for what, page := range pages {
		wantNone(t, what, page, "<script>alert", "<img src=x", `href="javascript:`, `url="javascript:`, `src="javascript:`, `" onmouseover="`, "\u202e", "\u2066", "\u200f", "\x1b")
	}
	wantAll(t, "the crawl", pages["the crawl"], "&lt;script&gt;alert(2)", "safe\ufffd\ufffd\ufffd\ufffd\ufffd[31m")
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", "Ünïcödé 日本 עברית": "Ünïcödé 日本 עברית", "a\nb\tc": "a b c", "a\u202eb\u200fc\x00": "a\ufffdb\ufffdc\ufffd", "👩‍🚒": "👩‍🚒",
	} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) is %q, want %q", in, got, want)
		}
	}
	long := "https://www.example.org/" + strings.Repeat("x", 200) + "/end"
	if got := shortURL(long); len([]rune(got)) != 120 || !strings.HasPrefix(got, "www.example.org/x") || !strings.HasSuffix(got, "x/end") {
		t.Errorf("shortURL gives %q", got)
	}
	for n, want := range map[int]string{0: "0 pages", 1: "1 page", 999: "999 pages", 1000: "1,000 pages", 1234567: "1,234,567 pages"} {
		if got := count(n, "page"); got != want {
			t.Errorf("count(%d) is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "2 kB", 37_612_938: "37.6 MB", 5_000_000_000: "5.0 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) is %q, want %q", n, got, want)
		}
	}
}
