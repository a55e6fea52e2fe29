package workflows

import "time"

// FormatVersion is the version of the payloads. They are additive: a reader takes
// a payload of its own version or an older one. (Parts of exchanges changed their form before
// the first release: of runs of several shards, workers of before and after do not read each
// other's.)
const FormatVersion = 1

// Phase says where a run is.
type Phase string

// The phases of a run, in their order.
const (
	PhaseSeeding   Phase = "Seeding"
	PhaseCrawling  Phase = "Crawling"
	PhaseSuspended Phase = "Suspended"
	PhaseSealing   Phase = "Sealing"
	PhaseFinished  Phase = "Finished"
)

// State is what a person wants of a run.
type State string

// The states that can be asked for. Cancelled is final.
const (
	StateActive    State = "Active"
	StateSuspended State = "Suspended"
	StateCancelled State = "Cancelled"
)

// Verdict is how a run ended.
type Verdict string

// The verdicts.
const (
	VerdictSucceeded Verdict = "Succeeded"
	VerdictFailed    Verdict = "Failed"
	VerdictCancelled Verdict = "Cancelled"
)

// RunInput starts a CrawlRun.
type RunInput struct {
	FormatVersion int `json:"formatVersion"`
	// Run is the UID of the CrawlJob, Namespace and Name are its own,
	// Generation is that of the spec that was accepted.
	Run        string `json:"run"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Generation int64  `json:"generation"`
	// Schedule is the CrawlSchedule that made the CrawlJob, empty for none.
	Schedule string `json:"schedule,omitempty"`
	Spec     Spec   `json:"spec"`
	// SeedList are seeds that came from ConfigMaps: one address a line, packed
	// with gzip, at most 1 MiB packed.
	SeedList []byte `json:"seedList,omitempty"`
	// Scripts are the sources of Spec.Capture.Behaviors.Scripts, in their order: a list
	// of strings in JSON, packed with gzip, at most 256 KiB packed.
	Scripts []byte `json:"scripts,omitempty"`
	// Profile is the browser state that the order names, nil for none.
	Profile *SealedProfile `json:"profile,omitempty"`
	State   State          `json:"state"`
	// Restored is set when the run began in another cluster, from which it was restored.
	Restored bool `json:"restored,omitempty"`
	// Resume is set by a run that continues as new, nobody else.
	Resume *RunResume `json:"resume,omitempty"`
}

// Spec is the order in the words of the CrawlJob, with every default filled in.
type Spec struct {
	Seeds         Seeds         `json:"seeds"`
	Scope         Scope         `json:"scope"`
	Limits        Limits        `json:"limits"`
	Politeness    Politeness    `json:"politeness"`
	Browser       Browser       `json:"browser"`
	Capture       Capture       `json:"capture"`
	Storage       Storage       `json:"storage"`
	Authorization Authorization `json:"authorization"`
	// Shards is how many shards the frontier has; 0 lets the seeds and limits decide.
	Shards int `json:"shards,omitempty"`
	// Priority is 1 (first) to 5 (last), Temporal's own scale.
	Priority int `json:"priority"`
	// CompareWith is the earlier run that pages are compared with, nil for none.
	CompareWith *EarlierRun `json:"compareWith,omitempty"`
	Retention   Retention   `json:"retention,omitzero"`
}

// Seeds are where a crawl begins.
type Seeds struct {
	URLs     []string `json:"urls,omitempty"`
	Sitemaps []string `json:"sitemaps,omitempty"`
	// RobotsSitemaps takes the pages in scope of the sitemaps that robots.txt names, too.
	RobotsSitemaps bool `json:"robotsSitemaps,omitempty"`
}

// Scope says which linked pages are crawled.
type Scope struct {
	// Type is Page, PageLinks, Prefix, Host, Domain or Custom.
	Type string `json:"type"`
	// Depth is the largest number of links from a seed; nil is no bound.
	Depth     *int     `json:"depth,omitempty"`
	ExtraHops int      `json:"extraHops,omitempty"`
	Include   []string `json:"include,omitempty"`
	Exclude   []string `json:"exclude,omitempty"`
}

// Limits bound a run; 0 is no bound.
type Limits struct {
	Pages        int64         `json:"pages,omitempty"`
	Bytes        int64         `json:"bytes,omitempty"`
	Duration     time.Duration `json:"duration,omitempty"`
	PagesPerHost int64         `json:"pagesPerHost,omitempty"`
	// PagesPerPattern bounds the pages of a host whose addresses differ in little.
	PagesPerPattern int64 `json:"pagesPerPattern,omitempty"`
}

// Politeness is how a host is treated.
type Politeness struct {
	// Delay is the pause from the end of one page load to the start of the next.
	Delay time.Duration `json:"delay"`
	// Scope is Fleet, which is also what empty means, or Job.
	Scope string `json:"scope,omitempty"`
}

// PolitenessJob keeps to the pause between two page loads of a host within a job alone.
const PolitenessJob = "Job"

// Browser is how pages are shown.
type Browser struct {
	Width       int           `json:"width"`
	Height      int           `json:"height"`
	PageTimeout time.Duration `json:"pageTimeout"`
	// Engine is HeadlessShell or Chromium; empty means the workers' own.
	Engine string `json:"engine,omitempty"`
	// Isolation is Host, which is also what empty means, or Page.
	Isolation string `json:"isolation,omitempty"`
}

// Capture is what is kept beside the recorded traffic.
type Capture struct {
	// Screenshot is None, Viewport or FullPage.
	Screenshot string `json:"screenshot"`
	Text       bool   `json:"text"`
	// Behaviors is what is done to a page; nil, in orders from before there was a
	// choice, is the scroll alone.
	Behaviors *Behaviors `json:"behaviors,omitempty"`
	// BodyBytes and PageBytes bound what is kept of one body and of all bodies of a
	// page; 0 is no bound.
	BodyBytes int64 `json:"bodyBytes,omitempty"`
	PageBytes int64 `json:"pageBytes,omitempty"`
	// BadCertificates is Refuse, which is also what an empty one means, or Record.
	BadCertificates string `json:"badCertificates,omitempty"`
	// Recorder is Wire, which is also what empty means, or Browser.
	Recorder string `json:"recorder,omitempty"`
	// Images is Keep, which is also what empty means, or Off.
	Images string `json:"images,omitempty"`
	// ScriptPosts is Any, which is also what empty means, SameSite or None.
	ScriptPosts string `json:"scriptPosts,omitempty"`
}

// Behaviors is what is done to a page once it has loaded.
type Behaviors struct {
	Scroll  bool     `json:"scroll"`
	Media   bool     `json:"media"`
	Expand  bool     `json:"expand"`
	Consent bool     `json:"consent"`
	Scripts []Script `json:"scripts,omitempty"`
}

// Script names a script for certain sites. Its source lies in the store, where Seed
// puts it: it is too large to be told with every activity.
type Script struct {
	// Name is that of the ConfigMap, a slash and the key in it.
	Name string `json:"name"`
	// Hosts are names of hosts, or "*." and a name for that and all below it.
	Hosts []string `json:"hosts"`
	// SHA256 is the digest of the source in hexadecimal.
	SHA256 string `json:"sha256"`
}

// IsolationPage shows every page as to a visitor who was never there.
const IsolationPage = "Page"

// ImagesOff leaves pictures out.
const ImagesOff = "Off"

// BadCertificatesRecord takes what comes from a server whose certificate does not verify.
const BadCertificatesRecord = "Record"

// Storage is where snapshots go; an empty Bucket is the workers' own.
type Storage struct {
	Bucket string `json:"bucket,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

// Authorization is the order's legal ground. It is written into every capture.
type Authorization struct {
	Reference   string    `json:"reference"`
	Purpose     string    `json:"purpose"`
	Basis       string    `json:"basis"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	RequestedBy string    `json:"requestedBy"`
	// Approvals are those that the crawl began with.
	Approvals []Approval `json:"approvals,omitempty"`
}

// Approval is another person's approval of an order.
type Approval struct {
	// UID is that of the CrawlApproval, Approver who gave it, At when, by the clock of the
	// API server.
	UID      string    `json:"uid"`
	Approver string    `json:"approver"`
	At       time.Time `json:"at"`
	// Digest is of what was approved; empty in orders that began before approvals had one.
	Digest string `json:"digest,omitempty"`
}

// SetState is the argument of the update of that name.
type SetState struct {
	State State `json:"state"`
	// Reason says why a crawl is Cancelled, empty for a person's wish.
	Reason Reason `json:"reason,omitempty"`
}

// Archive is where a run's snapshots lie.
type Archive struct {
	Bucket string `json:"bucket"`
	// Prefix ends with a slash; chunks/ and run.json lie below it.
	Prefix string `json:"prefix"`
}

// Counts are the books of a run: Discovered = Queued + Delayed + Leased +
// Archived + the sums of Failed and Skipped.
type Counts struct {
	Discovered int64 `json:"discovered"`
	Queued     int64 `json:"queued"`
	Delayed    int64 `json:"delayed"`
	Leased     int64 `json:"leased"`
	Archived   int64 `json:"archived"`
	// Incomplete counts those of Archived of which something is missing that should
	// be there.
	Incomplete int64 `json:"incomplete,omitempty"`
	// Compared divides those of Archived that are compared with an earlier run.
	Compared Compared         `json:"compared,omitzero"`
	Failed   map[Reason]int64 `json:"failed,omitempty"`
	Skipped  map[Reason]int64 `json:"skipped,omitempty"`
	// Bytes are stored bytes, Chunks stored WACZ files.
	Bytes  int64 `json:"bytes"`
	Chunks int64 `json:"chunks"`
}

// Report is what a run tells the operator.
type Report struct {
	Run       string `json:"run"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Seq grows with every report of a run; an older one is dropped.
	Seq   int64 `json:"seq"`
	Phase Phase `json:"phase"`
	State State `json:"state"`
	// Reason says why the run is where it is, Message what happened in a
	// sentence, NextStep what a person can do, empty when there is nothing to do.
	Reason   Reason `json:"reason"`
	Message  string `json:"message"`
	NextStep string `json:"nextStep,omitempty"`
	// Stalled is set while the run cannot go on without help from outside.
	Stalled        bool      `json:"stalled,omitempty"`
	Counts         Counts    `json:"counts"`
	PagesPerSecond float64   `json:"pagesPerSecond"`
	Archive        Archive   `json:"archive"`
	StartedAt      time.Time `json:"startedAt"`
	At             time.Time `json:"at"`
	// EndsBy is when the order's time is over at the latest; zero when that cannot be told.
	EndsBy time.Time `json:"endsBy,omitzero"`
	// Profile says with which stored state pages are visited, nil for none.
	Profile *ProfileRef `json:"profile,omitempty"`
	// Approvals are those that the run began with.
	Approvals []Approval `json:"approvals,omitempty"`
	// Generation is that of the order that the run goes by; 0 in reports of before it could
	// change.
	Generation int64 `json:"generation,omitempty"`
	// Retention is how long what the run captures is kept: its Screening is 0 of orders of
	// before there was a period. nil in reports of before that was told.
	Retention *Retention `json:"retention,omitempty"`
	// InvalidSeeds says which seeds of a widened order cannot be visited, empty for none.
	InvalidSeeds string `json:"invalidSeeds,omitempty"`
	// Demand is what browsers could do for the run now; nothing in reports of before that was
	// told.
	Demand Demand `json:"demand,omitzero"`
	// Result is how the run ended; nil while it runs.
	Result *RunResult `json:"result,omitempty"`
}

// RunResult is how a CrawlRun ended.
type RunResult struct {
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
	Message string  `json:"message"`
	Counts  Counts  `json:"counts"`
	Archive Archive `json:"archive"`
	// Statement is the key of the run's manifest and closing statement in the
	// archive bucket.
	Statement  string    `json:"statement,omitempty"`
	FinishedAt time.Time `json:"finishedAt"`
}
