package crawlfleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"crawlfleet.dev/crawlfleet/controllers/plain"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// callTimeout bounds a question to Temporal.
	callTimeout = 5 * time.Second
	// secondTry is how long after a question that failed it is asked again: one answer that was
	// lost makes no condition move.
	secondTry = time.Second
)

// Problem says why something does not work, and what to do about it.
type Problem struct {
	Reason  workflows.Reason
	Message string
}

// Error makes a Problem an error.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Reason, p.Message) }

// Prober finds out whether Temporal can be used.
type Prober interface {
	// Probe returns nil when it can.
	Probe(ctx context.Context) *Problem
}

// Temporal is a Prober that asks by a client of the operator.
type Temporal struct {
	Client client.Client
	// Address and Namespace are the client's.
	Address, Namespace string
}

var _ Prober = (*Temporal)(nil)

// Probe implements Prober.
func (t *Temporal) Probe(ctx context.Context) *Problem {
	err := t.ask(ctx)
	if err != nil && t.problem(err).Reason == workflows.ReasonTemporalUnreachable {
		select {
		case <-ctx.Done():
		case <-time.After(secondTry):
			err = t.ask(ctx)
		}
	}
	if err == nil {
		return nil
	}
	return t.problem(err)
}

func (t *Temporal) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := t.Client.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return err
	}
	_, err := t.Client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: t.Namespace})
	return err
}

// problem says what an error of Temporal means.
func (t *Temporal) problem(err error) *Problem {
	var missing *serviceerror.NamespaceNotFound
	var none *serviceerror.NotFound
	var denied *serviceerror.PermissionDenied
	switch {
	case errors.As(err, &missing), errors.As(err, &none):
		return &Problem{ReasonNamespaceMissing, fmt.Sprintf(
			"Temporal at %s has no namespace %q. Create it (temporal operator namespace create -n %s), or correct spec.temporal.namespace.", t.Address, t.Namespace, t.Namespace)}
	case errors.As(err, &denied), status.Code(err) == codes.Unauthenticated:
		return &Problem{ReasonTemporalDenied, fmt.Sprintf(
			"Temporal at %s does not let the operator into namespace %q: %v. Check the certificate or key that the operator is given.", t.Address, t.Namespace, plain.Temporal(err))}
	}
	return &Problem{workflows.ReasonTemporalUnreachable, fmt.Sprintf(
		"Temporal at %s does not answer: %v. Check spec.temporal.address, and that the operator may reach it; crawls go on by themselves when it does.", t.Address, plain.Temporal(err))}
}
