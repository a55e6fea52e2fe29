package verify_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

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
		change func(*verifytest.Sample)
		want   []string
	}{
		"Sound":          {"nothing is wrong", func(*verifytest.Sample) {}, nil},
		"RecordAdded":    {"a record that the capture did not make", func(s *verifytest.Sample) { s.Capture["records"] = 2 }, []string{"Capture"}},
		"NoInfo":         {"the record of the page is not there", func(s *verifytest.Sample) { s.Page()["info"] = "urn:uuid:1" }, []string{"Capture"}},
		"NoMain":         {"the document of the page is not there", func(s *verifytest.Sample) { s.Page()["main"] = "urn:uuid:1" }, []string{"Capture"}},
		"MainIsNoAnswer": {"the document of the page is no answer of a server", func(s *verifytest.Sample) { s.Page()["main"] = s.Page()["info"] }, []string{"Capture"}},
		"PageUntold":     {"a listed page of which nothing is said", func(s *verifytest.Sample) { s.Page()["id"] = "urn:uuid:other" }, []string{"Capture"}},
		"SealedBefore":   {"sealed before it was begun", func(s *verifytest.Sample) { s.Capture["sealed"] = verifytest.When.Add(-time.Hour).Format(time.RFC3339) }, []string{"Capture"}},
		"NotItsSchema":   {"a member of another type", func(s *verifytest.Sample) { s.Capture["records"] = "three" }, []string{"Capture"}},
		"Expired": {"a page that was asked for after the authorisation had ended", func(s *verifytest.Sample) {
			s.Capture["authorization"].(map[string]any)["notAfter"] = verifytest.When.Add(-time.Minute).Format(time.RFC3339)
		}, []string{"Authorization"}},
		"TooEarly": {"a page that was asked for before the authorisation began", func(s *verifytest.Sample) {
			s.Capture["authorization"].(map[string]any)["notBefore"] = verifytest.When.Add(time.Minute).Format(time.RFC3339)
		}, []string{"Authorization"}},
		"ClockAhead": {"expired by a clock that was a minute ahead, and said so", func(s *verifytest.Sample) {
			s.Capture["authorization"].(map[string]any)["notAfter"] = verifytest.When.Add(-30 * time.Second).Format(time.RFC3339)
			s.Capture["clock"].(map[string]any)["aheadMs"] = 60_000
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := verifytest.NewSample(1)
			tc.change(s)
			r := checkWACZ(t, s.Pack(t))
			if diff := cmp.Diff(tc.want, failing(r)); diff != "" {
				t.Errorf("%s: what fails (-want +got):\n%s\n%+v", tc.reason, diff, r.Checks)
			}
		})
	}
}

// TestWACZOfOthers: without capture.json nothing fails, and nothing is passed off as known.
func TestWACZOfOthers(t *testing.T) {
	t.Parallel()
	s := verifytest.NewSample(1)
	delete(s.Capture, "authorization")
	delete(s.Capture, "order")
	if got := verdicts(checkWACZ(t, s.Pack(t)))["Authorization"]; got != verify.Unchecked {
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
			fsys, st := verifytest.NewRun(t, verifytest.NewSample(1).Pack(t), verifytest.NewSample(2).Pack(t))
			tc.change(run{fsys, st})
			v := verify.Verifier{}
			r, err := v.Run(t.Context(), verifytest.State(t, fsys, st), "run")
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
	fsys, st := verifytest.NewRun(t, verifytest.NewSample(1).Pack(t))
	fsys["chunks/torn.wacz"] = &fstest.MapFile{Data: []byte("half")}
	v := verify.Verifier{}
	r, err := v.Run(t.Context(), verifytest.State(t, fsys, st), "run")
	if err != nil || len(failing(r)) > 0 {
		t.Fatal(err, r)
	}
	if !slices.ContainsFunc(r.Checks, func(c verify.Check) bool {
		return c.Name == verify.CheckChunks && strings.Contains(c.Reason, "1 file that it does not name")
	}) {
		t.Errorf("the file beside is not told of: %+v", r.Checks)
	}
	if names := slices.Sorted(maps.Keys(verdicts(r))); !slices.Equal(names, []string{"Books", "Chunks", "Lists", "Signature", "Statement"}) {
		t.Errorf("checks: %v", names)
	}
}
