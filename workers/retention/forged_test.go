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
		"Early":      {"chunks/2.wacz", screening - time.Second, workflows.ReasonErasureBlocked},
		"EarlyState": {"state", 0, workflows.ReasonErasureBlocked},
		"Statement":  {"run.json", screening, workflows.ReasonRetentionDrift},
		"Decision":   {"retention/00000001.json", screening, workflows.ReasonRetentionDrift},
		"Elsewhere":  {"../other/chunks/1.wacz", screening, workflows.ReasonRetentionDrift},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			_, err := retention.Decide(t.Context(), r.store.Bucket("archive"), prefix, retention.Decision{
				Action: retention.Erase, By: "crawlfleet", Why: "forged", At: noon, Erasing: []retention.Erasing{{Name: tc.name, Due: noon, For: retention.ScreeningEnded}},
			})
			if err != nil {
				t.Fatal(err)
			}
			r.pass(tc.at)
			if out := r.erase(); out.Reason != tc.want || r.left() != everything || r.server.Object("/archive/"+prefix+"retention/00000001.json") == nil {
				t.Errorf("%s: %s, left is %s", out.Reason, out.Message, r.left())
			}
		})
	}
}
