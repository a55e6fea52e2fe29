package charts

import (
	"strings"
	"testing"
)

// TestTyposAreRefused: a value that is not known, or cannot be, is refused by name by helm lint and by helm template, in
// the chart's own part and in the CrawlFleet's.
func TestTyposAreRefused(t *testing.T) {
	t.Parallel()
	pool := func(set string) []string {
		return []string{"--set", "fleet.temporal.address=temporal:7233,fleet.store.endpoint=https://s3.example,fleet.store.credentialsSecret=s3," + set}
	}
	for name, c := range map[string]struct {
		reason   string
		args     []string
		want     []string
		template bool // helm lint does not ask templates what goes together
	}{
		"Top":        {"no such part", []string{"--set", "imgaes.registry=x"}, []string{"additional properties 'imgaes' not allowed"}, false},
		"Nested":     {"no such setting", []string{"--set", "operator.replica=2"}, []string{"/operator", "additional properties 'replica' not allowed"}, false},
		"Type":       {"a word is no number", []string{"--set", "operator.replicas=two"}, []string{"/operator/replicas", "want integer"}, false},
		"Size":       {"no size", []string{"--set", "services.storage.size=lots"}, []string{"/services/storage/size", "does not match pattern"}, false},
		"Digest":     {"no digest", []string{"--set", "images.worker.digest=sha256:12"}, []string{"/images/worker/digest", "does not match pattern"}, false},
		"Telemetry":  {"a variable of something else", []string{"--set", "telemetry.HTTP_PROXY=x"}, []string{"/telemetry", "additional properties 'HTTP_PROXY' not allowed"}, false},
		"Fleet":      {"no such field of the kind", []string{"--set", "fleet.polices.approvals=1"}, []string{"/fleet", "additional properties 'polices' not allowed"}, false},
		"FleetDeep":  {"deep in the kind", pool("fleet.pools[0].name=a,fleet.pools[0].scaling.maxi=3"), []string{"/fleet/pools/0/scaling", "additional properties 'maxi' not allowed"}, false},
		"FleetEnum":  {"not one of the words", pool("fleet.pools[0].name=a,fleet.pools[0].capacity=spot"), []string{"/fleet/pools/0/capacity", "'Spot'"}, false},
		"FleetRange": {"more than there may be", []string{"--set", "fleet.policy.approvals=9"}, []string{"/fleet/policy/approvals", "maximum"}, false},
		"FleetNeeds": {"what must be there", []string{"--set", "fleet.portal.externalURL=https://portal.example"}, []string{"/fleet/portal", "oidc", "replayURL"}, false},
		"Purposes":   {"an order is for something", []string{"--set", "fleet.policy.purposes=null"}, []string{"/fleet/policy", "purposes"}, false},
		"TwoPortals": {"one portal is enough", append(profile("production"), "--set", "localPortal.enabled=true"), []string{"localPortal is for a fleet without fleet.portal"}, true},
		"NoPortal":   {"an Ingress leads somewhere", []string{"--set", "ingress.enabled=true"}, []string{"ingress leads to the portal of fleet.portal"}, true},
		"Namespace":  {"what is installed with it has one namespace", append(profile("single-node"), "--set", "fleet.temporal.namespace=north"), []string{"leave fleet.temporal.namespace (north) out"}, true},
		"Buckets":    {"and two buckets", append(profile("single-node"), "--set", "fleet.store.archiveBucket=north-archive"), []string{"leave fleet.store.archiveBucket"}, true},
		"NoStore":    {"a portal shows something", []string{"--set", "localPortal.enabled=true"}, []string{"localPortal shows what is in the store"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commands := [][]string{{"template", "fleet", chart("crawlfleet")}, {"lint", chart("crawlfleet")}}
			if c.template {
				commands = commands[:1]
			}
			for _, command := range commands {
				_, err := tool(t, "helm", append(command, c.args...)...)
				if err == nil {
					t.Errorf("%s: helm %s takes it", c.reason, command[0])
					continue
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: helm %s says %v, not %q", c.reason, command[0], err, want)
					}
				}
			}
		})
	}
}

// TestProfiles: what is shipped is taken, and nothing of it warned of.
func TestProfiles(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"crawlfleet": nil, "crawlfleet single-node": profile("single-node"), "crawlfleet production": profile("production"), "crawlfleet-crds": nil,
	} {
		out, err := tool(t, "helm", append([]string{"lint", "--strict", chart(strings.Fields(name)[0])}, args...)...)
		if err != nil || strings.Contains(out, "WARNING") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestImages: names, tags, digests and a registry in front, where pods get them and where the operator is told of them.
func TestImages(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0", 64)
	all := template(t, "crawlfleet", "north", append(profile("single-node"),
		"--set", "images.registry=registry.example:5000/mirror", "--set", "images.operator.digest="+digest,
		"--set", "images.worker.digest="+digest, "--set", "images.worker.tag=v1.2.3", "--set", "images.services.tag=v1.2.3", "--set", "images.pullSecrets={pull}")...)
	operator := podOf(t, all["Deployment/north/crawlfleet-operator"])
	services := podOf(t, all["StatefulSet/north/crawlfleet-services"])
	for what, c := range map[string]struct{ got, want string }{
		"operator": {operator.Containers[0].Image, "registry.example:5000/mirror/crawlfleet/operator@" + digest},
		"services": {services.Containers[0].Image, "registry.example:5000/mirror/crawlfleet/services:v1.2.3"},
		"worker":   {env(operator, "CRAWLFLEET_IMAGE_WORKER"), "registry.example:5000/mirror/crawlfleet/worker:v1.2.3@" + digest},
		"portal":   {env(operator, "CRAWLFLEET_IMAGE_PORTAL"), "registry.example:5000/mirror/crawlfleet/portal:dev"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", what, c.got, c.want)
		}
	}
	for _, p := range []string{operator.ImagePullSecrets[0].Name, services.ImagePullSecrets[0].Name} {
		if p != "pull" {
			t.Errorf("a pod is pulled with %q", p)
		}
	}
}
