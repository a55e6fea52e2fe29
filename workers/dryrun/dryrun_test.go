package dryrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	workerfrontier "crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// now is when everything happens.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// robotsOf answers with a robots.txt by host. A host that is not in it has none; one with an
// empty text does not answer.
type robotsOf map[string]string

func (files robotsOf) RoundTrip(r *http.Request) (*http.Response, error) {
	text, ok := files[r.URL.Host]
	switch {
	case !ok:
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
	case text == "":
		return nil, errors.New("nobody there")
	case text == "hang":
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (files robotsOf) cache() *workerfrontier.RobotsCache {
	return &workerfrontier.RobotsCache{Client: &http.Client{Transport: files}, UserAgent: "crawlfleet/test", Token: "crawlfleet", Now: time.Now}
}

// orderOf is an order of whole hosts, with a bound.
func orderOf(files robotsOf, seeds ...string) Order {
	return Order{
		Spec: workflows.Spec{
			Scope: workflows.Scope{Type: "Host"}, Limits: workflows.Limits{Pages: 100}, Politeness: workflows.Politeness{Delay: 2 * time.Second},
			Authorization: workflows.Authorization{NotAfter: now.Add(24 * time.Hour)},
		},
		Seeds: seeds, Robots: files.cache(), Now: now,
	}
}

var assumed = Assumptions{PageTime: 3 * time.Second, Tabs: 2, MaxHosts: 10, Examples: 2}

func reasonsOf(r *Report) (list []string) {
	for _, w := range r.Warnings {
		list = append(list, w.Reason)
	}
	return list
}

// TestWarnings: each has an order that it is for, and none is there without cause.
func TestWarnings(t *testing.T) {
	t.Parallel()
	depth := 0
	many := make([]string, manyHosts)
	for i := range many {
		many[i] = fmt.Sprintf("http://h%d.test/", i)
	}
	cases := map[string]struct {
		files  robotsOf
		seeds  []string
		change func(*Order)
		want   []string
		stops  bool
	}{
		"Fine":        {},
		"Expired":     {change: func(o *Order) { o.Spec.Authorization.NotAfter = now }, want: []string{"AuthorizationExpired"}, stops: true},
		"NotYet":      {change: func(o *Order) { o.Spec.Authorization.NotBefore = now.Add(time.Hour) }, want: []string{"AuthorizationNotYetValid"}},
		"EndsEarly":   {seeds: []string{"http://a.test/1", "http://a.test/2"}, change: func(o *Order) { o.Spec.Authorization.NotAfter = now.Add(7 * time.Second) }, want: []string{"AuthorizationEndsEarly"}},
		"JustInTime":  {seeds: []string{"http://a.test/1", "http://a.test/2"}, change: func(o *Order) { o.Spec.Authorization.NotAfter = now.Add(8 * time.Second) }},
		"TooShort":    {seeds: []string{"http://a.test/1", "http://a.test/2"}, change: func(o *Order) { o.Spec.Limits.Duration = 7 * time.Second }, want: []string{"DurationLimitBelowSeeds"}},
		"Pages":       {seeds: []string{"http://a.test/1", "http://b.test/2"}, change: func(o *Order) { o.Spec.Limits.Pages = 1 }, want: []string{"PageLimitBelowSeeds"}},
		"PerHost":     {seeds: []string{"http://a.test/1", "http://a.test/2"}, change: func(o *Order) { o.Spec.Limits.PagesPerHost = 1 }, want: []string{"HostLimitBelowSeeds"}},
		"NoLink":      {change: func(o *Order) { o.Spec.Scope.Depth = &depth }, want: []string{"ScopeTakesNoLink"}},
		"NoSeed":      {change: func(o *Order) { o.Spec.Scope.Type, o.Spec.Scope.Include = "Custom", []string{"^b"} }, want: []string{"ScopeTakesNoSeed"}},
		"Custom":      {change: func(o *Order) { o.Spec.Scope.Type, o.Spec.Scope.Include = "Custom", []string{"^b", "a.test"} }},
		"Excluded":    {change: func(o *Order) { o.Spec.Scope.Exclude = []string{"a.test"} }, want: []string{"SeedsExcluded"}},
		"ManyHosts":   {seeds: many, want: []string{"ManyWholeHosts"}},
		"ManyPages":   {seeds: many, change: func(o *Order) { o.Spec.Scope.Type = "Page" }},
		"Trap":        {seeds: []string{"http://a.test/x/x/x/x/"}, want: []string{"SeedsLookLikeTraps"}},
		"Unreachable": {files: robotsOf{"a.test": ""}, seeds: []string{"http://a.test/", "http://b.test/"}, want: []string{"RobotsUnreachable"}},
		"Disallowed":  {files: robotsOf{"a.test": "User-agent: *\nDisallow: /1"}, seeds: []string{"http://a.test/1", "http://a.test/2"}, want: []string{"RobotsDisallowed"}},
		"Nothing":     {files: robotsOf{"a.test": "User-agent: *\nDisallow: /"}, want: []string{"RobotsDisallowed", "NothingToVisit"}},
		"LeftOut":     {seeds: append(many[:manyHosts:manyHosts], "http://x.test/"), change: func(o *Order) { o.Spec.Scope.Type = "Page" }, want: []string{"HostsLeftOut"}},
		"Offline":     {change: func(o *Order) { o.Robots = nil }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.seeds == nil {
				tc.seeds = []string{"http://a.test/"}
			}
			o := orderOf(tc.files, tc.seeds...)
			if tc.change != nil {
				tc.change(&o)
			}
			r, err := Plan(t.Context(), o, assumed, func(int, int) {})
			if err != nil {
				t.Fatal(err)
			}
			if got := reasonsOf(r); !slices.Equal(got, tc.want) || r.Runs == tc.stops {
				t.Errorf("warnings %q, runs %v, want %q: %+v", got, r.Runs, tc.want, r.Warnings)
			}
		})
	}
}

func TestExpectations(t *testing.T) {
	t.Parallel()
	depth := 2
	slow := robotsOf{"www.a.test": "User-agent: *\nCrawl-delay: 10\nDisallow: /no", "b.test": ""}
	seeds := []string{"http://a.test/1", "http://www.a.test/2", "http://www.a.test/no", "http://b.test/", "http://c.test/"}
	cases := map[string]struct {
		reason   string
		change   func(*Order)
		pages    Pages
		duration Duration
	}{
		"Host": {reason: "two pages with the longer pause of the site; all that is left of the limit may be there too",
			pages: Pages{Known: 3, AtMost: 100, By: "limits.pages"}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 99*3 + 98*10, Decides: "a.test"}},
		"Page": {reason: "the seeds alone", change: func(o *Order) { o.Spec.Scope.Type = "Page" },
			pages: Pages{Known: 3, AtMost: 3, By: "seeds", Exact: true}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 16, Decides: "a.test"}},
		"PageCut": {reason: "the seeds alone, and not all of them", change: func(o *Order) { o.Spec.Scope.Type, o.Spec.Limits.Pages = "Page", 2 },
			pages: Pages{Known: 2, AtMost: 2, By: "limits.pages", Exact: true}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 16, Decides: "a.test"}},
		"OneCut": {reason: "no site is visited longer than for all pages that there may be", change: func(o *Order) { o.Spec.Scope.Type, o.Spec.Limits.Pages = "Page", 1 },
			pages: Pages{Known: 1, AtMost: 1, By: "limits.pages", Exact: true}, duration: Duration{KnownSeconds: 3, AtMostSeconds: 3, Decides: "a.test"}},
		"PerHost": {reason: "a closed scope has no more sites than its seeds", change: func(o *Order) { o.Spec.Limits.PagesPerHost = 4 },
			pages: Pages{Known: 3, AtMost: 12, By: "limits.pagesPerHost"}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 4*3 + 3*10, Decides: "a.test"}},
		"Open": {reason: "an open one may have more", change: func(o *Order) { o.Spec.Scope.Type, o.Spec.Limits.PagesPerHost = "PageLinks", 4 },
			pages: Pages{Known: 3, AtMost: 100, By: "limits.pages"}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 150, Decides: "a.test"}},
		"Time": {reason: "the limit on time ends it", change: func(o *Order) { o.Spec.Limits.Duration = time.Minute },
			pages: Pages{Known: 3, AtMost: 100, By: "limits.pages"}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 60, Decides: "a.test", Ends: "limits.durationSeconds"}},
		"Authorization": {reason: "or the authorisation", change: func(o *Order) {
			o.Spec.Authorization.NotBefore, o.Spec.Authorization.NotAfter = now.Add(time.Hour), now.Add(time.Hour+30*time.Second)
		}, pages: Pages{Known: 3, AtMost: 100, By: "limits.pages"}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 30, Decides: "a.test", Ends: "authorization.notAfter"}},
		"NoBound": {reason: "nobody can say", change: func(o *Order) {
			o.Spec.Limits.Pages, o.Spec.Scope.Depth, o.Spec.Authorization.NotAfter = 0, &depth, now.Add(time.Hour)
		}, pages: Pages{Known: 3}, duration: Duration{KnownSeconds: 16, AtMostSeconds: 3600, Decides: "a.test", Ends: "authorization.notAfter"}},
		"NoPause": {reason: "nobody is asked, and sites of one's own need no pause", change: func(o *Order) {
			o.Robots, o.Spec.Politeness.Delay, o.Spec.Scope.Type = nil, 0, "Page"
		}, pages: Pages{Known: 5, AtMost: 5, By: "seeds", Exact: true}, duration: Duration{KnownSeconds: 9, AtMostSeconds: 9, Decides: "a.test"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := orderOf(slow, seeds...)
			if tc.change != nil {
				tc.change(&o)
			}
			r, err := Plan(t.Context(), o, assumed, func(int, int) {})
			if err != nil {
				t.Fatal(err)
			}
			r.Pages.Why = ""
			tc.duration.PageSeconds, tc.duration.Tabs = 3, 2
			if r.Pages != tc.pages || r.Duration != tc.duration {
				t.Errorf("%s:\n%+v %+v, want\n%+v %+v", tc.reason, r.Pages, r.Duration, tc.pages, tc.duration)
			}
		})
	}
}

// TestTabsDecide: with few tabs it is the work that takes long, not a site.
func TestTabsDecide(t *testing.T) {
	t.Parallel()
	a := assumed
	a.Tabs = 1
	o := orderOf(nil, "http://a.test/", "http://b.test/", "http://c.test/")
	o.Spec.Scope.Type = "Page"
	r, err := Plan(t.Context(), o, a, func(int, int) {})
	if err != nil || r.Duration.KnownSeconds != 9 || r.Duration.Decides != "tabs" {
		t.Errorf("%+v, %v", r.Duration, err)
	}
}

// TestTimeIsBounded: hosts that do not answer are said not to have been asked.
func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files, seeds := robotsOf{}, []string(nil)
		for i := range 3 * atOnce {
			files[fmt.Sprintf("h%d.test", i)] = "hang"
			seeds = append(seeds, fmt.Sprintf("http://h%d.test/", i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second) // the first ones have 30 s each
		defer cancel()
		started, ticks := time.Now(), 0
		a := assumed
		a.MaxHosts = 1000
		r, err := Plan(ctx, orderOf(files, seeds...), a, func(int, int) { ticks++ })
		if err != nil || time.Since(started) > 46*time.Second || ticks != len(seeds) {
			t.Fatalf("after %v, %d ticks, %v", time.Since(started), ticks, err)
		}
		if r.HostsAsked != atOnce || !slices.Contains(reasonsOf(r), "HostsLeftOut") || !slices.Contains(reasonsOf(r), "RobotsUnreachable") {
			t.Errorf("%d hosts are asked, %q", r.HostsAsked, reasonsOf(r))
		}
	})
}

func TestExplain(t *testing.T) {
	t.Parallel()
	depth := 3
	o := orderOf(robotsOf{"a.test": "User-agent: *\nCrawl-delay: 5\nDisallow: /private"}, "http://a.test/", "http://a.test/private/seed")
	o.Spec.Scope = workflows.Scope{Type: "Host", Depth: &depth, ExtraHops: 2, Exclude: []string{"/out"}}
	e, err := NewExplainer(o)
	if err != nil {
		t.Fatal(err)
	}
	anywhere := Place{Depth: -1, Hops: -1}
	cases := map[string]struct {
		url         string
		at          Place
		depth, hops int
		rule        string
		reason      workflows.Reason
	}{
		"Seed":         {"http://a.test/#x", anywhere, 0, 0, "seeds", ""},
		"SeedAsLink":   {"http://a.test/", Place{Depth: 2, Hops: -1}, 2, 0, "scope.type Host: a.test", ""},
		"SeedIsRobots": {"http://a.test/private/seed", anywhere, 0, 0, "seeds", workflows.ReasonRobotsDisallowed},
		"Link":         {"http://a.test/x", anywhere, 1, 0, "scope.type Host: a.test", ""},
		"ViaSeed":      {"http://a.test/x", Place{-1, -1, "http://a.test/"}, 1, 0, "scope.type Host: a.test", ""},
		"ViaLink":      {"http://a.test/x", Place{-1, -1, "http://a.test/y"}, 2, 0, "scope.type Host: a.test", ""},
		"Beyond":       {"http://b.test/", anywhere, 1, 1, "scope.extraHops", ""},
		"ViaBeyond":    {"http://c.test/", Place{-1, -1, "http://b.test/"}, 2, 2, "scope.extraHops", ""},
		"TooFar":       {"http://c.test/", Place{-1, 2, ""}, 1, 3, "scope.type Host", workflows.ReasonOutOfScope},
		"TooDeep":      {"http://a.test/x", Place{4, -1, ""}, 4, 0, "scope.depth", workflows.ReasonDepthLimit},
		"Excluded":     {"http://a.test/out", anywhere, 1, 0, "scope.exclude[0] /out", workflows.ReasonOutOfScope},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := e.Explain(t.Context(), tc.url, tc.at)
			if x.Scope.Depth != tc.depth || x.Scope.Hops != tc.hops || x.Scope.Rule != tc.rule || x.Reason != tc.reason || x.Visited != (tc.reason == "") {
				t.Errorf("%+v, %s", x.Scope, x.Reason)
			}
			if inScope := x.Scope.In; inScope != (x.Robots != nil) {
				t.Errorf("in scope: %v, robots: %+v", inScope, x.Robots)
			}
		})
	}
	if x := e.Explain(t.Context(), "http://a.test/x", anywhere); *x.Delay != (Delay{5, sourceRobots, 2}) || x.Robots.File != "http://a.test/robots.txt" || x.Shards != 1 {
		t.Errorf("%+v, %+v", x, x.Delay)
	}
}
