package crawljob

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/workflows"
)

func TestReportsKeepTheNewest(t *testing.T) {
	t.Parallel()
	r := NewReports(func() time.Time { return noon })
	for _, seq := range []int64{3, 5, 4, 5} {
		if err := r.Take(t.Context(), *crawling(func(rep *workflows.Report) { rep.Seq = seq })); err != nil {
			t.Fatal(err)
		}
	}
	latest, ok := r.Latest(uid)
	if !ok || latest.Report.Seq != 5 || !latest.Received.Equal(noon) {
		t.Errorf("latest is %+v, want report 5 received at %v", latest, noon)
	}
	if got := len(r.visits); got != 3 {
		t.Errorf("%d visits were asked for, want 3: an older report is worth none", got)
	}
	r.Forget(uid)
	if _, ok := r.Latest(uid); ok {
		t.Error("a forgotten run is still known")
	}
}

func TestReportsDoNotBlockForEver(t *testing.T) {
	t.Parallel()
	r := NewReports(time.Now)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var err error
	for seq := int64(0); err == nil; seq++ {
		if seq > maxPending {
			t.Fatal("more visits wait than there may")
		}
		err = r.Take(ctx, *crawling(func(rep *workflows.Report) { rep.Seq = seq }))
	}
}

func TestReportsOthers(t *testing.T) {
	t.Parallel()
	r := NewReports(time.Now)
	name := types.NamespacedName{Namespace: "research", Name: "board"}
	for run, phase := range map[string]workflows.Phase{
		"old": workflows.PhaseCrawling, "done": workflows.PhaseFinished, string(uid): workflows.PhaseCrawling,
	} {
		if err := r.Take(t.Context(), *crawling(func(rep *workflows.Report) { rep.Run, rep.Phase = run, phase })); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Others(name, uid); len(got) != 1 || got[0] != "old" {
		t.Errorf("others are %v, want the old run that is not over", got)
	}
	if got := r.Others(types.NamespacedName{Namespace: "x", Name: "board"}, ""); len(got) != 0 {
		t.Errorf("others of another name are %v, want none", got)
	}
}
