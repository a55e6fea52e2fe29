package frontier

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// Spec is the order, as far as the frontier is concerned.
type Spec struct {
	// Scope is Page, PageLinks, Prefix, Host, Domain or Custom.
	Scope string
	// Depth is the largest number of links from a seed; nil is no bound. A page's
	// depth is that of the path by which it was found first.
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
	// PagesPerPattern bounds the pages of a host whose addresses differ in numbers, hashes
	// and the values of parameters alone; 0 is no bound.
	PagesPerPattern int64
	// Delay is the pause between two page loads from a host.
	Delay time.Duration
	// Traps are the bounds beyond which a URL is taken for a trap.
	Traps Traps
}

// Bounds are the bounds of traps that hold, with the defaults filled in.
func (r *Rules) Bounds() Traps { return r.spec.Traps }

// Traps bound what a URL may look like. Beyond them it is taken for a part of an
// endless space of pages that a site makes up as it is asked for them: it is counted
// as skipped and not visited. A bound of 0 is the default.
type Traps struct {
	// Length is in bytes; the default is 2048.
	Length int
	// PathSegments is how many folders deep a path may go; the default is 30.
	PathSegments int
	// RepeatedSegment is how often one folder may be in a path; the default is 3.
	RepeatedSegment int
	// QueryParameters is how many parameters a query may have; the default is 30.
	QueryParameters int
}

func (t Traps) withDefaults() Traps {
	for _, bound := range []struct {
		value    *int
		standard int
	}{{&t.Length, 2048}, {&t.PathSegments, 30}, {&t.RepeatedSegment, 3}, {&t.QueryParameters, 30}} {
		if *bound.value <= 0 {
			*bound.value = bound.standard
		}
	}
	return t
}

// Rules decide which URLs are in scope. They are compiled once from a Spec.
type Rules struct {
	spec    Spec
	include []pattern
	exclude Exclude
	// places are what the scope's type is about: the folders, hosts or domains of
	// the seeds, each with the rule that names it.
	places map[string]string
	// seedHosts are the politeness keys of the seeds.
	seedHosts map[string]bool
	hash      string
	memory    int // of the seeds and their places, about, in bytes
}

// follows tells whether the crawl follows links.
func (r *Rules) follows() bool {
	s := r.spec
	return (s.Depth == nil || *s.Depth > 0) && (s.Scope != "Page" || s.ExtraHops > 0)
}

// pattern is a regular expression and the rule that names it.
type pattern struct {
	*regexp.Regexp
	rule string
}

// Exclude are the patterns that take pages out of any scope.
type Exclude []pattern

// NewExclude compiles patterns (RE2). Its error names the one that is wrong.
func NewExclude(expressions []string) (Exclude, error) { return compile("scope.exclude", expressions) }

// Match returns the rule that takes a canonical URL out, empty when none does.
func (e Exclude) Match(u string) (rule string) {
	for _, p := range e {
		if p.MatchString(u) {
			return p.rule
		}
	}
	return ""
}

// NewRules compiles a Spec. Its error names what is wrong.
func NewRules(spec Spec) (*Rules, error) {
	spec.Traps = spec.Traps.withDefaults()
	r := &Rules{spec: spec, places: map[string]string{}, seedHosts: map[string]bool{}}
	var err error
	if r.include, err = compile("scope.include", spec.Include); err != nil {
		return nil, err
	}
	if r.exclude, err = NewExclude(spec.Exclude); err != nil {
		return nil, err
	}
	switch spec.Scope {
	case "Page", "PageLinks", "Prefix", "Host", "Domain", "Custom":
	default:
		return nil, fmt.Errorf("scope %q: must be Page, PageLinks, Prefix, Host, Domain or Custom", spec.Scope)
	}
	for _, s := range spec.Seeds {
		if _, err := urls.Split(s); err != nil {
			return nil, fmt.Errorf("seed %q: it is not a canonical URL", s)
		}
		r.seedHosts[hostOf(s)] = true
		r.memory += len(s) + 16
		if place := r.place(s); place != "" {
			r.places[place] = "scope.type " + spec.Scope + ": " + place
		}
	}
	r.memory += (len(r.seedHosts) + len(r.places)) * ownerMemory
	order, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode the order: %w", err)
	}
	sum := sha256.Sum256(order)
	r.hash = hex.EncodeToString(sum[:])
	return r, nil
}

func compile(what string, expressions []string) ([]pattern, error) {
	var list []pattern
	for i, p := range expressions {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", what, i, err)
		}
		list = append(list, pattern{re, fmt.Sprintf("%s[%d] %s", what, i, p)})
	}
	return list, nil
}

// place is what a scope makes of a seed, a canonical URL: its folder, host or domain, and
// empty where seeds have none.
func (r *Rules) place(seed string) string {
	switch r.spec.Scope {
	case "Prefix":
		return folder(seed)
	case "Host":
		return hostname(seed)
	case "Domain":
		return urls.RegistrableHost(hostname(seed))
	}
	return ""
}

// folder is the address, without its scheme, up to the last slash of its path.
func folder(u string) string {
	u, _, _ = strings.Cut(u, "?")
	_, u, _ = strings.Cut(u, "://")
	return u[:strings.LastIndexByte(u, '/')+1]
}

// Decision says whether a link is followed, and why.
type Decision struct {
	// In is set when the page belongs to the crawl and is to be visited.
	In bool
	// Reason is why it is not visited: OutOfScope, DepthLimit, or one of the traps.
	Reason string
	// Rule names what decided, for people, such as "scope.exclude[0] /logout".
	Rule string
	// Hops is how many links beyond the scope led there.
	Hops int
}

// Trap tells whether a page belongs to the crawl but is taken for a trap.
func (d Decision) Trap() bool { return strings.HasPrefix(d.Reason, "Trap") }

// Decide judges a canonical URL that is depth links from a seed. hops is how many links
// beyond the scope led to the page that it was found on, moved the places that seeds of
// its host were redirected to.
func (r *Rules) Decide(u string, depth, hops int, moved []string) Decision {
	if rule := r.exclude.Match(u); rule != "" {
		return Decision{Reason: reasonOutOfScope, Rule: rule, Hops: hops}
	}
	rule, in := r.inScope(u, depth, moved)
	if !in {
		hops++
		if hops > r.spec.ExtraHops {
			return Decision{Reason: reasonOutOfScope, Rule: "scope.type " + r.spec.Scope, Hops: hops}
		}
		rule = "scope.extraHops"
	}
	if r.spec.Depth != nil && depth > *r.spec.Depth {
		return Decision{Reason: reasonDepthLimit, Rule: "scope.depth", Hops: hops}
	}
	if reason := r.trap(u); reason != "" {
		return Decision{Reason: reason, Rule: "traps", Hops: hops}
	}
	return Decision{In: true, Rule: rule, Hops: hops}
}

// inScope returns the rule by which a URL is in scope.
func (r *Rules) inScope(u string, depth int, moved []string) (rule string, ok bool) {
	switch r.spec.Scope {
	case "PageLinks":
		return "scope.type PageLinks", depth <= 1
	case "Prefix", "Host", "Domain":
		if rule, ok = r.inPlace(u, func(place string) (string, bool) { rule, ok := r.places[place]; return rule, ok }); ok {
			return rule, true
		}
		return r.inPlace(u, func(place string) (string, bool) {
			return "scope.type " + r.spec.Scope + ": " + place + ", which a seed redirects to", slices.Contains(moved, place)
		})
	case "Custom":
		for _, p := range r.include {
			if p.MatchString(u) {
				return p.rule, true
			}
		}
	}
	return "", false // Page: the seeds alone
}

// inPlace looks up what a URL's place is. Of a folder it asks for each one above, so that
// the number of seeds does not matter.
func (r *Rules) inPlace(u string, lookup func(place string) (rule string, ok bool)) (rule string, ok bool) {
	if r.spec.Scope != "Prefix" {
		return lookup(r.place(u))
	}
	u = folder(u)
	for i := range len(u) {
		if u[i] != '/' {
			continue
		}
		if rule, ok = lookup(u[:i+1]); ok {
			return rule, true
		}
	}
	return "", false
}

// Trap returns the reason for which a canonical URL is taken for a trap, empty when it is
// not.
func (r *Rules) Trap(u string) string { return r.trap(u) }

// trap returns the reason for which a URL is taken for a trap.
func (r *Rules) trap(u string) string {
	bounds := r.spec.Traps
	if len(u) > bounds.Length {
		return reasonTrapLength
	}
	address, query, _ := strings.Cut(u, "?")
	if query != "" && strings.Count(query, "&")+1 > bounds.QueryParameters {
		return reasonTrapQuery
	}
	_, address, _ = strings.Cut(address, "://")
	_, path, _ := strings.Cut(address, "/")
	path = strings.TrimSuffix(path, "/")
	if strings.Count(path, "/")+1 > bounds.PathSegments {
		return reasonTrapPathDepth
	}
	for rest := path; ; {
		segment, after, more := strings.Cut(rest, "/")
		// How often it comes from here on: a folder that is repeated too often is so from
		// its first place.
		if !more {
			return ""
		}
		if strings.Count(after, segment) >= bounds.RepeatedSegment && repeats(after, segment) >= bounds.RepeatedSegment {
			return reasonTrapRepeated
		}
		rest = after
	}
}

// repeats is how often a folder is in a path.
func repeats(path, folder string) (n int) {
	for s := range strings.SplitSeq(path, "/") {
		if s == folder {
			n++
		}
	}
	return n
}
