package crawljob

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Done is what came of a decision.
type Done struct {
	// Started names the crawl that was started, or found started.
	Started *RunReference
	// Steered is the answer of a crawl that was asked for a state.
	Steered *workflows.Report
	// Refusal says why Temporal will not take the order as it is.
	Refusal *Refusal
	// NotWidened says why the crawl does not take the order as it is now, and never will.
	NotWidened *Refusal
	// Unreachable is why Temporal could not be told.
	Unreachable error
	// Care is how the captures of a crawl that was lost are looked after from now on, nil when
	// that is as it was.
	Care *Care
	// Unattended is why nobody looks after the captures of a crawl that was lost. Nothing
	// else was done then.
	Unattended error
}

// do carries a decision out: the finalizer first, so that no crawl runs that a
// deletion would not find. Its error is the API server's.
func (r *Reconciler) do(ctx context.Context, o Observation, d Decision) (Done, error) {
	var care *Care
	if lost(o, d) {
		var err error
		if care, err = r.lookAfter(ctx, o); err != nil {
			return Done{Unattended: err}, nil // it is not over before that, nor let go
		}
	}
	if d.Release {
		return Done{}, r.release(ctx, o, d, care)
	}
	if d.Finalize {
		if err := kube.ChangeFinalizer(ctx, r.Client, o.Job, v1alpha1.Finalizer, controllerutil.AddFinalizer); err != nil {
			return Done{}, err
		}
	}
	done := r.act(ctx, o, d)
	done.Care = care
	return done, nil
}

// act does what there is to do in Temporal.
func (r *Reconciler) act(ctx context.Context, o Observation, d Decision) Done {
	switch {
	case d.Start:
		return r.start(ctx, o)
	case d.End != "":
		answer, err := r.Runs.End(ctx, o.Job.RunUID(), d.End)
		if errors.Is(err, ErrNoAnswer) {
			return Done{} // it is asked again, and the silence is looked into
		}
		return Done{Steered: answer, Unreachable: err}
	case d.Steer != "":
		answer, err := r.Runs.SetState(ctx, o.Job.RunUID(), d.Steer)
		if errors.Is(err, ErrNoAnswer) {
			return Done{} // it is asked again, and the silence is looked into
		}
		return Done{Steered: answer, Unreachable: err}
	case d.Amend:
		answer, err := r.Runs.Amend(ctx, o.Job.RunUID(), amendment(o.Job))
		var refusal *Refusal
		switch {
		case errors.Is(err, ErrNoAnswer):
			return Done{} // as above
		case errors.As(err, &refusal), errors.Is(err, ErrNotYet):
			d.Amend = false // what else there is to do is done all the same
			done := r.act(ctx, o, d)
			done.NotWidened = refusal
			return done
		}
		return Done{Steered: answer, Unreachable: err}
	case d.Renew:
		answer, err := r.Runs.SetProfile(ctx, o.Job.RunUID(), *o.Profile)
		if errors.Is(err, ErrNoAnswer) {
			return Done{} // as above
		}
		return Done{Steered: answer, Unreachable: err}
	default:
		return Done{}
	}
}

func (r *Reconciler) start(ctx context.Context, o Observation) Done {
	in := runInput(o.Job, o.Seeds, o.Scripts, o.Profile)
	in.Spec.CompareWith, in.Spec.Authorization.Approvals = o.Earlier, o.Approvals
	ctx, span := r.traced(ctx, o.Job)
	defer span.End()
	started, err := r.Runs.Start(ctx, in)
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		traces.Fail(span, string(refusal.Reason))
		return Done{Refusal: refusal}
	case err != nil:
		traces.Fail(span, string(unreachable(err).Reason))
		return Done{Unreachable: err}
	default:
		return Done{Started: &started}
	}
}

// traced begins the trace of a crawl: all that is done for it hangs on this. The span names the CrawlJob by its
// UID, because people name jobs after what they crawl.
func (r *Reconciler) traced(ctx context.Context, job *v1alpha1.CrawlJob) (context.Context, trace.Span) {
	if r.Tracer == nil {
		return ctx, trace.SpanFromContext(ctx)
	}
	ctx, span := r.Tracer.Start(ctx, "StartCrawl", trace.WithAttributes(traces.KeyNamespace.String(job.Namespace), traces.KeyRun.String(string(job.RunUID()))))
	if at := span.SpanContext(); at.IsSampled() {
		log.FromContext(ctx).Info("the crawl is started in a trace", "uid", job.RunUID(), "traceID", at.TraceID().String())
	}
	return ctx, span
}

// release lets a CrawlJob go, and says so when that was before its crawl was
// sealed, or when nobody looks after what it captured.
func (r *Reconciler) release(ctx context.Context, o Observation, d Decision, care *Care) error {
	if err := kube.ChangeFinalizer(ctx, r.Client, o.Job, v1alpha1.Finalizer, controllerutil.RemoveFinalizer); err != nil {
		return err
	}
	if care != nil && care.Reason == workflows.ReasonRunLost && unheard(o.Job) {
		r.Events.Eventf(o.Job, nil, corev1.EventTypeWarning, string(care.Reason), "Retain", "%s", care.Message)
	}
	if d.Standing.Mood == Stalls {
		r.Events.Eventf(o.Job, nil, corev1.EventTypeWarning, string(d.Standing.Reason), "Delete", "%s", d.Standing.Message)
		return nil // keep what is known of the crawl: when it reports again it is cancelled
	}
	r.Reports.Forget(o.Job.RunUID())
	return nil
}

// requeue says when to look again after a decision was carried out.
func requeue(d Decision, done Done) time.Duration {
	if done.Unreachable != nil || done.Unattended != nil || done.Refusal != nil {
		return again
	}
	return d.Again
}
