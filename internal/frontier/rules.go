package frontier

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// Spec is the order, as far as the frontier is concerned.
type Spec struct {
	// Scope is Page, PageLinks, Prefix, Host, Domain or Custom.
	Scope string
	// Depth is the largest number of links from a seed; nil is no bound.
	Depth *int
	// ExtraHops is how many links beyond the scope are followed.
	ExtraHops int
	// Include are the patterns (RE2) of a Custom scope; Exclude takes pages out of
	// any scope.
	Include, Exclude []string
	// Seeds are canonical URLs.
	Seeds []string
	// Pages, PagesPerHost and Bytes bound the crawl; 0 is no bound.
	Pages, PagesPerHost, Bytes int64
	// Delay is the pause between two page loads from a host.
	Delay time.Duration
}

// The bounds beyond which a URL is taken for a trap: an endless space of pages that a
// site makes up as it is asked for them.
const (
	maxURLLength       = 2048
	maxPathSegments    = 30
	maxRepeatedSegment = 3
	maxQueryParameters = 30
)

// Rules decide which URLs are in scope. They are compiled once from a Spec.
type Rules struct {
	spec             Spec
	include, exclude []*regexp.Regexp
	seeds            []seed
}

type seed struct {
	host, domain, prefix string
}

// NewRules compiles a Spec. Its error names the pattern that is wrong.
func NewRules(spec Spec) (*Rules, error) {
	r := &Rules{spec: spec}
	var err error
	if r.include, err = compile("include", spec.Include); err != nil {
		return nil, err
	}
	if r.exclude, err = compile("exclude", spec.Exclude); err != nil {
		return nil, err
	}
	for _, s := range spec.Seeds {
		u, err := url.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("seed %q: %w", s, err)
		}
		r.seeds = append(r.seeds, seed{host: u.Host, domain: urls.RegistrableHost(u.Host), prefix: folder(s)})
	}
	switch spec.Scope {
	case "Page", "PageLinks", "Prefix", "Host", "Domain", "Custom":
		return r, nil
	}
	return nil, fmt.Errorf("scope %q: must be Page, PageLinks, Prefix, Host, Domain or Custom", spec.Scope)
}

func compile(what string, patterns []string) ([]*regexp.Regexp, error) {
	var list []*regexp.Regexp
	for i, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("%s pattern %d: %w", what, i, err)
		}
		list = append(list, re)
	}
	return list, nil
}

// folder is the address up to the last slash of its path.
func folder(u string) string {
	u, _, _ = strings.Cut(u, "?")
	return u[:strings.LastIndexByte(u, '/')+1]
}

// Decision says whether a link is followed.
type Decision struct {
	// In is set when the page belongs to the crawl.
	In bool
	// Trap is the reason for which a page in scope is not visited, empty for none.
	Trap string
	// Hops is how many links beyond the scope led there.
	Hops int
}

// Decide judges a canonical URL that a page links to.
func (r *Rules) Decide(u string, from Page) Decision {
	if r.spec.Depth != nil && from.Depth+1 > *r.spec.Depth {
		return Decision{}
	}
	for _, re := range r.exclude {
		if re.MatchString(u) {
			return Decision{}
		}
	}
	hops := from.Hops
	if !r.inScope(u, from) {
		hops++
	}
	if hops > r.spec.ExtraHops {
		return Decision{}
	}
	return Decision{In: true, Trap: trap(u), Hops: hops}
}

func (r *Rules) inScope(u string, from Page) bool {
	var s seed
	if from.Seed < len(r.seeds) {
		s = r.seeds[from.Seed]
	}
	switch r.spec.Scope {
	case "PageLinks":
		return from.Depth == 0
	case "Prefix":
		return strings.HasPrefix(u, s.prefix)
	case "Host":
		return r.anySeed(u, func(s seed, host string) bool { return s.host == host })
	case "Domain":
		return r.anySeed(u, func(s seed, host string) bool { return s.domain == urls.RegistrableHost(host) })
	case "Custom":
		for _, re := range r.include {
			if re.MatchString(u) {
				return true
			}
		}
	}
	return false // Page: the seeds alone
}

// anySeed asks of a few seeds one by one; a crawl with very many of them asks each
// page's own.
func (r *Rules) anySeed(u string, match func(seed, string) bool) bool {
	parsed, err := url.Parse(u)
	if err != nil {
		return false
	}
	for _, s := range r.seeds {
		if match(s, parsed.Host) {
			return true
		}
	}
	return false
}

// trap returns the reason for which a URL is taken for a trap.
func trap(u string) string {
	if len(u) > maxURLLength {
		return "TrapLength"
	}
	address, query, _ := strings.Cut(u, "?")
	if strings.Count(query, "&") >= maxQueryParameters {
		return "TrapQuery"
	}
	segments := strings.Split(strings.Trim(address, "/"), "/")
	if len(segments) > maxPathSegments+3 { // scheme, empty, host
		return "TrapPathDepth"
	}
	seen := map[string]int{}
	for _, s := range segments[min(3, len(segments)):] {
		if seen[s]++; seen[s] > maxRepeatedSegment {
			return "TrapRepeatedSegment"
		}
	}
	return ""
}
