package fleet

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// install goes from the empty cluster to a fleet that is ready, in a namespace that takes restricted pods alone.
func (b *bed) install(t *testing.T) {
	b.kubectl(t, "create", "namespace", siteSpace)
	b.openSites(t)
	b.set(t, "")
	b.kubectl(t, "create", "namespace", fleetSpace)
	b.follow(t, "Pod Security")
	b.follow(t, "The kinds")
	t.Log(b.follow(t, "On one node"))
	b.waitReady(t)
}

// waitReady waits as the guide says to.
func (b *bed) waitReady(t *testing.T) {
	t.Helper()
	t.Log(b.shown(t, "kubectl -n crawlfleet-system wait --for=condition=Ready crawlfleet/crawlfleet --timeout=10m"))
}

// confined looks at what the fleet's pods may do. (That they are restricted the namespace has seen to.)
func (b *bed) confined(t *testing.T) {
	ns, err := b.client.CoreV1().Namespaces().Get(t.Context(), fleetSpace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ns.Labels["pod-security.kubernetes.io/enforce"]; got != "restricted" {
		t.Errorf("the namespace enforces %q, want restricted", got)
	}
	tokens := map[string]bool{"operator": true, "portal-local": true}
	seen := map[string]bool{}
	for _, p := range b.pods(t.Context(), t, fleetSpace, "app.kubernetes.io/name=crawlfleet") {
		component := p.Labels["app.kubernetes.io/component"]
		seen[component] = true
		if got := hasToken(&p); got != tokens[component] {
			t.Errorf("%s has a token of the cluster: %t, want %t", p.Name, got, tokens[component])
		}
	}
	for _, want := range []string{"operator", "services", "portal-local", "conductor", "gateway"} {
		if !seen[want] {
			t.Errorf("there is no pod of %s", want)
		}
	}
	for _, right := range []struct {
		account, verb, of, namespace string
		want                         bool
	}{
		{"crawlfleet-operator", "patch", "crawljobs.crawlfleet.dev", orderSpace, true},
		{"crawlfleet-operator", "create", "deployments.apps", fleetSpace, true},
		{"crawlfleet-operator", "create", "deployments.apps", orderSpace, false},
		{"crawlfleet-operator", "delete", "secrets", fleetSpace, false},
		{"crawlfleet-portal", "get", "secrets", fleetSpace, false},
		{"crawlfleet-portal", "list", "crawljobs.crawlfleet.dev", orderSpace, true},
		{"crawlfleet-conductor", "get", "crawljobs.crawlfleet.dev", fleetSpace, false},
		{"crawlfleet-browser", "get", "pods", fleetSpace, false},
	} {
		// (kubectl auth can-i ends with 1 where one may not.)
		out, _ := b.tryKubectl(t.Context(), "", "auth", "can-i", right.verb, right.of, "-n", right.namespace,
			"--as", fmt.Sprintf("system:serviceaccount:%s:%s", fleetSpace, right.account))
		if got := strings.TrimSpace(out); got != map[bool]string{true: "yes", false: "no"}[right.want] {
			t.Errorf("may %s %s %s in %s: got %q, want %t", right.account, right.verb, right.of, right.namespace, got, right.want)
		}
	}
}

// hasToken tells whether a container of a pod can read a token of the API server.
func hasToken(p *corev1.Pod) bool {
	for _, c := range p.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if m.MountPath == "/var/run/secrets/kubernetes.io/serviceaccount" {
				return true
			}
		}
	}
	return false
}

// uninstall goes the guide's way out: what was captured stays, with the keys and the kinds.
func (b *bed) uninstall(t *testing.T) {
	captured := b.read(t, "first").Chunks
	if len(captured) == 0 {
		t.Fatal("nothing of the first crawl is there before")
	}
	volume := b.kubectl(t, "-n", fleetSpace, "get", "pvc", "data-crawlfleet-services-0", "-o", "jsonpath={.spec.volumeName}")
	secrets := b.kubectl(t, "-n", fleetSpace, "get", "secrets", "-l", "!owner", "-o", "name")

	// (What takes away the rest, too, is not followed.)
	const last = "helm uninstall crawlfleet --namespace crawlfleet-system\n"
	before, _, found := strings.Cut(b.guide["Uninstall"], last)
	if !found {
		t.Fatalf("docs/install.md does not say %q under Uninstall any more", last)
	}
	if out, err := b.shell(t.Context(), before); err != nil {
		t.Fatalf("before the release is uninstalled: %v\n%s", err, out)
	}
	b.shown(t, "kubectl -n research wait --for=delete crawljob/first --timeout=5m")
	if out, err := b.shell(t.Context(), last); err != nil {
		t.Fatalf("uninstall: %v\n%s", err, out)
	}
	await(t, "all pods of the fleet are gone", func(ctx context.Context) (bool, string) {
		left := b.pods(ctx, t, fleetSpace, "app.kubernetes.io/name=crawlfleet")
		return len(left) == 0, fmt.Sprintf("%d pods are left", len(left))
	})
	await(t, "all that the fleet was made of is gone", func(ctx context.Context) (bool, string) {
		out, err := b.tryKubectl(ctx, "", "-n", fleetSpace, "get", "crawlfleets,deployments,statefulsets,jobs,networkpolicies,poddisruptionbudgets,services,ingresses", "-o", "name")
		return err == nil && out == "", fmt.Sprint(out, err)
	})
	if got := b.kubectl(t, "-n", fleetSpace, "get", "pvc", "data-crawlfleet-services-0", "-o", "jsonpath={.status.phase} {.spec.volumeName}"); got != "Bound "+volume {
		t.Errorf("the claim is %q, want it bound to %s", got, volume)
	}
	for _, c := range captured {
		b.onDisk(t, volume, c)
	}
	if got := b.kubectl(t, "-n", fleetSpace, "get", "secrets", "-l", "!owner", "-o", "name"); got != secrets {
		t.Errorf("Secrets: got %q, want those that were there, %q", got, secrets)
	}
	for _, kind := range []string{"browserprofiles", "crawlapprovals", "crawlfleets", "crawljobs", "crawlschedules"} {
		b.kubectl(t, "get", "crd", kind+".crawlfleet.dev")
	}
	b.kubectl(t, "-n", orderSpace, "get", "crawl", "whole")
}
