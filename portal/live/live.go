// Package live tells how crawls are doing that are under way: how far they are, what they
// wait for, how their hosts stand, and what a person can do about it.
//
// It knows neither Kubernetes nor Temporal. Where jobs and their details come from is said by
// [Jobs], [Details] and [Captures]; a [Board] keeps what they said for a few seconds, so that many
// people who look cost as much as one.
package live

import (
	"context"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// State is where a job is, in a word.
type State string

// The states.
const (
	Waiting   State = "Waiting" // for what was ordered to be allowed, or for its time
	Running   State = "Running"
	Suspended State = "Suspended"
	Stalled   State = "Stalled"
	Ending    State = "Ending"
	Succeeded State = "Succeeded"
	Failed    State = "Failed"
	Cancelled State = "Cancelled"
)

// Over tells whether nothing more will happen.
func (s State) Over() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Job is a crawl as its resource tells.
type Job struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	State     State  `json:"state"`
	// Reason is a word of docs/reference/crawljob.md, Message a sentence on it.
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`

	Counters Counters `json:"counters"`
	// FailedByReason and SkippedByReason divide the counters, the most frequent first.
	FailedByReason  []Count `json:"failedByReason,omitempty"`
	SkippedByReason []Count `json:"skippedByReason,omitempty"`
	// PagesPerMinute is the present speed, absent while it is not known.
	PagesPerMinute *float64 `json:"pagesPerMinute,omitempty"`
	// SecondsLeft is how long what is known will take at that speed.
	SecondsLeft *int64 `json:"secondsLeft,omitempty"`

	Created  time.Time `json:"created"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// Seeds are the first of the addresses to start from, up to MaxSeeds; SeedCount is how
	// many the order names.
	Seeds     []string  `json:"seeds,omitempty"`
	SeedCount int       `json:"seedCount"`
	Problems  []Problem `json:"problems,omitempty"`
	// Detail is there when one job is asked for.
	*Detail `json:",omitempty"`
}

// MaxSeeds bounds Job.Seeds.
const MaxSeeds = 20

// Counters count pages: Discovered = Queued + InProgress + Archived + Failed + Skipped.
type Counters struct {
	Discovered int64 `json:"discovered"`
	Queued     int64 `json:"queued"`
	InProgress int64 `json:"inProgress"`
	Archived   int64 `json:"archived"`
	Failed     int64 `json:"failed"`
	Skipped    int64 `json:"skipped"`
	// Bytes are stored bytes.
	Bytes int64 `json:"bytes"`
}

// Count is how many pages have a reason.
type Count struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Detail is what is looked up for one job that somebody looks at.
type Detail struct {
	// Hosts are those with the most left to do, up to MaxHosts; HostCount is how many there
	// are.
	Hosts     []Host `json:"hosts,omitempty"`
	HostCount int    `json:"hostCount"`
	// Waiting says what the pages wait for that are not being visited.
	Waiting []Wait `json:"waiting,omitempty"`
	// UnderWay are the pages that workers are busy with.
	UnderWay []Page `json:"underWay,omitempty"`
	// Recent are the last captures, as far as the catalogue has them.
	Recent []catalog.Capture `json:"recent,omitempty"`
	// Missing says what could not be told just now, in sentences.
	Missing []string `json:"missing,omitempty"`
}

// MaxHosts bounds Detail.Hosts, MaxRecent Detail.Recent.
const (
	MaxHosts  = 200
	MaxRecent = 20
)

// Host is how a host stands in a job. Its name is that of its site: hosts of one registered
// domain are visited one after another.
type Host struct {
	Host   string `json:"host"`
	Queued int64  `json:"queued"`
	// Delayed counts pages that wait for another try, InFlight those that a worker has,
	// Visited those with a final outcome of a visit.
	Delayed  int64 `json:"delayed"`
	InFlight int64 `json:"inFlight"`
	Visited  int64 `json:"visited"`
	// NextDue is when its next page may be visited, zero for at once.
	NextDue time.Time `json:"nextDue,omitzero"`
	// DelaySeconds is the pause that the host itself asks for.
	DelaySeconds float64 `json:"delaySeconds,omitempty"`
	// Failures counts visits in a row that did not reach it, LastError is what went wrong
	// the last time. Reason says why it rests: HostBusy, HostShared, HostUnreachable.
	Failures  int    `json:"failures,omitempty"`
	LastError string `json:"lastError,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// Wait is a reason for which pages wait.
type Wait struct {
	// Reason is HostBusy, HostShared, HostUnreachable, or Politeness for the pause between
	// two pages of a host.
	Reason string `json:"reason"`
	// Hosts are up to ten of those that it is about, HostCount is how many there are, Pages
	// how many pages wait for them.
	Hosts     []string `json:"hosts"`
	HostCount int      `json:"hostCount"`
	Pages     int64    `json:"pages"`
	// Until is when the first of them is due.
	Until time.Time `json:"until"`
}

// Page is a page that a worker is busy with.
type Page struct {
	URL string `json:"url"`
	// Phase is Queued, Navigating, Loading, Settling, Behaving, Outputs, Leaving or Storing.
	Phase string `json:"phase"`
	// Since is when the phase began.
	Since time.Time `json:"since,omitzero"`
	// Attempt is how often the worker's errand was begun, 1 for the first time.
	Attempt int `json:"attempt"`
}

// Jobs tells which jobs there are.
type Jobs interface {
	// Jobs lists the jobs of all namespaces, without their details.
	Jobs(ctx context.Context) ([]Job, error)
}

// Details looks a job up.
type Details interface {
	// Detail tells what it can; what it cannot is in Missing. It changes nothing and asks no
	// worker.
	Detail(ctx context.Context, job Job) Detail
}

// Captures tells of what was captured.
type Captures interface {
	// Recent are the last captures of a run, the newest first.
	Recent(ctx context.Context, run catalog.Run, limit int) ([]catalog.Capture, error)
}
