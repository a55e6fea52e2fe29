package dryrun

import (
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/workflows"
)

// expect says how many pages there will be.
func (r *Report) expect(o Order) {
	for i := range r.Sites {
		r.Pages.Known += r.Sites[i].visited()
	}
	p, scope, limits := &r.Pages, o.Spec.Scope, o.Spec.Limits
	p.Exact = followsNothing(scope)
	p.AtMost, p.By = limits.Pages, "limits.pages"
	if closed(scope) && limits.PagesPerHost > 0 {
		if n := limits.PagesPerHost * int64(r.SitesTotal); p.AtMost == 0 || n < p.AtMost {
			p.AtMost, p.By = n, "limits.pagesPerHost"
		}
	}
	if p.AtMost == 0 {
		p.By = ""
	}
	switch {
	case p.Exact && (p.AtMost == 0 || p.Known <= p.AtMost):
		p.AtMost, p.By, p.Why = p.Known, "seeds", "no link is followed"
	case p.Exact:
		p.Why = "no link is followed, and " + p.By + " leaves seeds out"
	case scope.Type == "PageLinks":
		p.Why = "the seeds and what they link to; how much that is, nobody knows before"
	case scope.Depth != nil:
		p.Why = fmt.Sprintf("the seeds and what is at most %d links away; how much that is, nobody knows before", *scope.Depth)
	default:
		p.Why = "the seeds and every page in scope that can be reached from them; the scope itself has no bound"
	}
	if p.AtMost > 0 {
		p.Known = min(p.Known, p.AtMost)
	}
}

// followsNothing tells whether a scope takes no link.
func followsNothing(s workflows.Scope) bool {
	return s.Type == "Page" || s.Type != "PageLinks" && s.Depth != nil && *s.Depth == 0
}

// closed tells whether a scope keeps to the sites of the seeds.
func closed(s workflows.Scope) bool {
	switch s.Type {
	case "Page", "Prefix", "Host", "Domain":
		return s.ExtraHops == 0
	}
	return false
}

// last says how long it takes. A site is visited by one page at a time, so the crawl takes as
// long as the longest of them, or as all pages on the tabs there are.
func (r *Report) last(o Order, a Assumptions) {
	d := &r.Duration
	d.PageSeconds, d.Tabs, d.Decides = a.PageTime.Seconds(), a.Tabs, "tabs"
	work := func(pages int64) float64 { return float64(pages) * a.PageTime.Seconds() / float64(a.Tabs) }
	perHost := o.Spec.Limits.PagesPerHost
	bound := func(n int64) int64 {
		if perHost > 0 {
			return min(n, perHost)
		}
		return n
	}
	d.KnownSeconds = work(r.Pages.Known)
	d.AtMostSeconds = work(r.Pages.AtMost)
	for i := range r.Sites {
		s := &r.Sites[i]
		if t := s.takes(float64(bound(min(s.visited(), r.Pages.Known))), a.PageTime); t > d.KnownSeconds {
			d.KnownSeconds, d.Decides = t, s.Site
		}
		if s.Robots == Unreachable && s.visited() == 0 {
			continue
		}
		// All that is not known may turn out to lie on one site.
		more := r.Pages.AtMost - (r.Pages.Known - s.visited())
		if r.Pages.Exact {
			more = min(s.visited(), r.Pages.AtMost)
		}
		d.AtMostSeconds = max(d.AtMostSeconds, s.takes(float64(bound(max(more, 0))), a.PageTime))
	}
	if r.Pages.AtMost == 0 {
		d.AtMostSeconds = 0 // nobody can say
	}
	for _, end := range []struct {
		field string
		after time.Duration
	}{
		{"limits.durationSeconds", o.Spec.Limits.Duration},
		{"authorization.notAfter", o.Spec.Authorization.NotAfter.Sub(o.start())},
	} {
		if s := max(end.after.Seconds(), 0); end.after != 0 && (d.AtMostSeconds == 0 || s < d.AtMostSeconds) && r.Pages.Known > 0 {
			d.AtMostSeconds, d.Ends = s, end.field
		}
	}
}

// start is when the crawl would begin.
func (o Order) start() time.Time {
	if o.Spec.Authorization.NotBefore.After(o.Now) {
		return o.Spec.Authorization.NotBefore
	}
	return o.Now
}
