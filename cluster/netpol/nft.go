package netpol

import (
	"fmt"
	"strings"

	"sigs.k8s.io/knftables"
)

// table is the name of the table of rules. Nothing else is touched.
const table = "crawlfleet-netpol"

// transaction replaces the table by one of these isolations, at once.
//
// Forwarded packets are looked at after Services have been turned into pods: destinations
// are pods' addresses and ports. First what the sender may do, then what the receiver may;
// "return" allows. What a pod sends to the node itself, the API server that is, comes by the
// input hook. What the node sends to pods, as the kubelet does for probes, always passes.
func transaction(tx *knftables.Transaction, all []Isolation) {
	// Added before it is deleted, so that deleting never fails.
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("network policies of the cluster")})
	verdicts := func(name string) {
		tx.Add(&knftables.Map{Name: name, Type: "ipv4_addr : verdict"})
	}
	verdicts("egress")
	verdicts("ingress")
	for _, hook := range []struct {
		hook  knftables.BaseChainHook
		rules []string
	}{
		{knftables.ForwardHook, []string{"ct state established,related accept", "ip saddr vmap @egress", "ip daddr vmap @ingress"}},
		{knftables.InputHook, []string{"ct state established,related accept", "ip saddr vmap @egress"}},
	} {
		chain := string(hook.hook)
		tx.Add(&knftables.Chain{
			Name: chain, Type: knftables.PtrTo(knftables.FilterType),
			Hook: knftables.PtrTo(hook.hook), Priority: knftables.PtrTo(knftables.FilterPriority),
		})
		for _, r := range hook.rules {
			tx.Add(&knftables.Rule{Chain: chain, Rule: r})
		}
	}
	for _, i := range all {
		if i.EgressIsolated {
			isolate(tx, i, "egress", "daddr", i.Egress)
		}
		if i.IngressIsolated {
			isolate(tx, i, "ingress", "saddr", i.Ingress)
		}
	}
}

// isolate makes the chain of one pod and one direction. A pod may always reach itself.
func isolate(tx *knftables.Transaction, i Isolation, direction, peer string, rules []Rule) {
	chain := direction + "-" + i.Address
	tx.Add(&knftables.Chain{Name: chain, Comment: knftables.PtrTo(i.Pod)})
	tx.Add(&knftables.Rule{Chain: chain, Rule: fmt.Sprintf("ip %s %s return", peer, i.Address)})
	for _, r := range rules {
		for _, match := range r.matches(peer) {
			tx.Add(&knftables.Rule{Chain: chain, Rule: strings.TrimSpace(match + " return")})
		}
	}
	tx.Add(&knftables.Rule{Chain: chain, Rule: "counter drop"})
	tx.Add(&knftables.Element{Map: direction, Key: []string{i.Address}, Value: []string{"jump " + chain}})
}

// matches are the conditions of a rule in nft's words, of which one must hold.
func (r Rule) matches(peer string) []string {
	who := r.who(peer)
	if len(r.Ports) == 0 {
		return []string{who}
	}
	var all []string
	for _, p := range r.Ports {
		all = append(all, strings.TrimSpace(who+" "+p.match()))
	}
	return all
}

// match is a rule of its own for every port: ranges in one set must not overlap.
func (p Port) match() string {
	if p.First == 0 {
		return "meta l4proto " + p.Protocol
	}
	if p.First == p.Last {
		return fmt.Sprintf("%s dport %d", p.Protocol, p.First)
	}
	return fmt.Sprintf("%s dport %d-%d", p.Protocol, p.First, p.Last)
}

func (r Rule) who(peer string) string {
	if len(r.Addresses) > 0 {
		return "ip " + peer + " { " + strings.Join(r.Addresses, ", ") + " }"
	}
	if r.Block == "" {
		return ""
	}
	match := "ip " + peer + " " + r.Block
	for _, except := range r.Except {
		match += " ip " + peer + " != " + except
	}
	return match
}

// NewNFT is the kernel's own table, of the network namespace of the calling process.
func NewNFT() (knftables.Interface, error) { return knftables.New(knftables.IPv4Family, table) }
