package crawlschedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
)

// Done is what came of a decision.
type Done struct {
	// Put is set when Temporal has taken the Schedule.
	Put bool
	// Refused is why it has not.
	Refused *Refused
	// Backfilled is the backfill that it has taken, TooLong why it was not given one.
	Backfilled *v1alpha1.Backfill
	TooLong    *Refused
	// Unreachable is why Temporal could not be told.
	Unreachable error
}

// do carries a decision out: the finalizer first, so that there is no Schedule that a deletion
// would not find. Its error is the API server's.
func (r *Reconciler) do(ctx context.Context, o Observation, d Decision) (Done, error) {
	if d.Finalize {
		if err := kube.ChangeFinalizer(ctx, r.Client, o.Schedule, v1alpha1.ScheduleFinalizer, controllerutil.AddFinalizer); err != nil {
			return Done{}, err
		}
	}
	done := r.tellTemporal(ctx, o, d)
	if d.Release && done.Unreachable == nil {
		return done, r.release(ctx, o, d)
	}
	return done, r.prune(ctx, o, d.Prune)
}

// tellTemporal does what is to be done in Temporal, as far as that answers.
func (r *Reconciler) tellTemporal(ctx context.Context, o Observation, d Decision) (done Done) {
	uid := o.Schedule.UID
	if d.Remove {
		if done.Unreachable = r.Schedules.Remove(ctx, uid); done.Unreachable != nil {
			return done
		}
	}
	if d.Put != nil {
		err := r.Schedules.Put(ctx, *d.Put)
		if err != nil && !errors.As(err, &done.Refused) {
			done.Unreachable = err
			return done
		}
		done.Put = err == nil
	}
	if d.Backfill != nil {
		err := r.Schedules.Backfill(ctx, uid, *d.Backfill)
		switch {
		case err == nil:
			done.Backfilled = d.Backfill
		case !errors.As(err, &done.TooLong):
			done.Unreachable = err
			return done
		}
	}
	for _, t := range d.Tell {
		if done.Unreachable = r.Schedules.Tell(ctx, uid, t.ScheduledFor); done.Unreachable != nil {
			return done
		}
		r.remember(t.Job)
	}
	return done
}

// remember notes that a firing was told of a CrawlJob.
func (r *Reconciler) remember(job types.UID) {
	if job == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told == nil {
		r.told = map[types.UID]bool{}
	}
	r.told[job] = true
}

func (r *Reconciler) forget(jobs []Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range jobs {
		delete(r.told, j.UID)
	}
}

// prune deletes CrawlJobs. They are over, so nothing is cancelled, and what they archived
// stays in the store.
func (r *Reconciler) prune(ctx context.Context, o Observation, jobs []Job) error {
	for _, j := range jobs {
		job := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: o.Schedule.Namespace, Name: j.Name}}
		err := r.Client.Delete(ctx, job, client.Preconditions{UID: &j.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete CrawlJob %q: %w", j.Name, err)
		}
		r.forget([]Job{j})
	}
	return nil
}

// release lets a CrawlSchedule go, and says so when Temporal has not.
func (r *Reconciler) release(ctx context.Context, o Observation, d Decision) error {
	if err := kube.ChangeFinalizer(ctx, r.Client, o.Schedule, v1alpha1.ScheduleFinalizer, controllerutil.RemoveFinalizer); err != nil {
		return err
	}
	if !d.Remove {
		r.Events.Eventf(o.Schedule, nil, corev1.EventTypeWarning, string(d.Standing.Reason), "Delete",
			"Let go %s after the deletion although Temporal does not answer. The schedule is removed there when it fires the next time; it creates no CrawlJob any more.", releaseAfter)
	}
	r.Firings.Forget(o.Schedule.UID)
	r.forget(o.Jobs)
	return nil
}

// requeue says when to look again after a decision was carried out.
func requeue(d Decision, done Done) time.Duration {
	if done.Unreachable != nil || done.Refused != nil || done.TooLong != nil {
		return again
	}
	return d.Again
}
