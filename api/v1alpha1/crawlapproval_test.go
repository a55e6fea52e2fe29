package v1alpha1_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"sigs.k8s.io/yaml"
)

const (
	approvalFile = "../../config/crd/bases/crawlfleet.dev_crawlapprovals.yaml"
	fleetFile    = "../../config/crd/bases/crawlfleet.dev_crawlfleets.yaml"
)

// digest is one as crawlctl approve writes it.
var digest = "sha256:" + strings.Repeat("0a", 32)

// crawlApproval writes a manifest with the given spec.
func crawlApproval(spec string) string {
	return `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlApproval
metadata: {name: board-bob, namespace: default}
spec: ` + spec
}

// crawlFleet writes a manifest with the given policy.
func crawlFleet(policy string) string {
	return `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlFleet
metadata: {name: crawlfleet, namespace: crawlfleet-system}
spec: {policy: ` + policy + `}`
}

func TestApprovalAndFleetDefinitionsAreValid(t *testing.T) {
	t.Parallel()
	for _, file := range []string{approvalFile, fleetFile} {
		if errs := crdvalidation.ValidateCustomResourceDefinition(t.Context(), loadDefinition(t, file)); len(errs) > 0 {
			t.Errorf("the API server would refuse the definition:\n%v", errs.ToAggregate())
		}
		var total uint64
		for _, r := range walkRules(t, newServer(t, file).structural, nil) {
			total += r.cost
		}
		if total > crdvalidation.StaticEstimatedCRDCostLimit/2 {
			t.Errorf("%s: all rules together cost %d, over half of the limit of %d", file, total, crdvalidation.StaticEstimatedCRDCostLimit)
		}
	}
}

func TestCrawlApprovalRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, approvalFile)
	for name, tc := range map[string]struct{ reason, spec, want string }{
		"NoJob":      {"An approval is of something.", "{approver: bob}", "spec.crawlJob: Required value"},
		"NoUID":      {"Of one order, not of all of a name.", "{approver: bob, crawlJob: {name: board}}", "spec.crawlJob.uid: Required value"},
		"NoDigest":   {"Of what there is then.", "{approver: bob, crawlJob: {name: board, uid: u-1}}", "spec.crawlJob.digest: Required value"},
		"Digest":     {"As it is compared.", `{approver: bob, crawlJob: {name: board, uid: u-1, digest: "` + strings.ToUpper(digest) + `"}}`, "must be the digest that crawlctl approve writes"},
		"NoApprover": {"By somebody.", `{crawlJob: {name: board, uid: u-1, digest: "` + digest + `"}}`, "spec.approver: Required value"},
		"Name":       {"A CrawlJob has a name of its kind.", `{approver: bob, crawlJob: {name: The Board, uid: u-1, digest: "` + digest + `"}}`, "must be the name of a CrawlJob"},
		"NoComment":  {"An empty comment is a slip.", `{approver: bob, crawlJob: {name: board, uid: u-1, digest: "` + digest + `"}, comment: ""}`, "spec.comment"},
		"Unknown":    {"A field that does not exist is not passed over.", `{approver: bob, crawlJob: {name: board, uid: u-1, digest: "` + digest + `"}, until: now}`, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := s.create(t, crawlApproval(tc.spec))
			if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func TestCrawlApprovalCannotBeChanged(t *testing.T) {
	t.Parallel()
	s := newServer(t, approvalFile)
	before := crawlApproval(`{approver: bob, crawlJob: {name: board, uid: u-1, digest: "` + digest + `"}, comment: seen}`)
	if errs := s.update(t, before, before); len(errs) > 0 {
		t.Errorf("an update that changes nothing is refused: %v", errs)
	}
	for _, after := range []string{
		`{approver: eve, crawlJob: {name: board, uid: u-1, digest: "` + digest + `"}, comment: seen}`,
		`{approver: bob, crawlJob: {name: other, uid: u-2, digest: "` + digest + `"}, comment: seen}`,
		`{approver: bob, crawlJob: {name: board, uid: u-1, digest: "` + digest + `"}}`,
	} {
		errs := s.update(t, before, crawlApproval(after))
		if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), "an approval cannot be changed") {
			t.Errorf("%s: got %v, want a refusal", after, err)
		}
	}
}

func TestCrawlFleetRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, fleetFile)
	for name, tc := range map[string]struct{ reason, policy, want string }{
		"NoPurposes": {"A list of nothing takes no order, which is a slip.", "{purposes: []}", "should have at least 1 items"},
		"Missing":    {"So is none.", "{approvals: 1}", "spec.policy.purposes: Required value"},
		"Twice":      {"So is the same one twice.", "{purposes: [Testing, Testing]}", "Duplicate value"},
		"Words":      {"Orders name one word.", "{purposes: [to find them]}", "purpose must be one word"},
		"Negative":   {"", "{purposes: [Testing], approvals: -1}", "should be greater than or equal to 0"},
		"Many":       {"More than five would never be found.", "{purposes: [Testing], approvals: 6}", "should be less than or equal to 5"},
		"Deed":       {"The portal knows the deeds by their names.", "{purposes: [Testing], access: {purposeFor: look}}", `supported values: "Never", "Export", "Copy", "Look"`},
		"Need":       {"It is no boolean.", "{purposes: [Testing], access: {purposeFor: Look, case: true}}", "spec.policy.access.case"},
		"CaseAlone":  {"Nobody would be asked for it.", "{purposes: [Testing], access: {case: Required}}", "spec.policy.access.case: Invalid value: case is asked for together with the purpose"},
		"CaseNever":  {"Nor here.", "{purposes: [Testing], access: {purposeFor: Never, case: Required}}", "set purposeFor to Export, Copy or Look"},
		"Unknown":    {"A field that does not exist is not passed over.", "{purposes: [Testing], access: {purpose: Look}}", "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := s.create(t, crawlFleet(tc.policy))
			if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

// TestShippedFleet: what config/default installs is valid, wants no approval by default, and
// says so.
func TestShippedFleet(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../config/default/fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, fleetFile)
	if _, errs := s.create(t, string(raw)); len(errs) > 0 {
		t.Errorf("%v", errs)
	}
	whole := map[string]any{}
	for _, part := range []string{string(raw), readFile(t, "../../config/default/instance.yaml")} {
		merged := map[string]any{}
		if err := yaml.UnmarshalStrict([]byte(part), &merged); err != nil {
			t.Fatal(err)
		}
		spec, _ := whole["spec"].(map[string]any)
		whole = merged
		maps.Copy(whole["spec"].(map[string]any), spec)
	}
	text, err := yaml.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := s.create(t, string(text)); len(errs) > 0 {
		t.Errorf("with instance.yaml: %v", errs)
	}
	obj, errs := s.create(t, crawlFleet("{purposes: [Testing]}"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	policy := obj.Object["spec"].(map[string]any)["policy"].(map[string]any)
	if n, given := policy["approvals"]; !given || n != int64(0) {
		t.Errorf("approvals is %v by default, want 0: the policies of the API server read it", n)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestFleetAccess: what is left out asks for nothing, and nobody is asked where the policy does not
// speak of it.
func TestFleetAccess(t *testing.T) {
	t.Parallel()
	s := newServer(t, fleetFile)
	for policy, want := range map[string]any{
		"{purposes: [Testing]}":                                             nil,
		"{purposes: [Testing], access: {}}":                                 map[string]any{"purposeFor": "Never", "case": "Optional"},
		"{purposes: [Testing], access: {purposeFor: Copy}}":                 map[string]any{"purposeFor": "Copy", "case": "Optional"},
		"{purposes: [Testing], access: {purposeFor: Look, case: Required}}": map[string]any{"purposeFor": "Look", "case": "Required"},
	} {
		obj, errs := s.create(t, crawlFleet(policy))
		if len(errs) > 0 {
			t.Errorf("%s: %v", policy, errs.ToAggregate())
			continue
		}
		got := obj.Object["spec"].(map[string]any)["policy"].(map[string]any)["access"]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", policy, diff)
		}
	}
}
