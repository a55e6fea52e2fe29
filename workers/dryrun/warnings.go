package dryrun

import (
	"fmt"
	"regexp"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
)

// Warning is something that whoever ordered the crawl may want to know before.
type Warning struct {
	// Reason is a word for programs; docs/reference/crawlctl.md lists them.
	Reason string `json:"reason"`
	// Message says what is so, and what can be done.
	Message string `json:"message"`
	// Stops is set when the order could not run for it.
	Stops bool `json:"stops,omitempty"`
}

// manyHosts is how many hosts a scope of whole hosts takes before it is worth a word.
const manyHosts = 10

// Warn adds a warning.
func (r *Report) Warn(reason, format string, args ...any) {
	r.Warnings = append(r.Warnings, Warning{Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// Stop adds a warning for which the order could not run.
func (r *Report) Stop(reason, format string, args ...any) {
	r.Warn(reason, format, args...)
	r.Warnings[len(r.Warnings)-1].Stops, r.Runs = true, false
}

func (r *Report) warn(o Order, rules *frontier.Rules) {
	r.warnTime(o)
	r.warnLimits(o)
	r.warnScope(o)
	r.warnTraps(o, rules)
	r.warnRobots(o)
}

// warnTime compares the authorisation with the clock.
func (r *Report) warnTime(o Order) {
	a := o.Spec.Authorization
	left := a.NotAfter.Sub(o.start())
	known := seconds(r.Duration.KnownSeconds)
	switch {
	case !o.Now.Before(a.NotAfter):
		r.Stop("AuthorizationExpired", "the authorisation ended at %s: a new one is needed", stamp(a.NotAfter))
		return
	case a.NotBefore.After(o.Now):
		r.Warn("AuthorizationNotYetValid", "the authorisation begins at %s: the crawl waits until then", stamp(a.NotBefore))
	}
	if known > left {
		r.Warn("AuthorizationEndsEarly", "the authorisation ends at %s, before the known pages are done (%s)", stamp(a.NotAfter), Words(r.Duration.KnownSeconds))
	}
	if limit := o.Spec.Limits.Duration; limit > 0 && known > limit {
		r.Warn("DurationLimitBelowSeeds", "limits.durationSeconds is %d, and the known pages take %s", int64(limit.Seconds()), Words(r.Duration.KnownSeconds))
	}
}

func (r *Report) warnLimits(o Order) {
	if n := o.Spec.Limits.Pages; n > 0 && int64(r.Seeds) > n {
		r.Warn("PageLimitBelowSeeds", "limits.pages is %d, and there are %d seeds: the rest is left out", n, r.Seeds)
	}
	n := o.Spec.Limits.PagesPerHost
	if n == 0 {
		return
	}
	over, example := 0, ""
	for i := range r.Sites {
		if int64(r.Sites[i].Seeds) > n {
			if over++; over == 1 {
				example = r.Sites[i].Site
			}
		}
	}
	if over > 0 {
		r.Warn("HostLimitBelowSeeds", "limits.pagesPerHost is %d, and %d sites have more seeds than that, such as %s", n, over, example)
	}
}

func (r *Report) warnScope(o Order) {
	s := o.Spec.Scope
	if s.Type != "Page" && followsNothing(s) {
		r.Warn("ScopeTakesNoLink", "scope.depth is 0: no link is followed, as with scope.type Page")
	}
	if s.Type == "Custom" && s.ExtraHops == 0 && !matchesAny(s.Include, o.Seeds) {
		r.Warn("ScopeTakesNoSeed", "no pattern of scope.include matches a seed: check them, they are matched against whole addresses")
	}
	if n := excluded(s.Exclude, o.Seeds); n > 0 {
		r.Warn("SeedsExcluded", "scope.exclude matches %d of %d seeds, which are visited all the same; links like them are not", n, r.Seeds)
	}
	if (s.Type == "Host" || s.Type == "Domain") && r.HostsTotal >= manyHosts {
		r.Warn("ManyWholeHosts", "scope.type is %s and the seeds are on %d hosts: each of them is crawled as a whole; Prefix or Page takes less", s.Type, r.HostsTotal)
	}
}

func matchesAny(patterns, seeds []string) bool {
	return len(seeds) == 0 || excluded(patterns, seeds) > 0
}

// excluded is how many seeds match a pattern.
func excluded(patterns, seeds []string) (n int) {
	var compiled []*regexp.Regexp
	for _, p := range patterns {
		if re, err := regexp.Compile(p); err == nil { // the rules were compiled from them before
			compiled = append(compiled, re)
		}
	}
	for _, s := range seeds {
		for _, re := range compiled {
			if re.MatchString(s) {
				n++
				break
			}
		}
	}
	return n
}

func (r *Report) warnTraps(o Order, rules *frontier.Rules) {
	n, example, trap := 0, "", ""
	for _, s := range o.Seeds {
		if t := rules.Trap(s); t != "" {
			if n++; n == 1 {
				example, trap = s, t
			}
		}
	}
	if n > 0 {
		r.Warn("SeedsLookLikeTraps", "%d seeds look like traps and are visited all the same, links like them are not: %.60s (%s)", n, example, trap)
	}
}

func (r *Report) warnRobots(o Order) {
	unreachable, example, disallowed, unasked := 0, "", 0, 0
	for i := range r.Sites {
		disallowed += r.Sites[i].Disallowed
		for j := range r.Sites[i].Hosts {
			h := &r.Sites[i].Hosts[j]
			switch h.Robots.Verdict {
			case Unreachable:
				if unreachable++; unreachable == 1 {
					example = h.Robots.File + ": " + h.Robots.Detail
				}
			case NotAsked:
				unasked++
			}
		}
	}
	if unreachable > 0 {
		r.Warn("RobotsUnreachable", "robots.txt of %d hosts cannot be had, so nothing is visited there for now: %s", unreachable, example)
	}
	if disallowed > 0 {
		r.Warn("RobotsDisallowed", "robots.txt forbids %d of %d seeds: they are skipped", disallowed, r.Seeds)
	}
	if unasked > 0 && o.Robots != nil {
		r.Warn("HostsLeftOut", "%d of %d hosts were not asked for their robots.txt: what is said of them is the order's alone (--max-hosts, --timeout)", unasked, r.HostsTotal)
	}
	if r.Seeds > 0 && r.Pages.Known == 0 {
		r.Warn("NothingToVisit", "no seed can be visited as things are")
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Words writes seconds for people, such as "3h20m".
func Words(s float64) string {
	d := seconds(s)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.3gs", d.Seconds())
}
