package render

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// portal are the portal's objects. Its ServiceAccount is not among them: whoever installs the fleet
// gives it its rights, which the operator could not (config/rbac/portal.yaml).
func (r *renderer) portal() Objects {
	spec := &r.spec().Portal
	replicas := int32(1)
	if spec.Replicas != nil {
		replicas = *spec.Replicas
	}
	selector := Selector(r.Fleet.Namespace, Portal)
	p := r.portalPod(spec)
	p.spread(selector)
	deployment := appsapply.DeploymentSpec().
		WithReplicas(replicas).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(selector)).
		WithTemplate(p.template(r.labels(Portal), r.secretsAnnotation(readOnceByPortal(r.spec()))))
	if onVolume(spec) { // which the new pod gets when the old one is gone
		deployment.WithStrategy(appsapply.DeploymentStrategy().WithType(appsv1.RecreateDeploymentStrategyType))
	}
	d := appsapply.Deployment(PortalName, r.Fleet.Namespace).WithSpec(deployment)
	d.ObjectMetaApplyConfiguration = r.meta(PortalName, Portal, nil)
	objects := Objects{r.portalService(spec, selector), {"Deployment", PortalName, d}}
	if onVolume(spec) {
		objects = append(Objects{r.catalogClaim(spec)}, objects...)
	}
	if replicas > 1 {
		objects = append(objects, r.budget(PortalName, Portal, nil, intstr.FromInt32(1)))
	}
	return objects
}

func onVolume(spec *v1alpha1.FleetPortal) bool {
	return spec.Catalog.Type == v1alpha1.CatalogVolume
}

// portalPod is the one pod that has a token: it asks the API server who may see what.
func (r *renderer) portalPod(spec *v1alpha1.FleetPortal) pod {
	p := r.newPod("portal", r.Portal, portalUser, runtimeDefault())
	p.spec.WithServiceAccountName(PortalName).WithAutomountServiceAccountToken(true).WithTerminationGracePeriodSeconds(30)
	p.args("--dir="+scratch, "--catalog=/catalog/catalog.sqlite", "--listen=:8080", "--replay-listen=:8090", "--metrics-address=:8082",
		"--log-format=json", "--fleet-namespace="+r.Fleet.Namespace)
	if len(r.Namespaces) > 0 {
		p.args("--namespaces=" + strings.Join(r.Namespaces, ","))
	}
	p.port("portal", portPortal)
	p.port("replay", portReplay)
	p.port("metrics", portMetrics)
	scheme := corev1.URISchemeHTTP
	if path := p.secret("tls", spec.TLSSecret, false, "tls.crt", "tls.key"); path != "" {
		scheme = corev1.URISchemeHTTPS
		p.args("--tls-cert-file="+path, "--tls-key-file="+strings.TrimSuffix(path, "tls.crt")+"tls.key")
	}
	p.probes("portal", scheme)
	r.temporal(p)
	r.store(p, portalCredentials(r.spec()))
	p.args("--frontier-bucket=" + string(orElse(r.spec().Store.FrontierBucket, "crawlfleet-frontier")))
	r.payloads(p)
	r.custody(p)
	p.reached(spec)
	p.loggedIn(&spec.OIDC)
	r.trust(p, spec)
	p.dossiers(&spec.Dossiers)
	room, catalog := resource.MustParse("16Gi"), quantity(spec.Catalog.Size, "10Gi")
	p.env("TMPDIR", scratch)
	p.emptyDir("scratch", scratch, room)
	if onVolume(spec) {
		p.volume(coreapply.Volume().WithName("catalog").WithPersistentVolumeClaim(
			coreapply.PersistentVolumeClaimVolumeSource().WithClaimName(PortalName)), "/catalog", false)
	} else {
		p.emptyDir("catalog", "/catalog", catalog)
	}
	p.place(spec.PodPlacement, writing(portalResources, room, catalog))
	return p
}

// reached tells the portal how browsers know it, and how long what it gives them holds.
func (p pod) reached(spec *v1alpha1.FleetPortal) {
	p.args("--external-url="+string(spec.ExternalURL), "--replay-url="+spec.ReplayURL,
		fmt.Sprintf("--session=%ds", orElse(spec.SessionSeconds, 8*3600)), fmt.Sprintf("--session-idle=%ds", orElse(spec.SessionIdleSeconds, 3600)))
	if path := p.secret("session-keys", spec.SessionKeys.SecretName, false, spec.SessionKeys.Key); path != "" {
		p.args("--session-key-file=" + path)
	}
	if path := p.secret("replay-keys", spec.ReplayKeys.SecretName, false, spec.ReplayKeys.Key); path != "" {
		p.args("--replay-key-file=" + path)
	}
	if len(spec.Regions) > 0 {
		var codes []string
		for _, c := range spec.Regions {
			codes = append(codes, string(c))
		}
		p.args("--regions=" + strings.Join(codes, ","))
	}
}

// loggedIn tells the portal where people log in.
func (p pod) loggedIn(oidc *v1alpha1.PortalOIDC) {
	p.args("--oidc-issuer="+string(oidc.Issuer), "--oidc-client-id="+oidc.ClientID)
	if path := p.secret("oidc", oidc.ClientSecret.SecretName, false, oidc.ClientSecret.Key); path != "" {
		p.args("--oidc-client-secret-file=" + path)
	}
	if path := p.secret("oidc-ca", oidc.CASecret, false, "ca.crt"); path != "" {
		p.args("--oidc-ca-file=" + path)
	}
	for _, flag := range []struct{ name, value string }{
		{"--oidc-username-claim=", oidc.UsernameClaim}, {"--oidc-username-prefix=", oidc.UsernamePrefix},
		{"--oidc-groups-claim=", oidc.GroupsClaim}, {"--oidc-groups-prefix=", oidc.GroupsPrefix},
	} {
		if flag.value != "" {
			p.args(flag.name + flag.value)
		}
	}
}

// trust tells the portal whose signatures and stamps hold.
func (r *renderer) trust(p pod, spec *v1alpha1.FleetPortal) {
	t := spec.Trust
	for _, key := range t.Keys {
		p.args("--trust-key=" + string(key))
	}
	for _, domain := range t.Domains {
		p.args("--trust-domain=" + string(domain))
	}
	if path := p.secret("domain-roots", t.DomainRoots.SecretName, false, t.DomainRoots.Key); path != "" {
		p.args("--trust-roots=" + path)
	}
	roots := t.StampRoots
	if roots.SecretName == "" && r.spec().Signing.StampRoots != "" {
		roots = v1alpha1.SecretFile{SecretName: r.spec().Signing.SecretName, Key: r.spec().Signing.StampRoots}
	}
	if path := p.secret("stamp-roots", roots.SecretName, false, roots.Key); path != "" {
		p.args("--timestamp-roots=" + path)
	}
}

// dossiers tells the portal who hands dossiers over.
func (p pod) dossiers(d *v1alpha1.PortalDossiers) {
	if d.Organization == "" {
		return
	}
	p.args("--organization=" + strings.ReplaceAll(d.Organization, "$(", "$$(")) // which else names a variable
	if path := p.secret("dossier-key", d.SignKey.SecretName, false, d.SignKey.Key); path != "" {
		p.args("--dossier-sign-key=" + path)
	}
	for _, at := range d.StampAuthorities {
		p.args("--timestamp-url=" + string(at))
	}
}

// portalService is where an Ingress, or a Gateway, leads: to the portal and to the origin of its
// replays.
func (r *renderer) portalService(spec *v1alpha1.FleetPortal, selector map[string]string) Object {
	front := int32(80)
	if spec.TLSSecret != "" {
		front = 443
	}
	s := coreapply.Service(PortalName, r.Fleet.Namespace).WithSpec(coreapply.ServiceSpec().
		WithSelector(selector).
		WithPorts(
			coreapply.ServicePort().WithName("portal").WithProtocol(corev1.ProtocolTCP).WithPort(front).WithTargetPort(intstr.FromString("portal")),
			coreapply.ServicePort().WithName("replay").WithProtocol(corev1.ProtocolTCP).WithPort(portReplay).WithTargetPort(intstr.FromString("replay"))))
	s.ObjectMetaApplyConfiguration = r.meta(PortalName, Portal, nil)
	return Object{"Service", PortalName, s}
}

// catalogClaim is the claim of the volume that the catalog is on.
func (r *renderer) catalogClaim(spec *v1alpha1.FleetPortal) Object {
	claim := coreapply.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(coreapply.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: quantity(spec.Catalog.Size, "10Gi")}))
	if spec.Catalog.StorageClassName != "" {
		claim.WithStorageClassName(spec.Catalog.StorageClassName)
	}
	c := coreapply.PersistentVolumeClaim(PortalName, r.Fleet.Namespace).WithSpec(claim)
	c.ObjectMetaApplyConfiguration = r.meta(PortalName, Portal, nil)
	return Object{"PersistentVolumeClaim", PortalName, c}
}
