package crawlschedule

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	got := plan(schedule(early, func(s *v1alpha1.CrawlSchedule) {
		s.Spec.Schedule.Intervals = []v1alpha1.Interval{{EverySeconds: 3600, OffsetSeconds: 60}}
		s.Spec.JitterSeconds = 90
		s.Spec.OverlapPolicy = v1alpha1.OverlapCancelOther
	}))
	same(t, "plan", Plan{
		UID: uid, Namespace: "research", Name: "nightly", Cron: []string{"30 3 * * *"},
		Intervals: []Interval{{Every: time.Hour, Offset: time.Minute}}, TimeZone: "Europe/Vienna",
		StartAt: noon.Add(time.Minute), EndAt: noon.Add(240*time.Hour - time.Second),
		Jitter: 90 * time.Second, Overlap: v1alpha1.OverlapCancelOther, CatchUp: time.Hour, Format: 1,
	}, got)
}

// TestPlanKeepsToTheAuthorization asserts that times outside of it are no times.
func TestPlanKeepsToTheAuthorization(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		notBefore, notAfter, starting, ending time.Duration // since noon, 0 for none
		start, end                            time.Duration
	}{
		"Alone":        {notAfter: 10 * day, end: 10*day - time.Second},
		"Narrower":     {notBefore: day, notAfter: 10 * day, starting: 2 * day, ending: 3 * day, start: 2 * day, end: 3 * day},
		"Wider":        {notBefore: 2 * day, notAfter: 3 * day, starting: day, ending: 10 * day, start: 2 * day, end: 3*day - time.Second},
		"NothingLeft":  {notAfter: day, starting: 2 * day, start: day - time.Second, end: day - time.Second},
		"EndsWithinIt": {notAfter: 2 * day, ending: day, end: day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(schedule(func(s *v1alpha1.CrawlSchedule) {
				a := &s.Spec.JobTemplate.Spec.Authorization
				a.NotAfter = after(tc.notAfter)
				if tc.notBefore > 0 {
					at := after(tc.notBefore)
					a.NotBefore = &at
				}
				if tc.starting > 0 {
					at := after(tc.starting)
					s.Spec.StartingAt = &at
				}
				if tc.ending > 0 {
					at := after(tc.ending)
					s.Spec.EndingAt = &at
				}
			}))
			start := noon.Add(tc.start)
			if tc.start == 0 {
				start = time.Time{}
			}
			if !p.StartAt.Equal(start) || !p.EndAt.Equal(noon.Add(tc.end)) {
				t.Errorf("from %v to %v, want %v to %v", p.StartAt, p.EndAt, start, noon.Add(tc.end))
			}
		})
	}
}

// TestNote asserts that each part of a plan is seen to have changed.
func TestNote(t *testing.T) {
	t.Parallel()
	notes := map[string]string{plan(schedule()).note(): "nothing"}
	for name, change := range map[string]func(*v1alpha1.CrawlSchedule){
		"cron":      func(s *v1alpha1.CrawlSchedule) { s.Spec.Schedule.Cron[0] = "31 3 * * *" },
		"intervals": func(s *v1alpha1.CrawlSchedule) { s.Spec.Schedule.Intervals = []v1alpha1.Interval{{EverySeconds: 5}} },
		"timeZone":  func(s *v1alpha1.CrawlSchedule) { s.Spec.TimeZone = "UTC" },
		"jitter":    func(s *v1alpha1.CrawlSchedule) { s.Spec.JitterSeconds = 1 },
		"starting":  func(s *v1alpha1.CrawlSchedule) { at := after(time.Hour); s.Spec.StartingAt = &at },
		"ending":    func(s *v1alpha1.CrawlSchedule) { at := after(2 * time.Hour); s.Spec.EndingAt = &at },
		"overlap":   func(s *v1alpha1.CrawlSchedule) { s.Spec.OverlapPolicy = v1alpha1.OverlapAllowAll },
		"catchUp":   func(s *v1alpha1.CrawlSchedule) { s.Spec.CatchUpWindowSeconds = 10 },
		"state":     suspended,
		"expiry":    expired,
		"early":     early,
	} {
		note := plan(schedule(change)).note()
		if other, ok := notes[note]; ok {
			t.Errorf("a change of %s looks like %s", name, other)
		}
		notes[note] = name
		if len(note) > 1000 {
			t.Errorf("%d bytes, Temporal takes 1000", len(note))
		}
	}
	if one, two := plan(schedule()).note(), plan(schedule()).note(); one != two {
		t.Error("the same plan has two notes")
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*v1alpha1.CrawlSchedule){
		"30 3 * * * Europe/Vienna": func(*v1alpha1.CrawlSchedule) {},
		"30 3 * * *":               func(s *v1alpha1.CrawlSchedule) { s.Spec.TimeZone = "UTC" },
		"every 6h; every 1d + 90s; every 45m": func(s *v1alpha1.CrawlSchedule) {
			s.Spec.Schedule = v1alpha1.CrawlTimes{Intervals: []v1alpha1.Interval{{EverySeconds: 21600}, {EverySeconds: 86400, OffsetSeconds: 90}, {EverySeconds: 2700}}}
		},
	} {
		if got := summary(schedule(change)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	long := summary(schedule(func(s *v1alpha1.CrawlSchedule) {
		for range 32 {
			s.Spec.Schedule.Cron = append(s.Spec.Schedule.Cron, v1alpha1.CronExpression(strings.Repeat("1,", 20)+"1 * * * *"))
		}
	}))
	if len(long) > maxSummary || !strings.HasSuffix(long, "...") {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}

func TestJobName(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 5, 30, 0, 7, time.FixedZone("", 7200))
	if got := jobName("nightly", at); got != "nightly-20260504-033000" {
		t.Error(got)
	}
	long := jobName(strings.Repeat("n", 47), at)
	if errs := validation.IsDNS1123Label(long); len(errs) > 0 {
		t.Errorf("%s: %v", long, errs)
	}
}
