package netpol

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// world is a state made ready for questions.
type world struct {
	namespaces map[string]map[string]string
	pods       []pod
}

// pod is a pod with an address of its own.
type pod struct {
	*corev1.Pod
	address string
}

func newWorld(s State) *world {
	w := &world{namespaces: map[string]map[string]string{}}
	for _, n := range s.Namespaces {
		w.namespaces[n.Name] = n.Labels
	}
	given := map[string]bool{}
	for _, address := range s.Addresses {
		given[address] = true
	}
	for _, p := range s.Pods {
		address, known := s.Addresses[p.UID]
		// What a status still tells may have been given to another pod.
		if !known && !given[p.Status.PodIP] {
			address = p.Status.PodIP
		}
		// Policies do not say anything of pods on the node's own network. An address of
		// a pod that ended may be another's already.
		if p.Spec.HostNetwork || ended(p) || address == "" {
			continue
		}
		w.pods = append(w.pods, pod{Pod: p, address: address})
	}
	slices.SortFunc(w.pods, func(a, b pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return w
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// selects tells whether a peer of a policy of a namespace means a pod: of the policy's own
// namespace where it names no other.
func (w *world) selects(namespace string, peer networkingv1.NetworkPolicyPeer, p pod) bool {
	if peer.IPBlock != nil {
		return false
	}
	if peer.NamespaceSelector == nil && p.Namespace != namespace {
		return false
	}
	if peer.NamespaceSelector != nil && !matches(peer.NamespaceSelector, w.namespaces[p.Namespace]) {
		return false
	}
	return peer.PodSelector == nil || matches(peer.PodSelector, p.Labels)
}

// matches tells whether a selector selects labels; an empty one selects all. The API server
// lets none pass that cannot be read.
func matches(selector *metav1.LabelSelector, set map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(set))
}

func named(ports []networkingv1.NetworkPolicyPort) bool {
	return slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return p.Port != nil && p.Port.Type == intstr.String
	})
}

// portsOf are the ports of a rule, with names looked up in pods; some says that there is
// one at all.
func portsOf(ports []networkingv1.NetworkPolicyPort, of []pod) (found []Port, some bool) {
	for _, p := range ports {
		protocol := corev1.ProtocolTCP
		if p.Protocol != nil {
			protocol = *p.Protocol
		}
		port := Port{Protocol: strings.ToLower(string(protocol))}
		switch {
		case p.Port == nil:
			found = append(found, port)
		case p.Port.Type == intstr.Int:
			port.First, port.Last = p.Port.IntVal, p.Port.IntVal
			if p.EndPort != nil {
				port.Last = *p.EndPort
			}
			found = append(found, port)
		default:
			for _, number := range lookUp(p.Port.StrVal, protocol, of) {
				port.First, port.Last = number, number
				found = append(found, port)
			}
		}
	}
	return found, len(found) > 0
}

// lookUp is what the containers of pods call a port. (Init containers that go on are
// among them.)
func lookUp(name string, protocol corev1.Protocol, pods []pod) []int32 {
	var found []int32
	for _, p := range pods {
		for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
			for _, port := range c.Ports {
				if port.Name == name && cmp.Or(port.Protocol, corev1.ProtocolTCP) == protocol {
					found = append(found, port.ContainerPort)
				}
			}
		}
	}
	return found
}

func isIPv4(cidr string) bool {
	prefix, err := netip.ParsePrefix(cidr)
	return err == nil && prefix.Addr().Is4()
}
