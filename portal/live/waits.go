package live

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Politeness is the reason of a pause between two pages of a host.
const Politeness = "Politeness"

// hostsNamed is how many hosts a Wait names.
const hostsNamed = 10

// unreached is after how many visits in a row that did not reach it a host counts as
// unreachable: a first failure may be the page's.
const unreached = 2

// rests says why a host rests, empty when it does not.
func (h Host) rests(now time.Time) string {
	switch {
	case h.Queued+h.Delayed == 0 || h.InFlight > 0 || !h.NextDue.After(now):
		return ""
	case h.Reason != "":
		return h.Reason
	case h.Failures >= unreached:
		return "HostUnreachable"
	}
	return Politeness
}

// waitsOf says what the pages of hosts wait for, the most pages first.
func waitsOf(hosts []Host, now time.Time) []Wait {
	found := map[string]*Wait{}
	for _, h := range hosts {
		reason := h.rests(now)
		if reason == "" {
			continue
		}
		w := found[reason]
		if w == nil {
			w = &Wait{Reason: reason, Until: h.NextDue}
			found[reason] = w
		}
		w.HostCount++
		w.Pages += h.Queued + h.Delayed
		if h.NextDue.Before(w.Until) {
			w.Until = h.NextDue
		}
		if len(w.Hosts) < hostsNamed {
			w.Hosts = append(w.Hosts, h.Host)
		}
	}
	waits := make([]Wait, 0, len(found))
	for _, w := range found {
		waits = append(waits, *w)
	}
	slices.SortFunc(waits, func(a, b Wait) int { return cmp.Or(cmp.Compare(b.Pages, a.Pages), strings.Compare(a.Reason, b.Reason)) })
	return waits
}

// busiest sorts hosts by what is left to do, the most first, and cuts the list.
func busiest(hosts []Host) []Host {
	slices.SortFunc(hosts, func(a, b Host) int {
		return cmp.Or(
			cmp.Compare(b.InFlight, a.InFlight), cmp.Compare(b.Queued+b.Delayed, a.Queued+a.Delayed),
			cmp.Compare(b.Visited, a.Visited), strings.Compare(a.Host, b.Host),
		)
	})
	return hosts[:min(len(hosts), MaxHosts)]
}
