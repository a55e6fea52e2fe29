package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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
		if err := g.let(r, ann, need, true); (err == nil) != tc.want {
			t.Errorf("who has %v: %v", tc.has, err)
		}
	}
}

// TestToWhomIsReadable: what the log does not take as it is can be told from all else and read by who knows
// percent-encoding (RFC 3986 section 2.1).
func TestToWhomIsReadable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("полиция ", 40)
	for _, tc := range []struct{ said, to string }{
		{"police-3", "police-3"},
		{" police-3 ", "police-3"},
		{"полиция", "%D0%BF%D0%BE%D0%BB%D0%B8%D1%86%D0%B8%D1%8F"},
		{"таможня", "%D1%82%D0%B0%D0%BC%D0%BE%D0%B6%D0%BD%D1%8F"},
		{"unit 3", "unit%203"},
		{"unit%203", "unit%25203"},
		{"a//b", "a/%2Fb"},
		{"a///b", "a/%2F/b"},
		{"WWW.police.example", "WWW%2Epolice.example"},
		{long, ""},
		{long + "1", ""},
	} {
		log := &logbook{}
		c := &Custody{Log: log, Chunks: &chunks{sum: sum}}
		person := ann
		person.Case = tc.said
		if err := c.Exported(t.Context(), person, tc.said, Snapshot{chunk, "p1"}); err != nil {
			t.Fatal(err)
		}
		e := log.entries[0]
		if err := e.Validate(); err != nil {
			t.Errorf("%q: %v", tc.said, err)
		}
		if tc.to == "" {
			hash := sha256.Sum256([]byte(strings.TrimSpace(tc.said)))
			begin, end, _ := strings.Cut(e.To, "-")
			plain, err := url.PathUnescape(begin)
			if err != nil || !strings.HasPrefix(tc.said, strings.TrimRight(strings.ToValidUTF8(plain, ""), " ")) || len(begin) < 190 || end != hex.EncodeToString(hash[:16]) {
				t.Errorf("%q is told as %q: %v", tc.said, e.To, err)
			}
			continue
		}
		if e.To != tc.to {
			t.Errorf("%q is told as %q, want %q", tc.said, e.To, tc.to)
		}
		if plain, err := url.PathUnescape(e.To); err != nil || plain != strings.TrimSpace(tc.said) {
			t.Errorf("%q is read as %q: %v", e.To, plain, err)
		}
		if plain, err := url.PathUnescape(e.Case); err != nil || plain != tc.said {
			t.Errorf("the case %q is read as %q: %v", e.Case, plain, err)
		}
	}
}
