package crawlschedule

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	planned := func(s *v1alpha1.CrawlSchedule) *Plan { p := plan(s); return &p }
	stood := func(status metav1.ConditionStatus, reason workflows.Reason) Standing {
		return Standing{Status: status, Reason: reason}
	}
	const yes, no = metav1.ConditionTrue, metav1.ConditionFalse
	activeBefore := func(s *v1alpha1.CrawlSchedule) {
		at := after(-3 * time.Hour)
		s.Status.Active = []v1alpha1.ScheduledJob{{Name: jobName("nightly", at.Time), ScheduledFor: &at}}
	}
	known := func(f ...func(*v1alpha1.CrawlSchedule)) Observation {
		s := schedule(f...)
		return Observation{Schedule: s, Seen: seen(s)}
	}
	with := func(o Observation, change func(*Observation)) Observation { change(&o); return o }
	for name, tc := range map[string]struct {
		reason  string
		o       Observation
		want    Decision // its message and backfill aside
		message string
		fills   string
	}{
		"New": {
			reason: "A schedule is given to Temporal, and looked at soon to see when it fires.",
			o:      Observation{Schedule: schedule()},
			want:   Decision{Finalize: true, Put: planned(schedule()), Standing: stood(yes, ReasonScheduled), Again: soon},
		},
		"Fires": {
			reason:  "One that is as planned is left alone.",
			o:       known(),
			want:    Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: lookAgain},
			message: "30 3 * * * Europe/Vienna",
		},
		"FiresSoon": {
			reason: "When it fires there is news.",
			o:      with(known(), func(o *Observation) { o.Seen.Next = noon.Add(time.Minute) }),
			want:   Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: time.Minute + 2*soon},
		},
		"Changed": {
			reason: "A change of the times is passed on.",
			o: Observation{Seen: seen(schedule()), Schedule: schedule(func(s *v1alpha1.CrawlSchedule) {
				s.Spec.Schedule.Cron = []v1alpha1.CronExpression{"0 4 * * *"}
			})},
			want: Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: soon, Put: planned(schedule(func(s *v1alpha1.CrawlSchedule) {
				s.Spec.Schedule.Cron = []v1alpha1.CronExpression{"0 4 * * *"}
			}))},
		},
		"TemplateChanged": {
			reason: "One of the template is not: it is read when it fires.",
			o: Observation{Seen: seen(schedule()), Schedule: schedule(func(s *v1alpha1.CrawlSchedule) {
				s.Spec.JobTemplate.Spec.Limits.Pages = 7
			})},
			want: Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: lookAgain},
		},
		"PausedByHand": {
			reason: "What somebody did in Temporal is put back.",
			o:      with(known(), func(o *Observation) { o.Seen.Paused = true }),
			want:   Decision{Finalize: true, Put: planned(schedule()), Standing: stood(yes, ReasonScheduled), Again: soon},
		},
		"Suspended": {
			reason:  "A pause is asked for, so it is no trouble.",
			o:       with(known(suspended), func(o *Observation) { o.Seen.Next = time.Time{} }),
			want:    Decision{Finalize: true, Standing: stood(yes, workflows.ReasonSuspended), Again: lookAgain},
			message: "Set spec.state to Active",
		},
		"Expired": {
			reason:  "Nothing is crawled without an authorisation, and that is said.",
			o:       known(expired),
			want:    Decision{Finalize: true, Standing: stood(no, workflows.ReasonAuthorizationExpired), Again: lookAgain},
			message: "The authorisation ended at 2026-05-04T11:59:00Z, so nothing is crawled. Put one that is still valid into spec.jobTemplate.spec.authorization.",
		},
		"Early": {
			reason:  "It waits for one that begins later.",
			o:       known(early),
			want:    Decision{Finalize: true, Standing: stood(yes, workflows.ReasonAuthorizationNotYetValid), Again: time.Minute},
			message: "The authorisation begins at 2026-05-04T12:01:00Z",
		},
		"NoTimeLeft": {
			reason:  "A schedule that never fires again is not well.",
			o:       with(known(), func(o *Observation) { o.Seen.Next = time.Time{} }),
			want:    Decision{Finalize: true, Standing: stood(no, ReasonNoFurtherTime), Again: lookAgain},
			message: "a day must match both of its fields",
		},
		"Ended": {
			reason: "One that has ended says when.",
			o: with(known(func(s *v1alpha1.CrawlSchedule) { at := after(-time.Hour); s.Spec.EndingAt = &at }),
				func(o *Observation) { o.Seen.Next = time.Time{} }),
			want:    Decision{Finalize: true, Standing: stood(no, ReasonNoFurtherTime), Again: lookAgain},
			message: "The schedule ended at 2026-05-04T11:00:00Z",
		},
		"Zone": {
			reason:  "A zone that is not there is told before Temporal is asked.",
			o:       Observation{Schedule: schedule(), Zone: errors.New("unknown time zone Europe/Wien")},
			want:    Decision{Finalize: true, Standing: stood(no, ReasonInvalidTimeZone), Again: lookAgain},
			message: "Nothing is crawled until then.",
		},
		"Unreachable": {
			reason:  "Temporal is tried again.",
			o:       Observation{Schedule: schedule(), Unreachable: errDown},
			want:    Decision{Finalize: true, Standing: stood(no, workflows.ReasonTemporalUnreachable), Again: again},
			message: "--temporal-address",
		},
		"FiringFailed": {
			reason: "A CrawlJob that cannot be created is told of.",
			o: with(known(), func(o *Observation) {
				o.Outcome = &Outcome{Failed: true, Reason: ReasonFiringFailed, Message: "forbidden"}
			}),
			want:    Decision{Finalize: true, Standing: stood(no, ReasonFiringFailed), Again: lookAgain},
			message: "forbidden",
		},
		"Tells": {
			reason: "Firings are told of CrawlJobs that are over, once.",
			o: with(known(), func(o *Observation) {
				o.Jobs = []Job{ago(1), ago(2, succeeded), ago(3, succeeded)}
				o.Told = map[types.UID]bool{o.Jobs[2].UID: true}
			}),
			want: Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: lookAgain,
				Tell: []Told{{ScheduledFor: noon.Add(-2 * time.Hour), Job: ago(2).UID}}},
		},
		"TellsOfTheGone": {
			reason: "And of those that somebody has deleted.",
			o:      with(known(activeBefore), func(o *Observation) { o.Jobs = []Job{ago(1)} }),
			want: Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: lookAgain,
				Tell: []Told{{ScheduledFor: noon.Add(-3 * time.Hour)}}},
		},
		"Prunes": {
			reason: "Of each kind the latest are kept; what runs or goes anyway is not touched.",
			o: with(known(), func(o *Observation) {
				o.Jobs = []Job{ago(1), ago(2, failed), ago(3, succeeded), ago(4, succeeded), ago(5, failed), ago(6, succeeded),
					ago(7, succeeded, func(j *Job) { j.Leaving = true })}
				o.Told = map[types.UID]bool{}
				for _, j := range o.Jobs {
					o.Told[j.UID] = true
				}
			}),
			want: Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: lookAgain, Prune: []Job{ago(6, succeeded), ago(5, failed)}},
		},
		"PrunesAll": {
			reason: "None is kept when none is to be, though Temporal is away.",
			o: Observation{Schedule: schedule(func(s *v1alpha1.CrawlSchedule) { s.Spec.SuccessfulJobsHistoryLimit = new(int32(0)) }), Unreachable: errDown,
				Jobs: []Job{ago(2, succeeded)}},
			want: Decision{Finalize: true, Standing: stood(no, workflows.ReasonTemporalUnreachable), Again: again, Prune: []Job{ago(2, succeeded)}},
		},
		"Backfill": {
			reason: "A request is made.",
			o:      known(backfilling("gap", -time.Hour)),
			want:   Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: soon},
			fills:  "gap",
		},
		"BackfillDone": {
			reason: "Once.",
			o:      known(backfilling("gap", -time.Hour), filled("gap", -time.Hour)),
			want:   Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: lookAgain},
		},
		"BackfillOfTheSameName": {
			reason:  "And it is told when a name is used again.",
			o:       known(backfilling("gap", -time.Hour), filled("gap", -2*time.Hour)),
			want:    Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: lookAgain},
			message: `Backfill "gap" was done for another range`,
		},
		"BackfillSuspended": {
			reason:  "Not in a pause: nothing is crawled then.",
			o:       known(suspended, backfilling("gap", -time.Hour)),
			want:    Decision{Finalize: true, Standing: stood(yes, workflows.ReasonSuspended), Again: lookAgain},
			message: `Backfill "gap" waits until spec.state is Active.`,
		},
		"BackfillAhead": {
			reason:  "Not before its times have passed.",
			o:       known(backfilling("gap", 30*time.Second)),
			want:    Decision{Finalize: true, Standing: stood(yes, ReasonScheduled), Again: 30 * time.Second},
			message: `Backfill "gap" waits until 2026-05-04T12:00:30Z`,
		},
		"BackfillExpired": {
			reason:  "Not without an authorisation.",
			o:       known(expired, backfilling("gap", -time.Hour)),
			want:    Decision{Finalize: true, Standing: stood(no, workflows.ReasonAuthorizationExpired), Again: lookAgain},
			message: `Backfill "gap" waits for a valid authorisation.`,
		},
		"BackfillOfNewTimes": {
			reason: "And not before Temporal has the times that it is about.",
			o:      Observation{Schedule: schedule(backfilling("gap", -time.Hour))},
			want:   Decision{Finalize: true, Put: planned(schedule()), Standing: stood(yes, ReasonScheduled), Again: soon},
		},
		"Deleted": {
			reason: "A schedule that goes is taken out of Temporal, and its firings end.",
			o:      Observation{Schedule: schedule(deletedFor(time.Second)), Jobs: []Job{ago(1)}},
			want:   Decision{Remove: true, Release: true, Tell: []Told{{ScheduledFor: noon.Add(-time.Hour), Job: ago(1).UID}}},
		},
		"DeletedUnreachable": {
			reason: "Which is waited for.",
			o:      Observation{Schedule: schedule(deletedFor(time.Second)), Unreachable: errDown},
			want:   Decision{Standing: stood(no, workflows.ReasonTemporalUnreachable), Again: 5 * time.Second},
		},
		"DeletedLongAgo": {
			reason: "But not for ever.",
			o:      Observation{Schedule: schedule(deletedFor(releaseAfter)), Unreachable: errDown},
			want:   Decision{Release: true, Standing: stood(no, workflows.ReasonTemporalUnreachable)},
		},
		"DeletedByOthers": {
			reason: "A finalizer of somebody else is none of ours.",
			o: Observation{Schedule: schedule(deletedFor(time.Second), func(s *v1alpha1.CrawlSchedule) {
				s.Finalizers = []string{"example.org/mine"}
			})},
			want: Decision{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.o.Now = noon
			got := decide(tc.o)
			if !strings.Contains(got.Standing.Message, tc.message) {
				t.Errorf("%s\nit says %q, want %q in it", tc.reason, got.Standing.Message, tc.message)
			}
			filled := ""
			if got.Backfill != nil {
				filled = got.Backfill.Name
			}
			if filled != tc.fills {
				t.Errorf("%s\nbackfill %q, want %q", tc.reason, filled, tc.fills)
			}
			got.Standing.Message, got.Backfill = "", nil
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
