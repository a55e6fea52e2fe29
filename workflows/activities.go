package workflows

import (
	"encoding/json"
	"fmt"
	"time"
)

// Job is what every activity of a run is told: whose work it is and what was
// ordered. The seeds are not in it; they lie in the store once Seed has run.
type Job struct {
	Run        string    `json:"run"`
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	Generation int64     `json:"generation"`
	Schedule   string    `json:"schedule,omitempty"`
	Spec       Spec      `json:"spec"`
	StartedAt  time.Time `json:"startedAt"`
	// Profile names the stored state that pages are visited with, nil for none.
	Profile *ProfileRef `json:"profile,omitempty"`
	// Seeding is the number of the list of seeds: 0 is the one that the run began with, a
	// later one, which was added to, has the generation of the order.
	Seeding int64 `json:"seeding,omitempty"`
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
	// Shards is how many shards the run has; 0 is 1. Of several, Each has the books.
	Shards int      `json:"shards,omitempty"`
	Each   []Counts `json:"each,omitempty"`
}

// Exchange names what a shard sent the others at one step.
type Exchange struct {
	From int `json:"from"`
	// Seq counts the exchanges of a shard, from 1 on.
	Seq int64  `json:"seq"`
	Key string `json:"key"`
	// Parts are those of the receivers that there is something for.
	Parts []ExchangePart `json:"parts"`
}

// ExchangePart is where the part of a receiver lies in an exchange, in bytes. In JSON it is
// [to, offset, length]: a run of 64 shards has tens of thousands of them.
type ExchangePart struct {
	To             int
	Offset, Length int64
}

// MarshalJSON implements json.Marshaler.
func (p ExchangePart) MarshalJSON() ([]byte, error) {
	return json.Marshal([3]int64{int64(p.To), p.Offset, p.Length})
}

// UnmarshalJSON implements json.Unmarshaler. It reads the object too that it once was.
func (p *ExchangePart) UnmarshalJSON(data []byte) error {
	var object struct {
		To             int
		Offset, Length int64
	}
	if json.Unmarshal(data, &object) == nil {
		*p = ExchangePart(object)
		return nil
	}
	var list [3]int64
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("a part of an exchange is [to, offset, length]: %w", err)
	}
	*p = ExchangePart{int(list[0]), list[1], list[2]}
	return nil
}

// Delivery tells a shard where the part of an exchange lies that is for it.
type Delivery struct {
	From   int    `json:"from"`
	Seq    int64  `json:"seq"`
	Key    string `json:"key"`
	Offset int64  `json:"offset,omitempty"`
	Length int64  `json:"length"`
}

// PlanInput is one step of the frontier: take in what bundles brought back, hand out
// new ones.
type PlanInput struct {
	Job   Job `json:"job"`
	Shard int `json:"shard"`
	// Shards is how many there are; 0 is 1.
	Shards int `json:"shards,omitempty"`
	// Inbox is what other shards sent since.
	Inbox []Delivery `json:"inbox,omitempty"`
	// Allowance is how many pages this shard may visit, of what the order allows; nil
	// is no bound, or that of the order when there is one shard.
	Allowance *int64 `json:"allowance,omitempty"`
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
	// Rests are hosts that were left alone.
	Rests []HostRest `json:"rests,omitempty"`
}

// HostRest is a host that was left alone although it was its turn.
type HostRest struct {
	// Key is the politeness key of the host, Until when it may be visited.
	Key    string    `json:"key"`
	Until  time.Time `json:"until"`
	Reason Reason    `json:"reason"`
	Detail string    `json:"detail,omitempty"`
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
	// Ready is how many hosts could be visited now and are in no bundle, MaxReady at most.
	Ready int `json:"ready,omitempty"`
	// Exchange is what the step sent to other shards, nil for nothing.
	Exchange *Exchange `json:"exchange,omitempty"`
	// Sent is, by receiver, the last exchange that had a part for it, TakenIn, by
	// sender, the last that was taken in. Both are empty when there is one shard.
	Sent    []int64 `json:"sent,omitempty"`
	TakenIn []int64 `json:"takenIn,omitempty"`
	// Used is how many pages count against Allowance, Hungry is set when there are more
	// to visit than it lets.
	Used   int64 `json:"used,omitempty"`
	Hungry bool  `json:"hungry,omitempty"`
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
	// not read again. Bundle is the key of the bundle's object, which has their addresses.
	Pages  []PageProgress `json:"pages,omitempty"`
	Bundle string         `json:"bundle,omitempty"`
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
	// Stopped is set when they were left because the worker had to end: another one may take
	// them at once.
	Stopped bool `json:"stopped,omitempty"`
	// Trouble is a problem of the store that ended the bundle early.
	Trouble *Waiting `json:"trouble,omitempty"`
	// Rests are hosts that were left alone.
	Rests []HostRest `json:"rests,omitempty"`
}

// SweepInput has what the frontier of a shard does not need any more removed.
type SweepInput struct {
	Job   Job `json:"job"`
	Shard int `json:"shard"`
	// Seq is a manifest of the shard, a late one.
	Seq int64 `json:"seq"`
	// Unread are the keys of its exchanges that some shard has not taken in.
	Unread []string `json:"unread,omitempty"`
}

// SweepOutput says what was removed.
type SweepOutput struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// SealInput closes a run.
type SealInput struct {
	Job     Job     `json:"job"`
	Archive Archive `json:"archive"`
	// Seqs are the last manifests of the shards, in order.
	Seqs    []int64 `json:"seqs"`
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
	// Lost says that a shard was ended from outside: that its books do not balance then does
	// not change the verdict.
	Lost bool `json:"lost,omitempty"`
	// Amendments are the changes of the order while the run lasted.
	Amendments []Amendment `json:"amendments,omitempty"`
}

// SealOutput names the closing statement.
type SealOutput struct {
	Statement string `json:"statement"`
	Counts    Counts `json:"counts"`
	// Balanced tells whether the books hold, recounted from the store; Message says
	// what does not.
	Balanced bool   `json:"balanced"`
	Message  string `json:"message,omitempty"`
	// Owed is how many time stamps and sidecars are still to be had.
	Owed int `json:"owed,omitempty"`
}

// StampInput has the time stamps fetched that a sealed run is owed.
type StampInput struct {
	Archive Archive `json:"archive"`
	// Statement is the key of its closing statement.
	Statement string `json:"statement"`
	// Resume is set by a StampRun that continues as new, nobody else.
	Resume StampResume `json:"resume,omitzero"`
}

// StampResume is what a StampRun that continues as new takes along: since when stamps are owed,
// and the pause that it is in.
type StampResume struct {
	Began time.Time     `json:"began,omitzero"`
	Pause time.Duration `json:"pause,omitempty"`
}

// StampOutput tells how many are still owed.
type StampOutput struct {
	Owed int `json:"owed,omitempty"`
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
	// Shards is how many there are; 0 is 1. The only shard ends when it is idle, one of
	// several when it is told to Close.
	Shards int  `json:"shards,omitempty"`
	Close  bool `json:"close,omitempty"`
	Hold   bool `json:"hold,omitempty"`
	// Allowance is as of PlanInput, Grant the number of the control that set it.
	Allowance *int64 `json:"allowance,omitempty"`
	Grant     int64  `json:"grant,omitempty"`
	// Idle is set when nothing was left to visit, Most is the largest allowance that a
	// plan was given whose answer is not known.
	Idle bool  `json:"idle,omitempty"`
	Most int64 `json:"most,omitempty"`
	// Inbox is what is to be taken in yet, Exchanges what the run was not told of, Used,
	// Hungry, Sent and TakenIn what the last plan said.
	Inbox     []Delivery `json:"inbox,omitempty"`
	Exchanges []Exchange `json:"exchanges,omitempty"`
	Used      int64      `json:"used,omitempty"`
	Hungry    bool       `json:"hungry,omitempty"`
	Sent      []int64    `json:"sent,omitempty"`
	TakenIn   []int64    `json:"takenIn,omitempty"`
	// Planned is the generation of the order that the last plan went by.
	Planned int64 `json:"planned,omitempty"`
	// Reset is as of ShardReport, Reached the manifest that the shard had reached before: up to
	// that it takes its steps again, and Kept are the bundles of these that are not planned in.
	Reset   string      `json:"reset,omitempty"`
	Reached int64       `json:"reached,omitempty"`
	Kept    []BundleRef `json:"kept,omitempty"`
}

// ShardControl is the signal by which a run steers a shard.
type ShardControl struct {
	State    State     `json:"state"`
	Finish   Reason    `json:"finish,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Profile names the state that pages are visited with from now on; nil changes
	// nothing.
	Profile *ProfileRef `json:"profile,omitempty"`
	// Deliveries are parts of exchanges that lie ready.
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Allowance is how many pages the shard may visit, Grant numbers what it is told of
	// that; an older one changes nothing.
	Allowance *int64 `json:"allowance,omitempty"`
	Grant     int64  `json:"grant,omitempty"`
	// Close ends one shard of several, once it is idle. Hold has it hand out nothing for
	// now: the others do not keep up with what it sends.
	Close bool `json:"close,omitempty"`
	Hold  bool `json:"hold,omitempty"`
	// Order is the order as it was widened, nil when it was not.
	Order *ShardOrder `json:"order,omitempty"`
	// Seq is the last manifest of the shard that its run knows of: a shard that is not as far was
	// reset.
	Seq int64 `json:"seq,omitempty"`
}

// ShardReport is the signal by which a shard tells its run how it stands.
type ShardReport struct {
	Shard int `json:"shard"`
	// Number grows with every report; an older one is dropped. Reset names the last reset of the
	// shard, empty for none: it takes the number back.
	Number int64  `json:"number"`
	Reset  string `json:"reset,omitempty"`
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
	// Exchanges are those that the run was not told of. They count whatever the number
	// of the report.
	Exchanges []Exchange `json:"exchanges,omitempty"`
	// Idle is set when there is nothing to do and nothing under way; Sent and TakenIn
	// are as of PlanOutput.
	Idle    bool    `json:"idle,omitempty"`
	Sent    []int64 `json:"sent,omitempty"`
	TakenIn []int64 `json:"takenIn,omitempty"`
	// Allowance is what the shard keeps to, as of the control Grant; Used and Hungry
	// are as of PlanOutput.
	Allowance *int64 `json:"allowance,omitempty"`
	Grant     int64  `json:"grant,omitempty"`
	Used      int64  `json:"used,omitempty"`
	Hungry    bool   `json:"hungry,omitempty"`
	// Generation is that of the order that the last plan went by.
	Generation int64 `json:"generation,omitempty"`
	// Demand is what browsers could do for the shard now; nothing in reports of before that was
	// told.
	Demand Demand `json:"demand,omitzero"`
}
