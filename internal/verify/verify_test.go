package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

var when = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// sample is a chunk that tests make, and change before it is packed.
type sample struct {
	records []*warc.Record
	bodies  []string
	pages   []wacz.Page
	capture map[string]any
	index   []cdxj.Entry
}

// newSample is a chunk with a page, its picture, and what is told of them.
func newSample(n int) *sample {
	s := &sample{}
	url := fmt.Sprintf("https://site.example/%d", n)
	at := when.Add(time.Duration(n) * time.Second)
	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
	page := warc.NewResponse(url, at, head, nil)
	page.Connection(netip.MustParseAddr("192.0.2.1"), []string{"http/1.1"}, "")
	page.ID = fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", 10*n)
	s.add(page, strings.Repeat(fmt.Sprintf("<p>page %d</p>", n), 20))
	picture := warc.NewResponse(url+".png", at, []byte("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"), nil)
	picture.ID = fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", 10*n+1)
	s.add(picture, "\x89PNG no picture")
	info := warc.NewMetadata("urn:pageinfo:"+url, at, "application/json", nil, page.ID)
	info.ID = fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", 10*n+2)
	s.add(info, `{"urls":{}}`)
	s.pages = []wacz.Page{{ID: fmt.Sprintf("urn:uuid:p%d", n), URL: url, Time: at, Title: "a page"}}
	stamp := func(d time.Duration) string { return at.Add(d).Format(time.RFC3339) }
	s.capture = map[string]any{
		"format": "crawlfleet-capture", "version": 1, "begun": stamp(0), "sealed": stamp(3 * time.Second),
		"software": map[string]any{"name": "crawlfleet", "version": "v0"}, "machine": map[string]any{},
		"order":         map[string]any{"namespace": "ns", "name": "job", "uid": "run", "bundle": "b1", "attempt": 1},
		"authorization": map[string]any{"reference": "case 17", "purpose": "Testing", "basis": "its own site", "notAfter": when.Add(time.Hour).Format(time.RFC3339), "requestedBy": "an office"},
		"clock":         map[string]any{"with": "the Temporal server", "at": stamp(0), "aheadMs": 3},
		"records":       len(s.records), "browsers": []any{}, "egress": []any{},
		"pages": []any{map[string]any{
			"id": s.pages[0].ID, "visit": strings.Repeat("0", 32), "url": url, "finalUrl": url, "outcome": "Archived", "started": stamp(0), "ended": stamp(time.Second),
			"browser": 0, "recorder": "Wire", "why": map[string]any{"seed": url, "depth": 0}, "main": page.ID, "info": info.ID,
		}},
	}
	return s
}

func (s *sample) add(r *warc.Record, body string) {
	s.records, s.bodies = append(s.records, r), append(s.bodies, body)
}

// page is what capture.json says of the page.
func (s *sample) page() map[string]any { return s.capture["pages"].([]any)[0].(map[string]any) }

// pack writes the WACZ.
func (s *sample) pack(t *testing.T) []byte {
	t.Helper()
	var records bytes.Buffer
	w := warc.NewWriter(&records, warc.WriterOptions{})
	for i, r := range s.records {
		r.Body = warc.Text(s.bodies[i])
		if _, err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	capture, err := json.MarshalIndent(s.capture, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = wacz.Create(&out, wacz.Contents{
		Title: "test", Software: "test", Created: when, Pages: s.pages, Index: s.index,
		WARCs: []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes(records.Bytes())}},
		Files: []wacz.File{{Path: "capture.json", Content: warc.Bytes(capture)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// newRun is the folder of a run with chunks.
func newRun(t *testing.T, chunks ...[]byte) (fstest.MapFS, map[string]any) {
	t.Helper()
	fsys, named, size := fstest.MapFS{}, []any{}, 0
	for i, c := range chunks {
		name := fmt.Sprintf("chunks/b%d.wacz", i)
		fsys[name] = &fstest.MapFile{Data: c}
		named = append(named, map[string]any{"key": "ns/job/run/" + name, "size": len(c), "sha256": sumOf(c), "pages": 1})
		size += len(c)
	}
	lead := []byte("a list")
	fsys["leads/00001.jsonl.zst"] = &fstest.MapFile{Data: lead}
	return fsys, map[string]any{
		"format": "crawlfleet-run", "version": 1, "run": "run", "namespace": "ns", "name": "job", "generation": 1, "verdict": "Succeeded", "reason": "Completed",
		"counts": map[string]any{"discovered": len(chunks) + 2, "archived": len(chunks), "failed": map[string]any{"NotFound": 1}, "skipped": map[string]any{"RobotsDisallowed": 1},
			"bytes": size, "chunks": len(chunks)},
		"chunks": named, "leads": map[string]any{"count": 1, "objects": []any{map[string]any{"key": "ns/job/run/leads/00001.jsonl.zst", "size": len(lead), "sha256": sumOf(lead)}}},
		"authorization": map[string]any{"reference": "case 17", "purpose": "Testing", "basis": "its own site", "notBefore": "0001-01-01T00:00:00Z", "notAfter": when.Add(time.Hour).Format(time.RFC3339), "requestedBy": "an office"},
		"manifest":      7, "manifestHash": strings.Repeat("0", 64), "startedAt": when, "sealedAt": when.Add(time.Minute),
	}
}

func sumOf(b []byte) string { return strings.TrimPrefix(string(warc.SHA256Of(b)), "sha256:") }

// state puts the statement into the folder.
func state(t *testing.T, fsys fstest.MapFS, st map[string]any) fstest.MapFS {
	t.Helper()
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	fsys["run.json"] = &fstest.MapFile{Data: b}
	return fsys
}

func checkWACZ(t *testing.T, raw []byte) verify.Report {
	t.Helper()
	v := verify.Verifier{}
	r, err := v.WACZ(t.Context(), "x.wacz", bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verdicts are the worst of each check.
func verdicts(r verify.Report) map[string]verify.Verdict {
	all := map[string]verify.Verdict{}
	for _, c := range r.Checks {
		if all[c.Name] != verify.Fails {
			all[c.Name] = c.Verdict
		}
	}
	return all
}

// failing are the names of the checks that fail, of the parts, too.
func failing(r verify.Report) (names []string) {
	for name, v := range verdicts(r) {
		if v == verify.Fails {
			names = append(names, name)
		}
	}
	for _, p := range r.Parts {
		names = append(names, failing(p)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestWACZ: a sound file, and what capture.json can say that is not so.
func TestWACZ(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change func(*sample)
		want   []string
	}{
		"Sound":          {"nothing is wrong", func(*sample) {}, nil},
		"RecordAdded":    {"a record that the capture did not make", func(s *sample) { s.capture["records"] = 2 }, []string{"Capture"}},
		"NoInfo":         {"the record of the page is not there", func(s *sample) { s.page()["info"] = "urn:uuid:1" }, []string{"Capture"}},
		"NoMain":         {"the document of the page is not there", func(s *sample) { s.page()["main"] = "urn:uuid:1" }, []string{"Capture"}},
		"MainIsNoAnswer": {"the document of the page is no answer of a server", func(s *sample) { s.page()["main"] = s.page()["info"] }, []string{"Capture"}},
		"PageUntold":     {"a listed page of which nothing is said", func(s *sample) { s.page()["id"] = "urn:uuid:other" }, []string{"Capture"}},
		"SealedBefore":   {"sealed before it was begun", func(s *sample) { s.capture["sealed"] = when.Add(-time.Hour).Format(time.RFC3339) }, []string{"Capture"}},
		"NotItsSchema":   {"a member of another type", func(s *sample) { s.capture["records"] = "three" }, []string{"Capture"}},
		"Expired": {"a page that was asked for after the authorisation had ended", func(s *sample) {
			s.capture["authorization"].(map[string]any)["notAfter"] = when.Add(-time.Minute).Format(time.RFC3339)
		}, []string{"Authorization"}},
		"TooEarly": {"a page that was asked for before the authorisation began", func(s *sample) {
			s.capture["authorization"].(map[string]any)["notBefore"] = when.Add(time.Minute).Format(time.RFC3339)
		}, []string{"Authorization"}},
		"ClockAhead": {"expired by a clock that was a minute ahead, and said so", func(s *sample) {
			s.capture["authorization"].(map[string]any)["notAfter"] = when.Add(-30 * time.Second).Format(time.RFC3339)
			s.capture["clock"].(map[string]any)["aheadMs"] = 60_000
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSample(1)
			tc.change(s)
			r := checkWACZ(t, s.pack(t))
			if diff := cmp.Diff(tc.want, failing(r)); diff != "" {
				t.Errorf("%s: what fails (-want +got):\n%s\n%+v", tc.reason, diff, r.Checks)
			}
		})
	}
}

// TestWACZOfOthers: without capture.json nothing fails, and nothing is passed off as known.
func TestWACZOfOthers(t *testing.T) {
	t.Parallel()
	s := newSample(1)
	delete(s.capture, "authorization")
	delete(s.capture, "order")
	if got := verdicts(checkWACZ(t, s.pack(t)))["Authorization"]; got != verify.Unchecked {
		t.Errorf("no authorisation is %s", got)
	}
	if r := checkWACZ(t, []byte("no ZIP file")); r.Verdict != verify.Fails || verdicts(r)["Record"] != verify.Unchecked {
		t.Errorf("no ZIP file: %+v", r)
	}
}

// TestRun: a sound run, and every way in which it can be less than its statement says.
func TestRun(t *testing.T) {
	t.Parallel()
	type run struct {
		fs fstest.MapFS
		st map[string]any
	}
	counts := func(r run) map[string]any { return r.st["counts"].(map[string]any) }
	for name, tc := range map[string]struct {
		reason string
		change func(run)
		want   []string
	}{
		"Sound":        {"nothing is wrong", func(run) {}, nil},
		"Missing":      {"a chunk is not there", func(r run) { delete(r.fs, "chunks/b1.wacz") }, []string{"Chunks"}},
		"Swapped":      {"a chunk has the place of another", func(r run) { r.fs["chunks/b1.wacz"] = r.fs["chunks/b0.wacz"] }, []string{"Chunks"}},
		"Cut":          {"a chunk is cut off", func(r run) { f := r.fs["chunks/b1.wacz"]; f.Data = f.Data[:len(f.Data)-1] }, []string{"Chunks"}},
		"OtherRun":     {"the chunks are those of another run", func(r run) { r.st["run"] = "other" }, []string{"Chunks"}},
		"OtherCase":    {"the statement names another authorisation", func(r run) { r.st["authorization"].(map[string]any)["reference"] = "case 18" }, []string{"Chunks"}},
		"PagesMissing": {"a page has no outcome", func(r run) { counts(r)["discovered"] = 5 }, []string{"Books"}},
		"NotArchived":  {"more pages are archived than the chunks hold", func(r run) { counts(r)["archived"], counts(r)["failed"] = 3, nil }, []string{"Books"}},
		"Bytes":        {"other bytes are booked", func(r run) { counts(r)["bytes"] = 1 }, []string{"Books"}},
		"Problems":     {"the statement names a problem", func(r run) { r.st["problems"] = []string{"a chunk is missing"} }, []string{"Books"}},
		"NoChunkNamed": {"the statement leaves out a chunk", func(r run) { r.st["chunks"] = r.st["chunks"].([]any)[:1] }, []string{"Books"}},
		"Lead":         {"a list was changed", func(r run) { r.fs["leads/00001.jsonl.zst"].Data = []byte("a Iist") }, []string{"Lists"}},
		"NoLead":       {"a list is not there", func(r run) { delete(r.fs, "leads/00001.jsonl.zst") }, []string{"Lists"}},
		"Format":       {"a statement of another kind", func(r run) { r.st["format"] = "other" }, []string{"Statement"}},
		"Escape":       {"a name that leads out of the folder", func(r run) { r.st["chunks"].([]any)[0].(map[string]any)["key"] = "ns/../.." }, []string{"Chunks"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys, st := newRun(t, newSample(1).pack(t), newSample(2).pack(t))
			tc.change(run{fsys, st})
			v := verify.Verifier{}
			r, err := v.Run(t.Context(), state(t, fsys, st), "run")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, failing(r)); diff != "" {
				t.Errorf("%s: what fails (-want +got):\n%s\n%+v", tc.reason, diff, r.Checks)
			}
		})
	}
}

// TestRunSaysWhatLiesBeside: what an attempt left that did not count.
func TestRunSaysWhatLiesBeside(t *testing.T) {
	t.Parallel()
	fsys, st := newRun(t, newSample(1).pack(t))
	fsys["chunks/torn.wacz"] = &fstest.MapFile{Data: []byte("half")}
	v := verify.Verifier{}
	r, err := v.Run(t.Context(), state(t, fsys, st), "run")
	if err != nil || len(failing(r)) > 0 {
		t.Fatal(err, r)
	}
	if !slices.ContainsFunc(r.Checks, func(c verify.Check) bool {
		return c.Name == verify.CheckChunks && strings.Contains(c.Reason, "1 file that it does not name")
	}) {
		t.Errorf("the file beside is not told of: %+v", r.Checks)
	}
	if names := slices.Sorted(maps.Keys(verdicts(r))); !slices.Equal(names, []string{"Books", "Chunks", "Lists", "Statement"}) {
		t.Errorf("checks: %v", names)
	}
}
