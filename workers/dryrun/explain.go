package dryrun

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/urls"
	workerfrontier "crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Place is where in a crawl an address is met.
type Place struct {
	// Depth is how many links away from a seed it is; negative works it out: 0 for a seed,
	// one more than Via, else 1.
	Depth int
	// Hops is how many links beyond the scope led to the page that it is found on; negative
	// works it out from Via, or is 0.
	Hops int
	// Via is the page that it is found on, empty for a seed's.
	Via string
}

// Explanation says what becomes of an address.
type Explanation struct {
	URL string `json:"url"`
	// Error says why it is no address that can be visited; there is nothing else then.
	Error string `json:"error,omitempty"`

	Canonical string `json:"canonical,omitempty"`
	// SURT is its key in an index.
	SURT string `json:"surt,omitempty"`
	// Site is the unit of politeness, Slot its place in 0 to 4095, Shard the one of Shards
	// that it belongs to.
	Site   string `json:"site,omitempty"`
	Slot   int    `json:"slot"`
	Shard  int    `json:"shard"`
	Shards int    `json:"shards,omitempty"`

	Scope  Scope   `json:"scope,omitzero"`
	Robots *Robots `json:"robots,omitempty"`
	Delay  *Delay  `json:"delay,omitempty"`
	// Visited is the sum of it, Reason why not.
	Visited bool             `json:"visited"`
	Reason  workflows.Reason `json:"reason,omitempty"`
}

// Scope says whether an address belongs to the crawl.
type Scope struct {
	In bool `json:"in"`
	// Seed is set for a seed, which is visited whatever the scope says.
	Seed bool `json:"seed,omitempty"`
	// Rule names what decided, such as "scope.exclude[0] /logout".
	Rule   string `json:"rule"`
	Reason string `json:"reason,omitempty"`
	// Depth is how many links away from a seed it is judged at; Hops how many links beyond
	// the scope it is then.
	Depth int `json:"depth"`
	Hops  int `json:"hops"`
	// Trap is the trap that it looks like, empty for none; Bounds are those of traps.
	Trap   string         `json:"trap,omitempty"`
	Bounds frontier.Traps `json:"-"`
}

// Explainer explains the addresses of one order.
type Explainer struct {
	order  Order
	rules  *frontier.Rules
	shards int
}

// NewExplainer compiles an order. Its error names what is wrong with it.
func NewExplainer(o Order) (*Explainer, error) {
	rules, err := o.rules()
	if err != nil {
		return nil, err
	}
	return &Explainer{order: o, rules: rules, shards: max(1, workerfrontier.ShardsFor(o.Spec, o.Seeds))}, nil
}

// Explain says what becomes of an address that is met at a place.
func (e *Explainer) Explain(ctx context.Context, address string, at Place) Explanation {
	x := Explanation{URL: address}
	canonical, err := urls.Canonicalize(address)
	if err != nil {
		x.Error = reason(err)
		return x
	}
	key, err := urls.PolitenessKey(canonical)
	if err != nil {
		x.Error = reason(err)
		return x
	}
	x.Canonical, x.SURT, x.Site = canonical, string(urls.MakeSURT(canonical)), key
	x.Slot, x.Shards = frontier.SlotOf(key), e.shards
	x.Shard = frontier.ShardOf(key, e.shards)
	x.Scope = e.scope(canonical, at)
	if !x.Scope.In {
		x.Reason = workflows.Reason(x.Scope.Reason)
		return x // robots.txt is asked about what is visited alone
	}
	r, rules := e.order.ask(ctx, canonical)
	d := e.order.delay(rules)
	x.Robots, x.Delay = &r, &d
	switch r.Verdict {
	case Disallowed:
		x.Reason = workflows.ReasonRobotsDisallowed
	case Unreachable:
		x.Reason = r.Reason
	default:
		x.Visited = true
	}
	return x
}

// scope judges a canonical URL.
func (e *Explainer) scope(canonical string, at Place) Scope {
	depth, hops, seed := e.place(canonical, at)
	out := Scope{Depth: depth, Trap: e.rules.Trap(canonical), Bounds: e.rules.Bounds()}
	if seed {
		out.In, out.Seed, out.Rule = true, true, "seeds"
		return out
	}
	d := e.rules.Decide(canonical, depth, hops, nil)
	out.In, out.Rule, out.Reason, out.Hops = d.In, d.Rule, d.Reason, d.Hops
	return out
}

// place works out where an address is met.
func (e *Explainer) place(canonical string, at Place) (depth, hops int, seed bool) {
	depth, hops = at.Depth, at.Hops
	if depth < 0 && hops < 0 && at.Via == "" && slices.Contains(e.order.Seeds, canonical) {
		return 0, 0, true
	}
	from := 0 // the depth of the page that it is found on
	if depth >= 0 {
		from = max(0, depth-1)
	}
	if via, err := urls.Canonicalize(at.Via); err == nil && !slices.Contains(e.order.Seeds, via) {
		if depth < 0 {
			from = 1
		}
		if hops < 0 {
			hops = e.rules.Decide(via, from, 0, nil).Hops
		}
	}
	if depth < 0 {
		depth = from + 1
	}
	return depth, max(hops, 0), false
}

// Via says why a page is none that links can be found on, nil when it may be one.
func (e *Explainer) Via(via string) error {
	canonical, err := urls.Canonicalize(via)
	if err != nil {
		return errors.New(reason(err))
	}
	if s := e.scope(canonical, Place{Depth: -1, Hops: -1}); !s.In {
		return fmt.Errorf("it is not visited itself (%s, by %s)", s.Reason, s.Rule)
	}
	return nil
}

// reason says what is wrong with an address without repeating it.
func reason(err error) string {
	var invalid *urls.Error
	if errors.As(err, &invalid) {
		return "it " + invalid.Detail
	}
	return err.Error()
}
