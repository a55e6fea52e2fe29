package frontier

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestRecountFindsEachProblem: whatever the books and the store do not agree about is said, and
// nothing else is.
func TestRecountFindsEachProblem(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(4, "a.test"))
	r.seed("http://a.test/0")
	r.run(1)
	s, err := r.planner.open(t.Context(), r.planner.Store.Bucket("frontier"), r.job, 0, r.seq)
	if err != nil {
		t.Fatal(err)
	}
	key, others := s.state.Chunks()[1].Key, 4-s.state.Chunks()[1].Pages
	for name, tc := range map[string]struct {
		change func(*Statement)
		want   string
	}{
		"None":     {func(*Statement) {}, ""},
		"Gone":     {func(st *Statement) { st.Chunks[1].Key += "x" }, fmt.Sprintf("chunk %sx is not in the store; 4 pages are archived, the stored chunks hold %d", key, others)},
		"Size":     {func(st *Statement) { st.Chunks[1].Size++ }, fmt.Sprintf("chunk %s is not what was stored", key)},
		"Sum":      {func(st *Statement) { st.Chunks[1].SHA256 = st.Chunks[0].SHA256 }, fmt.Sprintf("chunk %s is not what was stored", key)},
		"Pages":    {func(st *Statement) { st.Counts.Archived++ }, "5 pages are archived, the stored chunks hold 4"},
		"Bytes":    {func(st *Statement) { st.Counts.Bytes = 7 }, fmt.Sprintf("7 bytes are booked, the store holds %d", s.state.Counts().Bytes)},
		"Compared": {func(st *Statement) { st.Counts.Compared.New++ }, "compared with an earlier run are {Unchanged:0 Changed:0 New:1 NotCompared:0}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := Statement{Counts: countsOf(s.state.Counts()), Chunks: slices.Clone(s.state.Chunks())}
			tc.change(&st)
			list, err := activityOf(r, func(ctx context.Context, st Statement) ([]string, error) {
				return recountChunks(ctx, r.planner.Store.Bucket("archive"), &st)
			}, st)
			if got := strings.Join(list, "; "); err != nil || !strings.HasPrefix(got, tc.want) || (got == "") != (tc.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

// TestTroubleIsNoProblem: a store that does not answer says nothing of the books. The statement
// is written once it does.
func TestTroubleIsNoProblem(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]struct{ method, path string }{
		"Chunks": {http.MethodHead, "/archive/ns/name/uid/chunks/"},
		"Rows":   {http.MethodGet, "/frontier/ns/name/uid/s/0/q/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tree(4, "a.test"))
			r.seed("http://a.test/0")
			r.run(1)
			r.planner.states = stateCache{}
			r.store.Answer = func(w http.ResponseWriter, req *http.Request, _ func()) bool {
				fails := req.Method == what.method && strings.HasPrefix(req.URL.Path, what.path)
				if fails {
					blobtest.Fail(w, http.StatusServiceUnavailable, "SlowDown")
				}
				return fails
			}
			in := workflows.SealInput{Job: r.job, Archive: r.archive, Seqs: []int64{r.seq}, Verdict: workflows.VerdictSucceeded, Reason: workflows.ReasonCompleted}
			out, err := activityOf(r, r.planner.Seal, in)
			if err == nil || r.store.Object("/archive/"+r.archive.Prefix+"run.json") != nil {
				t.Errorf("sealed %+v although the store does not answer", out)
			}
			r.store.Answer = nil
			if sealed := r.seal(); !sealed.Balanced {
				t.Errorf("sealed %+v", sealed)
			}
		})
	}
}

// TestFirstStatementHolds: what one attempt stated another does not take back, whatever it finds.
func TestFirstStatementHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(3, "a.test"))
	r.seed("http://a.test/0")
	r.run(1)
	first := r.seal()
	r.store.Remove(r.store.Keys("/archive/ns/name/uid/chunks/")[0])
	if again := r.seal(); !first.Balanced || !cmp.Equal(again, first) {
		t.Errorf("sealed %+v, and again %+v", first, again)
	}
}
