package render

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// The ports of pods.
const (
	portProbes  = 8081 // of workers
	portMetrics = 8082
	portPortal  = 8080
	portReplay  = 8090
	portGateway = 3128
)

// Who pods run as: the user of the worker's image, and that of images without users.
const (
	workerUser = 1000
	portalUser = 65532
)

// pod is a pod that is put together: what a container is given goes with where it comes from.
type pod struct {
	spec      *coreapply.PodSpecApplyConfiguration
	container *coreapply.ContainerApplyConfiguration
}

// newPod begins a pod of one container, which may do nothing.
func (r *renderer) newPod(name, image string, user int64, seccomp *coreapply.SeccompProfileApplyConfiguration) pod {
	images := r.spec().Images
	container := coreapply.Container().WithName(name).WithImage(image).
		WithImagePullPolicy(corev1.PullPolicy(orElse(images.PullPolicy, v1alpha1.PullIfNotPresent))).
		WithSecurityContext(coreapply.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(coreapply.Capabilities().WithDrop("ALL")))
	spec := coreapply.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(coreapply.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(user).WithRunAsGroup(user).WithFSGroup(user).
			WithSeccompProfile(seccomp))
	for _, secret := range images.PullSecrets {
		spec.WithImagePullSecrets(coreapply.LocalObjectReference().WithName(string(secret)))
	}
	return pod{spec, container}
}

// runtimeDefault is the runtime's own seccomp profile.
func runtimeDefault() *coreapply.SeccompProfileApplyConfiguration {
	return coreapply.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)
}

func (p pod) args(args ...string) { p.container.WithArgs(args...) }

func (p pod) env(name, value string) {
	p.container.WithEnv(coreapply.EnvVar().WithName(name).WithValue(value))
}

// envFrom gives a variable the content of a file of a Secret.
func (p pod) envFrom(name string, secret v1alpha1.SecretName, key string) {
	p.container.WithEnv(coreapply.EnvVar().WithName(name).WithValueFrom(coreapply.EnvVarSource().
		WithSecretKeyRef(coreapply.SecretKeySelector().WithName(string(secret)).WithKey(key))))
}

// port gives a port a name.
func (p pod) port(name string, number int32) {
	p.container.WithPorts(coreapply.ContainerPort().WithName(name).WithContainerPort(number).WithProtocol(corev1.ProtocolTCP))
}

// volume mounts one where a path is.
func (p pod) volume(v *coreapply.VolumeApplyConfiguration, path string, readOnly bool) {
	p.spec.WithVolumes(v)
	mount := coreapply.VolumeMount().WithName(*v.Name).WithMountPath(path)
	if readOnly {
		mount.WithReadOnly(true)
	}
	p.container.WithVolumeMounts(mount)
}

// secretMode lets the pod's own user read a file, by the group of the volume, and nobody else.
const secretMode = 0o440

// secrets is where files of Secrets are in pods.
const secrets = "/etc/crawlfleet/"

// secret mounts files of a Secret, each of them under its key: whole, not by subPath, so that new
// ones reach the pod. It returns the path of the first. No Secret mounts nothing.
func (p pod) secret(volume string, name v1alpha1.SecretName, optional bool, keys ...v1alpha1.SecretKey) string {
	if name == "" {
		return ""
	}
	source := coreapply.SecretVolumeSource().WithSecretName(string(name)).WithDefaultMode(secretMode)
	if optional {
		source.WithOptional(true)
	}
	first := ""
	for _, key := range keys {
		if key == "" {
			continue
		}
		source.WithItems(coreapply.KeyToPath().WithKey(string(key)).WithPath(string(key)))
		if first == "" {
			first = secrets + volume + "/" + string(key)
		}
	}
	p.volume(coreapply.Volume().WithName(volume).WithSecret(source), secrets+volume, true)
	return first
}

// emptyDir mounts a folder of the pod's own.
func (p pod) emptyDir(name, path string, size resource.Quantity) {
	p.volume(coreapply.Volume().WithName(name).WithEmptyDir(coreapply.EmptyDirVolumeSource().WithSizeLimit(size)), path, false)
}

// memory mounts a folder in memory.
func (p pod) memory(name, path string, size resource.Quantity) {
	p.volume(coreapply.Volume().WithName(name).WithEmptyDir(coreapply.EmptyDirVolumeSource().
		WithMedium(corev1.StorageMediumMemory).WithSizeLimit(size)), path, false)
}

// probes has the pod restarted when it does not live, and not asked while it is not ready.
func (p pod) probes(port string, scheme corev1.URIScheme) {
	get := func(path string) *coreapply.HTTPGetActionApplyConfiguration {
		return coreapply.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(port)).WithScheme(scheme)
	}
	p.container.
		WithLivenessProbe(coreapply.Probe().WithHTTPGet(get("/healthz")).WithInitialDelaySeconds(10).WithPeriodSeconds(20).WithTimeoutSeconds(5)).
		WithReadinessProbe(coreapply.Probe().WithHTTPGet(get("/readyz")).WithPeriodSeconds(10).WithTimeoutSeconds(5))
}

// place says how much the pod gets, and on which nodes it runs.
func (p pod) place(at v1alpha1.PodPlacement, otherwise corev1.ResourceRequirements) {
	resources := coreapply.ResourceRequirements()
	requests, limits := otherwise.Requests, otherwise.Limits
	if at.Resources != (v1alpha1.PodResources{}) {
		requests, limits = amounts(at.Resources.Requests), amounts(at.Resources.Limits)
	}
	if len(requests) > 0 {
		resources.WithRequests(requests)
	}
	if len(limits) > 0 {
		resources.WithLimits(limits)
	}
	p.container.WithResources(resources)
	p.on(at)
}

// on says on which nodes the pod runs.
func (p pod) on(at v1alpha1.PodPlacement) {
	p.spec.WithNodeSelector(at.NodeSelector)
	if at.PriorityClassName != "" {
		p.spec.WithPriorityClassName(at.PriorityClassName)
	}
	for i := range at.Tolerations {
		p.spec.WithTolerations(toleration(&at.Tolerations[i]))
	}
}

func amounts(a v1alpha1.ResourceAmounts) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, q := range map[corev1.ResourceName]*resource.Quantity{
		corev1.ResourceCPU: a.CPU, corev1.ResourceMemory: a.Memory, corev1.ResourceEphemeralStorage: a.EphemeralStorage,
	} {
		if q != nil {
			list[name] = *q
		}
	}
	return list
}

func toleration(t *v1alpha1.Toleration) *coreapply.TolerationApplyConfiguration {
	a := coreapply.Toleration().WithOperator(corev1.TolerationOperator(orElse(t.Operator, "Equal")))
	if t.Key != "" {
		a.WithKey(t.Key)
	}
	if t.Value != "" {
		a.WithValue(t.Value)
	}
	if t.Effect != "" {
		a.WithEffect(corev1.TaintEffect(t.Effect))
	}
	if t.TolerationSeconds != nil {
		a.WithTolerationSeconds(int64(*t.TolerationSeconds))
	}
	return a
}

// spread keeps pods of the same labels apart where there are nodes enough.
func (p pod) spread(labels map[string]string) {
	p.spec.WithTopologySpreadConstraints(coreapply.TopologySpreadConstraint().
		WithMaxSkew(1).WithTopologyKey(corev1.LabelHostname).WithWhenUnsatisfiable(corev1.ScheduleAnyway).
		WithLabelSelector(metaapply.LabelSelector().WithMatchLabels(labels)))
}

// template is the pod as a template.
func (p pod) template(labels, annotations map[string]string) *coreapply.PodTemplateSpecApplyConfiguration {
	return coreapply.PodTemplateSpec().WithLabels(labels).WithAnnotations(annotations).WithSpec(p.spec.WithContainers(p.container))
}

// orElse is a value, or another one where it is none.
func orElse[T comparable](value, otherwise T) T {
	var none T
	if value == none {
		return otherwise
	}
	return value
}

// quantity is a value, or another one where it is none.
func quantity(value *resource.Quantity, otherwise string) resource.Quantity {
	if value == nil {
		return resource.MustParse(otherwise)
	}
	return *value
}
