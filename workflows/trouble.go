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
	ReasonBucketMissing:     "Create the bucket, or correct spec.storage.bucket or the workers' --archive-bucket and --frontier-bucket; the crawl goes on by itself then.",
	ReasonStoreFull:         "Make room in the store or raise its quota; the crawl goes on by itself then.",
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
		return &Waiting{Reason: Reason(app.Type()), Message: app.Message(), NextStep: "See the workers' logs."}
	case errors.As(err, &timeout):
		return &Waiting{Reason: ReasonWaitingForWorkers, Message: "a step was not finished in time", NextStep: nextSteps[ReasonWaitingForWorkers]}
	}
	return &Waiting{Reason: ReasonStoreUnreachable, Message: err.Error(), NextStep: "See the workers' logs."}
}

// troubles counts what happens again and again, and says when to try next.
type troubles struct {
	tries int
	last  *Waiting
}

func (t *troubles) clear() { t.tries, t.last = 0, nil }

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
