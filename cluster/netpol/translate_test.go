package netpol

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// The world of the tests: two teams with a web server and a client each, and DNS.
func testState(t *testing.T, policies ...string) State {
	t.Helper()
	s := State{
		Namespaces: []*corev1.Namespace{
			namespace("a", "team", "a"), namespace("b", "team", "b"), namespace("kube-system"),
		},
		Pods: []*corev1.Pod{
			testPod("a", "web", "10.244.0.1", port("http", 8080, corev1.ProtocolTCP)),
			testPod("a", "client", "10.244.0.2"),
			testPod("b", "web", "10.244.0.3", port("http", 9090, corev1.ProtocolTCP), port("http", 9091, corev1.ProtocolUDP)),
			testPod("b", "client", "10.244.0.4"),
			testPod("kube-system", "dns", "10.244.0.5"),
		},
	}
	for _, p := range policies {
		var policy networkingv1.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(p), &policy); err != nil {
			t.Fatal(err)
		}
		s.Policies = append(s.Policies, &policy)
	}
	return s
}

func namespace(name string, labels ...string) *corev1.Namespace {
	set := map[string]string{"kubernetes.io/metadata.name": name}
	for i := 0; i < len(labels); i += 2 {
		set[labels[i]] = labels[i+1]
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: set}}
}

func testPod(namespace, name, address string, ports ...corev1.ContainerPort) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + name), Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: ports}}},
		Status:     corev1.PodStatus{PodIP: address, Phase: corev1.PodRunning},
	}
}

func port(name string, number int32, protocol corev1.Protocol) corev1.ContainerPort {
	return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: protocol}
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	const web, client = "10.244.0.1", "10.244.0.2"
	tests := map[string]struct {
		reason string
		policy string
		want   []Isolation
	}{
		"no policy": {
			reason: "pods that no policy selects are not isolated",
			policy: `{metadata: {namespace: c}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`,
		},
		"deny all": {
			reason: "an empty selector selects all pods of the namespace; no rule allows nothing",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`,
			want: []Isolation{
				{Pod: "a/client", Address: client, IngressIsolated: true, EgressIsolated: true},
				{Pod: "a/web", Address: web, IngressIsolated: true, EgressIsolated: true},
			},
		},
		"allow all": {
			reason: "an empty rule allows everybody at all ports",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{}]}}`,
			want:   []Isolation{{Pod: "a/web", Address: web, IngressIsolated: true, Ingress: []Rule{{}}}},
		},
		"types by default": {
			reason: "without types, ingress is isolated, and egress when there are rules for it",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, egress: [{}]}}`,
			want:   []Isolation{{Pod: "a/web", Address: web, IngressIsolated: true, EgressIsolated: true, Egress: []Rule{{}}}},
		},
		"pods of the same namespace": {
			reason: "a pod selector alone stays in the policy's namespace, though b has such a pod, too",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [
				{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}]}]}}`,
			want: []Isolation{{Pod: "a/web", Address: web, IngressIsolated: true, Ingress: []Rule{
				{Addresses: []string{client}, Ports: []Port{{"tcp", 8080, 8080}}},
			}}},
		},
		"a whole namespace": {
			reason: "a namespace selector alone selects all pods of the namespaces",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [
				{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}}`,
			want: []Isolation{{Pod: "a/web", Address: web, IngressIsolated: true, Ingress: []Rule{
				{Addresses: []string{"10.244.0.4", "10.244.0.3"}},
			}}},
		},
		"both selectors in one peer": {
			reason: "both have to match; as two peers either would do",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [
				{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {app: dns}}}],
				 ports: [{protocol: UDP, port: 53}, {port: 53}]}]}}`,
			want: []Isolation{{Pod: "a/client", Address: client, EgressIsolated: true, Egress: []Rule{
				{Addresses: []string{"10.244.0.5"}, Ports: []Port{{"udp", 53, 53}, {"tcp", 53, 53}}},
			}}},
		},
		"selectors that select nobody": {
			reason: "a peer that is nobody allows nobody, not everybody",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [
				{from: [{podSelector: {matchLabels: {app: none}}}]}]}}`,
			want: []Isolation{{Pod: "a/web", Address: web, IngressIsolated: true}},
		},
		"blocks": {
			reason: "a block leaves out its exceptions; blocks of IPv6 match no IPv4",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [
				{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}, {ipBlock: {cidr: "::/0"}}],
				 ports: [{port: 8000, endPort: 8099}, {protocol: SCTP}]}]}}`,
			want: []Isolation{{Pod: "a/client", Address: client, EgressIsolated: true, Egress: []Rule{
				{Block: "0.0.0.0/0", Except: []string{"10.0.0.0/8", "192.168.0.0/16"}, Ports: []Port{{"tcp", 8000, 8099}, {"sctp", 0, 0}}},
			}}},
		},
		"a named port of the pod itself": {
			reason: "for ingress the pod's own port has the name",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: http}]}]}}`,
			want: []Isolation{{Pod: "a/web", Address: web, IngressIsolated: true, Ingress: []Rule{
				{Ports: []Port{{"tcp", 8080, 8080}}},
			}}},
		},
		"a named port the pod does not have": {
			reason: "a name that means nothing allows nothing",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Ingress], ingress: [{ports: [{port: http}]}]}}`,
			want:   []Isolation{{Pod: "a/client", Address: client, IngressIsolated: true}},
		},
		"named ports of peers": {
			reason: "for egress every peer has its own port by the name, of the protocol asked for",
			policy: `{metadata: {namespace: a}, spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [
				{to: [{namespaceSelector: {}}], ports: [{port: http}, {port: 53}]}]}}`,
			want: []Isolation{{Pod: "a/client", Address: client, EgressIsolated: true, Egress: []Rule{
				{Addresses: []string{client, web, "10.244.0.4", "10.244.0.3", "10.244.0.5"}, Ports: []Port{{"tcp", 53, 53}}},
				{Addresses: []string{web}, Ports: []Port{{"tcp", 8080, 8080}}},
				{Addresses: []string{"10.244.0.3"}, Ports: []Port{{"tcp", 9090, 9090}}},
			}}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Translate(testState(t, tc.policy))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Policies add up: what one of them allows is allowed.
func TestPoliciesAddUp(t *testing.T) {
	t.Parallel()
	s := testState(t,
		`{metadata: {namespace: a, name: none}, spec: {podSelector: {}, policyTypes: [Ingress]}}`,
		`{metadata: {namespace: a, name: clients}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [
			{from: [{podSelector: {matchLabels: {app: client}}}]}]}}`,
		`{metadata: {namespace: a, name: others}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [
			{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}}`)
	want := []Isolation{
		{Pod: "a/client", Address: "10.244.0.2", IngressIsolated: true},
		{Pod: "a/web", Address: "10.244.0.1", IngressIsolated: true, Ingress: []Rule{
			{Addresses: []string{"10.244.0.2"}}, {Block: "192.0.2.0/24"},
		}},
	}
	if diff := cmp.Diff(want, Translate(s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Which pods have an address that is theirs.
func TestPodsWithAddresses(t *testing.T) {
	t.Parallel()
	s := testState(t, `{metadata: {namespace: a}, spec: {podSelector: {}, policyTypes: [Ingress]}}`)
	starting := testPod("a", "starting", "")
	pending := testPod("a", "pending", "")
	done := testPod("a", "done", "10.244.0.8")
	done.Status.Phase = corev1.PodSucceeded
	host := testPod("a", "host", "10.245.0.1")
	host.Spec.HostNetwork = true
	s.Pods = []*corev1.Pod{starting, pending, done, host}
	s.Addresses = map[types.UID]string{starting.UID: "10.244.0.9"}
	want := []Isolation{{Pod: "a/starting", Address: "10.244.0.9", IngressIsolated: true}}
	if diff := cmp.Diff(want, Translate(s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
