package crawlschedule

import "crawlfleet.dev/crawlfleet/workflows"

// The reasons of a schedule, beside those that it shares with CrawlJobs.
// docs/reference/crawlschedule.md explains each.
const (
	// ReasonScheduled is that of a schedule that fires.
	ReasonScheduled workflows.Reason = "Scheduled"
	// ReasonNoFurtherTime is that of one that never fires again.
	ReasonNoFurtherTime workflows.Reason = "NoFurtherTime"
	// ReasonInvalidTimeZone is that of one whose time zone nobody knows.
	ReasonInvalidTimeZone workflows.Reason = "InvalidTimeZone"
	// ReasonInvalidSchedule is that of one whose times Temporal does not take.
	ReasonInvalidSchedule workflows.Reason = "InvalidSchedule"
	// ReasonFiringFailed is that of one whose CrawlJob cannot be created.
	ReasonFiringFailed workflows.Reason = "FiringFailed"
	// ReasonNameTaken is that of a time whose CrawlJob has the name of another one.
	ReasonNameTaken workflows.Reason = "NameTaken"
	// ReasonFired is that of an event: a CrawlJob was created.
	ReasonFired workflows.Reason = "Fired"
	// ReasonBackfilled is that of an event: a backfill was handed to Temporal.
	ReasonBackfilled workflows.Reason = "Backfilled"
	// ReasonScheduleDeleted is that of a firing whose schedule is gone.
	ReasonScheduleDeleted workflows.Reason = "ScheduleDeleted"
	// ReasonJobDeleted is that of a firing whose CrawlJob is gone.
	ReasonJobDeleted workflows.Reason = "JobDeleted"
)
