package temporal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// Readiness is polled quickly, since tests wait for it.
const (
	readyPoll    = 50 * time.Millisecond
	readyTimeout = stack.ReadyTimeout
	probeTimeout = 5 * time.Second
)

// Probe asks the frontend at address whether it serves.
func Probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: quiet()})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

// waitReady returns when the frontend is healthy, serves the namespace and has the
// search attributes.
func waitReady(ctx context.Context, address string, opts Options) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := check(ctx, address, opts)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer was: %w", context.Cause(ctx), err)
		case <-time.After(readyPoll):
		}
	}
}

func check(ctx context.Context, address string, opts Options) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Namespace: opts.Namespace, Logger: quiet()})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return err
	}
	if _, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: opts.Namespace}); err != nil {
		return err
	}
	return addSearchAttributes(ctx, c, opts)
}

// addSearchAttributes adds those that a database from an earlier start lacks.
func addSearchAttributes(ctx context.Context, c client.Client, opts Options) error {
	if len(opts.SearchAttributes) == 0 {
		return nil
	}
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: opts.Namespace})
	if err != nil {
		return err
	}
	missing := make(map[string]enumspb.IndexedValueType)
	for name, kind := range opts.SearchAttributes {
		got, ok := have.GetCustomAttributes()[name]
		switch {
		case !ok:
			missing[name] = kind
		case got != kind:
			return fmt.Errorf("search attribute %q is of type %s in this folder, not %s; start in a new --dir", name, got, kind)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: opts.Namespace, SearchAttributes: missing,
	})
	return err
}

// ParseSearchAttribute reads "Name=Type", Type as Temporal's own tools spell it:
// Bool, Datetime, Double, Int, Keyword, KeywordList or Text.
func ParseSearchAttribute(s string) (string, enumspb.IndexedValueType, error) {
	name, kind, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return "", 0, fmt.Errorf("search attribute %q is not of the form Name=Type", s)
	}
	t, err := enumspb.IndexedValueTypeFromString(kind)
	if err != nil || t == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
		return "", 0, errors.Join(fmt.Errorf("search attribute %q has an unknown type; use Bool, Datetime, Double, Int, Keyword, KeywordList or Text", s), err)
	}
	return name, t, nil
}

// quiet drops the client's own remarks: failures come back as errors.
func quiet() sdklog.Logger {
	return sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
}
