package access

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/custody"
)

// TestLargeCase: the log takes a thousand entries at once, a case has more captures.
func TestLargeCase(t *testing.T) {
	t.Parallel()
	log := &logbook{}
	c := &Custody{Log: log, Chunks: &chunks{sum: sum}}
	var all []Snapshot
	for i := range 2500 {
		all = append(all, Snapshot{chunk, fmt.Sprintf("p%d", i)})
	}
	if err := c.Exported(t.Context(), ann, "police-3", all...); err != nil || len(log.entries) != len(all) {
		t.Errorf("%d entries of %d: %v", len(log.entries), len(all), err)
	}
}

func TestTied(t *testing.T) {
	t.Parallel()
	log, at := &logbook{}, newClock()
	c := &Custody{Log: log, Chunks: &chunks{sum: sum}, Now: at.now}
	person := ann
	person.Purpose, person.Case = "screening", "another one"
	for range 2 { // sent twice
		if err := c.Tied(t.Context(), person, "2026-17", Snapshot{chunk, "p1"}); err != nil {
			t.Fatal(err)
		}
	}
	want := []custody.Entry{{
		Event: custody.TiedToCase, Object: chunk, SHA256: sum, Who: "ann", Why: "screening", Case: "2026-17", When: at.now().UTC(),
	}}
	if diff := cmp.Diff(want, log.entries, cmpopts.IgnoreFields(custody.Entry{}, "ID")); diff != "" {
		t.Error(diff)
	}
	log.trouble = errors.New("the store is full")
	var p *Problem
	if err := c.Tied(t.Context(), person, "2026-18", Snapshot{chunk, "p1"}); !errors.As(err, &p) || p.Reason != ReasonCustodyUnavailable {
		t.Errorf("a log that cannot be written: %v", err)
	}
}

// TestOtherRights: every right that a route needs is asked for.
func TestOtherRights(t *testing.T) {
	t.Parallel()
	need := Allowed(WriteCases, everywhere).With(ReadCases).With(Find)
	write, read, find := `ann update cases.crawlfleet.dev ""`, `ann get cases.crawlfleet.dev ""`, `ann list snapshots.crawlfleet.dev ""`
	for _, tc := range []struct {
		has  []string
		want bool
	}{{nil, false}, {[]string{write, read}, false}, {[]string{write, find}, false}, {[]string{read, find}, false}, {[]string{write, read, find}, true}} {
		kube := &reviewer{allows: map[string]bool{}}
		for _, right := range tc.has {
			kube.allows[right] = true
		}
		g := &Gate{Rights: &Rights{Reviewer: kube}}
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if err := g.let(r, ann, need); (err == nil) != tc.want {
			t.Errorf("who has %v: %v", tc.has, err)
		}
	}
}
