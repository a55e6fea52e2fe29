package frontier

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// withLeads gives every page the leads of a contact page: those are the same everywhere, and
// one is there twice.
func withLeads(w *web) *web {
	w.visit = func(_ context.Context, p *browser.Page) error {
		p.Links = append(p.Links,
			browser.Link{URL: "tel:+15550100", Kind: browser.LinkTel}, browser.Link{URL: "mailto:lead@site.example", Kind: browser.LinkMailto},
			browser.Link{URL: "tel:+15550100", Kind: browser.LinkTel})
		return nil
	}
	return w
}

// leadsOf reads the lists that a closing statement names, and holds them to what it says.
func (r *rig) leadsOf(st Statement) (leads []Lead) {
	r.t.Helper()
	if st.Leads == nil {
		return nil
	}
	store := r.planner.Store.Bucket(r.archive.Bucket)
	for i, o := range st.Leads.Objects {
		data, err := get(r.t.Context(), store, o.Key, maxLeads)
		if err != nil {
			r.t.Fatal(err)
		}
		if want := fmt.Sprintf("%sleads/%05d.jsonl.zst", r.archive.Prefix, i+1); o.Key != want || o.Size != int64(len(data)) || o.SHA256 != frontier.Hash(data) {
			r.t.Errorf("%+v is not %s of %d bytes", o, want, len(data))
		}
		z, err := zstd.NewReader(bytes.NewReader(data))
		if err != nil {
			r.t.Fatal(err)
		}
		defer z.Close()
		count, d := int64(0), json.NewDecoder(z)
		for ; d.More(); count++ {
			var l Lead
			if err := d.Decode(&l); err != nil {
				r.t.Fatal(err)
			}
			leads = append(leads, l)
		}
		if count != o.Leads {
			r.t.Errorf("%s holds %d leads, %d are said", o.Key, count, o.Leads)
		}
	}
	if int64(len(leads)) != st.Leads.Count {
		r.t.Errorf("the lists hold %d leads, %d are said", len(leads), st.Leads.Count)
	}
	return leads
}

func (r *rig) statement(key string) (st Statement) {
	r.t.Helper()
	data, err := get(r.t.Context(), r.planner.Store.Bucket(r.archive.Bucket), key, maxStatement)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(data, &st); err != nil {
		r.t.Fatal(err)
	}
	return st
}

// TestLeads: each lead is kept once for each archived page that has it, with the chunk that
// holds the page; what a refused attempt brought is in no list.
func TestLeads(t *testing.T) {
	t.Parallel()
	w := withLeads(tree(30, "a.test", "b.test"))
	r := newRig(t, w)
	r.seed("http://a.test/", "http://b.test/")
	r.run(4)
	// A result of an attempt whose heartbeat was refused: stored, and never applied.
	stray := frontier.Result{Version: 1, Bundle: "b1", Attempt: 9, Chunk: &frontier.Chunk{Key: r.archive.Prefix + "chunks/stray.wacz"}, Outcomes: []frontier.Outcome{
		{FP: frontier.FingerprintOf("http://a.test/"), Status: frontier.Archived, Final: "http://a.test/", Leads: []string{"tel:+15550199"}},
	}}
	if err := putPacked(t.Context(), r.planner.Store.Bucket("frontier"), resultBase(r.job, 0, "b1")+"/a9-00/c1.res", stray); err != nil {
		t.Fatal(err)
	}
	out := r.seal()
	st := r.statement(out.Statement)
	leads := r.leadsOf(st)
	chunks := map[string]bool{}
	for _, c := range st.Chunks {
		chunks[c.Key] = true
	}
	var got, want []string
	for _, l := range leads {
		got = append(got, l.Page+" "+l.Lead)
		if !chunks[l.Chunk] || l.At.IsZero() {
			t.Errorf("%+v: where it is from cannot be found", l)
		}
	}
	for _, page := range w.reachable("http://a.test/", "http://b.test/") {
		want = append(want, page+" tel:+15550100", page+" mailto:lead@site.example")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !out.Balanced || !slices.Equal(got, want) {
		t.Errorf("balanced: %v, leads\n%s\nwant\n%s", out.Balanced, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if again := r.statement(r.seal().Statement); fmt.Sprint(again.Leads) == "" || again.Leads.Objects[0] != st.Leads.Objects[0] {
		t.Errorf("sealed again: %+v, before %+v", again.Leads, st.Leads)
	}
}

// TestNoLeads: a run without leads has no list.
func TestNoLeads(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(3, "a.test"))
	r.seed("http://a.test/")
	r.run(2)
	if st := r.statement(r.seal().Statement); st.Leads != nil {
		t.Errorf("%+v", st.Leads)
	}
}

// TestLeadsInParts: lists are divided where they become too large to be held, and what
// another attempt stored holds, however it packed it.
func TestLeadsInParts(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.test"))
	store := r.planner.Store.Bucket("archive")
	result := &frontier.Result{Chunk: &frontier.Chunk{Key: "k"}}
	for i := range 5 {
		result.Outcomes = append(result.Outcomes, frontier.Outcome{Status: frontier.Archived, Final: fmt.Sprintf("http://a.test/%d", i), Leads: []string{"tel:+15550100"}})
	}
	write := func() *LeadsStatement {
		w := &leadsWriter{store: store, prefix: "ns/name/uid/", part: 150}
		if err := w.add(t.Context(), result); err != nil {
			t.Fatal(err)
		}
		st, err := w.finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if err := put(t.Context(), store, "ns/name/uid/leads/00002.jsonl.zst", []byte("packed otherwise")); err != nil {
		t.Fatal(err)
	}
	st := write()
	if st.Count != 5 || len(st.Objects) != 3 || st.Objects[0].Leads != 2 || st.Objects[2].Leads != 1 || st.Objects[1].Size != int64(len("packed otherwise")) {
		t.Errorf("%+v", st)
	}
	if again := write(); !slices.Equal(again.Objects, st.Objects) {
		t.Errorf("%+v, before %+v", again, st)
	}
}

// TestResultsAreReadInBounds: no more results are held than the bounds say, in their order.
func TestResultsAreReadInBounds(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.test"))
	store := r.planner.Store.Bucket("frontier")
	var got []int
	b := resultBatch{store: store, tick: func() {}, take: func(r *frontier.Result) error { got = append(got, r.Number); return nil }}
	for i := range resultsAhead + 8 {
		name := fmt.Sprintf("r/%03d.res", i)
		if err := putPacked(t.Context(), store, name, frontier.Result{Number: i}); err != nil {
			t.Fatal(err)
		}
		size := int64(1)
		if i == 3 {
			size = resultsAheadBytes // as if it were large
		}
		if err := b.add(t.Context(), blob.Info{Key: blob.Key(name), Size: size}); err != nil {
			t.Fatal(err)
		}
		if len(b.waiting) > resultsAhead || b.size > resultsAheadBytes {
			t.Fatalf("%d results of %d bytes wait", len(b.waiting), b.size)
		}
	}
	if err := b.flush(t.Context()); err != nil || !slices.IsSorted(got) || len(got) != resultsAhead+8 {
		t.Errorf("%v, %v", got, err)
	}
}
