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

// custodyOf gives the proofs about snapshots, as dossier.Options has it.
type custodyOf = func(context.Context, []dossier.Subject) (map[dossier.Subject][]dossier.File, error)

// joined adds the last proof of a log with a key of its own to those of another.
func joined(t *testing.T, trusted custodyOf, entries func(sum, run string) []custody.Entry) custodyOf {
	t.Helper()
	foreign, _ := proving(t, entries)
	return func(ctx context.Context, snapshots []dossier.Subject) (map[dossier.Subject][]dossier.File, error) {
		proofs, err := trusted(ctx, snapshots)
		if err != nil {
			return nil, err
		}
		more, err := foreign(ctx, snapshots)
		for s, files := range more {
			proofs[s] = append(proofs[s], files[len(files)-1])
		}
		return proofs, err
	}
}

// newLog is an empty custody log.
func newLog(t *testing.T) *custody.Log {
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
	return log
}

// proving is a custody log of entries, with the proofs of all of them, whatever they are about.
func proving(t *testing.T, entries func(sum, run string) []custody.Entry) (custodyOf, dossier.CustodyKeys) {
	t.Helper()
	log := newLog(t)
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
	}, dossier.CustodyKeys{Origin: log.Origin, Verifiers: log.Verifiers}
}

// TestProofs: what was decided about a snapshot, or all of its run, is told and proven; a proof about
// something else is none. Of which run a snapshot is, the log has to say.
func TestProofs(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("ab", 32)
	entry := func(event custody.Event, sum, run, name string) custody.Entry {
		return custody.Entry{
			Event: event, Object: blob.Key("ns/name/" + run + "/" + name), SHA256: sum, When: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Who: "desk",
		}
	}
	held := func(sum, run string) custody.Entry {
		e := entry(custody.Held, sum, run, "retention/00000001.json")
		e.Case, e.Why = "2026-17", "decision 1"
		return e
	}
	heldRun := func(_, run string) custody.Entry { e := held(other, run); e.Run = run; return e }
	stored := func(sum, run string) custody.Entry { return entry(custody.Stored, sum, run, "chunks/b0.wacz") }
	const unplaced = "about all of the run run: entry 0 of a log of 2; the log does not say that this snapshot is of that run"
	for name, tc := range map[string]struct {
		reason string
		entry  func(sum, run string) custody.Entry
		also   func(sum, run string) custody.Entry // a second entry, none for nil
		forged bool                                // the second is of a log that nobody trusts
		want   verify.Verdict                      // of the first
		says   string
		report string // of a cell in the report
	}{
		"Own":         {reason: "the chunk was held", entry: held, want: verify.Holds, says: "Held 2030-01-02 03:04:05 UTC by desk: entry 0", report: "Case: 2026-17; Reason: decision 1"},
		"Run":         {reason: "all of its run was held", entry: heldRun, also: stored, want: verify.Holds, says: "by desk, about all of the run run: entry 0", report: "all of the run: run"},
		"RunCaptured": {reason: "that it was captured suffices", entry: heldRun, also: func(sum, run string) custody.Entry { return entry(custody.Captured, sum, run, "chunks/b0.wacz") }, want: verify.Holds, says: "about all of the run run: entry 0"},
		"RunAlone":    {reason: "a snapshot may claim any run", entry: heldRun, want: verify.Unchecked, says: "the log does not say that this snapshot is of that run"},
		"RunElsewhere": {
			reason: "it was stored as one of another run", entry: heldRun, also: func(sum, run string) custody.Entry { return stored(sum, "other-"+run) }, want: verify.Unchecked, says: unplaced,
		},
		"RunOtherChunk": {
			reason: "the statement of the run is about no chunk", entry: heldRun, also: func(sum, run string) custody.Entry { return entry(custody.Stored, sum, run, "run.json") }, want: verify.Unchecked, says: unplaced,
		},
		"RunNotStored": {
			reason: "an export says who asked for it, not where it is from", entry: heldRun, also: func(sum, run string) custody.Entry {
				e := stored(sum, run)
				e.Event, e.To = custody.Exported, "court"
				return e
			},
			want: verify.Unchecked, says: unplaced,
		},
		"RunForged": {
			reason: "a log that nobody trusts says that it is of the run", entry: heldRun, also: stored, forged: true, want: verify.Unchecked, says: "the log does not say that this snapshot is of that run",
		},
		"OtherRun": {reason: "another run was held", entry: func(_, run string) custody.Entry { e := held(other, run); e.Run = "other"; return e }, want: verify.Fails, says: "is about an object with the SHA-256 abab"},
		"Decision": {reason: "a decision may be about any chunk", entry: func(_, run string) custody.Entry { return held(other, run) }, want: verify.Fails, says: "is about an object with the SHA-256 abab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, newRun(t))
			o.Snapshots = o.Snapshots[:1]
			first := func(sum, run string) []custody.Entry { return []custody.Entry{tc.entry(sum, run)} }
			both := func(sum, run string) []custody.Entry { return append(first(sum, run), tc.also(sum, run)) }
			var keys dossier.CustodyKeys
			switch {
			case tc.also == nil:
				o.Custody, keys = proving(t, first)
			case tc.forged:
				o.Custody, keys = proving(t, first)
				o.Custody = joined(t, o.Custody, both)
			default:
				o.Custody, keys = proving(t, both)
			}
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
			if len(got) == 0 || (len(got) == 2) != (tc.also != nil) || got[0].Verdict != tc.want || !strings.Contains(got[0].Reason, tc.says) {
				t.Errorf("%s: %+v, want %s: %s", tc.reason, got, tc.want, tc.says)
			}
			if page := string(contents(t, dir)["data/report.en.html"].Data); !strings.Contains(page, tc.report) {
				t.Errorf("the report does not say %q", tc.report)
			}
		})
	}
}
