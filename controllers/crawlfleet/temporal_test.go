package crawlfleet

import (
	"context"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"crawlfleet.dev/crawlfleet/workflows"
)

// asked is a Temporal of which a test says what it answers, one answer after the other.
type asked struct {
	client.Client
	health, namespace []error
	namespaces        []string
}

// take is the next of some answers; the last one holds.
func take(answers *[]error) error {
	if len(*answers) == 0 {
		return nil
	}
	err := (*answers)[0]
	if len(*answers) > 1 {
		*answers = (*answers)[1:]
	}
	return err
}

func (a *asked) CheckHealth(context.Context, *client.CheckHealthRequest) (*client.CheckHealthResponse, error) {
	return nil, take(&a.health)
}

func (a *asked) WorkflowService() workflowservice.WorkflowServiceClient { return service{asked: a} }

type service struct {
	workflowservice.WorkflowServiceClient
	asked *asked
}

func (s service) DescribeNamespace(_ context.Context, in *workflowservice.DescribeNamespaceRequest, _ ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error) {
	s.asked.namespaces = append(s.asked.namespaces, in.GetNamespace())
	return nil, take(&s.asked.namespace)
}

// TestTemporal: what Temporal answers is told with what to do, and one answer that was lost is none.
func TestTemporal(t *testing.T) {
	t.Parallel()
	lost := serviceerror.NewUnavailable("gone")
	for name, tc := range map[string]struct {
		reason string
		asked  asked
		want   workflows.Reason
		words  string
	}{
		"Answers":   {reason: "It is there, and so is the namespace."},
		"LostOnce":  {reason: "The next one is taken.", asked: asked{health: []error{lost, nil}}},
		"Down":      {"Nobody answers.", asked{health: []error{lost}}, workflows.ReasonTemporalUnreachable, "spec.temporal.address"},
		"Namespace": {"It is another's, or not made yet.", asked{namespace: []error{serviceerror.NewNamespaceNotFound("agency")}}, ReasonNamespaceMissing, "temporal operator namespace create -n agency"},
		"NotFound":  {"Some say it like this.", asked{namespace: []error{serviceerror.NewNotFound("no")}}, ReasonNamespaceMissing, "spec.temporal.namespace"},
		"Unknown":   {"A key that was revoked.", asked{health: []error{status.Error(codes.Unauthenticated, "Request unauthorized.")}}, ReasonTemporalDenied, "certificate or key"},
		"Denied":    {"A key without the right.", asked{namespace: []error{serviceerror.NewPermissionDenied("no", "")}}, ReasonTemporalDenied, "certificate or key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := (&Temporal{Client: &tc.asked, Address: "temporal.example:7233", Namespace: "agency"}).Probe(t.Context())
			switch {
			case tc.want == "" && p != nil:
				t.Errorf("%s: %v", tc.reason, p)
			case tc.want != "" && (p == nil || p.Reason != tc.want || !strings.Contains(p.Message, tc.words)):
				t.Errorf("%s: %v, want %s that tells of %q", tc.reason, p, tc.want, tc.words)
			}
			for _, n := range tc.asked.namespaces {
				if n != "agency" {
					t.Errorf("asked about namespace %q", n)
				}
			}
		})
	}
}
