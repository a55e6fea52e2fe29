package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
)

// The next steps of a person, by the reason of the trouble.
var nextSteps = map[Reason]string{
	ReasonStoreUnreachable:  "Check that the store runs and that the workers' --s3-endpoint is right; the crawl goes on by itself then.",
	ReasonStoreDenied:       "Check the workers' store credentials and what they are allowed to do; the crawl goes on by itself then.",
	ReasonClocksDiffer:      "Set the clocks of the workers' machines and of the store, with NTP for instance: a store refuses a request that was signed more than 15 minutes before or after its own time. The crawl goes on by itself then.",
	ReasonBucketMissing:     "Create the bucket, or correct spec.storage.bucket or the workers' --archive-bucket and --frontier-bucket; the crawl goes on by itself then.",
	ReasonStoreFull:         "Make room in the store or raise its quota; the crawl goes on by itself then.",
	ReasonStoreUnfit:        "Use a store that honours If-None-Match on PUT, as Amazon S3, MinIO, Ceph, Garage and Versity do: without it two writers could overwrite each other.",
	ReasonDiskFull:          "Give the workers more scratch space (--dir), or remove what fills it; the crawl goes on by itself then.",
	ReasonDiskUnwritable:    "Look at the file system of the workers' scratch space (--dir): it is read-only, or its device fails. The crawl goes on by itself when it can be written to.",
	ReasonEgressUnreachable: "See that the gateway's pods run (kubectl get pods -l app.kubernetes.io/component=gateway), or the proxy of the CrawlFleet's spec.egress or of the workers' --proxy, and that the network lets workers reach it; the crawl goes on by itself then.",
	ReasonSigningFailed:     "Look at the workers' --sign-key and --sign-cert (the Secret crawlfleet-signing), and, for a domain, whether the first --timestamp-url answers; nothing is stored unsigned. The crawl goes on by itself then.",
	ReasonCustodyFailed:     "Run crawlctl audit verify and look at the workers' --custody-key and --custody-verifiers; nothing counts as archived that the log was not told of. The crawl goes on by itself when it can be written.",
	ReasonBooksUnbalanced:   "Keep the frontier bucket as it is and report it with the workers' logs.",
	ReasonSeedUnreachable:   "Check the address and that the workers can resolve and reach its host; the crawl goes on by itself then.",
	ReasonLoginExpired:      "Log in again with crawlctl profile create and the profile's name, or put new state into its Secret; the crawl goes on by itself then. To try again with the same state, set spec.state to Suspended and back to Active.",
	ReasonProfileSealed:     "Give the workers the --profile-identity-file that belongs to the operator's --profile-recipients; the crawl goes on by itself then.",
	ReasonEngineMissing:     "Give the workers an image that has it (Debian's package chromium for Chromium, chromium-headless-shell for HeadlessShell); the crawl goes on by itself then. To crawl with the workers' own browser, create a new CrawlJob without spec.browser.engine.",
	ReasonWorkerFault:       "See the workers' logs; it is tried again.",
	ReasonWaitingForWorkers: "Start workers that reach the same Temporal namespace; the crawl goes on by itself then.",
}

// NewTrouble makes the error by which an activity tells a problem that needs help
// from outside. Its type is the reason.
func NewTrouble(reason Reason, message string, cause error) error {
	return temporal.NewApplicationErrorWithCause(message, string(reason), cause)
}

// troubleOf reads what an activity's error says.
func troubleOf(err error) *Waiting {
	var timeout *temporal.TimeoutError
	var app *temporal.ApplicationError
	switch {
	case errors.As(err, &app) && nextSteps[Reason(app.Type())] != "":
		reason := Reason(app.Type())
		return &Waiting{Reason: reason, Message: app.Message(), NextStep: nextSteps[reason]}
	case errors.As(err, &app):
		return TroubleWith(ReasonWorkerFault, app.Message())
	case errors.As(err, &timeout):
		return TroubleWith(ReasonWaitingForWorkers, "a step was not finished in time")
	}
	return TroubleWith(ReasonWorkerFault, err.Error())
}

// troubles counts what happens again and again, and says when to try next.
type troubles struct {
	tries int
	last  *Waiting
	// visiting is set when bundles had the trouble: a plan that succeeds does not
	// end it, a bundle that brings something back does.
	visiting bool
}

func (t *troubles) clear() { *t = troubles{} }

// met notes a trouble and returns the pause before the next try.
func (t *troubles) met(w *Waiting) time.Duration {
	t.tries++
	t.last = w
	return pause(t.tries)
}

// TroubleWith tells a problem together with what a person can do about it.
func TroubleWith(reason Reason, message string) *Waiting {
	return &Waiting{Reason: reason, Message: message, NextStep: nextSteps[reason]}
}
