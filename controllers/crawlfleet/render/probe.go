package render

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	batchapply "k8s.io/client-go/applyconfigurations/batch/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// probeSeconds is how long a probe may take, with the time that nodes need to fetch the image.
const probeSeconds = 300

// AnnotationSettings has a hash of what a probe of the store is made with.
const AnnotationSettings = "crawlfleet.dev/settings"

// ProbeSettings is a hash of what the store is tried with: another one has it tried again.
func ProbeSettings(in Input) string {
	s := in.Fleet.Spec.Store
	words := []string{in.Worker, s.Endpoint, s.Region, string(s.ArchiveBucket), string(s.FrontierBucket)}
	for _, name := range []v1alpha1.SecretName{s.CredentialsSecret, browserCredentials(&in.Fleet.Spec)} {
		words = append(words, string(name), in.Stamps[name])
	}
	for _, cidr := range s.Network.CIDRs {
		words = append(words, string(cidr))
	}
	return digest(append(words, strconv.Itoa(int(s.Network.Port)))...)[:16]
}

// ProbeName is what the Job is called that tries the store with some settings.
func ProbeName(settings string) string { return "crawlfleet-store-probe-" + settings }

// StoreProbe is the Job that tries the store: by the workers' image, credentials and ways, on a node
// of conductors, once as they do and, where pods with browsers have credentials of their own, once as
// those do.
func StoreProbe(in Input) Object {
	r := renderer{in}
	settings := ProbeSettings(in)
	name := ProbeName(settings)
	p := r.newPod(Conductor, r.Worker, workerUser, runtimeDefault())
	p.spec.WithServiceAccountName("crawlfleet-conductor").WithRestartPolicy(corev1.RestartPolicyNever).WithTerminationGracePeriodSeconds(5)
	r.probe(p, "s3", r.spec().Store.CredentialsSecret, "conductor")
	p.spec.WithContainers(p.container)
	if c := r.spec().Conductors; c != nil {
		p.on(c.PodPlacement)
	}
	if own := r.spec().Store.BrowserCredentialsSecret; own != "" && own != r.spec().Store.CredentialsSecret {
		b := r.newPod(Browser, r.Worker, workerUser, runtimeDefault())
		b.spec = p.spec
		r.probe(b, "s3-browser", own, "browser")
		p.spec.WithContainers(b.container)
	}
	j := batchapply.Job(name, r.Fleet.Namespace).WithSpec(batchapply.JobSpec().
		WithBackoffLimit(0).WithActiveDeadlineSeconds(probeSeconds).WithTTLSecondsAfterFinished(3600).
		WithTemplate(coreapply.PodTemplateSpec().WithLabels(r.labels(Probe)).WithSpec(p.spec)))
	j.ObjectMetaApplyConfiguration = r.meta(name, Probe, nil).WithAnnotations(map[string]string{AnnotationSettings: settings})
	return Object{"Job", name, j}
}

// probe has a container try the store with the credentials of a Secret. What came of it is its
// message of termination.
func (r *renderer) probe(p pod, volume string, credentials v1alpha1.SecretName, as string) {
	s := r.spec().Store
	p.args("probe", "--as="+as, "--verdict="+corev1.TerminationMessagePathDefault, "--s3-endpoint="+s.Endpoint, "--s3-region="+orElse(s.Region, "us-east-1"),
		"--s3-credentials-file="+p.secret(volume, credentials, false, "credentials"),
		"--archive-bucket="+string(orElse(s.ArchiveBucket, "crawlfleet-archive")),
		"--frontier-bucket="+string(orElse(s.FrontierBucket, "crawlfleet-frontier")))
	p.container.WithTerminationMessagePath(corev1.TerminationMessagePathDefault).
		WithTerminationMessagePolicy(corev1.TerminationMessageReadFile)
	p.container.WithResources(coreapply.ResourceRequirements().WithRequests(probeResources.Requests).WithLimits(probeResources.Limits))
}
