package versions

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at is when things are decided, since when they became so before that.
var at = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func since(ago time.Duration) time.Time { return at.Add(-ago) }

func TestDecide(t *testing.T) {
	t.Parallel()
	ready := func(builds ...string) (list []Deployment) {
		for _, b := range builds {
			list = append(list, Deployment{Build: b, Ready: true})
		}
		return list
	}
	says := func(list ...Version) *State { return &State{Versions: list} }
	old := since(time.Hour)
	for name, tc := range map[string]struct {
		reason      string
		desired     string
		deployments []Deployment
		temporal    *State
		want        Plan
	}{
		"First": {
			reason: "there is nothing yet: its workers have to be made", desired: "a", temporal: says(),
			want: Plan{Keep: []Kept{{"a", WhyDesired}}},
		},
		"NotReady": {
			reason: "its pods start", desired: "a", deployments: []Deployment{{Build: "a"}}, temporal: says(Version{Build: "a", Status: Inactive, Polled: true}),
			want: Plan{Keep: []Kept{{"a", WhyDesired}}},
		},
		"NotPolled": {
			reason: "its pods are ready, and Temporal has not seen them", desired: "a", deployments: ready("a"), temporal: says(Version{Build: "a", Status: Inactive}),
			want: Plan{Keep: []Kept{{"a", WhyDesired}}},
		},
		"Promoted": {
			reason: "workflows can begin on it", desired: "a", deployments: ready("a"), temporal: says(Version{Build: "a", Status: Inactive, Polled: true}),
			want: Plan{Keep: []Kept{{"a", WhyDesired}}, MakeCurrent: "a"},
		},
		"AtRest": {
			reason: "all is as it should be", desired: "a", deployments: ready("a"), temporal: says(Version{Build: "a", Status: Current, Polled: true}),
			want: Plan{Keep: []Kept{{"a", WhyDesired}}, Current: "a"},
		},
		"Upgrade": {
			reason: "the new one is ready, the old one runs on", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Current, Polled: true}, Version{Build: "b", Status: Inactive, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyCurrent}}, Current: "a", MakeCurrent: "b"},
		},
		"UpgradeThatFails": {
			reason: "pods of the new one do not get ready: workflows stay where they are", desired: "b", deployments: []Deployment{{"a", true}, {"b", false}},
			temporal: says(Version{Build: "a", Status: Current, Polled: true}, Version{Build: "b", Status: Inactive, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyCurrent}}, Current: "a"},
		},
		"Draining": {
			reason: "workflows are pinned to the old one", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Draining, Since: old, Open: 3, Polled: true}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyPinned}}, Current: "b", Wake: []string{"a"}},
		},
		"DrainingUncounted": {
			reason: "what is counted may be late: what Temporal says is what counts", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Draining, Since: old, Polled: true}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyPinned}}, Current: "b"},
		},
		"DrainedWithAnOpenWorkflow": {
			reason: "somebody pinned one to it by hand", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Drained, Since: old, Open: 1, Polled: true}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyPinned}}, Current: "b", Wake: []string{"a"}},
		},
		"JustDrained": {
			reason: "somebody may ask how the last one ended", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Drained, Since: since(linger / 2), Polled: true}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyLingering}}, Current: "b"},
		},
		"Drained": {
			reason: "nothing needs the old one", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Drained, Since: old, Polled: true}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}}, Current: "b", Remove: []string{"a"}},
		},
		"Gone": {
			reason: "its workers are gone, too", desired: "b", deployments: ready("b"),
			temporal: says(Version{Build: "a", Status: Drained, Since: old}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}}, Current: "b", Forget: []string{"a"}},
		},
		"RollBack": {
			reason: "the new one is bad, the old one is there and drains", desired: "a", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Draining, Since: old, Open: 1, Polled: true}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"a", WhyDesired}, {"b", WhyCurrent}}, Current: "b", MakeCurrent: "a", Wake: []string{"a"}},
		},
		"RollBackOfADrained": {
			reason: "the old one had no workers any more: they are made again", desired: "a", deployments: ready("b"),
			temporal: says(Version{Build: "a", Status: Drained, Since: old}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"a", WhyDesired}, {"b", WhyCurrent}}, Current: "b"},
		},
		"RolledBack": {
			reason: "the bad one drains like any other", desired: "a", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Current, Polled: true}, Version{Build: "b", Status: Draining, Since: old, Open: 2, Polled: true}),
			want:     Plan{Keep: []Kept{{"a", WhyDesired}, {"b", WhyPinned}}, Current: "a", Wake: []string{"b"}},
		},
		"NeverCurrent": {
			reason: "one after the next came before it was ready", desired: "c", deployments: ready("a", "b", "c"),
			temporal: says(Version{Build: "a", Status: Current, Polled: true}, Version{Build: "b", Status: Inactive, Polled: true}),
			want:     Plan{Keep: []Kept{{"c", WhyDesired}, {"a", WhyCurrent}}, Current: "a", Remove: []string{"b"}},
		},
		"NeverPolled": {
			reason: "Temporal has never heard of it", desired: "b", deployments: ready("a", "b", "x"),
			temporal: says(Version{Build: "a", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyCurrent}}, Current: "a", Remove: []string{"x"}},
		},
		"Ramping": {
			reason: "a person tries one out", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: Ramping, Polled: true}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyCurrent}}, Current: "b"},
		},
		"Stranded": {
			reason: "somebody deleted the Deployment", desired: "b", deployments: ready("b"),
			temporal: says(Version{Build: "a", Status: Draining, Since: old, Open: 2}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}}, Current: "b", Stranded: []string{"a"}},
		},
		"LaterTemporal": {
			reason: "it says what this program does not know", desired: "b", deployments: ready("a", "b"),
			temporal: says(Version{Build: "a", Status: "Sleeping"}, Version{Build: "b", Status: Current, Polled: true}),
			want:     Plan{Keep: []Kept{{"b", WhyDesired}, {"a", WhyUnknown}}, Current: "b"},
		},
		"TemporalIsAway": {
			reason: "nothing is known: nothing is taken away", desired: "c", deployments: ready("c", "b", "a"),
			want: Plan{Keep: []Kept{{"c", WhyDesired}, {"a", WhyUnknown}, {"b", WhyUnknown}}},
		},
	} {
		got := Decide(Input{Desired: tc.desired, Deployments: tc.deployments, Temporal: tc.temporal, Now: at})
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, diff)
		}
	}
}

// TestPinnedWorkflowsKeepTheirWorkers: in whatever state, what has workers and open workflows is
// not taken away, nor is what is current.
func TestPinnedWorkflowsKeepTheirWorkers(t *testing.T) {
	t.Parallel()
	statuses := []Status{Inactive, Current, Ramping, Draining, Drained, "Sleeping"}
	for _, a := range statuses {
		for _, b := range statuses {
			for open := range int64(2) {
				for bits := range 8 {
					s := &State{Versions: []Version{
						{Build: "a", Status: a, Since: since(time.Hour), Open: open, Polled: bits&1 > 0},
						{Build: "b", Status: b, Since: since(time.Hour), Polled: bits&2 > 0},
					}}
					p := Decide(Input{Desired: "b", Deployments: []Deployment{{"a", true}, {"b", bits&4 > 0}}, Temporal: s, Now: at})
					if len(p.Remove) > 0 && (open > 0 || a != Drained && a != Inactive) {
						t.Errorf("a is %s with %d workflows, b %s: %+v", a, open, b, p)
					}
					if p.MakeCurrent != "" && (bits&6 != 6 || b == Current) {
						t.Errorf("b is %s, of bits %b: %+v", b, bits, p)
					}
				}
			}
		}
	}
}
