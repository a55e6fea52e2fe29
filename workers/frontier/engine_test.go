package frontier

import (
	"fmt"
	"testing"

	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Pages are shown by the engine, and in the isolation, that the job names.
func TestEngineAndIsolation(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		engine, isolation string
		want              browser.StayOptions
	}{
		{"", "", browser.StayOptions{}},
		{"HeadlessShell", "Host", browser.StayOptions{Engine: browser.EngineShell}},
		{"Chromium", "Page", browser.StayOptions{Engine: browser.EngineChromium, FreshPages: true}},
	} {
		t.Run(tc.engine+tc.isolation, func(t *testing.T) {
			t.Parallel()
			w := tree(1, "a.test")
			r := newRig(t, w)
			r.job.Spec.Browser.Engine, r.job.Spec.Browser.Isolation = tc.engine, tc.isolation
			r.seed("http://a.test/0")
			r.run(1)
			if len(w.stays) != 1 || w.stays[0].Engine != tc.want.Engine || w.stays[0].FreshPages != tc.want.FreshPages {
				t.Errorf("the tabs were %+v, want one with %+v", w.stays, tc.want)
			}
		})
	}
}

// An engine that a worker has not is told, with what to do, and takes no page's tries.
func TestEngineIsMissing(t *testing.T) {
	t.Parallel()
	w := tree(3, "a.test")
	w.tab = fmt.Errorf("engine %q is %w", "chromium", browser.ErrNoEngine)
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Trouble == nil || out.Trouble.Reason != workflows.ReasonEngineMissing || out.Trouble.NextStep == "" || len(out.Results) != 0 {
		t.Fatalf("%+v, %v: want the trouble told, and nothing committed", out, err)
	}
	w.tab = nil
	if got := r.runFrom(workflows.BundleDone{ID: ref.ID}); got.Counts.Archived != 3 {
		t.Errorf("counts %+v, want all archived with the engine", got.Counts)
	}
}
