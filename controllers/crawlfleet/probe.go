package crawlfleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// probeEvery is how often a store is tried that could be used, and probeAgain one that could not.
	probeEvery = time.Hour
	probeAgain = 5 * time.Minute
)

// Probe is how the trial of the store stands.
type Probe struct {
	// Settings is a hash of what the store is tried with now.
	Settings string
	// Job is the one that tries it with them, nil when there is none. Others are those of settings
	// before.
	Job    *batchv1.Job
	Others []client.Object
	// Ended is set when the Job is over, and Verdicts are what it found out.
	Ended    bool
	Verdicts []workflows.StoreVerdict
	// Waits is why its pod does not run, empty when it does or nobody knows.
	Waits string
}

// probe reads how the trial of the store stands: past the cache, so that a Job that was just read is
// not read again.
func (r *Reconciler) probe(ctx context.Context, o *Observation) (Probe, error) {
	var p Probe
	if render.Runs(&o.Fleet.Spec) {
		p.Settings = render.ProbeSettings(o.input(r.Versioned))
	}
	labels := render.Owned(o.Fleet.Namespace)
	labels[render.LabelComponent] = render.Probe
	var jobs batchv1.JobList
	if err := r.Reader.List(ctx, &jobs, client.InNamespace(o.Fleet.Namespace), client.MatchingLabels(labels)); err != nil {
		return p, fmt.Errorf("list Jobs: %w", err)
	}
	for i := range jobs.Items {
		job := &jobs.Items[i]
		switch {
		case !metav1.IsControlledBy(job, o.Fleet) || !job.DeletionTimestamp.IsZero():
		case job.Name == render.ProbeName(p.Settings):
			p.Job = job
		default:
			p.Others = append(p.Others, job)
		}
	}
	if p.Job == nil {
		return p, nil
	}
	var pods corev1.PodList
	if err := r.Reader.List(ctx, &pods, client.InNamespace(o.Fleet.Namespace), client.MatchingLabels{batchv1.JobNameLabel: p.Job.Name}); err != nil {
		return p, fmt.Errorf("list the pods of Job %q: %w", p.Job.Name, err)
	}
	p.read(pods.Items)
	return p, nil
}

// read finds the verdicts of a Job's pods.
func (p *Probe) read(pods []corev1.Pod) {
	running := 0
	for i := range pods {
		if p.Waits == "" {
			p.Waits = podWaits(&pods[i])
		}
		for _, c := range pods[i].Status.ContainerStatuses {
			if c.State.Terminated == nil {
				running++
				continue
			}
			v, err := workflows.ParseStoreVerdict(c.State.Terminated.Message)
			if err != nil {
				v = workflows.StoreVerdict{As: c.Name, Reason: ReasonProbeFailed, Message: fmt.Sprintf("its container ended with %d (%s) and without a verdict", c.State.Terminated.ExitCode, c.State.Terminated.Reason)}
			}
			p.Verdicts = append(p.Verdicts, v)
		}
	}
	p.Ended = len(p.Verdicts) > 0 && running == 0
	for _, c := range p.Job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			p.Ended = true
		}
	}
}

// trial is what is to be done about the store, and what is known of it.
type trial struct {
	// start has it tried.
	start bool
	// remove are Jobs that are over, or of settings before.
	remove []client.Object
	// status, reason and message are of the condition; kept says that it stays as it was.
	kept    bool
	status  metav1.ConditionStatus
	reason  workflows.Reason
	message string
	// probe is what the status remembers.
	probe v1alpha1.StoreProbe
	// again is when to look again.
	again time.Duration
}

// try decides about the trial of the store. It is pure.
func try(o *Observation) trial {
	p := o.Probe
	t := trial{remove: p.Others, probe: o.Fleet.Status.StoreProbe, again: probeAgain}
	known := t.probe.Settings == p.Settings
	if p.Job != nil && p.Ended {
		t.remove = append(t.remove, p.Job)
		t.probe = v1alpha1.StoreProbe{FinishedAt: new(metav1.NewTime(o.Now.Truncate(time.Second))), Settings: p.Settings}
		t.judge(o)
		if t.status == metav1.ConditionTrue {
			t.again = probeEvery
		}
		return t
	}
	t.kept = known
	t.status, t.reason, t.message = metav1.ConditionUnknown, ReasonProbing, "A pod tries the store with the workers' credentials."
	if missing := o.missing(); len(missing) > 0 {
		t.kept, t.reason, t.message = false, workflows.ReasonSecretNotFound, "The store is tried once the pods' Secrets are there."
		return t
	}
	if p.Job != nil {
		if p.Waits != "" {
			t.message += " It waits: " + p.Waits + "."
		}
		return t
	}
	pause := probeAgain
	if standing(o.Fleet, v1alpha1.ConditionStoreReachable) == metav1.ConditionTrue {
		pause = probeEvery
	}
	if known && t.probe.FinishedAt != nil {
		if left := t.probe.FinishedAt.Add(pause).Sub(o.Now); left > 0 {
			t.again = left
			return t
		}
	}
	t.start = true
	return t
}

// judge says what the verdicts mean.
func (t *trial) judge(o *Observation) {
	s := o.Fleet.Spec.Store
	if len(o.Probe.Verdicts) == 0 {
		t.status, t.reason = metav1.ConditionUnknown, ReasonProbeFailed
		t.message = "The pod that was to try the store did not end in time. Check that pods of the worker's image can start: kubectl describe crawlfleet tells why others do not."
		return
	}
	var as []string
	for _, v := range o.Probe.Verdicts {
		as = append(as, v.As)
		if v.Reason == "" {
			continue
		}
		t.status, t.reason = metav1.ConditionFalse, v.Reason
		if v.Reason == ReasonProbeFailed {
			t.status = metav1.ConditionUnknown
		}
		t.message = fmt.Sprintf("Tried as %s: %s.", v.As, strings.TrimSuffix(v.Message, "."))
		if v.Bucket != "" {
			t.message = fmt.Sprintf("Tried as %s, bucket %q, step %s: %s.", v.As, v.Bucket, v.Step, strings.TrimSuffix(v.Message, "."))
		}
		t.message += " " + next(v, &s)
		return
	}
	t.status, t.reason = metav1.ConditionTrue, ReasonUsable
	t.message = fmt.Sprintf("Buckets %s and %s at %s can be used, tried as %s.", s.ArchiveBucket, s.FrontierBucket, s.Endpoint, strings.Join(as, " and as "))
}

// next is what to do about a verdict.
func next(v workflows.StoreVerdict, s *v1alpha1.FleetStore) string {
	secret := s.CredentialsSecret
	if v.As == render.Browser && s.BrowserCredentialsSecret != "" {
		secret = s.BrowserCredentialsSecret
	}
	switch v.Reason {
	case workflows.ReasonStoreUnreachable:
		return "Check spec.store.endpoint. NetworkPolicies let pods reach nothing but its host at its port: when pods behind a Service listen on another port, or its name leads to private addresses, say so in spec.store.network."
	case workflows.ReasonStoreDenied:
		return fmt.Sprintf("Give the key in Secret %q the right to it, or put the right key there.", secret)
	case workflows.ReasonBucketMissing:
		return "Create it, or correct spec.store."
	case workflows.ReasonStoreFull:
		return "Make room: crawls wait, and go on by themselves then."
	case workflows.ReasonClocksDiffer:
		return "Set the clocks of the nodes and of the store by the same time servers."
	case ReasonProbeFailed:
		return "Check that the worker's image is of this version."
	}
	return "Use a store that keeps what it confirms (docs/refusals.md)."
}

// missing are the Secrets that pods wait for.
func (o *Observation) missing() []string {
	var names []string
	for _, name := range render.Secrets(&o.Fleet.Spec) {
		if _, there := o.Stamps[name]; !there {
			names = append(names, string(name))
		}
	}
	return names
}

// standing is the status of a condition of a fleet, as it was last.
func standing(fleet *v1alpha1.CrawlFleet, kind string) metav1.ConditionStatus {
	for _, c := range fleet.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return metav1.ConditionUnknown
}
