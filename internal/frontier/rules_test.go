package frontier

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	one := 1
	host := "scope.type Host: a.example"
	cases := map[string]struct {
		reason      string
		spec        Spec
		depth, hops int
		url         string
		want        Decision
	}{
		"Page":          {"the seeds alone", Spec{Scope: "Page"}, 1, 0, "https://a.example/x", Decision{Reason: "OutOfScope", Rule: "scope.type Page", Hops: 1}},
		"PageLinks":     {"what a seed links to, wherever", Spec{Scope: "PageLinks"}, 1, 0, "https://other.example/", Decision{In: true, Rule: "scope.type PageLinks"}},
		"PageLinksDeep": {"and nothing further", Spec{Scope: "PageLinks"}, 2, 0, "https://other.example/", Decision{Reason: "OutOfScope", Rule: "scope.type PageLinks", Hops: 1}},
		"Prefix":        {"below the seed's folder", Spec{Scope: "Prefix"}, 1, 0, "https://a.example/dir/y?q=1", Decision{In: true, Rule: "scope.type Prefix: a.example/dir/"}},
		"PrefixDeep":    {"far below", Spec{Scope: "Prefix"}, 1, 0, "https://a.example/dir/y/z/", Decision{In: true, Rule: "scope.type Prefix: a.example/dir/"}},
		"PrefixScheme":  {"by whatever scheme", Spec{Scope: "Prefix"}, 1, 0, "http://a.example/dir/", Decision{In: true, Rule: "scope.type Prefix: a.example/dir/"}},
		"PrefixOther":   {"of any seed", Spec{Scope: "Prefix"}, 1, 0, "https://b.example/x", Decision{In: true, Rule: "scope.type Prefix: b.example/"}},
		"PrefixBeside":  {"not beside it", Spec{Scope: "Prefix"}, 1, 0, "https://a.example/direct", Decision{Reason: "OutOfScope", Rule: "scope.type Prefix", Hops: 1}},
		"PrefixQuery":   {"not in a query", Spec{Scope: "Prefix"}, 1, 0, "https://c.example/?a.example/dir/", Decision{Reason: "OutOfScope", Rule: "scope.type Prefix", Hops: 1}},
		"Host":          {"the whole host", Spec{Scope: "Host"}, 1, 0, "https://a.example/", Decision{In: true, Rule: host}},
		"HostPort":      {"no other port", Spec{Scope: "Host"}, 1, 0, "https://a.example:8443/", Decision{Reason: "OutOfScope", Rule: "scope.type Host", Hops: 1}},
		"HostOther":     {"no subdomain", Spec{Scope: "Host"}, 1, 0, "https://www.a.example/", Decision{Reason: "OutOfScope", Rule: "scope.type Host", Hops: 1}},
		"Domain":        {"subdomains too", Spec{Scope: "Domain"}, 1, 0, "https://www.a.example/", Decision{In: true, Rule: "scope.type Domain: a.example"}},
		"Custom":        {"a pattern", Spec{Scope: "Custom", Include: []string{"^https://z", "^https://b"}}, 1, 0, "https://b.example/", Decision{In: true, Rule: "scope.include[1] ^https://b"}},
		"Exclude":       {"an exclusion wins", Spec{Scope: "Host", Exclude: []string{"/x$"}}, 1, 0, "https://a.example/x", Decision{Reason: "OutOfScope", Rule: "scope.exclude[0] /x$"}},
		"Depth":         {"as deep as is allowed", Spec{Scope: "Host", Depth: &one}, 1, 0, "https://a.example/y", Decision{In: true, Rule: host}},
		"TooDeep":       {"not deeper", Spec{Scope: "Host", Depth: &one}, 2, 0, "https://a.example/y", Decision{Reason: "DepthLimit", Rule: "scope.depth"}},
		"Hop":           {"one beyond the scope", Spec{Scope: "Host", ExtraHops: 1}, 1, 0, "https://c.example/", Decision{In: true, Rule: "scope.extraHops", Hops: 1}},
		"HopTwice":      {"but not two", Spec{Scope: "Host", ExtraHops: 1}, 2, 1, "https://d.example/", Decision{Reason: "OutOfScope", Rule: "scope.type Host", Hops: 2}},
		"HopBack":       {"and back", Spec{Scope: "Host", ExtraHops: 1}, 2, 1, "https://a.example/z", Decision{In: true, Rule: host, Hops: 1}},
		"TrapRepeat":    {"a path that repeats itself", Spec{Scope: "Host"}, 1, 0, "https://a.example/x/x/x/x/", Decision{Reason: "TrapRepeatedSegment", Rule: "traps"}},
		"NoTrapRepeat":  {"three times may be", Spec{Scope: "Host"}, 1, 0, "https://a.example/x/x/x/", Decision{In: true, Rule: host}},
		"TrapDeep":      {"a path without an end", Spec{Scope: "Host"}, 1, 0, "https://a.example/" + folders(31), Decision{Reason: "TrapPathDepth", Rule: "traps"}},
		"NoTrapDeep":    {"thirty folders may be", Spec{Scope: "Host"}, 1, 0, "https://a.example/" + folders(30), Decision{In: true, Rule: host}},
		"TrapQuery":     {"parameters without an end", Spec{Scope: "Host"}, 1, 0, "https://a.example/?a=1" + strings.Repeat("&b=1", 30), Decision{Reason: "TrapQuery", Rule: "traps"}},
		"TrapLength":    {"too long", Spec{Scope: "Host"}, 1, 0, "https://a.example/" + strings.Repeat("a", 2048), Decision{Reason: "TrapLength", Rule: "traps"}},
		"TrapSettings":  {"bounds of the order", Spec{Scope: "Host", Traps: Traps{PathSegments: 2}}, 1, 0, "https://a.example/1/2/3", Decision{Reason: "TrapPathDepth", Rule: "traps"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.spec.Seeds = []string{"https://a.example/dir/page", "https://b.example/"}
			got := mustRules(t, tc.spec).Decide(tc.url, tc.depth, tc.hops, nil)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// folders is a path of n folders.
func folders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "f%d/", i)
	}
	return b.String()
}

func TestNewRulesRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spec Spec
		want string
	}{
		"Scope":   {Spec{Scope: "Everything"}, `scope "Everything": must be`},
		"Include": {Spec{Scope: "Custom", Include: []string{"a", "("}}, "scope.include[1]: "},
		"Exclude": {Spec{Scope: "Host", Exclude: []string{"["}}, "scope.exclude[0]: "},
		"Seed":    {Spec{Scope: "Host", Seeds: []string{"a.example"}}, `seed "a.example"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewRules(tc.spec)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// BenchmarkDecideManySeeds shows that more seeds do not make it slower.
func BenchmarkDecideManySeeds(b *testing.B) {
	spec := Spec{Scope: "Prefix"}
	for i := range 100_000 {
		spec.Seeds = append(spec.Seeds, fmt.Sprintf("https://h%d.example/ads/%d/", i%5000, i))
	}
	r := mustRules(b, spec)
	for b.Loop() {
		r.Decide("https://h77.example/ads/77/some/page?a=1", 3, 0, nil)
	}
}

// TestRepeatedSegments compares with a plain count of every folder.
func TestRepeatedSegments(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	trapped := 0
	for range 20_000 {
		bound := 1 + r.IntN(3)
		rules := mustRules(t, Spec{Scope: "Page", Traps: Traps{RepeatedSegment: bound}})
		path := ""
		for range r.IntN(8) {
			path += "/" + []string{"", "a", "b", "ab", "aa"}[r.IntN(5)]
		}
		times, most := map[string]int{}, 0
		for _, s := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/") {
			times[s]++
			most = max(most, times[s])
		}
		want := ""
		if most > bound {
			want = reasonTrapRepeated
			trapped++
		}
		if got := rules.Trap("https://h.example" + path); got != want {
			t.Fatalf("%q, at most %d: got %q, want %q", path, bound, got, want)
		}
	}
	if trapped == 0 {
		t.Error("nothing was trapped")
	}
}
