package dossier_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// proving is a custody log of entries, with the proofs of all of them, whatever they are about.
func proving(t *testing.T, entries func(sum, run string) []custody.Entry) (func(context.Context, []dossier.Subject) (map[dossier.Subject][]dossier.File, error), dossier.CustodyKeys) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "agency.example/custody")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	origin, verifiers, err := custody.ReadKeys([]string{public})
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	log, err := custody.New(custody.Config{Store: &custody.Folder{Root: root}, Prefix: "custody", Origin: origin, Verifiers: verifiers, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, snapshots []dossier.Subject) (map[dossier.Subject][]dossier.File, error) {
		proofs := map[dossier.Subject][]dossier.File{}
		for _, s := range snapshots {
			receipt, err := log.Append(ctx, entries(s.SHA256, s.Run)...)
			if err != nil {
				return nil, err
			}
			for _, i := range receipt.Indexes {
				p, err := log.ProveIndex(ctx, i)
				if err != nil {
					return nil, err
				}
				text, err := p.MarshalText()
				if err != nil {
					return nil, err
				}
				proofs[s] = append(proofs[s], dossier.File{Name: fmt.Sprintf("%03d.proof", i), Content: text})
			}
		}
		return proofs, nil
	}, dossier.CustodyKeys{Origin: origin, Verifiers: verifiers}
}

// TestProofs: what was decided about a snapshot, or all of its run, is told and proven; a proof about
// something else is none.
func TestProofs(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("ab", 32)
	held := func(sum, run string) custody.Entry {
		return custody.Entry{
			Event: custody.Held, Object: blob.Key("ns/name/" + run + "/retention/00000001.json"), SHA256: sum, Case: "2026-17", Why: "decision 1",
			When: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Who: "desk",
		}
	}
	for name, tc := range map[string]struct {
		reason string
		entry  func(sum, run string) custody.Entry
		want   verify.Verdict
		says   string
		report string // of a cell in the report
	}{
		"Own":      {reason: "the chunk was held", entry: held, want: verify.Holds, says: "Held 2030-01-02 03:04:05 UTC by desk: entry 0", report: "Case: 2026-17; Reason: decision 1"},
		"Run":      {reason: "all of its run was held", entry: func(_, run string) custody.Entry { e := held(other, run); e.Run = run; return e }, want: verify.Holds, says: "by desk, about all of the run run: entry 0", report: "all of the run: run"},
		"OtherRun": {reason: "another run was held", entry: func(_, run string) custody.Entry { e := held(other, run); e.Run = "other"; return e }, want: verify.Fails, says: "is about an object with the SHA-256 abab"},
		"Decision": {reason: "a decision may be about any chunk", entry: func(_, run string) custody.Entry { return held(other, run) }, want: verify.Fails, says: "is about an object with the SHA-256 abab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, newRun(t))
			o.Snapshots = o.Snapshots[:1]
			var keys dossier.CustodyKeys
			o.Custody, keys = proving(t, func(sum, run string) []custody.Entry { return []custody.Entry{tc.entry(sum, run)} })
			dir, _ := create(t, o)
			r, err := (&dossier.Checker{Verifier: &verify.Verifier{}, Custody: keys}).Check(t.Context(), os.DirFS(dir), "dossier")
			if err != nil {
				t.Fatal(err)
			}
			var got []verify.Check
			for _, c := range r.Parts[0].Checks {
				if c.Name == dossier.CheckCustody {
					got = append(got, c)
				}
			}
			if len(got) != 1 || got[0].Verdict != tc.want || !strings.Contains(got[0].Reason, tc.says) {
				t.Errorf("%s: %+v, want %s: %s", tc.reason, got, tc.want, tc.says)
			}
			if page := string(contents(t, dir)["data/report.en.html"].Data); !strings.Contains(page, tc.report) {
				t.Errorf("the report does not say %q", tc.report)
			}
		})
	}
}
