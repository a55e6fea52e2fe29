package admit_test

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/config/crd"
	"crawlfleet.dev/crawlfleet/internal/kube/admit"
)

// order is a manifest with something added to its spec.
func order(extra string) string {
	return `apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlJob
metadata: {name: a}
spec:
  authorization: {reference: R-1, purpose: Test, basis: none, requestedBy: us, notAfter: "2035-12-31T23:59:59Z"}
` + extra
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	definition, err := admit.New(crd.CrawlJobs)
	if err != nil {
		t.Fatal(err)
	}
	const seeds = "  seeds: {urls: [https://a.test/]}\n"
	cases := map[string]struct {
		reason, in string
		wants      []string
	}{
		"Fine":      {reason: "the least that there can be", in: order(seeds)},
		"Unknown":   {reason: "a field that there is not", in: order(seeds + "  limits: {page: 5}\n  sope: {}"), wants: []string{"spec.limits.page: there is no such field", "spec.sope: there"}},
		"Type":      {reason: "a text in place of a number", in: order(seeds + "  limits: {pages: many}"), wants: []string{"spec.limits.pages", "integer"}},
		"Bound":     {reason: "a number beyond its bounds", in: order(seeds + "  limits: {pages: 0}"), wants: []string{"spec.limits.pages", "greater than or equal to 1"}},
		"Enum":      {reason: "a word that is none of those", in: order(seeds + "  scope: {type: Everything}"), wants: []string{"spec.scope.type", "Prefix"}},
		"Rule":      {reason: "a rule across fields", in: order(seeds + "  scope: {type: Custom}"), wants: []string{"spec.scope.include", "needs at least one pattern"}},
		"Missing":   {reason: "what is required", in: order(""), wants: []string{"spec.seeds"}},
		"Twice":     {reason: "a field that is there twice", in: order(seeds + seeds), wants: []string{"seeds"}},
		"NotYAML":   {reason: "what cannot be read", in: "a: [", wants: []string{"document 1"}},
		"NotObject": {reason: "what is no manifest", in: "- a\n", wants: []string{"document 1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var job v1alpha1.CrawlJob
			err := admit.Documents(strings.NewReader(tc.in), func(_ int, document map[string]any) error {
				return definition.Admit(t.Context(), document, &job)
			})
			if (err == nil) != (len(tc.wants) == 0) {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			for _, want := range tc.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", tc.reason, err, want)
				}
			}
			if err == nil && (job.Spec.Limits.Pages != 10_000 || job.Spec.Scope.Type != v1alpha1.ScopePrefix || *job.Spec.Politeness.DelaySeconds != 2) {
				t.Errorf("%s: the defaults are not filled in: %+v", tc.reason, job.Spec)
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	in := "# nothing yet\n---\na: 1\r\n---\n\n---\n{\"a\": 2}\n---\n"
	var got []any
	err := admit.Documents(strings.NewReader(in), func(number int, document map[string]any) error {
		got = append(got, number, document["a"])
		return nil
	})
	if err != nil || len(got) != 4 || got[0] != 1 || got[1] != int64(1) || got[2] != 2 || got[3] != int64(2) {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzDocuments(f *testing.F) {
	f.Add("a: 1\n---\nb: [2]\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = admit.Documents(strings.NewReader(text), func(int, map[string]any) error { return nil }) // it must come back
	})
}
