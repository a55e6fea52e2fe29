package render

import (
	"maps"
	"slices"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// Secrets are those that the pods of a fleet need, sorted: without one of them they wait. Those that
// may be missing are not among them.
func Secrets(spec *v1alpha1.CrawlFleetSpec) []v1alpha1.SecretName {
	if !Runs(spec) {
		return nil
	}
	all := map[v1alpha1.SecretName]bool{}
	for _, names := range [][]v1alpha1.SecretName{
		workerSecrets(spec), {browserCredentials(spec), spec.Profiles.IdentitySecret, spec.HashList.SecretName}, portalSecrets(spec), spec.Images.PullSecrets,
	} {
		for _, n := range names {
			all[n] = true
		}
	}
	delete(all, "")
	if spec.Payloads.Encryption == v1alpha1.NeedOptional {
		delete(all, spec.Payloads.SecretName)
	}
	return slices.Sorted(maps.Keys(all))
}

// workerSecrets are those of every worker; empty names are none.
func workerSecrets(spec *v1alpha1.CrawlFleetSpec) []v1alpha1.SecretName {
	return append(temporalSecrets(&spec.Temporal),
		spec.Store.CredentialsSecret, spec.Payloads.SecretName, spec.Signing.SecretName, spec.Signing.Custody.SecretName,
		spec.Egress.ProxyCASecret, spec.Egress.ProxyCredentialsSecret)
}

// temporalSecrets are those by which Temporal is asked.
func temporalSecrets(t *v1alpha1.FleetTemporal) []v1alpha1.SecretName {
	names := []v1alpha1.SecretName{t.APIKey.SecretName}
	if t.TLS != nil {
		names = append(names, t.TLS.CASecret, t.TLS.SecretName)
	}
	return names
}

func portalSecrets(spec *v1alpha1.CrawlFleetSpec) []v1alpha1.SecretName {
	if !HasPortal(spec) {
		return nil
	}
	p := &spec.Portal
	return []v1alpha1.SecretName{
		portalCredentials(spec), p.OIDC.ClientSecret.SecretName, p.OIDC.CASecret, p.SessionKeys.SecretName, p.ReplayKeys.SecretName, p.TLSSecret,
		p.Trust.DomainRoots.SecretName, p.Trust.StampRoots.SecretName, p.Dossiers.SignKey.SecretName,
	}
}

// readOnceByWorkers are the Secrets that workers read only when they start. Credentials of the store,
// certificates and keys for Temporal, keys of payloads, of signatures and of the custody log, and
// identities are read again when they change.
func readOnceByWorkers(spec *v1alpha1.CrawlFleetSpec) []v1alpha1.SecretName {
	names := []v1alpha1.SecretName{spec.Egress.ProxyCASecret, spec.Egress.ProxyCredentialsSecret}
	if spec.Signing.StampRoots != "" {
		names = append(names, spec.Signing.SecretName)
	}
	return names
}

// readOnceByPortal are those that a portal reads only when it starts. Its certificate, the keys of
// sessions and of the custody log, its secret at the provider, and what it is given for Temporal and
// the store are read again when they change.
func readOnceByPortal(spec *v1alpha1.CrawlFleetSpec) []v1alpha1.SecretName {
	p := &spec.Portal
	names := []v1alpha1.SecretName{p.OIDC.CASecret, p.ReplayKeys.SecretName, p.Trust.DomainRoots.SecretName, p.Trust.StampRoots.SecretName}
	if spec.Signing.StampRoots != "" {
		names = append(names, spec.Signing.SecretName)
	}
	return names
}

// secretsAnnotation has pods replaced when one of the Secrets changes.
func (r *renderer) secretsAnnotation(names []v1alpha1.SecretName) map[string]string {
	var words []string
	for _, n := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if n != "" {
			words = append(words, string(n), r.Stamps[n])
		}
	}
	if len(words) == 0 {
		return nil
	}
	return map[string]string{AnnotationSecrets: digest(words...)[:16]}
}

// browserCredentials is the Secret by which pods with browsers get into the store.
func browserCredentials(spec *v1alpha1.CrawlFleetSpec) v1alpha1.SecretName {
	if spec.Store.BrowserCredentialsSecret != "" {
		return spec.Store.BrowserCredentialsSecret
	}
	return spec.Store.CredentialsSecret
}

// portalCredentials is the Secret by which the portal gets into the store.
func portalCredentials(spec *v1alpha1.CrawlFleetSpec) v1alpha1.SecretName {
	if spec.Store.PortalCredentialsSecret != "" {
		return spec.Store.PortalCredentialsSecret
	}
	return spec.Store.CredentialsSecret
}
