package render

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	networkapply "k8s.io/client-go/applyconfigurations/networking/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// Short names of what policies are made of.
type (
	egressRule  = networkapply.NetworkPolicyEgressRuleApplyConfiguration
	ingressRule = networkapply.NetworkPolicyIngressRuleApplyConfiguration
	peer        = networkapply.NetworkPolicyPeerApplyConfiguration
	port        = networkapply.NetworkPolicyPortApplyConfiguration
)

// networkPolicies forbid all traffic of the fleet's pods, and allow what they need, one policy for
// each thing that is reached, so that each can be read by itself.
func (r *renderer) networkPolicies() Objects {
	everybody := []string{Conductor, Browser, Portal, Probe}
	workers := []string{Conductor, Browser}
	spec := r.spec()
	observed := []string{Conductor, Browser, Gateway}
	objects := Objects{
		r.denyAll(),
		r.allow("crawlfleet-dns", everybody, nil, []*egressRule{egress(nil, both(53)...)}),
		r.allow("crawlfleet-store", everybody, nil, []*egressRule{toURL(spec.Store.Endpoint, spec.Store.Network)}),
		r.allow("crawlfleet-temporal", []string{Conductor, Browser, Portal}, nil, []*egressRule{toHostPort(string(spec.Temporal.Address), spec.Temporal.Network)}),
		r.allow("crawlfleet-visits", workers, nil, r.visits()),
		r.allow("crawlfleet-probes", observed, []*ingressRule{ingress(nil, tcp(portProbes))}, nil),
		r.allow("crawlfleet-metrics", append(observed, Portal), []*ingressRule{ingress([]*peer{anyNamespace()}, tcp(portMetrics))}, nil),
	}
	if HasGateway(spec) {
		objects = append(objects, r.allow(GatewayName, []string{Gateway}, []*ingressRule{ingress(r.pods(workers...), tcp(portGateway))}, r.sites()))
	}
	if spec.Signing.SecretName != "" && len(spec.Signing.StampAuthorities) > 0 {
		objects = append(objects, r.allow("crawlfleet-stamps", workers, nil, authorities(spec.Signing.StampAuthorities)))
	}
	if spec.Traces.Endpoint != "" {
		objects = append(objects, r.allow("crawlfleet-traces", workers, nil, []*egressRule{toURL(string(spec.Traces.Endpoint), spec.Traces.Network)}))
	}
	if HasPortal(spec) {
		objects = append(objects, r.allow(PortalName, []string{Portal},
			[]*ingressRule{ingress(nil, tcp(portPortal), tcp(portReplay))}, r.portalEgress()))
	}
	return objects
}

// denyAll is the policy by which what no other allows is forbidden.
func (r *renderer) denyAll() Object {
	const name = "crawlfleet-deny"
	p := networkapply.NetworkPolicy(name, r.Fleet.Namespace).WithSpec(networkapply.NetworkPolicySpec().
		WithPodSelector(metaapply.LabelSelector().WithMatchLabels(Owned(r.Fleet.Namespace))).
		WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress))
	p.ObjectMetaApplyConfiguration = r.meta(name, "", nil)
	return Object{"NetworkPolicy", name, p}
}

// allow is a policy that allows something to the pods of some components.
func (r *renderer) allow(name string, components []string, in []*ingressRule, out []*egressRule) Object {
	spec := networkapply.NetworkPolicySpec().
		WithPodSelector(r.selecting(components...)).
		WithIngress(in...).WithEgress(out...)
	if len(in) > 0 {
		spec.WithPolicyTypes(networkingv1.PolicyTypeIngress)
	}
	if len(out) > 0 {
		spec.WithPolicyTypes(networkingv1.PolicyTypeEgress)
	}
	p := networkapply.NetworkPolicy(name, r.Fleet.Namespace).WithSpec(spec)
	p.ObjectMetaApplyConfiguration = r.meta(name, "", nil)
	return Object{"NetworkPolicy", name, p}
}

// visits are the ways of workers to the sites that they visit: to the name server, and to the gateway
// or the proxy. (Conductors have them, too: they read robots.txt and sitemaps.)
func (r *renderer) visits() []*egressRule {
	e := r.spec().Egress
	var rules []*egressRule
	if server, ok := nameServer(e.NameServer); ok {
		rules = append(rules, egress(blocks(netip.PrefixFrom(server.Addr(), server.Addr().BitLen())), both(int32(server.Port()))...))
	}
	if HasGateway(r.spec()) {
		return append(rules, egress(r.pods(Gateway), tcp(portGateway)))
	}
	return append(rules, toURL(e.Proxy, e.ProxyNetwork))
}

// sites are the ways of the gateway: the public Internet, and what the fleet allows of the rest.
func (r *renderer) sites() []*egressRule {
	peers := public()
	for _, cidr := range r.spec().Egress.AllowPrivate {
		peers = append(peers, networkapply.NetworkPolicyPeer().WithIPBlock(networkapply.IPBlock().WithCIDR(string(cidr))))
	}
	return []*egressRule{egress(peers, networkapply.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP))}
}

// pods are those of some components of the fleet.
func (r *renderer) pods(components ...string) []*peer {
	return []*peer{networkapply.NetworkPolicyPeer().WithPodSelector(r.selecting(components...))}
}

// selecting selects the pods of some components of the fleet.
func (r *renderer) selecting(components ...string) *metaapply.LabelSelectorApplyConfiguration {
	return metaapply.LabelSelector().WithMatchLabels(Owned(r.Fleet.Namespace)).
		WithMatchExpressions(metaapply.LabelSelectorRequirement().WithKey(LabelComponent).WithOperator("In").WithValues(components...))
}

// apiServerPorts are where API servers listen, as pods see them.
var apiServerPorts = []int32{443, 6443}

// portalEgress are the ways to the API server, whose address the operator does not know as the
// network sees it, to the identity provider and to time-stamp authorities: by their ports.
func (r *renderer) portalEgress() []*egressRule {
	p := r.spec().Portal
	numbers := slices.Clone(apiServerPorts)
	for _, at := range append([]v1alpha1.WebAddress{p.OIDC.Issuer}, p.Dossiers.StampAuthorities...) {
		if _, n := hostPortOf(string(at)); !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	rule := networkapply.NetworkPolicyEgressRule()
	for _, n := range numbers {
		rule.WithPorts(tcp(n))
	}
	return []*egressRule{rule}
}

// authorities are the ways to time-stamp authorities.
func authorities(list []v1alpha1.WebAddress) []*egressRule {
	var rules []*egressRule
	for _, at := range list {
		rules = append(rules, toURL(string(at), v1alpha1.NetworkHint{}))
	}
	return rules
}

// toURL is the way to what has an address with a scheme.
func toURL(address string, hint v1alpha1.NetworkHint) *egressRule {
	host, n := hostPortOf(address)
	return to(host, n, hint)
}

// toHostPort is the way to what has an address without one.
func toHostPort(address string, hint v1alpha1.NetworkHint) *egressRule {
	host, n, err := net.SplitHostPort(address)
	if err != nil {
		return to(address, 0, hint)
	}
	number, _ := strconv.ParseInt(n, 10, 32) // the API server has looked at it
	return to(host, int32(number), hint)
}

// to is the way to a host: to the pods of its namespace when it is the name of a Service, to its
// address when it has one, else to public addresses. A hint knows better.
func to(host string, number int32, hint v1alpha1.NetworkHint) *egressRule {
	if hint.Port != 0 {
		number = hint.Port
	}
	return egress(peersOf(host, hint.CIDRs), tcp(number))
}

func peersOf(host string, cidrs []v1alpha1.CIDR) []*peer {
	var peers []*peer
	for _, cidr := range cidrs {
		peers = append(peers, networkapply.NetworkPolicyPeer().WithIPBlock(networkapply.IPBlock().WithCIDR(string(cidr))))
	}
	if len(peers) > 0 {
		return peers
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return blocks(netip.PrefixFrom(addr, addr.BitLen()))
	}
	if !strings.Contains(host, ".") { // a Service beside
		return []*peer{networkapply.NetworkPolicyPeer().WithPodSelector(metaapply.LabelSelector())}
	}
	if namespace, ok := serviceNamespace(host); ok {
		return []*peer{networkapply.NetworkPolicyPeer().WithNamespaceSelector(
			metaapply.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: namespace}))}
	}
	return public()
}

// serviceNamespace is that of a name such as store.minio.svc or store.minio.svc.cluster.local.
func serviceNamespace(host string) (string, bool) {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	i := slices.Index(labels, "svc")
	if i < 2 {
		return "", false
	}
	return labels[i-1], true
}

// internet are the parts of the address space that hold public addresses: all of IPv4, and what is
// given out of IPv6 (RFC 4291 section 2.4).
var internet = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2000::/3")}

// tunnels are the parts of IPv6 that embed an IPv4 address, which may be any (RFC 3056, RFC 4380).
var tunnels = []netip.Prefix{netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16")}

// public are the public addresses, without what workers refuse to connect to anyway.
func public() []*peer {
	var peers []*peer
	special := append(netguard.Special(), tunnels...)
	slices.SortFunc(special, netip.Prefix.Compare)
	for _, whole := range internet {
		block := networkapply.IPBlock().WithCIDR(whole.String())
		for _, s := range special {
			if s.Addr().BitLen() == whole.Addr().BitLen() && whole.Contains(s.Addr()) {
				block.WithExcept(s.String())
			}
		}
		peers = append(peers, networkapply.NetworkPolicyPeer().WithIPBlock(block))
	}
	return peers
}

// hostPortOf is the host of an address and its port, or that of its scheme.
func hostPortOf(address string) (string, int32) {
	u, err := url.Parse(address)
	if err != nil { // the API server has looked at it
		return "", 0
	}
	if n, err := strconv.ParseInt(u.Port(), 10, 32); err == nil {
		return u.Hostname(), int32(n)
	}
	if u.Scheme == "http" {
		return u.Hostname(), 80
	}
	return u.Hostname(), 443
}

// nameServer is the address of a name server, with the port of the rule unless it has one.
func nameServer(s string) (netip.AddrPort, bool) {
	if server, err := netip.ParseAddrPort(s); err == nil {
		return server, true
	}
	addr, err := netip.ParseAddr(s)
	return netip.AddrPortFrom(addr, 53), err == nil
}

func blocks(prefixes ...netip.Prefix) []*peer {
	var peers []*peer
	for _, p := range prefixes {
		peers = append(peers, networkapply.NetworkPolicyPeer().WithIPBlock(networkapply.IPBlock().WithCIDR(p.String())))
	}
	return peers
}

func anyNamespace() *peer {
	return networkapply.NetworkPolicyPeer().WithNamespaceSelector(metaapply.LabelSelector())
}

func tcp(number int32) *port {
	return networkapply.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(number))
}

func both(number int32) []*port {
	return []*port{networkapply.NetworkPolicyPort().WithProtocol(corev1.ProtocolUDP).WithPort(intstr.FromInt32(number)), tcp(number)}
}

func egress(to []*peer, ports ...*port) *egressRule {
	return networkapply.NetworkPolicyEgressRule().WithTo(to...).WithPorts(ports...)
}

func ingress(from []*peer, ports ...*port) *ingressRule {
	return networkapply.NetworkPolicyIngressRule().WithFrom(from...).WithPorts(ports...)
}
