package crawlschedule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxSummary is the length in bytes of status.schedule.
const maxSummary = 256

// Plan is what the Schedule in Temporal should be.
type Plan struct {
	// UID, Namespace and Name are those of the CrawlSchedule.
	UID       types.UID
	Namespace string
	Name      string
	// Cron are expressions of five fields, read in TimeZone.
	Cron      []string
	Intervals []Interval
	TimeZone  string
	// StartAt and EndAt bound the times; zero is no bound.
	StartAt time.Time
	EndAt   time.Time
	Jitter  time.Duration
	Overlap v1alpha1.OverlapPolicy
	CatchUp time.Duration
	Paused  bool
	// Format is the version of what a firing is told.
	Format int
}

// Interval is Every, counted from the beginning of 1970 and put off by Offset.
type Interval struct {
	Every  time.Duration
	Offset time.Duration
}

// plan says what a CrawlSchedule asks of Temporal. Times at which the authorisation of the
// order does not hold are no times of the schedule.
func plan(s *v1alpha1.CrawlSchedule) Plan {
	p := Plan{
		UID: s.UID, Namespace: s.Namespace, Name: s.Name,
		TimeZone: s.Spec.TimeZone,
		Jitter:   time.Duration(s.Spec.JitterSeconds) * time.Second,
		Overlap:  s.Spec.OverlapPolicy,
		CatchUp:  time.Duration(s.Spec.CatchUpWindowSeconds) * time.Second,
		Paused:   s.Spec.State == v1alpha1.ScheduleSuspended,
		Format:   workflows.FormatVersion,
	}
	for _, c := range s.Spec.Schedule.Cron {
		p.Cron = append(p.Cron, string(c))
	}
	for _, i := range s.Spec.Schedule.Intervals {
		p.Intervals = append(p.Intervals, Interval{Every: time.Duration(i.EverySeconds) * time.Second, Offset: time.Duration(i.OffsetSeconds) * time.Second})
	}
	authorization := s.Spec.JobTemplate.Spec.Authorization
	p.EndAt = authorization.NotAfter.UTC().Add(-time.Second) // Temporal's bound belongs to the range
	if end := s.Spec.EndingAt; end != nil && end.Time.Before(p.EndAt) {
		p.EndAt = end.UTC()
	}
	if start := s.Spec.StartingAt; start != nil {
		p.StartAt = start.UTC()
	}
	if start := authorization.NotBefore; start != nil && start.After(p.StartAt) {
		p.StartAt = start.UTC()
	}
	if p.StartAt.After(p.EndAt) {
		p.StartAt = p.EndAt // no time is left
	}
	return p
}

// note is written on the Schedule. By it one sees whether that is as planned: Temporal keeps
// what it is given in other forms.
func (p Plan) note() string {
	raw, err := json.Marshal(p)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("CrawlSchedule %s/%s, as of %s. Change it in Kubernetes: what is changed here is put back.", p.Namespace, p.Name, hex.EncodeToString(sum[:8]))
}

// summary says when crawls begin, for people.
func summary(s *v1alpha1.CrawlSchedule) string {
	var parts []string
	for _, c := range s.Spec.Schedule.Cron {
		parts = append(parts, string(c))
	}
	for _, i := range s.Spec.Schedule.Intervals {
		text := "every " + span(i.EverySeconds)
		if i.OffsetSeconds > 0 {
			text += " + " + span(i.OffsetSeconds)
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, "; ")
	if len(s.Spec.Schedule.Cron) > 0 && s.Spec.TimeZone != "UTC" {
		text += " " + s.Spec.TimeZone
	}
	if len(text) > maxSummary {
		text = text[:maxSummary-3] + "..."
	}
	return text
}

// span writes seconds as 1d, 6h, 90s.
func span(seconds int32) string {
	for _, unit := range []struct {
		length int32
		name   string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if seconds%unit.length == 0 {
			return fmt.Sprintf("%d%s", seconds/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%ds", seconds)
}

// jobName is the name of the CrawlJob for a time: at most 63 characters, and the same
// whenever it is asked for.
func jobName(schedule string, at time.Time) string {
	return schedule + "-" + at.UTC().Format("20060102-150405")
}
