package dossier_test

import (
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
)

// TestHistoriesKeepWhatIsNobodysBusiness: who is handed over a case is told how its snapshots came to be and what was done
// for it, and neither who looked at them nor what other cases they are in.
func TestHistoriesKeepWhatIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	sum, run := strings.Repeat("a", 64), "0b6c1f5e-0000-4000-8000-000000000001"
	log := newLog(t)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for id, e := range map[string]custody.Entry{
		"captured": {Event: custody.Captured, Who: "worker"},
		"read":     {Event: custody.Read, Who: "analyst-7", Why: "screening", Case: "harbour"},
		"copied":   {Event: custody.Copied, Who: "analyst-7", Copy: "c0.wacz", Case: "harbour"},
		"tied":     {Event: custody.TiedToCase, Who: "analyst-7", Case: "harbour"},
		"other":    {Event: custody.TiedToCase, Who: "analyst-8", Case: "another"},
		"exported": {Event: custody.Exported, Who: "analyst-8", To: "desk", Case: "another"},
	} {
		e.ID, e.Object, e.SHA256, e.When = id, "default/ads/u/chunks/c0.wacz", sum, at
		if _, err := log.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	about, err := dossier.Histories(t.Context(), log, []dossier.Subject{{SHA256: sum, Run: run}}, "harbour")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, e := range about[0].Entries {
		got[e.ID] = true
	}
	if len(got) != 2 || !got["captured"] || !got["tied"] {
		t.Errorf("handed over: %v", got)
	}
}
