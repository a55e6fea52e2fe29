package frontier

import (
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/retention"
)

// TestStatementSaysHowLongCapturesAreKept in the words that who erases them reads.
func TestStatementSaysHowLongCapturesAreKept(t *testing.T) {
	t.Parallel()
	for name, screening := range map[string]time.Duration{"Period": 90 * time.Minute, "OlderOrder": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tree(3, "a.test"))
			r.job.Spec.Retention.Screening = screening
			r.seed("http://a.test/0")
			r.run(1)
			st := r.statement(r.seal().Statement)
			got, err := retention.ReadStatement(t.Context(), r.planner.Store.Bucket("archive"), r.archive.Prefix)
			if err != nil || got.Period.Length != screening || got.Period.Begins.Before(st.SealedAt.Truncate(time.Second)) {
				t.Errorf("the period is %+v, %v", got.Period, err)
			}
			if want := len(st.Chunks) + len(st.Visits.Objects) + 1; len(got.Objects) != want || len(st.Chunks) == 0 {
				t.Errorf("it names %d objects, want %d", len(got.Objects), want)
			}
		})
	}
}
