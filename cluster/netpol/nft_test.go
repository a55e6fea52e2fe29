package netpol

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"
)

// The table as nft would list it, from the library's own check of a transaction.
func TestTransaction(t *testing.T) {
	t.Parallel()
	s := testState(t,
		`{metadata: {namespace: a, name: web}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress],
			ingress: [{from: [{podSelector: {}}], ports: [{port: http}, {protocol: UDP}]}],
			egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.8/29, 192.0.2.16/29]}}], ports: [{port: 80, endPort: 90}]}]}}`,
		`{metadata: {namespace: b, name: client}, spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{}]}}`)
	fake := knftables.NewFake(knftables.IPv4Family, table)
	// Twice: a table that is there is replaced.
	for range 2 {
		tx := fake.NewTransaction()
		transaction(tx, Translate(s))
		if err := fake.Run(context.Background(), tx); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.TrimPrefix(`
add table ip crawlfleet-netpol { comment "network policies of the cluster" ; }
add chain ip crawlfleet-netpol egress-10.244.0.1 { comment "a/web" ; }
add chain ip crawlfleet-netpol egress-10.244.0.4 { comment "b/client" ; }
add chain ip crawlfleet-netpol forward { type filter hook forward priority 0 ; }
add chain ip crawlfleet-netpol ingress-10.244.0.1 { comment "a/web" ; }
add chain ip crawlfleet-netpol input { type filter hook input priority 0 ; }
add map ip crawlfleet-netpol egress { type ipv4_addr : verdict ; }
add map ip crawlfleet-netpol ingress { type ipv4_addr : verdict ; }
add rule ip crawlfleet-netpol egress-10.244.0.1 ip daddr 10.244.0.1 return
add rule ip crawlfleet-netpol egress-10.244.0.1 ip daddr 192.0.2.0/24 ip daddr != 192.0.2.8/29 ip daddr != 192.0.2.16/29 tcp dport 80-90 return
add rule ip crawlfleet-netpol egress-10.244.0.1 counter drop
add rule ip crawlfleet-netpol egress-10.244.0.4 ip daddr 10.244.0.4 return
add rule ip crawlfleet-netpol egress-10.244.0.4 return
add rule ip crawlfleet-netpol egress-10.244.0.4 counter drop
add rule ip crawlfleet-netpol forward ct state established,related accept
add rule ip crawlfleet-netpol forward ip saddr vmap @egress
add rule ip crawlfleet-netpol forward ip daddr vmap @ingress
add rule ip crawlfleet-netpol ingress-10.244.0.1 ip saddr 10.244.0.1 return
add rule ip crawlfleet-netpol ingress-10.244.0.1 ip saddr { 10.244.0.2, 10.244.0.1 } tcp dport 8080 return
add rule ip crawlfleet-netpol ingress-10.244.0.1 ip saddr { 10.244.0.2, 10.244.0.1 } meta l4proto udp return
add rule ip crawlfleet-netpol ingress-10.244.0.1 counter drop
add rule ip crawlfleet-netpol input ct state established,related accept
add rule ip crawlfleet-netpol input ip saddr vmap @egress
add element ip crawlfleet-netpol egress { 10.244.0.1 : jump egress-10.244.0.1 }
add element ip crawlfleet-netpol egress { 10.244.0.4 : jump egress-10.244.0.4 }
add element ip crawlfleet-netpol ingress { 10.244.0.1 : jump ingress-10.244.0.1 }
`, "\n")
	if diff := cmp.Diff(want, fake.Dump()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
