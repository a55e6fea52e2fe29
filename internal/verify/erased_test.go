package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// decided puts into the folder of a run what those write who decide about captures: a hold of
// the first chunk, and the erasure of other objects, with its proof.
func decided(t *testing.T, fsys fstest.MapFS, missing bool, names ...string) {
	t.Helper()
	const prefix = "ns/job/run/"
	server := &blobtest.Server{}
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	b := client.Bucket("archive")
	hold := retention.Decision{Action: retention.Hold, Objects: []string{"chunks/b0.wacz"}, Case: "17", By: "desk", Why: "a test", At: verifytest.When}
	erase := retention.Decision{Action: retention.Erase, By: "worker", Why: "a test", At: verifytest.When}
	proof := retention.Proof{ErasedAt: retention.Clocks{Worker: verifytest.When, Store: verifytest.When}}
	for _, name := range names {
		data := fsys[name].Data
		e := retention.Erasing{Name: name, Size: int64(len(data)), SHA256: verifytest.SumOf(data), Stated: true, Missing: missing, Due: verifytest.When, For: retention.ScreeningEnded}
		erase.Erasing, proof.Objects = append(erase.Erasing, e), append(proof.Objects, retention.Removed{Erasing: e, Versions: 1, Confirmed: "absent"})
	}
	if _, err := retention.Decide(t.Context(), b, prefix, hold); err != nil {
		t.Fatal(err)
	}
	l, err := retention.Decide(t.Context(), b, prefix, erase)
	if err != nil {
		t.Fatal(err)
	}
	proof.Intent = l.Mark()
	if err := retention.PutProof(t.Context(), b, prefix, proof); err != nil {
		t.Fatal(err)
	}
	for _, key := range server.Keys("/archive/" + prefix) {
		fsys[strings.TrimPrefix(key, "/archive/"+prefix)] = &fstest.MapFile{Data: server.Object(key)}
	}
}

// follow adds a decision after those that there are.
func follow(f fstest.MapFS, members string) {
	followAs(f, 1, members)
}

func followAs(f fstest.MapFS, version int, members string) {
	seq := 1
	for f[fmt.Sprintf("retention/%08d.json", seq)] != nil {
		seq++
	}
	before := verifytest.SumOf(f[fmt.Sprintf("retention/%08d.json", seq-1)].Data)
	text := fmt.Sprintf(`{"format": "crawlfleet-retention", "version": %d, "run": "run", "seq": %d, "previous": %q, %s}`, version, seq, before, members)
	f[fmt.Sprintf("retention/%08d.json", seq)] = &fstest.MapFile{Data: []byte(text)}
}

// prove adds the erasure of an object after all that was decided, and a proof of it.
func prove(f fstest.MapFS, name string) {
	seq := 1
	for f[fmt.Sprintf("retention/%08d.json", seq)] != nil {
		seq++
	}
	follow(f, fmt.Sprintf(`"action": "Erase", "erasing": [{"name": %q}]`, name))
	sum := verifytest.SumOf(f[fmt.Sprintf("retention/%08d.json", seq)].Data)
	f[fmt.Sprintf("retention/erased-%08d.json", seq)] = &fstest.MapFile{Data: fmt.Appendf(nil,
		`{"format": "crawlfleet-erasure", "version": 1, "run": "run", "intent": {"seq": %d, "sha256": %q}, "objects": [{"name": %q}]}`, seq, sum, name)}
}

// TestErasedRuns: what is proven to be erased need not be there, and nothing else is excused.
func TestErasedRuns(t *testing.T) {
	t.Parallel()
	const first, second, proof, list = "retention/00000001.json", "retention/00000002.json", "retention/erased-00000002.json", "leads/00001.jsonl.zst"
	damaged := []string{"Chunks", "Lists", "Retention"}
	edit := func(f fstest.MapFS, name, old, new string) {
		if !strings.Contains(string(f[name].Data), old) {
			t.Errorf("%s has no %s", name, old)
		}
		f[name] = &fstest.MapFile{Data: []byte(strings.Replace(string(f[name].Data), old, new, 1))}
	}
	cases := map[string]struct {
		reason  string
		missing bool
		change  func(fstest.MapFS)
		want    []string
	}{
		"Erased":      {reason: "a chunk and a list are gone, with proof", change: func(fstest.MapFS) {}},
		"Another":     {reason: "a chunk is gone that is not proven to be erased", change: func(f fstest.MapFS) { delete(f, "chunks/b0.wacz") }, want: []string{"Chunks"}},
		"WasMissing":  {reason: "it was gone before anybody decided that", missing: true, change: func(fstest.MapFS) {}, want: []string{"Chunks", "Lists"}},
		"NoProof":     {reason: "it was decided, and nothing proves it", change: func(f fstest.MapFS) { delete(f, proof) }, want: []string{"Chunks", "Lists"}},
		"NoDecision":  {reason: "a proof of what nobody decided", change: func(f fstest.MapFS) { delete(f, second) }, want: []string{"Chunks", "Lists", "Retention"}},
		"LostHold":    {reason: "the decision before it was taken away", change: func(f fstest.MapFS) { delete(f, first) }, want: []string{"Chunks", "Lists", "Retention"}},
		"ChangedHold": {reason: "a decision is another one now", change: func(f fstest.MapFS) { edit(f, first, "desk", "disk") }, want: []string{"Chunks", "Lists", "Retention"}},
		"ChangedSum":  {reason: "the proof is of other bytes", change: func(f fstest.MapFS) { edit(f, proof, `"sha256": "`, `"sha256": "0`) }, want: []string{"Chunks", "Lists", "Retention"}},
		"Void": {reason: "an erasure that was void, and one of something else that was not", change: func(f fstest.MapFS) {
			follow(f, `"action": "Erase", "erasing": [{"name": "chunks/b0.wacz"}]`)
			followAs(f, 2, `"action": "Void", "voids": 3`)
		}},
		"VoidOfOld": {reason: "what was void before there was a version 2", change: func(f fstest.MapFS) {
			follow(f, `"action": "Erase", "erasing": [{"name": "chunks/b0.wacz"}]`)
			follow(f, `"action": "Void", "voids": 3`)
		}},
		"VoidOfHold": {reason: "a hold cannot be void", change: func(f fstest.MapFS) { followAs(f, 2, `"action": "Void", "voids": 1`) }, want: damaged},
		"VoidOfLater": {reason: "nor what was not decided before", change: func(f fstest.MapFS) {
			followAs(f, 2, `"action": "Void", "voids": 4`)
			follow(f, `"action": "Erase", "erasing": [{"name": "chunks/b0.wacz"}]`)
		}, want: damaged},
		"VoidOfNone": {reason: "nor nothing", change: func(f fstest.MapFS) { followAs(f, 2, `"action": "Void"`) }, want: damaged},
		"HoldVoids": {reason: "a hold calls nothing void", change: func(f fstest.MapFS) {
			follow(f, `"action": "Erase", "erasing": [{"name": "chunks/b0.wacz"}]`)
			follow(f, `"action": "Hold", "case": "A", "voids": 3`)
		}, want: damaged},
		"Newer":      {reason: "nobody knows what that means", change: func(f fstest.MapFS) { followAs(f, 3, `"action": "Hold", "case": "A"`) }, want: damaged},
		"HeldProven": {reason: "what is held is not erased", change: func(f fstest.MapFS) { prove(f, "chunks/b0.wacz") }, want: damaged},
		"HeldBeside": {reason: "nor what lies beside it", change: func(f fstest.MapFS) { prove(f, "chunks/b0.wacz.sig") }, want: damaged},
		"HeldRun": {reason: "a list is held with all that the run has", change: func(f fstest.MapFS) {
			follow(f, `"action": "Hold", "case": "A"`)
			prove(f, list)
		}, want: damaged},
		"OtherCase": {reason: "one case has released what another holds", change: func(f fstest.MapFS) {
			follow(f, `"action": "Hold", "case": "A"`)
			follow(f, `"action": "Release", "case": "A"`)
			prove(f, "chunks/b0.wacz")
		}, want: damaged},
		"Released": {reason: "it was held, and released by then", change: func(f fstest.MapFS) {
			follow(f, `"action": "Release", "case": "17"`)
			prove(f, "chunks/b0.wacz")
		}},
		"VoidProven":  {reason: "what is proven was not void", change: func(f fstest.MapFS) { follow(f, `"action": "Void", "voids": 2`) }, want: []string{"Chunks", "Lists", "Retention"}},
		"Foreign":     {reason: "a decision of another run", change: func(f fstest.MapFS) { edit(f, first, `"run": "run"`, `"run": "other"`) }, want: []string{"Chunks", "Lists", "Retention"}},
		"Nonsense":    {reason: "it cannot be read", change: func(f fstest.MapFS) { f[second] = &fstest.MapFile{Data: []byte("{")} }, want: []string{"Chunks", "Lists", "Retention"}},
		"StillThere":  {reason: "a copy of before has it, and it is as it was", change: func(f fstest.MapFS) { f[list] = &fstest.MapFile{Data: []byte("a list")} }},
		"ThereAndNot": {reason: "what lies there has to be what the statement says", change: func(f fstest.MapFS) { f[list] = &fstest.MapFile{Data: []byte("a lust")} }, want: []string{"Lists"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys, st := verifytest.NewRun(t, verifytest.NewSample(1).Pack(t), verifytest.NewSample(2).Pack(t))
			decided(t, fsys, tc.missing, "chunks/b1.wacz", list)
			delete(fsys, "chunks/b1.wacz")
			delete(fsys, list)
			tc.change(fsys)
			v := verify.Verifier{}
			r, err := v.Run(t.Context(), verifytest.State(t, fsys, st), "run")
			if err != nil {
				t.Fatal(err)
			}
			got := failing(r)
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: what fails (-want +got):\n%s\n%+v", tc.reason, diff, r.Checks)
			}
			if name == "Erased" && !slices.ContainsFunc(r.Checks, func(c verify.Check) bool {
				return c.Name == verify.CheckChunks && strings.HasPrefix(c.Reason, "1 chunk with") && strings.Contains(c.Reason, "1 more are erased")
			}) {
				t.Errorf("it is not told what is erased: %+v", r.Checks)
			}
		})
	}
}
