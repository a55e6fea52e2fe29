// Command coredns is CoreDNS with what a cluster's DNS needs, and without the clients of
// clouds that are most of the whole: see
// https://coredns.io/2017/07/25/compile-time-enabling-or-disabling-plugins/.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	// In the order in which they see a question: that of CoreDNS' own plugin.cfg.
	dnsserver.Directives = []string{"health", "ready", "prometheus", "errors", "log", "loop", "kubernetes"}
	coremain.Run()
}
