package frontier

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

func packedScripts(t *testing.T, sources ...string) []byte {
	t.Helper()
	list, err := json.Marshal(sources)
	if err != nil {
		t.Fatal(err)
	}
	return packed(t, string(list))
}

func digest(source string) string {
	s := browser.Script{Source: source}
	return s.SHA256()
}

// TestBehaviorsReachThePage: what is ordered is what the browser is told, by way of the
// store.
func TestBehaviorsReachThePage(t *testing.T) {
	t.Parallel()
	const source = "async () => { /* a script */ }"
	order := &workflows.Behaviors{Media: true, Consent: true, Scripts: []workflows.Script{{Name: "own/a.js", Hosts: []string{"*.test"}, SHA256: digest(source)}}}
	tests := map[string]struct {
		reason  string
		order   *workflows.Behaviors
		scripts []byte
		want    browser.Visit
	}{
		"Old":    {reason: "An order from before there was a choice scrolls.", want: browser.Visit{NoMedia: true, NoExpand: true, NoConsent: true}},
		"Chosen": {reason: "Each is switched by itself, and scripts come along.", order: order, scripts: packedScripts(t, source), want: browser.Visit{NoScroll: true, NoExpand: true, Scripts: []browser.Script{{Name: "own/a.js", Hosts: []string{"*.test"}, Source: source}}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(1, "a.test")
			r := newRig(t, w)
			r.job.Spec.Capture.Behaviors = tc.order
			r.seedWith(workflows.SeedInput{Job: r.job, Seeds: workflows.Seeds{URLs: []string{"http://a.test/0"}}, Scripts: tc.scripts})
			r.run(1)
			if len(w.visits) != 1 {
				t.Fatalf("%d visits", len(w.visits))
			}
			v := w.visits[0]
			got := browser.Visit{NoScroll: v.NoScroll, NoMedia: v.NoMedia, NoExpand: v.NoExpand, NoConsent: v.NoConsent, Scripts: v.Scripts}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(browser.Visit{})); diff != "" {
				t.Errorf("%s\nvisit (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestScriptsThatWereNotOrdered: a script whose digest is not that of the order is never run.
func TestScriptsThatWereNotOrdered(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.test"))
	r.job.Spec.Capture.Behaviors = &workflows.Behaviors{Scripts: []workflows.Script{{Name: "own/a.js", SHA256: digest("the one")}}}
	for name, scripts := range map[string][]byte{
		"Another": packedScripts(t, "another"), "More": packedScripts(t, "the one", "another"), "NotPacked": []byte("the one"),
		"TooLong": packedScripts(t, strings.Repeat("x", maxScripts+1)),
	} {
		_, err := activityOf(r, r.planner.Seed, workflows.SeedInput{Job: r.job, Seeds: workflows.Seeds{URLs: []string{"http://a.test/0"}}, Scripts: scripts})
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || !app.NonRetryable() || app.Type() != string(workflows.ReasonInvalidScript) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The store does not vouch for them either.
	store := r.planner.Store.Bucket("frontier")
	if err := putPacked(t.Context(), store, scriptsKey(r.job), scriptsObject{Version: 1, Sources: []string{"another"}}); err != nil {
		t.Fatal(err)
	}
	if got, err := readScripts(t.Context(), store, r.job); err == nil || got != nil {
		t.Errorf("read %v, %v", got, err)
	}
}
