package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

// TestStrangerVerifiesTheRun takes a run away from the store and verifies it with nothing but the files and whom to trust;
// then the custody log, which has to know of everything.
func TestStrangerVerifiesTheRun(t *testing.T) {
	t.Parallel()
	srv := serve(t, board.New(board.Options{Ads: 12}))
	fleet := harness.Start(t, harness.Options{})
	fleet.Apply(t, harness.NewJob("evidence", srv.URL+"/"))
	succeeded(t, fleet, "evidence")

	dir := holds(t, fleet, "evidence")
	// Somebody else's key is not ours.
	stranger, err := (&verify.Verifier{}).Path(t.Context(), dir)
	if err != nil || len(stranger) != 1 || stranger[0].Verdict != verify.Unchecked {
		t.Errorf("who trusts nobody is told %+v, %v", stranger, err)
	}
}

// holds verifies a job's run as a stranger would, and the custody log, and returns the folder with the run.
func holds(t *testing.T, fleet *harness.Fleet, name string) (dir string) {
	t.Helper()
	dir = fleet.MirrorRun(t, name)
	reports, err := (&verify.Verifier{Trust: fleet.Trust(t)}).Path(t.Context(), dir)
	if err != nil || len(reports) != 1 {
		t.Fatalf("%d reports, %v", len(reports), err)
	}
	run := reports[0]
	if run.Kind != verify.KindRun || run.Verdict != verify.Holds || len(run.Parts) == 0 {
		t.Errorf("%s of %d parts: %s", run.Kind, len(run.Parts), run.Verdict)
		logOpen(t, run)
	}
	logged(t, fleet, dir)
	return dir
}

// TestStampsComeLater crawls while the authority is away: the run ends all the same, and its stamps come by themselves when
// the authority is back.
func TestStampsComeLater(t *testing.T) {
	t.Parallel()
	srv := serve(t, board.New(board.Options{}))
	fleet := harness.Start(t, harness.Options{})
	fleet.SetStampsAway(true)
	job := harness.NewJob("owed", srv.URL+"/")
	job.Spec.Limits.Pages = 5
	fleet.Apply(t, job)
	succeeded(t, fleet, "owed")
	verifier := verify.Verifier{Trust: fleet.Trust(t)}
	verdict := func() verify.Report {
		t.Helper()
		reports, err := verifier.Path(t.Context(), fleet.MirrorRun(t, "owed"))
		if err != nil || len(reports) != 1 {
			t.Fatalf("%d reports, %v", len(reports), err)
		}
		return reports[0]
	}
	if r := verdict(); r.Verdict != verify.Unchecked {
		t.Errorf("while stamps are owed the run %s", r.Verdict)
		logOpen(t, r)
	}
	fleet.SetStampsAway(false)
	deadline := time.Now().Add(troubleTimeout)
	for r := verdict(); r.Verdict != verify.Holds; r = verdict() {
		if time.Now().After(deadline) {
			logOpen(t, r)
			t.Fatal("the stamps did not come")
		}
		time.Sleep(2 * time.Second)
	}
	fetched := 0
	err := fleet.Custody(t).Entries(t.Context(), 0, func(_ int64, e custody.Entry) bool {
		if e.Event == custody.StampFetched {
			fetched++
		}
		return true
	})
	if err != nil || fetched == 0 {
		t.Errorf("the log knows of %d stamps, %v", fetched, err)
	}
}

// logOpen logs each check that does not hold.
func logOpen(t *testing.T, r verify.Report) {
	t.Helper()
	for _, c := range r.Checks {
		if c.Verdict != verify.Holds {
			t.Logf("%s: %s of %s: %s: %s", r.Subject, c.Name, c.Path, c.Verdict, c.Reason)
		}
	}
	for _, p := range r.Parts {
		logOpen(t, p)
	}
}

// logged verifies the custody log, and looks in it for all that the statement of a run names.
func logged(t *testing.T, fleet *harness.Fleet, dir string) {
	t.Helper()
	log := fleet.Custody(t)
	if _, err := log.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	type event struct {
		event  custody.Event
		sha256 string
	}
	times := map[event]int{}
	err := log.Entries(t.Context(), 0, func(_ int64, e custody.Entry) bool {
		times[event{e.Event, e.SHA256}]++
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, verify.StatementPath))
	if err != nil {
		t.Fatal(err)
	}
	var statement struct {
		Chunks []struct{ Key, SHA256 string }
	}
	if err := json.Unmarshal(raw, &statement); err != nil {
		t.Fatal(err)
	}
	for _, c := range statement.Chunks {
		if captured, stored := times[event{custody.Captured, c.SHA256}], times[event{custody.Stored, c.SHA256}]; captured != 1 || stored != 1 {
			t.Errorf("the log says %d times that %s was captured, and %d times that it was stored", captured, c.Key, stored)
		}
	}
	if n := len(statement.Chunks); n == 0 || len(times) < 2*n+1 {
		t.Errorf("%d chunks, %d events", n, len(times))
	}
}
