package workflows

import "time"

// Job is what every activity of a run is told: whose work it is and what was
// ordered. The seeds are not in it; they lie in the store once Seed has run.
type Job struct {
	Run        string    `json:"run"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	Generation int64     `json:"generation"`
	Spec       Spec      `json:"spec"`
	StartedAt  time.Time `json:"startedAt"`
	// Profile names the stored state that pages are visited with, nil for none.
	Profile *ProfileRef `json:"profile,omitempty"`
}

// PreflightInput asks whether the store can take a run's archive and frontier.
type PreflightInput struct {
	Job Job `json:"job"`
}

// PreflightOutput says where the archive goes.
type PreflightOutput struct {
	Archive Archive `json:"archive"`
}

// SeedInput brings the seeds into the frontier.
type SeedInput struct {
	Job      Job    `json:"job"`
	Seeds    Seeds  `json:"seeds"`
	SeedList []byte `json:"seedList,omitempty"`
	// Scripts are as in RunInput. They are stored beside the seeds.
	Scripts []byte `json:"scripts,omitempty"`
}

// SeedOutput says what came of the seeds.
type SeedOutput struct {
	// Seq is the number of the manifest that holds them.
	Seq    int64  `json:"seq"`
	Counts Counts `json:"counts"`
}

// PlanInput is one step of the frontier: take in what bundles brought back, hand out
// new ones.
type PlanInput struct {
	Job   Job `json:"job"`
	Shard int `json:"shard"`
	// Seq is the manifest that the step continues from. Two attempts, and two
	// workers, that take the same step get the same result.
	Seq int64 `json:"seq"`
	// Done are the bundles that ended since.
	Done []BundleDone `json:"done,omitempty"`
	// Slots is how many new bundles may be handed out.
	Slots int `json:"slots"`
	// Finish, when it is set, drops all that was not visited, for that reason.
	Finish Reason `json:"finish,omitempty"`
	// Probe is set after trouble with the archive: nothing is handed out before it
	// takes objects again.
	Probe bool `json:"probe,omitempty"`
}

// BundleDone tells Plan where a bundle's results are.
type BundleDone struct {
	ID string `json:"id"`
	// Results are keys of chunk results, in order.
	Results []string `json:"results,omitempty"`
	// Lost is set when it is not known what was committed: the bundle was
	// cancelled between two attempts. Plan then looks it up in the store.
	Lost bool `json:"lost,omitempty"`
}

// PlanOutput is what the frontier decided.
type PlanOutput struct {
	Seq     int64       `json:"seq"`
	Bundles []BundleRef `json:"bundles,omitempty"`
	// Applied are the bundles that were taken in. They may be fewer than were asked
	// for: a step that was done by an attempt whose answer was lost had its own list.
	Applied []string `json:"applied,omitempty"`
	Counts  Counts   `json:"counts"`
	// Idle is set when nothing is queued, delayed or leased: the shard is done.
	Idle bool `json:"idle,omitempty"`
	// DueIn is after how long the next page may be visited, zero when none waits for
	// the clock. It is a length, not a time, because clocks differ.
	DueIn time.Duration `json:"dueIn,omitempty"`
	// Limit names the limit that ended the crawl, once one did.
	Limit Reason `json:"limit,omitempty"`
	// Waiting says what the shard waits for when all that is left are pages that
	// failed and are to be tried again.
	Waiting *Waiting `json:"waiting,omitempty"`
}

// Waiting says why nothing can be done now.
type Waiting struct {
	Reason   Reason `json:"reason"`
	Message  string `json:"message"`
	NextStep string `json:"nextStep,omitempty"`
}

// BundleRef names a bundle that Plan wrote to the store.
type BundleRef struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	Pages int    `json:"pages"`
	Hosts int    `json:"hosts"`
}

// BundleInput leases a bundle to a worker.
type BundleInput struct {
	Job     Job       `json:"job"`
	Shard   int       `json:"shard"`
	Bundle  BundleRef `json:"bundle"`
	Archive Archive   `json:"archive"`
	// Deadline is when page loads must stop, for the limit on duration.
	Deadline time.Time `json:"deadline,omitzero"`
}

// BundleProgress is the detail of a bundle's heartbeats. Only what an accepted
// heartbeat names is committed.
type BundleProgress struct {
	// Results are keys of the results of committed chunks, in order.
	Results []string `json:"results,omitempty"`
	// InProgress are the indexes of the pages that are being loaded.
	InProgress []int `json:"inProgress,omitempty"`
	// Deaths counts, by index, how many attempts ended while a page was loading.
	Deaths map[int]int `json:"deaths,omitempty"`
	// Pages say where the pages are that the worker is busy with, for people. They are
	// not read again.
	Pages []PageProgress `json:"pages,omitempty"`
	// Storing is the number of pages that are being committed, since StoringSince.
	Storing      int       `json:"storing,omitempty"`
	StoringSince time.Time `json:"storingSince,omitzero"`
}

// PageProgress says where a page is.
type PageProgress struct {
	// Index of the page in its bundle.
	Index int `json:"index"`
	// Phase of its capture: Queued, Navigating, Loading, Settling, Behaving, Outputs,
	// Leaving, Storing.
	Phase string `json:"phase"`
	// Since is when the phase began, Active when the page last showed a sign of life.
	Since  time.Time `json:"since"`
	Active time.Time `json:"active"`
}

// BundleOutput is what a worker brings back.
type BundleOutput struct {
	Results []string `json:"results,omitempty"`
	// Yielded says why pages were left unvisited, empty when none were.
	Yielded string `json:"yielded,omitempty"`
	// Trouble is a problem of the store that ended the bundle early.
	Trouble *Waiting `json:"trouble,omitempty"`
}

// SealInput closes a run.
type SealInput struct {
	Job     Job     `json:"job"`
	Archive Archive `json:"archive"`
	// Seqs are the last manifests of the shards, in order.
	Seqs    []int64 `json:"seqs"`
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
}

// SealOutput names the closing statement.
type SealOutput struct {
	Statement string `json:"statement"`
	Counts    Counts `json:"counts"`
	// Balanced tells whether the books hold, recounted from the store; Message says
	// what does not.
	Balanced bool   `json:"balanced"`
	Message  string `json:"message,omitempty"`
}

// ShardInput starts a FrontierShard.
type ShardInput struct {
	Job     Job     `json:"job"`
	Archive Archive `json:"archive"`
	Shard   int     `json:"shard"`
	// Seq is the manifest to continue from.
	Seq      int64     `json:"seq"`
	State    State     `json:"state"`
	Finish   Reason    `json:"finish,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Done are bundles that ended but are not planned in yet, Counts and Limit what
	// the last plan said: a shard that continues as new takes them along.
	Done   []BundleDone `json:"done,omitempty"`
	Counts Counts       `json:"counts"`
	Limit  Reason       `json:"limit,omitempty"`
	// Reports is how many reports were sent.
	Reports int64 `json:"reports"`
	// Expired is set while the log-in of the job's profile is over.
	Expired *Waiting `json:"expired,omitempty"`
}

// ShardControl is the signal by which a run steers a shard.
type ShardControl struct {
	State    State     `json:"state"`
	Finish   Reason    `json:"finish,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Profile names the state that pages are visited with from now on; nil changes
	// nothing.
	Profile *ProfileRef `json:"profile,omitempty"`
}

// ShardReport is the signal by which a shard tells its run how it stands.
type ShardReport struct {
	Shard  int    `json:"shard"`
	Number int64  `json:"number"`
	Seq    int64  `json:"seq"`
	Counts Counts `json:"counts"`
	// Trouble says why the shard cannot go on; nil when it can.
	Trouble *Waiting `json:"trouble,omitempty"`
	// Stalled is set when the trouble will not pass without help from outside.
	Stalled bool `json:"stalled,omitempty"`
	// Suspended is set when no page is being loaded any more.
	Suspended bool `json:"suspended,omitempty"`
	// Done is set in the last report.
	Done  bool   `json:"done,omitempty"`
	Limit Reason `json:"limit,omitempty"`
	// Profile names the state that the shard has pages visited with, nil for none.
	Profile *ProfileRef `json:"profile,omitempty"`
}
