package render

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// gatewayGraceSeconds is how long a gateway has to end: it serves who asks for 5 seconds more, lets
// tunnels end for 120, and ends those that do not.
const gatewayGraceSeconds = 135

// GatewayReplicas is how many pods the gateway of a fleet has.
func GatewayReplicas(spec *v1alpha1.CrawlFleetSpec) int32 {
	if spec.Egress.Gateway == nil {
		return 2
	}
	return orElse(spec.Egress.Gateway.Replicas, 2)
}

// gateway are the pods through which workers get to sites, and the Service by which they are asked.
func (r *renderer) gateway() Objects {
	spec := v1alpha1.FleetGateway{}
	if g := r.spec().Egress.Gateway; g != nil {
		spec = *g
	}
	p := r.newPod("gateway", r.Worker, workerUser, runtimeDefault())
	p.spec.WithServiceAccountName(GatewayName).WithTerminationGracePeriodSeconds(gatewayGraceSeconds)
	p.args("gateway", fmt.Sprintf("--listen=:%d", portGateway), fmt.Sprintf("--max-tunnels=%d", orElse(spec.Tunnels, 8192)),
		"--health-address=:8081", "--metrics-address=:8082", "--log-format=json")
	for _, cidr := range r.spec().Egress.AllowPrivate {
		p.args("--allow-private=" + string(cidr))
	}
	p.port("tunnels", portGateway)
	p.port("probes", portProbes)
	p.port("metrics", portMetrics)
	p.probes("probes", corev1.URISchemeHTTP)
	p.place(spec.PodPlacement, writing(gatewayResources))
	selector := Selector(r.Fleet.Namespace, Gateway)
	p.spread(selector)

	d := appsapply.Deployment(GatewayName, r.Fleet.Namespace).WithSpec(appsapply.DeploymentSpec().
		WithReplicas(GatewayReplicas(r.spec())).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(selector)).
		WithTemplate(p.template(r.labels(Gateway), nil)))
	d.ObjectMetaApplyConfiguration = r.meta(GatewayName, Gateway, nil)
	s := coreapply.Service(GatewayName, r.Fleet.Namespace).WithSpec(coreapply.ServiceSpec().WithSelector(selector).
		WithPorts(coreapply.ServicePort().WithName("tunnels").WithProtocol(corev1.ProtocolTCP).WithPort(portGateway).WithTargetPort(intstr.FromString("tunnels"))))
	s.ObjectMetaApplyConfiguration = r.meta(GatewayName, Gateway, nil)
	return Objects{
		r.serviceAccount(Gateway), {"Service", GatewayName, s}, {"Deployment", GatewayName, d},
		r.budget(GatewayName, Gateway, nil, intstr.FromInt32(1)),
	}
}
