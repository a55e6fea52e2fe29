package snapshot

import "time"

// Snapshot is a page as it was captured, with all that is known of how. What a file does not say,
// as those of other tools, is left out. Members are added, never renamed.
type Snapshot struct {
	Page
	// PictureDigest is that of the screenshot.
	PictureDigest string `json:"pictureDigest,omitempty"`

	Account
	// Superseded is set for a capture that another one of the same visit counts instead of.
	Superseded bool `json:"superseded,omitempty"`
	// Server is where the document came from.
	Server *Server `json:"server,omitempty"`
	// Why is how the page came to be visited.
	Why     *Why     `json:"why,omitempty"`
	Browser *Browser `json:"browser,omitempty"`
	Provenance
	// Exchanges are the requests of the page and what became of them, in the order in which
	// they were made.
	Exchanges []Exchange `json:"exchanges,omitempty"`
	Links     []Link     `json:"links,omitempty"`

	saved saved
}

// Account is what the page's own record says of the visit.
type Account struct {
	// Outcome is Archived, Failed and so on, Detail says more than Reason.
	Outcome string    `json:"outcome,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Recorder is who took down what the page loaded, Wire or Browser.
	Recorder string `json:"recorder,omitempty"`
	// RetryOf says why the page was captured a second time, Refusal is the same of the first
	// time, Challenge the sign by which an answer is known to be a challenge.
	RetryOf   string     `json:"retryOf,omitempty"`
	Refusal   string     `json:"refusal,omitempty"`
	Challenge string     `json:"challenge,omitempty"`
	Redirects []Redirect `json:"redirects,omitempty"`
	Frames    []Frame    `json:"frames,omitempty"`
	Robots    []Robots   `json:"robots,omitempty"`
	// Compared says how the page is beside the visit of an earlier run.
	Compared *Comparison `json:"compared,omitempty"`
	// Limits are the bounds that were hit: of these things the capture is not complete.
	Limits       []Limit       `json:"limits,omitempty"`
	Completeness *Completeness `json:"completeness,omitempty"`
	// Profile is the stored state with which the page was visited, without a value of it.
	Profile *Profile `json:"profile,omitempty"`
	// Behaviors are those that were switched on, Actions what was done to the page, Scripts
	// those of the order that were run.
	Behaviors []string `json:"behaviors,omitempty"`
	Actions   []Action `json:"actions,omitempty"`
	Scripts   []Script `json:"scripts,omitempty"`
	// TimingsMs are steps of the capture, in milliseconds since it was started.
	TimingsMs map[string]int64 `json:"timingsMs,omitempty"`
}

// Redirect is a step from the requested to the final address.
type Redirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int    `json:"status,omitempty"`
}

// Frame is a frame of the page.
type Frame struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	URL    string `json:"url"`
}

// Robots is a robots.txt by which the page, or what it redirected to, was visited (RFC 9309).
type Robots struct {
	URL     string    `json:"url"`
	Fetched time.Time `json:"fetched"`
	// Address is what it was asked about, Rule the line that decided; empty when none speaks
	// of it.
	Address string `json:"address"`
	Rule    string `json:"rule,omitempty"`
	// Record is the ID of the record with the answer, empty when none came.
	Record string `json:"record,omitempty"`
}

// Comparison compares the page with the visit of an earlier run.
type Comparison struct {
	With struct {
		Run  string `json:"run"`
		Name string `json:"name,omitempty"`
	} `json:"with"`
	// Verdict is Unchanged, Changed, New or NotCompared, By what it rests on.
	Verdict string `json:"verdict"`
	By      string `json:"by,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// Limit is a bound that the page hit.
type Limit struct {
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"`
}

// Completeness compares what the browser says that it asked for with what was recorded.
type Completeness struct {
	Expected     int     `json:"expected"`
	Matched      int     `json:"matched"`
	OnlyRecorder int     `json:"onlyRecorder"`
	Ratio        float64 `json:"ratio"`
}

// Profile is the stored state of a browser.
type Profile struct {
	Name    string `json:"name"`
	UID     string `json:"uid,omitempty"`
	SHA256  string `json:"sha256"`
	Cookies int    `json:"cookies"`
	Origins int    `json:"origins"`
	Refused int    `json:"refused,omitempty"`
	Expired int    `json:"expired,omitempty"`
	// LoginExpired is the sign by which the page shows that the log-in is over.
	LoginExpired string `json:"loginExpired,omitempty"`
}

// Action is something that was done to the page, Count times from At on.
type Action struct {
	At     time.Time `json:"at"`
	Name   string    `json:"name"`
	Detail string    `json:"detail,omitempty"`
	Count  int       `json:"count,omitempty"`
}

// Script is a script of the order that was run in the page.
type Script struct {
	Name    string `json:"name"`
	SHA256  string `json:"sha256"`
	Outcome string `json:"outcome"`
}

// Why is how a page came to be visited.
type Why struct {
	// Seed is the seed that the page is, or that links led from; Depth how many links lie
	// between the two.
	Seed  string `json:"seed,omitempty"`
	Depth int    `json:"depth"`
	// Via is the visit of the page that linked here first, Tries how many visits failed before.
	Via   string `json:"via,omitempty"`
	Tries int    `json:"tries,omitempty"`
}

// Browser is the browser as it was set up for the page.
type Browser struct {
	Product   string   `json:"product,omitempty"`
	Flags     []string `json:"flags,omitempty"`
	UserAgent string   `json:"userAgent,omitempty"`
	Viewport  Viewport `json:"viewport"`
	// Environment is what scripts of pages were told.
	Environment struct {
		UserAgent string   `json:"userAgent,omitempty"`
		Languages []string `json:"languages,omitempty"`
		Locale    string   `json:"locale,omitempty"`
		TimeZone  string   `json:"timeZone,omitempty"`
	} `json:"environment"`
}

// Viewport is in CSS pixels.
type Viewport struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Provenance is what a file says of how it came to be (capture.json).
type Provenance struct {
	// Begun is when its first record was written, Sealed when it was put together.
	Begun         time.Time      `json:"begun,omitzero"`
	Sealed        time.Time      `json:"sealed,omitzero"`
	Software      *Software      `json:"software,omitempty"`
	Machine       *Machine       `json:"machine,omitempty"`
	Order         *Order         `json:"order,omitempty"`
	Authorization *Authorization `json:"authorization,omitempty"`
	Clock         *Clock         `json:"clock,omitempty"`
	Egress        []Egress       `json:"egress,omitempty"`
}

// Software is the program that made the file, Executable the SHA-256 of what ran.
type Software struct {
	Name       string `json:"name"`
	Version    string `json:"version,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Go         string `json:"go,omitempty"`
	Platform   string `json:"platform,omitempty"`
	Executable string `json:"executable,omitempty"`
}

// Machine is where it ran.
type Machine struct {
	Hostname string `json:"hostname,omitempty"`
	Sandbox  string `json:"sandbox,omitempty"`
}

// Order is the crawl that the file belongs to, and the lease under which it was made.
type Order struct {
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	UID         string `json:"uid"`
	Generation  int64  `json:"generation,omitempty"`
	Schedule    string `json:"schedule,omitempty"`
	Workflow    string `json:"workflow,omitempty"`
	WorkflowRun string `json:"workflowRun,omitempty"`
	Bundle      string `json:"bundle,omitempty"`
	Attempt     int    `json:"attempt,omitempty"`
}

// Authorization is what the capture was made under.
type Authorization struct {
	Reference   string     `json:"reference"`
	Purpose     string     `json:"purpose"`
	Basis       string     `json:"basis"`
	NotBefore   *time.Time `json:"notBefore,omitempty"`
	NotAfter    *time.Time `json:"notAfter,omitempty"`
	RequestedBy string     `json:"requestedBy"`
	Approvals   []Approval `json:"approvals,omitempty"`
}

// Approval is another person's approval of the order, whom the API server vouched for.
type Approval struct {
	UID      string    `json:"uid"`
	Approver string    `json:"approver"`
	At       time.Time `json:"at"`
	Digest   string    `json:"digest,omitempty"`
}

// Clock says how many milliseconds the machine's clock was ahead of another one.
type Clock struct {
	With    string    `json:"with"`
	At      time.Time `json:"at,omitzero"`
	AheadMs int64     `json:"aheadMs"`
}

// Egress is from where sites were asked.
type Egress struct {
	Local       string `json:"local,omitempty"`
	Proxy       string `json:"proxy,omitempty"`
	Connections int    `json:"connections"`
}
