// Package plain words errors for people who read them again and again, such as in a condition.
package plain

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"crawlfleet.dev/crawlfleet/internal/temporalconn"
)

// Temporal takes what changes from one try to the next, such as a port, out of an error of
// Temporal's. What to do about it stays.
func Temporal(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	code := status.Code(err)
	var failed serviceerror.ServiceError
	if errors.As(err, &failed) {
		code = failed.Status().Code()
	}
	switch code {
	case codes.DeadlineExceeded:
		return errors.New("no answer in time")
	case codes.Unavailable:
		if advice := temporalconn.Advice(err); advice != "" {
			return errors.New(advice)
		}
		return errors.New("connection refused or lost")
	default:
		return err
	}
}
