package frontier

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// traced begins the span of a page, which end ends with the page's phases below it. Which page it is, the
// bundle knows: neither address nor host is told, nor a hash of them, which who knows addresses can compare.
func (v *hostVisit) traced(ctx context.Context, page frontier.BundlePage, index int, track *browser.Tracker) (below context.Context, end func()) {
	ctx, span := traces.Begin(ctx, "Page",
		traces.KeyRun.String(v.in.Job.Run), traces.KeyBundle.String(v.in.Bundle.ID), traces.KeyPage.Int(index), traces.KeyTries.Int(page.Tries))
	v.span = span
	return ctx, func() {
		for _, s := range track.Steps() {
			traces.Past(ctx, string(s.Phase), s.Began, s.Ended)
		}
		v.span = nil
		span.End()
	}
}

// tellTrace tells the page's span what became of it. One that was not visited has none.
func (v *hostVisit) tellTrace(o frontier.Outcome) {
	if v.span == nil {
		return
	}
	v.span.SetAttributes(traces.KeyOutcome.String(outcomes[o.Status]))
	switch {
	case o.Status == frontier.Failed:
		traces.Fail(v.span, o.Reason)
	case o.Reason != "":
		v.span.SetAttributes(traces.KeyReason.String(o.Reason))
	}
}

// taken is an outcome as the chunk has it, which may have had no room for what the page brought.
func taken(o frontier.Outcome, archived bool) frontier.Outcome {
	if o.Status == frontier.Archived && !archived {
		o.Status, o.Reason = frontier.Failed, string(workflows.ReasonDiskFull)
	}
	return o
}

// ended ends the span of what may have failed.
func ended(span trace.Span, err error) {
	if err != nil {
		reason := "Error"
		if t := troubleOf(err); t != nil {
			reason = string(t.Reason)
		}
		traces.Fail(span, reason)
	}
	span.End()
}
