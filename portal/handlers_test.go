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
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/replay"
)

func TestEmptyArchiveSaysWhatToDo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.catch(t)
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
	f.catch(t)
	wantAll(t, "the list of crawls", body(t, f.get("/crawls")), `href="`+runPath+`"`, ">ads</a>", "Succeeded", "1 crawl,", "DPIA-2026-014", `>3<span class="unit"> pages`)
	run := body(t, f.get(runPath))
	wantAll(t, "the crawl", run, "2 WACZ files", "2026-03-14 12:00:00 UTC", "2026-03-14 13:00:00 UTC", "5 discovered",
		"3 archived, 1 failed (Timed out), 1 skipped (Robots disallowed)", "DPIA-2026-014", "Victim identification, Research unit",
		"www.example.org/b", "2026-03-14 12:03:00 UTC", ">failed</span>", ">Slow<", "SHA-256 ", `href="/snapshots/`+string(idOf("c0", "Bikes"))+`"`)
	wantNone(t, "the crawl", run, "not whole", "what it says")
	if a, b := strings.Index(run, ">Rooms<"), strings.Index(run, ">Bikes<"); a < 0 || b < a {
		t.Errorf("the pages are not in the order of their times: Rooms at %d, Bikes at %d", a, b)
	}
	found := body(t, f.get(runPath+"?q=BIKES"))
	wantAll(t, "the search", found, "1 page.", ">Bikes<", `value="BIKES"`)
	wantNone(t, "the search", found, ">Rooms<")
	wantAll(t, "a search without result", body(t, f.get(runPath+"?q=nothing")), "0 pages.")
}

func TestFind(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	for _, tc := range []struct {
		query string
		want  []string
		none  []string
	}{
		{"", []string{"3 snapshots", ">Bikes<", ">Rooms<", ">Start<"}, []string{">Slow<"}},
		{"?partial=1", []string{"4 snapshots", ">Slow<", "failed"}, nil},
		{"?q=bikes", []string{"1 snapshot.", "Read as", "<mark>Bikes</mark>", `value="bikes"`}, []string{">Rooms<"}},
		{"?q=%22what+it%22", []string{"3 snapshots", "<mark>what it</mark> says"}, nil},
		{"?q=www.example.org/a", []string{"1 snapshot.", ">Rooms<"}, []string{">Bikes<"}},
		{"?from=2026-03-15", []string{"Nothing was found.", "Clear the filters"}, []string{">Rooms<"}},
		{"?until=2026-03-14&host=example.org&status=2xx&kind=Web", []string{"3 snapshots"}, nil},
		{"?limit=1", []string{">Bikes<", `rel="next"`, "cursor="}, []string{">Rooms<"}},
		{"?order=oldest&limit=1", []string{">Start<"}, []string{">Bikes<"}},
	} {
		res := f.get("/" + tc.query)
		page := body(t, res)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", tc.query, res.StatusCode)
		}
		wantAll(t, tc.query, page, tc.want...)
		wantNone(t, tc.query, page, tc.none...)
	}
	for _, query := range []string{"?from=tomorrow", "?limit=many", "?limit=0", "?limit=5000", "?cursor=x", "?status=9", "?kind=Ghost"} {
		res := f.get("/" + query)
		if text := body(t, res); res.StatusCode != http.StatusBadRequest || !strings.Contains(text, "Correct it") {
			t.Errorf("%s: status %d: %s", query, res.StatusCode, text)
		}
	}
	var api catalog.Result
	if err := json.Unmarshal([]byte(body(t, f.get("/api/v1/snapshots?q=rooms", "Accept", "application/json"))), &api); err != nil || len(api.Hits) != 1 || api.Hits[0].ID != idOf("c1", "Rooms") {
		t.Errorf("the API answers %+v, %v", api, err)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	path := "/snapshots/" + string(idOf("c1", "Rooms"))
	page := body(t, f.get(path))
	wantAll(t, "the snapshot", page, ">Rooms<", "https://www.example.org/a", "2026-03-14 12:02:00 UTC", "status 200", "what it says", folder+"chunks/c1.wacz", path+"/replay", "no picture")
	wantAll(t, "in Dutch", body(t, f.get(path, "Accept-Language", "nl")), `lang="nl"`, "Feiten", "geen afbeelding")
	replayed := body(t, f.get(path+"/replay"))
	wantAll(t, "the replay", replayed, `src="`+replayOrigin+"/r/", "2026-03-14 12:02:00 UTC", "status 200", path+"/wacz", ` inert`, `sandbox="allow-scripts allow-same-origin allow-forms"`)
	wantNone(t, "the replay for who wants to see", body(t, f.get(path+"/replay", "Cookie", "pictures=shown")), ` inert`)
	var link replay.Link
	if err := json.Unmarshal([]byte(body(t, f.get(path+"/replay/link"))), &link); err != nil || !strings.HasPrefix(link.Src, replayOrigin+"/r/") {
		t.Errorf("the address of the replay: %+v, %v", link, err)
	}
	wantAll(t, "the verdict", body(t, f.get(path+"/verify")), "Signature", "SHA-256", "crawlctl verify --trust-key FINGERPRINT c1/chunks/c1.wacz", "unzip c1.evidence.zip", path+"/evidence.zip")
	wantAll(t, "over time", body(t, f.get("/timeline?url=http%3A%2F%2Fexample.org%2Fa")), "first capture", ">Rooms<", path, `<span class="pair"><span>earlier</span><span>later</span></span></th>`)
	wantAll(t, "over time, of nothing", body(t, f.get("/timeline?url=https%3A%2F%2Fwww.example.org%2Fnone")), "Nothing of this address is archived.")
	f.store.Remove("/archive/" + folder + "chunks/c1.wacz")
	if res := f.get(path); res.StatusCode != http.StatusNotFound {
		t.Errorf("a snapshot whose file is gone: status %d", res.StatusCode)
	}
	f.catch(t)
	wantAll(t, "what the catalog has let go", body(t, f.get(path)), "no such snapshot", "erased")
}

func TestFilesThatDoNotCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.put(t, f.bucket, folder+"chunks/orphan.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start again", 9)}, nil))
	f.catch(t)
	run := body(t, f.get(runPath))
	wantAll(t, "the crawl", run, "orphan.wacz", "not in the closing statement")
	wantNone(t, "the crawl", run, "Start again")
	chunks, err := f.server.Runs.Chunks(t.Context(), catalog.Run{Namespace: "default", Job: "ads", UID: uid})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, c := range chunks {
		keys = append(keys, string(c.Key))
		if len(c.SHA256) != 64 {
			t.Errorf("%s has the SHA-256 %q", c.Key, c.SHA256)
		}
	}
	if diff := cmp.Diff([]string{folder + "chunks/c0.wacz", folder + "chunks/c1.wacz"}, keys); diff != "" {
		t.Errorf("files to replay (-want +got):\n%s", diff)
	}
}

func TestGrowingRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(t, f.bucket, "team/"+folder+"chunks/c0.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1)}, nil))
	f.catch(t)
	wantAll(t, "the list", body(t, f.get("/crawls")), "Running")
	wantAll(t, "the crawl below a prefix", body(t, f.get(runPath)), "Running", "None yet", ">Start<")
	f.put(t, f.bucket, "team/"+folder+"chunks/c1.wacz", pack(t, []wacz.Page{archived("https://www.example.org/2", "Second", 2)}, nil))
	f.catch(t)
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
	f.catch(t)
	res := f.get(runPath)
	page := body(t, res)
	wantAll(t, "the crawl", page, "not whole", "c0.wacz is missing", "the closing statement says")
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	wantAll(t, "the list", body(t, f.get("/crawls")), "3 problems")
}

func TestUnknownStatement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(t, f.bucket, folder+"chunks/c0.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1)}, nil))
	f.put(t, f.bucket, folder+"run.json", []byte(`{"format":"crawlfleet-run","version":2}`))
	f.catch(t)
	wantAll(t, "the crawl", body(t, f.get(runPath)), "version 2", "upgrade it", "cannot be read")
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	for _, tc := range []struct{ reason, path, want string }{
		{"no such crawl", "/runs/default/ads/none", "holds nothing of this crawl"},
		{"no such snapshot", "/snapshots/00000000000000000000000000000000", "no such snapshot"},
		{"no snapshot to replay", "/snapshots/x/replay", "no such snapshot"},
		{"no file of a snapshot", "/snapshots/x/wacz", "no such snapshot"},
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
	res := f.get("/api/v1/runs/default/ads/none", "Accept", "application/json")
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
	f.catch(t)
	first := body(t, f.get(runPath+"?q=page"))
	wantAll(t, "the first part", first, ">Page 0<", `rel="next"`)
	wantNone(t, "the first part", first, fmt.Sprintf(">Page %d<", pagesAtOnce))
	_, next, _ := strings.Cut(first, `class="more" href="`)
	next, _, _ = strings.Cut(next, `"`)
	last := body(t, f.get(runPath+strings.ReplaceAll(next, "&amp;", "&")))
	wantAll(t, "the last part", last, fmt.Sprintf(">Page %d<", pagesAtOnce+4), `value="page"`)
	wantNone(t, "the last part", last, ">Page 0<", `rel="next"`)
	if res := f.get(runPath + "?cursor=x"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("an odd cursor: status %d", res.StatusCode)
	}
	for _, odd := range []string{"-1", "0", "x", "999999999999999999999"} {
		wantAll(t, "page "+odd, body(t, f.get("/crawls?page="+odd)), ">ads</a>")
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
	f.catch(t)
	pages := map[string]string{
		"the crawl":  body(t, f.get(runPath)),
		"the search": body(t, f.get(runPath+"?q="+url.QueryEscape(`"><script>alert(6)</script>`))),
	}
	for _, p := range hostile {
		for _, part := range []string{"", "/replay", "/verify"} {
			path := "/snapshots/" + string(catalog.NewID(folder+"chunks/c0.wacz", p.ID)) + part
			res := f.get(path)
			want := http.StatusOK
			if part == "/replay" && strings.HasPrefix(p.URL, "javascript:") {
				want = http.StatusNotFound
			}
			if res.StatusCode != want {
				t.Errorf("%s of %q: status %d, want %d", part, p.URL, res.StatusCode, want)
			}
			pages[part+" of "+p.URL] = body(t, res)
		}
		pages["over time, "+p.URL] = body(t, f.get("/timeline?"+url.Values{"url": {p.URL}}.Encode()))
	}
	pages["found"] = body(t, f.get("/"))
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
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "2 kB", 37_612_938: "37.6 MB", 5_000_000_000: "5.0 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) is %q, want %q", n, got, want)
		}
	}
}

// TestProgramsAskForWhatThereIs: a filter that is misspelt would find more than was asked for.
func TestProgramsAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	for _, path := range []string{"/api/v1/snapshots?", "/api/v1/timeline?url=https://www.example.org/&"} {
		for query, said := range map[string]string{
			"stauts=404": "stauts", "namespace=default": "namespace", "order=foo": "oldest or newest", "limit=1&limit=2": "limit", "limit=0": "limit is",
			"from=2026-03-02&until=2026-03-01": "until: it is not after from", "q=!": "q: there is no letter",
		} {
			if strings.HasPrefix(query, "q=") && strings.Contains(path, "timeline") {
				continue // a timeline looks for no words
			}
			wantAll(t, path+query, want(t, path+query, http.StatusBadRequest, f.get(path+query)), said)
		}
		if res := f.get(path + "order=newest&limit=1"); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}
