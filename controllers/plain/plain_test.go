package plain

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestTemporal: what is said of an error does not change with each try.
func TestTemporal(t *testing.T) {
	t.Parallel()
	refused, err := status.New(codes.Unavailable, "127.0.0.1:41234: renew it (at 12:00:01)").WithDetails(&errdetails.Help{Links: []*errdetails.Help_Link{{Description: "renew it"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{context.DeadlineExceeded, "no answer in time"},
		{fmt.Errorf("call: %w", serviceerror.NewDeadlineExceeded("x")), "no answer in time"},
		{status.Error(codes.Unavailable, "dial tcp 127.0.0.1:41234->127.0.0.1:7233"), "connection refused or lost"},
		{serviceerror.NewUnavailable("dial tcp 127.0.0.1:41234->127.0.0.1:7233"), "connection refused or lost"},
		{fmt.Errorf("call: %w", serviceerror.FromStatus(refused)), "renew it"},
		{errors.New("something else"), "something else"},
	} {
		if got := Temporal(tc.err); got.Error() != tc.want {
			t.Errorf("%v: %v, want %s", tc.err, got, tc.want)
		}
	}
}
