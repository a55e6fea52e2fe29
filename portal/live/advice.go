package live

import (
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/words"
)

// Problem is something that a person can do something about.
type Problem struct {
	// Reason is the word for it, Text what is wrong and Do what to do, in sentences.
	Reason string `json:"reason"`
	Text   string `json:"text"`
	Do     string `json:"do"`
	// Doc is the place in the documentation, such as docs/reference/crawljob.md#HostBusy.
	Doc string `json:"doc"`
	// Message is what the job itself says, with names and addresses.
	Message string `json:"message,omitempty"`
	// Said is Text with its arguments apart, where it has any.
	Said words.Said `json:"-"`
}

// In is Text in a language.
func (p Problem) In(lang words.Lang) string {
	if p.Said.Text == "" {
		return lang.Text(p.Text)
	}
	return lang.Say(p.Said)
}

// Advice is what people are told for a reason.
type Advice struct {
	// Text is what is wrong, Do what to do.
	Text, Do string
}

const (
	goesOn = " The crawl goes on by itself then."
	starts = " The crawl starts by itself then."
)

// advice has every reason for which a job waits, stalls or fails. The reasons are those of
// docs/reference/crawljob.md, which says more of each.
var advice = map[string]Advice{
	"AuthorizationNotYetValid": {"The authorisation is not valid yet.", "Nothing: the crawl starts by itself when it is."},
	"AuthorizationExpired":     {"The authorisation has ended.", "Order the crawl again with an authorisation that is valid."},
	"FleetMissing":             {"Nobody has said what may be crawled for: there is no CrawlFleet.", "Ask who runs the fleet to create it." + starts},
	"PurposeNotAllowed":        {"The purpose of the order is none that this fleet crawls for.", "Order the crawl again for one of the purposes that the message names."},
	"ApprovalMissing":          {"The order is not approved yet.", "Have somebody who did not order it run `crawlctl approve`." + starts},
	"ApprovalWithdrawn":        {"An approval was withdrawn.", "What was captured is kept. Order the crawl again and have it approved."},
	"StoreUnreachable":         {"The store does not answer.", "Ask who runs the fleet whether the store is up and the workers' --s3-endpoint is right." + goesOn},
	"StoreDenied":              {"The store refuses the workers.", "Ask who runs the fleet to look at the workers' credentials and the bucket's policy." + goesOn},
	"BucketMissing":            {"A bucket is not there.", "Ask who runs the fleet to create the bucket that the message names." + goesOn},
	"StoreFull":                {"The store is full.", "Ask who runs the fleet to make room or raise the quota. Nothing that was stored is lost." + goesOn},
	"StoreUnfit":               {"The store overwrites what must not be overwritten.", "Ask who runs the fleet to use a store that honours conditional writes."},
	"ClocksDiffer":             {"The clocks of a worker and of the store are too far apart.", "Ask who runs the fleet to set both clocks. Times in what was captured meanwhile are the worker's." + goesOn},
	"DiskUnwritable":           {"The disk of a worker cannot be written to.", "Ask who runs the fleet to look at that worker's machine. What was stored is safe." + goesOn},
	"DiskFull":                 {"The disk of a worker is full.", "Ask who runs the fleet to give the workers more scratch space." + goesOn},
	"EgressUnreachable":        {"The proxy by which workers get to sites cannot be reached.", "Ask who runs the fleet to look at the gateway, or the proxy. No page is lost by it." + goesOn},
	"SigningFailed":            {"A worker cannot sign what it captures.", "Ask who runs the fleet to look at the signing key and the time stamp service. Nothing is stored unsigned." + goesOn},
	"CustodyFailed":            {"A worker cannot write the custody log.", "Ask who runs the fleet to run `crawlctl audit verify`. Nothing counts as archived that the log was not told of." + goesOn},
	"TemporalUnreachable":      {"Temporal, which remembers what is to be done, does not answer.", "Ask who runs the fleet whether Temporal is up." + goesOn},
	"PayloadKeysUnreadable":    {"The operator cannot encrypt what it tells the workers.", "Ask who runs the fleet to put the Secret crawlfleet-payload-keys right." + goesOn},
	"WaitingForWorkers":        {"No worker is there.", "Ask who runs the fleet to start workers, or to read their logs." + goesOn},
	"SeedUnreachable":          {"No seed can be reached.", "Open the address in a browser. If it is wrong, cancel the crawl and order it again; if it is right, it is tried again by itself."},
	"HostUnreachable":          {"The hosts of all that is left cannot be reached.", "Open them in a browser. They are tried again by itself, ever later; or cancel the crawl, and what was captured is sealed."},
	"HostBusy":                 {"The hosts of all that is left asked to be left alone.", "Nothing: they are left alone for as long as they ask. A longer politeness.delaySeconds in a new order may help."},
	"HostShared":               {"Another job of the fleet is visiting the hosts of all that is left.", "Nothing: jobs take turns at a host."},
	"ConfigMapMissing":         {"A ConfigMap that the order names is not there.", "Create it." + starts},
	"InvalidSeeds":             {"A seed cannot be visited.", "Correct what the message names; if the crawl is over, order it again."},
	"InvalidScript":            {"A script that the order names cannot be used.", "Correct the ConfigMap that the message names; if the crawl is over, order it again."},
	"EarlierRunNotFound":       {"The earlier crawl to compare with is not there.", "Order the crawl again without it, or with its UID if it was deleted."},
	"EarlierRunNotSealed":      {"The earlier crawl to compare with is not sealed.", "Nothing while that one runs. If it ended unsealed, order the crawl again with another."},
	"ProfileNotFound":          {"The browser profile that the order names is not there.", "Make it with `crawlctl profile create`." + starts},
	"ProfilesDisabled":         {"This fleet takes no browser profiles.", "Ask who runs the fleet to give the operator --profile-recipients." + starts},
	"ProfileSealed":            {"A worker cannot decrypt the browser profile.", "Ask who runs the fleet to give the workers the identity that belongs to the operator's recipients." + goesOn},
	"SecretNotFound":           {"The Secret of the browser profile is not there.", "Make it with `crawlctl profile create`." + starts},
	"SecretForbidden":          {"The operator may not read the Secret of the browser profile.", "Have somebody with the right run the command that the message gives." + starts},
	"StateInvalid":             {"What the browser profile holds is no browser state of its hosts.", "Make it anew with `crawlctl profile create`." + starts},
	"LoginExpired":             {"The log-in of the browser profile has ended.", "Log in again with `crawlctl profile create`." + goesOn},
	"EngineMissing":            {"A worker has not the browser that the order asks for.", "Ask who runs the fleet for an image that has it." + goesOn},
	"WorkerFault":              {"A worker met an error.", "Ask who runs the fleet to read the workers' logs. It is tried again by itself."},
	"BooksUnbalanced":          {"The books do not agree with what is stored.", "This is a fault in crawlfleet: ask who runs the fleet to keep the frontier bucket as it is and to report it."},
	"RunLost":                  {"The crawl was ended from outside, without a verdict.", "What was archived is stored. Order the crawl again for the rest."},
	"NothingArchived":          {"No page could be archived.", "See the reasons of the pages. Order the crawl again with other seeds or another scope."},
	"OrderNotWidened":          {"The order was widened and the crawl does not take it.", "Order a new crawl for the rest."},
	"RetentionDrift":           {"The store does not hold what it should of this crawl.", "Ask who runs the fleet to look at `crawlctl retention list`."},
	"ErasureBlocked":           {"What is due for erasure cannot be erased.", "Ask who runs the fleet to look at the store's locks and the workers' rights."},
	"Suspended":                {"The crawl is paused.", "Set spec.state to Active to go on."},
}

// adviceFor is what people are told for a reason.
func adviceFor(reason string) (Advice, bool) {
	a, ok := advice[reason]
	return a, ok
}

// doc is where a reason is explained.
func doc(reason string) string { return "docs/reference/crawljob.md#" + reason }

// problemsOf are the problems that a job itself tells.
func problemsOf(j Job) []Problem {
	switch j.State {
	case Stalled, Failed, Waiting, Suspended:
	default:
		return nil
	}
	a, known := adviceFor(j.Reason)
	if !known {
		if j.State == Waiting { // it has only just been ordered
			return nil
		}
		a = Advice{"The crawl does not go on.", "See the message, and the documentation of its reason."}
	}
	return []Problem{{Reason: j.Reason, Text: a.Text, Do: a.Do, Doc: doc(j.Reason), Message: j.Message}}
}

// manyFailures is how often in a row a host was not reached before people are told.
const manyFailures = 3

// WithoutHosts is a job that was looked up, without the pages and the hosts that the crawl found: for who may follow crawls
// and is to see nothing of what they find. How many there are, and what they wait for, it tells.
func (j Job) WithoutHosts() Job {
	if j.Detail == nil {
		return j
	}
	d := *j.Detail // a Board keeps it for others
	of := hostProblems(d.Hosts)
	j.Problems = slices.Clone(j.Problems[:max(0, len(j.Problems)-len(of))]) // a Board puts them last
	for _, p := range of {
		p.Said = words.Say("%d pages wait for hosts that cannot be reached.", p.Said.Args[0]) // pages
		p.Text = p.Said.String()
		j.Problems = append(j.Problems, p)
	}
	d.Hosts, d.Recent, d.UnderWay = nil, nil, nil
	d.Waiting = slices.Clone(d.Waiting)
	for i := range d.Waiting {
		d.Waiting[i].Hosts = []string{}
	}
	d.Missing = slices.Clone(d.Missing)
	j.Detail = &d
	return j
}

// hostProblems tells of hosts that hold pages up while the crawl goes on elsewhere.
func hostProblems(hosts []Host) []Problem {
	var names []string
	var pages int64
	for _, h := range hosts {
		if h.Failures >= manyFailures && h.Queued+h.Delayed > 0 && h.Reason == "" {
			names = append(names, h.Host)
			pages += h.Queued + h.Delayed
		}
	}
	if len(names) == 0 {
		return nil
	}
	said := words.Say("%d pages wait for hosts that cannot be reached: %s.", pages, strings.Join(names, ", "))
	if more := len(names) - hostsNamed; more > 0 {
		said = words.Say("%d pages wait for hosts that cannot be reached: %s and %d more.", pages, strings.Join(names[:hostsNamed], ", "), more)
	}
	return []Problem{{
		Reason: "HostUnreachable", Text: said.String(), Said: said, Doc: doc("HostUnreachable"),
		Do: "Open them in a browser. They are tried again by itself, ever later, and given up in the end.",
	}}
}
