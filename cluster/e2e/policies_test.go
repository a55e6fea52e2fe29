package e2e_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// policy is a NetworkPolicy in YAML.
func (s space) policy(t *testing.T, text string) {
	t.Helper()
	var p networkingv1.NetworkPolicy
	if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.NetworkingV1().NetworkPolicies(s.name).Create(t.Context(), &p, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s space) reaches(t *testing.T, pod, address string) bool {
	t.Helper()
	_, err := s.exec(t, pod, "dial", address)
	return err == nil
}

func (s space) address(t *testing.T, pod string) string {
	t.Helper()
	return s.get(t.Context(), t, pod).Status.PodIP
}

// settle waits until a connection is as it should be: rules follow policies within moments.
func (s space) settle(t *testing.T, pod, address string, want bool) {
	t.Helper()
	what := pod + " to be kept from " + address
	if want {
		what = pod + " to reach " + address
	}
	eventually(t, what, func(context.Context) bool { return s.reaches(t, pod, address) == want })
}

// policies goes from no policy over one that forbids all to ones that allow this and that,
// and back.
func (c *cluster) policies(t *testing.T) {
	t.Parallel()
	ours, others := c.namespace(t), c.namespace(t, "team", "others")
	ours.run(t, server("web", "web"), server("friend", "friend"), server("stranger", "stranger"))
	others.run(t, server("friend", "friend"))
	ours.service(t, "web")
	web, friend := ours.address(t, "web")+":8080", ours.address(t, "friend")+":8080"

	for _, from := range []string{"friend", "stranger"} {
		if !ours.reaches(t, from, web) {
			t.Fatalf("without a policy %s does not reach the server", from)
		}
	}
	ours.policy(t, `{metadata: {name: nothing}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`)
	ours.settle(t, "friend", web, false)
	others.settle(t, "friend", web, false)
	// The kubelet's probes pass all policies.
	if p := ours.get(t.Context(), t, "web"); !isReady(p) {
		t.Error("the server is not ready any more")
	}

	// Both ends have to allow it; by name, names have to be allowed, too.
	ours.policy(t, `{metadata: {name: web}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [
		{from: [{podSelector: {matchLabels: {app: friend}}}, {namespaceSelector: {matchLabels: {team: others}}}], ports: [{port: http}]}]}}`)
	others.settle(t, "friend", web, true)
	if ours.reaches(t, "friend", web) {
		t.Error("the friend may be received but not leave, and reaches the server")
	}
	ours.policy(t, `{metadata: {name: friend}, spec: {podSelector: {matchLabels: {app: friend}}, policyTypes: [Egress], egress: [
		{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]}}`)
	ours.settle(t, "friend", web, true)
	if ours.reaches(t, "friend", "web:80") {
		t.Error("the friend may not ask for names, and reaches the server by name")
	}
	ours.policy(t, `{metadata: {name: names}, spec: {podSelector: {}, policyTypes: [Egress], egress: [
		{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}],
		 ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]}}`)
	ours.settle(t, "friend", "web:80", true)
	for _, forbidden := range []struct{ from, to string }{
		{"stranger", web}, {"stranger", "web:80"}, {"friend", "kubernetes.default.svc:443"}, {"web", friend},
	} {
		if ours.reaches(t, forbidden.from, forbidden.to) {
			t.Errorf("%s reaches %s", forbidden.from, forbidden.to)
		}
	}

	// A block with a hole in it.
	ours.policy(t, `{metadata: {name: block}, spec: {podSelector: {matchLabels: {app: stranger}}, policyTypes: [Egress], egress: [
		{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [`+ours.address(t, "friend")+`/32]}}]}]}}`)
	ours.policy(t, `{metadata: {name: anybody}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}}`)
	ours.settle(t, "stranger", web, true)
	ours.settle(t, "stranger", "kubernetes.default.svc:443", true)
	if ours.reaches(t, "stranger", friend) {
		t.Error("the stranger reaches what its block leaves out")
	}

	err := c.client.NetworkingV1().NetworkPolicies(ours.name).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ours.settle(t, "stranger", friend, true)
	ours.settle(t, "web", friend, true)
}

// firstPacket tries what is forbidden as the first thing that a pod does.
func (c *cluster) firstPacket(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	ns.run(t, server("web", "web"))
	ns.policy(t, `{metadata: {name: nothing}, spec: {podSelector: {matchLabels: {kind: forbidden}}, policyTypes: [Egress]}}`)
	web := ns.address(t, "web") + ":8080"
	forbidden, allowed := peer("forbidden", "dial", web), peer("allowed", "dial", web)
	forbidden.Labels["kind"] = "forbidden"
	for _, p := range []*corev1.Pod{forbidden, allowed} {
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		ns.create(t, p)
	}
	ns.ends(t, "allowed", corev1.PodSucceeded)
	ns.ends(t, "forbidden", corev1.PodFailed)
}
