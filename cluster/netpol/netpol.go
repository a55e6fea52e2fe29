// Package netpol enforces Kubernetes network policies between the pods of one node with
// nftables: what the bridge and point-to-point plugins of CNI do not. It is made for
// tests, which see with it that what a policy forbids fails and what it allows works.
//
// [Translate] turns policies, pods and namespaces into rules as the reference of the
// NetworkPolicy resource has them
// (https://kubernetes.io/docs/concepts/services-networking/network-policies/); an [Engine]
// keeps the kernel's rules the same as the cluster's policies. IPv4 only. Connections that
// stand go on when a policy changes.
package netpol

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// State is what the rules follow from.
type State struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Policies   []*networkingv1.NetworkPolicy
	// Addresses are those that pods were last given on this node: what their status tells
	// comes later, and after a restart of the node is what they had before.
	Addresses map[types.UID]string
}

// Isolation is what one pod may do.
type Isolation struct {
	// Pod is its namespace and name, Address its IPv4 address.
	Pod, Address string
	// Ingress and Egress are what is allowed to reach it and what it is allowed to
	// reach. Without the direction's bool, everything is.
	IngressIsolated, EgressIsolated bool
	Ingress, Egress                 []Rule
}

// Rule allows connections with peers at ports.
type Rule struct {
	// Addresses are those of pods, Block a range; neither means anybody.
	Addresses []string
	Block     string
	// Except is what the block leaves out.
	Except []string
	// Ports are the ports allowed; none means all.
	Ports []Port
}

// Port is a range of ports of a protocol; First 0 means all of the protocol.
type Port struct {
	Protocol    string // tcp, udp or sctp
	First, Last int32
}

// Translate says what the pods that policies select may do, in the order of their names.
func Translate(s State) []Isolation {
	w := newWorld(s)
	var all []Isolation
	for _, p := range w.pods {
		i := Isolation{Pod: p.Namespace + "/" + p.Name, Address: p.address}
		for _, policy := range s.Policies {
			if policy.Namespace == p.Namespace && matches(&policy.Spec.PodSelector, p.Labels) {
				w.add(&i, p, policy)
			}
		}
		if i.IngressIsolated || i.EgressIsolated {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b Isolation) int { return cmp.Compare(a.Pod, b.Pod) })
	return all
}

func (w *world) add(i *Isolation, p pod, policy *networkingv1.NetworkPolicy) {
	ingress, egress := directions(policy)
	if ingress {
		i.IngressIsolated = true
		for _, r := range policy.Spec.Ingress {
			i.Ingress = append(i.Ingress, w.ingress(policy.Namespace, p, r)...)
		}
	}
	if egress {
		i.EgressIsolated = true
		for _, r := range policy.Spec.Egress {
			i.Egress = append(i.Egress, w.egress(policy.Namespace, r)...)
		}
	}
}

// directions are those a policy isolates: where it does not say, ingress, and egress if it
// has rules for that.
func directions(policy *networkingv1.NetworkPolicy) (ingress, egress bool) {
	if len(policy.Spec.PolicyTypes) == 0 {
		return true, len(policy.Spec.Egress) > 0
	}
	return slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeIngress),
		slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
}

// ingress makes rules of one of a policy's. Named ports are those of the pod itself.
func (w *world) ingress(namespace string, p pod, r networkingv1.NetworkPolicyIngressRule) []Rule {
	ports, some := portsOf(r.Ports, []pod{p})
	if len(r.Ports) > 0 && !some {
		return nil
	}
	if len(r.From) == 0 {
		return []Rule{{Ports: ports}}
	}
	var rules []Rule
	for _, peer := range r.From {
		if rule, ok := w.peer(namespace, peer); ok {
			rule.Ports = ports
			rules = append(rules, rule)
		}
	}
	return rules
}

// egress makes rules of one of a policy's. Named ports are those of the peers, so that
// every peer may have others.
func (w *world) egress(namespace string, r networkingv1.NetworkPolicyEgressRule) []Rule {
	if named(r.Ports) {
		return w.egressNamed(namespace, r)
	}
	ports, _ := portsOf(r.Ports, nil)
	if len(r.To) == 0 {
		return []Rule{{Ports: ports}}
	}
	var rules []Rule
	for _, peer := range r.To {
		if rule, ok := w.peer(namespace, peer); ok {
			rule.Ports = ports
			rules = append(rules, rule)
		}
	}
	return rules
}

func (w *world) egressNamed(namespace string, r networkingv1.NetworkPolicyEgressRule) []Rule {
	var rules []Rule
	numbered := slices.DeleteFunc(slices.Clone(r.Ports), func(p networkingv1.NetworkPolicyPort) bool {
		return named([]networkingv1.NetworkPolicyPort{p})
	})
	if len(numbered) > 0 {
		rules = w.egress(namespace, networkingv1.NetworkPolicyEgressRule{To: r.To, Ports: numbered})
	}
	for _, p := range w.pods {
		if len(r.To) > 0 && !slices.ContainsFunc(r.To, func(peer networkingv1.NetworkPolicyPeer) bool { return w.selects(namespace, peer, p) }) {
			continue
		}
		wanted := slices.DeleteFunc(slices.Clone(r.Ports), func(port networkingv1.NetworkPolicyPort) bool {
			return !named([]networkingv1.NetworkPolicyPort{port})
		})
		if ports, some := portsOf(wanted, []pod{p}); some {
			rules = append(rules, Rule{Addresses: []string{p.address}, Ports: ports})
		}
	}
	return rules
}

// peer is who a peer of a policy is. A selector that selects nobody allows nothing.
func (w *world) peer(namespace string, peer networkingv1.NetworkPolicyPeer) (Rule, bool) {
	if peer.IPBlock != nil {
		return Rule{Block: peer.IPBlock.CIDR, Except: peer.IPBlock.Except}, isIPv4(peer.IPBlock.CIDR)
	}
	var r Rule
	for _, p := range w.pods {
		if w.selects(namespace, peer, p) {
			r.Addresses = append(r.Addresses, p.address)
		}
	}
	return r, len(r.Addresses) > 0
}
