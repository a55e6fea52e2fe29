package retention

import (
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestForgedErasures: who may write to the bucket, and not delete, must not have a worker delete
// what is held, what is not due, or what is never erased.
func TestForgedErasures(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		name string
		at   time.Duration
		want workflows.Reason
	}{
		"Held":       {"chunks/1.wacz", screening, workflows.ReasonRetentionDrift},
		"Beside":     {"chunks/1.wacz.sig", screening, workflows.ReasonRetentionDrift},
		"Early":      {"chunks/2.wacz", screening - time.Second, workflows.ReasonRetentionDrift},
		"EarlyState": {"state", 0, workflows.ReasonRetentionDrift},
		"Statement":  {"run.json", screening, workflows.ReasonRetentionDrift},
		"Decision":   {"retention/00000001.json", screening, workflows.ReasonRetentionDrift},
		"Elsewhere":  {"../other/chunks/1.wacz", screening, workflows.ReasonRetentionDrift},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.forge(tc.name)
			r.pass(tc.at)
			if out := r.erase(); out.Reason != tc.want || r.left() != everything || r.server.Object("/archive/"+prefix+"retention/00000001.json") == nil {
				t.Errorf("%s: %s, left is %s", out.Reason, out.Message, r.left())
			}
		})
	}
}

// TestForgedEarly: an intent that was written before its objects were due must not go before a
// hold that comes after it.
func TestForgedEarly(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	r.forge("chunks/1.wacz")
	r.pass(time.Hour)
	r.mustDecide(retention.Hold, "A")
	r.pass(2 * screening)
	if out := r.erase(); out.Reason != workflows.ReasonRetentionDrift || r.left() != everything {
		t.Errorf("%s: %s, left is %s", out.Reason, out.Message, r.left())
	}
}

// forge writes an intent to erase an object, as a worker would when that is due.
func (r *rig) forge(name string) {
	r.t.Helper()
	_, err := retention.Decide(r.t.Context(), r.store.Bucket("archive"), prefix, retention.Decision{
		Action: retention.Erase, By: "crawlfleet", Why: "forged", At: noon, Erasing: []retention.Erasing{{Name: name, Due: noon, For: retention.ScreeningEnded}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
