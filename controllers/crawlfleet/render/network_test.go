package render

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// TestPublic: what the network lets workers reach is what they would connect to themselves.
func TestPublic(t *testing.T) {
	t.Parallel()
	reached := func(addr netip.Addr) bool {
		return slices.ContainsFunc(public(), func(p *peer) bool {
			if !netip.MustParsePrefix(*p.IPBlock.CIDR).Contains(addr) {
				return false
			}
			return !slices.ContainsFunc(p.IPBlock.Except, func(s string) bool { return netip.MustParsePrefix(s).Contains(addr) })
		})
	}
	for _, p := range append(netguard.Special(), tunnels...) {
		if reached(p.Addr()) {
			t.Errorf("%s of %s is let through", p.Addr(), p)
		}
	}
	for _, s := range []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "93.184.215.14", "172.32.0.1", "192.167.255.255", "223.255.255.255", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a00::1",
		"10.0.0.1", "127.0.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.168.255.255", "255.255.255.255", "fd00::1", "fe80::1", "::1", "2001:db8::1", "ff02::1",
	} {
		addr := netip.MustParseAddr(s)
		if got, want := reached(addr), netguard.Check(addr, nil) == ""; got != want {
			t.Errorf("%s: the network lets it through: %v, the worker: %v", s, got, want)
		}
	}
}

// TestPeers: who is meant by an address.
func TestPeers(t *testing.T) {
	t.Parallel()
	const public = "public"
	for host, tc := range map[string]struct {
		cidrs []v1alpha1.CIDR
		want  string
	}{
		"192.0.2.1":                         {want: "192.0.2.1/32"},
		"2001:db8::1":                       {want: "2001:db8::1/128"},
		"temporal":                          {want: "beside"},
		"store.minio.svc":                   {want: "minio"},
		"store.minio.svc.":                  {want: "minio"},
		"a.store.minio.svc.cluster.local":   {want: "minio"},
		"svc.example.org":                   {want: public},
		"s3.example.org":                    {want: public},
		"s3.intern.example":                 {cidrs: []v1alpha1.CIDR{"10.1.0.0/16"}, want: "10.1.0.0/16"},
		"store.minio.svc.elsewhere.example": {cidrs: []v1alpha1.CIDR{"192.0.2.0/24"}, want: "192.0.2.0/24"},
	} {
		peers := peersOf(host, tc.cidrs)
		got := public
		switch p := peers[0]; {
		case p.PodSelector != nil:
			got = "beside"
		case p.NamespaceSelector != nil:
			got = p.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
		case len(peers) == 1:
			got = *p.IPBlock.CIDR
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", host, got, tc.want)
		}
	}
}

// TestTraffic: pods with browsers reach neither the API server nor each other, and every pod is
// under a policy that forbids the rest.
func TestTraffic(t *testing.T) {
	t.Parallel()
	for _, name := range cases {
		in := read(t, name)
		denied := false
		for _, o := range Fleet(in) {
			p, ok := typed(t, o).(*networkingv1.NetworkPolicy)
			if !ok {
				continue
			}
			if diff := cmp.Diff(Owned(in.Fleet.Namespace), p.Spec.PodSelector.MatchLabels); diff != "" {
				t.Errorf("%s selects other pods (-want +got):\n%s", p.Name, diff)
			}
			denied = denied || len(p.Spec.PodSelector.MatchExpressions) == 0 && len(p.Spec.PolicyTypes) == 2 && len(p.Spec.Ingress)+len(p.Spec.Egress) == 0
			if !slices.ContainsFunc(p.Spec.PodSelector.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool { return slices.Contains(r.Values, Browser) }) {
				continue
			}
			for _, rule := range p.Spec.Egress {
				if len(rule.To) == 0 && rule.Ports[0].Port.IntValue() != 53 {
					t.Errorf("%s: %s lets browsers reach everything at %v", name, p.Name, rule.Ports)
				}
			}
		}
		if !denied {
			t.Errorf("%s: nothing forbids what no policy allows", name)
		}
		for pod, template := range pods(t, append(Fleet(in), StoreProbe(in))) {
			for k, v := range Owned(in.Fleet.Namespace) {
				if template.Labels[k] != v {
					t.Errorf("%s: %s is under no policy: it has no label %s=%s", name, pod, k, v)
				}
			}
		}
	}
}
