// Package dryrun says beforehand what will become of an order: [Explain] of single
// addresses, [Plan] of the whole crawl. It decides with the crawl's own rules, asks servers
// for robots.txt and sitemaps alone, as politely as the crawl does, and loads no page.
package dryrun

import (
	"context"
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/robots"
	"crawlfleet.dev/crawlfleet/internal/urls"
	workerfrontier "crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Order is what is looked at.
type Order struct {
	Spec workflows.Spec
	// Seeds are canonical; Sitemaps says whether those of the order's sitemaps are among
	// them.
	Seeds    []string
	Sitemaps bool
	// Robots fetches robots.txt; nil asks nobody.
	Robots *workerfrontier.RobotsCache
	// Now is the time that authorisations are judged at.
	Now time.Time
}

// rules compiles the order's rules.
func (o Order) rules() (*frontier.Rules, error) {
	return frontier.NewRules(workerfrontier.SpecOf(o.Spec, o.Seeds))
}

// Robots is what the robots.txt of a host says of an address.
type Robots struct {
	// Verdict is Allowed, Disallowed, Unreachable or NotAsked.
	Verdict Verdict `json:"verdict"`
	// File is the address of the robots.txt.
	File string `json:"file"`
	// Rule and Line are the line that decided, Group and GroupLine the User-agent line
	// that it stands under; empty when no rule speaks of the address.
	Rule      string `json:"rule,omitempty"`
	Line      int    `json:"line,omitempty"`
	Group     string `json:"group,omitempty"`
	GroupLine int    `json:"groupLine,omitempty"`
	// Reason and Detail say why it could not be had.
	Reason workflows.Reason `json:"reason,omitempty"`
	Detail string           `json:"detail,omitempty"`
}

// Verdict is what comes of asking for a robots.txt.
type Verdict string

// The verdicts.
const (
	Allowed     Verdict = "Allowed"
	Disallowed  Verdict = "Disallowed"
	Unreachable Verdict = "Unreachable"
	NotAsked    Verdict = "NotAsked"
)

// Delay is the pause between two page loads from a site.
type Delay struct {
	Seconds float64 `json:"seconds"`
	// Source is Order (politeness.delaySeconds) or Robots (Crawl-delay).
	Source string `json:"source"`
	// Line is that of the Crawl-delay in robots.txt.
	Line int `json:"line,omitempty"`
}

// The sources of a delay.
const (
	sourceOrder  = "Order"
	sourceRobots = "Robots"
)

// delay is the pause that results from the order and a robots.txt.
func (o Order) delay(rules *robots.Rules) Delay {
	if rules != nil && rules.Delay > o.Spec.Politeness.Delay {
		return Delay{rules.Delay.Seconds(), sourceRobots, rules.DelayLine}
	}
	return Delay{Seconds: o.Spec.Politeness.Delay.Seconds(), Source: sourceOrder}
}

// ask asks the robots.txt of an address's origin about it.
func (o Order) ask(ctx context.Context, canonical string) (Robots, *robots.Rules) {
	u, err := urls.Split(canonical)
	if err != nil {
		return Robots{Verdict: NotAsked, Detail: err.Error()}, nil
	}
	out := Robots{Verdict: NotAsked, File: u.Scheme + "://" + u.Host + "/robots.txt"}
	if o.Robots == nil {
		out.Detail = "no server is asked"
		return out, nil
	}
	rules, failure := o.Robots.Rules(ctx, canonical)
	if failure != nil {
		out.Verdict, out.Reason, out.Detail = Unreachable, failure.Reason, failure.Detail
		return out, nil
	}
	out.judge(rules, u.Target)
	return out, rules
}

// judge fills in what rules say of the path and query of an address.
func (r *Robots) judge(rules *robots.Rules, target string) {
	d := rules.Decide(target)
	r.Verdict = Allowed
	if !d.Allowed {
		r.Verdict = Disallowed
	}
	r.Rule, r.Line, r.Group, r.GroupLine = d.Rule, d.Line, d.Group.Agent, d.Group.Line
}

// String says it in words.
func (r Robots) String() string {
	switch {
	case r.Verdict == NotAsked:
		return "not asked: " + r.Detail
	case r.Verdict == Unreachable:
		return "unreachable, so nothing is visited for now: " + r.Detail
	case r.Rule == "":
		return "allowed: no rule speaks of it"
	}
	word := "allowed"
	if r.Verdict == Disallowed {
		word = "disallowed"
	}
	return fmt.Sprintf("%s by line %d, %q (group of line %d, %q)", word, r.Line, r.Rule, r.GroupLine, r.Group)
}
