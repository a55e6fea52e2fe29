package render

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	policyapply "k8s.io/client-go/applyconfigurations/policy/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// scratch is where pods write, and tmp how much they may write to /tmp.
const scratch = "/scratch"

var tmp = resource.MustParse("1Gi")

// What pods get when the fleet does not say. Limits of the disk follow from what pods may write.
var (
	conductorResources = corev1.ResourceRequirements{
		Requests: list("200m", "256Mi", "1Gi"),
		Limits:   list("", "1Gi", ""),
	}
	browserResources = corev1.ResourceRequirements{
		Requests: list("1", "2Gi", "5Gi"),
		Limits:   list("", "4Gi", ""),
	}
	portalResources = corev1.ResourceRequirements{
		Requests: list("200m", "512Mi", "1Gi"),
		Limits:   list("", "2Gi", ""),
	}
	gatewayResources = corev1.ResourceRequirements{
		Requests: list("100m", "64Mi", ""),
		Limits:   list("", "512Mi", ""),
	}
	probeResources = corev1.ResourceRequirements{
		Requests: list("10m", "32Mi", ""),
		Limits:   list("", "128Mi", ""),
	}
)

func list(cpu, memory, disk string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for name, amount := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory, corev1.ResourceEphemeralStorage: disk,
	} {
		if amount != "" {
			l[name] = resource.MustParse(amount)
		}
	}
	return l
}

// writing limits the disk to what a pod may write, and what its log takes.
func writing(r corev1.ResourceRequirements, folders ...resource.Quantity) corev1.ResourceRequirements {
	sum := resource.MustParse("1Gi")
	for _, f := range folders {
		sum.Add(f)
	}
	limits := maps.Clone(r.Limits)
	limits[corev1.ResourceEphemeralStorage] = sum
	return corev1.ResourceRequirements{Requests: r.Requests, Limits: limits}
}

// serviceAccount is an identity without a token and without a single right.
func (r *renderer) serviceAccount(component string) Object {
	name := "crawlfleet-" + component
	a := coreapply.ServiceAccount(name, r.Fleet.Namespace).WithAutomountServiceAccountToken(false)
	a.ObjectMetaApplyConfiguration = r.meta(name, component, nil)
	return Object{"ServiceAccount", name, a}
}

// conductors are the pods of the version that the fleet asks for.
func (r *renderer) conductors() Object {
	spec := v1alpha1.FleetConductors{}
	if r.spec().Conductors != nil {
		spec = *r.spec().Conductors
	}
	build := map[string]string{LabelBuild: r.Build}
	p := r.newPod("worker", r.Worker, workerUser, runtimeDefault())
	p.spec.WithServiceAccountName("crawlfleet-conductor").WithTerminationGracePeriodSeconds(60)
	p.args("--roles=run,plan")
	if r.Versioned {
		p.args("--build-id=" + r.Build)
	}
	r.work(p, r.spec().Store.CredentialsSecret)
	r.custody(p)
	room := quantity(spec.Scratch, "4Gi")
	p.emptyDir("scratch", scratch, room)
	p.emptyDir("tmp", "/tmp", tmp)
	p.place(spec.PodPlacement, writing(conductorResources, room, tmp))
	labels := r.labels(Conductor)
	maps.Copy(labels, build)
	selector := Selector(r.Fleet.Namespace, Conductor)
	maps.Copy(selector, build)
	p.spread(selector)

	name := ConductorName(r.Build)
	d := appsapply.Deployment(name, r.Fleet.Namespace).WithSpec(appsapply.DeploymentSpec().
		WithReplicas(orElse(spec.Replicas, 2)).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(selector)).
		WithTemplate(p.template(labels, r.secretsAnnotation(readOnceByWorkers(r.spec())))))
	d.ObjectMetaApplyConfiguration = r.meta(name, Conductor, build)
	return Object{"Deployment", name, d}
}

// conductorBudget lets one conductor at a time be taken from its node.
func (r *renderer) conductorBudget() Object {
	return r.budget("crawlfleet-conductor", Conductor, nil, intstr.FromInt32(1))
}

func (r *renderer) budget(name, component string, more map[string]string, unavailable intstr.IntOrString) Object {
	selector := Selector(r.Fleet.Namespace, component)
	maps.Copy(selector, more)
	b := policyapply.PodDisruptionBudget(name, r.Fleet.Namespace).WithSpec(policyapply.PodDisruptionBudgetSpec().
		WithMaxUnavailable(unavailable).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(selector)))
	b.ObjectMetaApplyConfiguration = r.meta(name, component, more)
	return Object{"PodDisruptionBudget", name, b}
}

// How long workers have to end: one lets pages end that were begun, and stores what they brought, within
// its --stop-timeout, which is 45 seconds. Spot nodes are gone sooner.
const (
	graceSeconds     = 60
	graceSecondsSpot = 35
	stopTimeoutSpot  = "25s"
)

// pool is the Deployment of a pool and, unless its nodes are taken away without a question, its
// budget.
func (r *renderer) pool(pool *v1alpha1.FleetPool) Objects {
	own := map[string]string{LabelPool: pool.Name}
	p := r.newPod("worker", r.Worker, workerUser, seccomp(pool.SeccompProfile))
	p.spec.WithServiceAccountName("crawlfleet-browser").WithTerminationGracePeriodSeconds(graceSeconds)
	p.args("--roles=browser", fmt.Sprintf("--tabs=%d", orElse(pool.Tabs, 4)))
	r.work(p, browserCredentials(r.spec()))
	if path := p.secret("profile", r.spec().Profiles.IdentitySecret, false, "identity"); path != "" {
		p.args("--profile-identity-file=" + path)
	}
	room := quantity(pool.Scratch, "18Gi")
	r.hashList(p)
	p.emptyDir("scratch", scratch, room)
	p.emptyDir("tmp", "/tmp", tmp)
	p.memory("shm", "/dev/shm", quantity(pool.SharedMemory, "1Gi"))
	p.place(pool.PodPlacement, writing(browserResources, room, tmp))
	labels := r.labels(Browser)
	maps.Copy(labels, own)
	selector := Selector(r.Fleet.Namespace, Browser)
	maps.Copy(selector, own)
	p.spread(selector)
	if pool.Capacity == v1alpha1.CapacitySpot {
		p.spot()
	}

	name := PoolName(pool.Name)
	spec := appsapply.DeploymentSpec().
		WithSelector(metaapply.LabelSelector().WithMatchLabels(selector)).
		WithTemplate(p.template(labels, r.secretsAnnotation(readOnceByWorkers(r.spec()))))
	if n, given := r.Replicas[pool.Name]; given {
		spec.WithReplicas(n)
	}
	d := appsapply.Deployment(name, r.Fleet.Namespace).WithSpec(spec)
	d.ObjectMetaApplyConfiguration = r.meta(name, Browser, own)
	objects := Objects{{"Deployment", name, d}}
	if pool.Capacity != v1alpha1.CapacitySpot {
		objects = append(objects, r.budget(name, Browser, own, intstr.FromString("25%")))
	}
	return objects
}

func seccomp(s v1alpha1.SeccompProfile) *coreapply.SeccompProfileApplyConfiguration {
	if s.Type == v1alpha1.SeccompLocalhost {
		return coreapply.SeccompProfile().WithType(corev1.SeccompProfileTypeLocalhost).WithLocalhostProfile(s.LocalhostProfile)
	}
	return coreapply.SeccompProfile().WithType(corev1.SeccompProfileTypeUnconfined)
}

// spotTaints are those of nodes that are taken away at short notice, by the documentation of Google's
// and Microsoft's clouds. Others' nodes have none by themselves.
var spotTaints = []string{"cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"}

// spot has a pod run on nodes that are taken away at short notice, and end before they are.
func (p pod) spot() {
	p.spec.WithTerminationGracePeriodSeconds(graceSecondsSpot)
	p.args("--stop-timeout=" + stopTimeoutSpot)
	for _, key := range spotTaints {
		p.spec.WithTolerations(coreapply.Toleration().WithKey(key).WithOperator(corev1.TolerationOpExists).WithEffect(corev1.TaintEffectNoSchedule))
	}
}

// work gives a pod what every worker needs.
func (r *renderer) work(p pod, credentials v1alpha1.SecretName) {
	p.args("--dir="+scratch, "--health-address=:8081", "--metrics-address=:8082", "--log-format=json")
	p.env("HOME", scratch)
	p.port("probes", portProbes)
	p.port("metrics", portMetrics)
	p.probes("probes", corev1.URISchemeHTTP)
	r.temporal(p)
	r.store(p, credentials)
	p.args("--frontier-bucket=" + string(orElse(r.spec().Store.FrontierBucket, "crawlfleet-frontier")))
	r.payloads(p)
	r.signing(p)
	r.egress(p)
	r.traces(p)
}

// temporal tells a pod where Temporal is. How one gets in is in the variables that Temporal's own
// programs know (https://docs.temporal.io/develop/environment-configuration), but for the key of the
// API, which is read from a file so that it is in no environment.
func (r *renderer) temporal(p pod) {
	t := r.spec().Temporal
	p.args("--temporal-address="+string(t.Address), "--temporal-namespace="+orElse(t.Namespace, "crawlfleet"))
	if t.TLS != nil {
		p.env("TEMPORAL_TLS", "true")
		if t.TLS.ServerName != "" {
			p.env("TEMPORAL_TLS_SERVER_NAME", t.TLS.ServerName)
		}
		if path := p.secret("temporal-ca", t.TLS.CASecret, false, "ca.crt"); path != "" {
			p.env("TEMPORAL_TLS_SERVER_CA_CERT_PATH", path)
		}
		if path := p.secret("temporal-tls", t.TLS.SecretName, false, "tls.crt", "tls.key"); path != "" {
			p.env("TEMPORAL_TLS_CLIENT_CERT_PATH", path)
			p.env("TEMPORAL_TLS_CLIENT_KEY_PATH", strings.TrimSuffix(path, "tls.crt")+"tls.key")
		}
	}
	if path := p.secret("temporal-key", t.APIKey.SecretName, false, t.APIKey.Key); path != "" {
		p.env("CRAWLFLEET_TEMPORAL_API_KEY_FILE", path)
	}
}

// store tells a pod where the store is, and by whose credentials it gets in.
func (r *renderer) store(p pod, credentials v1alpha1.SecretName) {
	s := r.spec().Store
	p.args("--s3-endpoint="+s.Endpoint, "--s3-region="+orElse(s.Region, "us-east-1"),
		"--s3-credentials-file="+p.secret("s3", credentials, false, "credentials"),
		"--archive-bucket="+string(orElse(s.ArchiveBucket, "crawlfleet-archive")))
}

// payloads tells a pod by what the histories are encrypted that Temporal keeps.
func (r *renderer) payloads(p pod) {
	if r.spec().Payloads.SecretName == "" {
		return
	}
	// Without the Secret the pod starts, too: it says then that it waits, and for what.
	p.args("--payload-keys=" + p.secret("payload", r.spec().Payloads.SecretName, true, "keys"))
	if r.spec().Payloads.Encryption == v1alpha1.NeedOptional {
		p.args("--payload-keys-required=false")
	}
}

// signing tells a worker by what it signs.
func (r *renderer) signing(p pod) {
	s := r.spec().Signing
	if path := p.secret("signing", s.SecretName, false, orElse(s.Key, "key.pem"), s.Certificate, s.StampRoots); path != "" {
		folder := secrets + "signing/"
		p.args("--sign-key=" + path)
		if s.Certificate != "" {
			p.args("--sign-cert=" + folder + string(s.Certificate))
		}
		if s.StampRoots != "" {
			p.args("--timestamp-roots=" + folder + string(s.StampRoots))
		}
		for _, at := range s.StampAuthorities {
			p.args("--timestamp-url=" + string(at))
		}
	}
}

// custody tells a pod by what the custody log is signed. Those with browsers are not told: conductors
// tell the log what they captured.
func (r *renderer) custody(p pod) {
	c := r.spec().Signing.Custody
	if path := p.secret("custody", c.SecretName, false, orElse(c.Key, "custody.key"), c.Verifiers); path != "" {
		p.args("--custody-key=" + path)
		if c.Verifiers != "" {
			p.args("--custody-verifiers=" + secrets + "custody/" + string(c.Verifiers))
		}
	}
}

// egress tells a worker how it gets to the sites that it visits.
func (r *renderer) egress(p pod) {
	e := r.spec().Egress
	if HasGateway(r.spec()) {
		p.args(fmt.Sprintf("--proxy=http://%s.%s.svc:%d", GatewayName, r.Fleet.Namespace, portGateway))
	} else {
		proxy := e.Proxy
		if e.ProxyCredentialsSecret != "" {
			p.envFrom("PROXY_USERNAME", e.ProxyCredentialsSecret, "username")
			p.envFrom("PROXY_PASSWORD", e.ProxyCredentialsSecret, "password")
			proxy = strings.Replace(proxy, "://", "://$(PROXY_USERNAME):$(PROXY_PASSWORD)@", 1)
		}
		p.args("--proxy=" + proxy)
	}
	if path := p.secret("proxy-ca", e.ProxyCASecret, false, "ca.crt"); path != "" {
		p.args("--proxy-ca-file=" + path)
	}
	if e.NameServer != "" {
		p.args("--name-server=" + e.NameServer)
	}
	for _, cidr := range e.AllowPrivate {
		p.args("--allow-private=" + string(cidr))
	}
}

// hashList tells a pod with browsers which pictures are dropped.
func (r *renderer) hashList(p pod) {
	l := r.spec().HashList
	folder := secrets + "hash-list"
	switch {
	case l.SecretName != "":
		p.secret("hash-list", l.SecretName, false, l.File)
	case l.ClaimName != "":
		p.volume(coreapply.Volume().WithName("hash-list").WithPersistentVolumeClaim(
			coreapply.PersistentVolumeClaimVolumeSource().WithClaimName(l.ClaimName).WithReadOnly(true)), folder, true)
	default:
		return
	}
	p.args("--hash-list="+folder+"/"+string(l.File), fmt.Sprintf("--hash-list-megabytes=%d", orElse(l.PictureMegabytes, 64)))
}

// traces tells a worker where traces are sent, in the variables of OpenTelemetry's specification
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
func (r *renderer) traces(p pod) {
	t := r.spec().Traces
	if t.Endpoint == "" {
		return
	}
	p.env("OTEL_EXPORTER_OTLP_ENDPOINT", string(t.Endpoint))
	if t.Protocol == v1alpha1.TraceGRPC {
		p.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	}
	if t.SampledPercent > 0 && t.SampledPercent < 100 {
		p.env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
		p.env("OTEL_TRACES_SAMPLER_ARG", strconv.FormatFloat(float64(t.SampledPercent)/100, 'f', -1, 64))
	}
}
