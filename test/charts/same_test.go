package charts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const system = "crawlfleet-system"

// What the two ways may differ in, and why. Everything else is the same.
var (
	// A chart makes no namespace: helm install --create-namespace does.
	onlyKustomize = []string{"Namespace//" + system}
	// What belongs to a release is labelled, and whose it is.
	labelsOfHelm = []string{"app.kubernetes.io/managed-by", "helm.sh/chart"}
	// The objects of the chart tell what they belong to; those of config only where something is found by it.
	labelsOfFleet = []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
	// Definitions stay when the release goes.
	annotationOfHelm = "helm.sh/resource-policy"
	// Of the cluster, and each fleet's own: the chart's names end in the fleet's namespace.
	ofTheFleet = []string{"ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
)

// TestHelmAndKustomize: config/default and the charts, with the same CrawlFleet, render the same objects.
func TestHelmAndKustomize(t *testing.T) {
	t.Parallel()
	text, err := tool(t, "kustomize", "build", filepath.Join(root, "config", "default"))
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, text)
	for _, k := range onlyKustomize {
		if want[k] == nil {
			t.Errorf("config/default has no %s any more", k)
		}
		delete(want, k)
	}
	fleet := want["CrawlFleet/"+system+"/crawlfleet"]
	if fleet == nil {
		t.Fatal("config/default has no CrawlFleet")
	}
	values := valuesFile(t, map[string]any{"fleet": withPortal(fleet.Object["spec"])})
	got := template(t, "crawlfleet-crds", system).add(template(t, "crawlfleet", system, values...))
	// config has the portal's rights for whoever adds a portal; the chart has them with one.
	delete(got["CrawlFleet/"+system+"/crawlfleet"].Object["spec"].(map[string]any), "portal")

	normalised := objects{}
	for _, o := range got {
		normalise(o)
		normalised[key(o)] = o
	}
	for k, o := range want {
		plain(o)
		if normalised[k] == nil {
			t.Errorf("the charts have no %s", k)
			continue
		}
		if diff := cmp.Diff(o.Object, normalised[k].Object); diff != "" {
			t.Errorf("%s differs: -kustomize, +helm:\n%s", k, diff)
		}
		delete(normalised, k)
	}
	for k := range normalised {
		t.Errorf("config/default has no %s", k)
	}
}

// TestTemporalOfTheOperator: what spec.temporal names in Secrets, the operator has, however it is installed.
func TestTemporalOfTheOperator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "config"))); err != nil {
		t.Fatal(err)
	}
	kustomization := filepath.Join(dir, "default", "kustomization.yaml")
	text, err := os.ReadFile(kustomization)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"components:", "- ../components/temporal-tls", "- ../components/temporal-key"} {
		if !bytes.Contains(text, []byte("# "+line)) {
			t.Fatalf("config/default does not show %q", line)
		}
		text = bytes.Replace(text, []byte("# "+line), []byte(line), 1)
	}
	if err := os.WriteFile(kustomization, text, 0o600); err != nil {
		t.Fatal(err)
	}
	built, err := tool(t, "kustomize", "build", filepath.Dir(kustomization))
	if err != nil {
		t.Fatal(err)
	}
	all := parse(t, built)
	fleet := all["CrawlFleet/"+system+"/crawlfleet"].Object["spec"].(map[string]any)
	temporal := fleet["temporal"].(map[string]any)
	temporal["tls"] = map[string]any{"caSecret": "crawlfleet-temporal-ca", "secretName": "crawlfleet-temporal-tls"}
	temporal["apiKey"] = map[string]any{"secretName": "crawlfleet-temporal", "key": "api-key"}
	want := all["Deployment/"+system+"/crawlfleet-operator"]
	got := template(t, "crawlfleet", system, valuesFile(t, map[string]any{"fleet": fleet})...)["Deployment/"+system+"/crawlfleet-operator"]
	plain(want)
	normalise(got)
	byName := cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
	if diff := cmp.Diff(want.Object, got.Object, byName); diff != "" {
		t.Errorf("the operator differs: -kustomize, +helm:\n%s", diff)
	}
}

// withPortal gives a spec a portal, so that the chart has what belongs to one.
func withPortal(spec any) map[string]any {
	more := (&unstructured.Unstructured{Object: spec.(map[string]any)}).DeepCopy().Object
	more["portal"] = map[string]any{
		"externalURL": "https://portal.example.org", "replayURL": "https://replay.example.org",
		"oidc": map[string]any{"issuer": "https://login.example.org", "clientID": "crawlfleet"},
	}
	return more
}

// normalise takes what only the charts may have out of an object of theirs.
func normalise(o *unstructured.Unstructured) {
	labels := o.GetLabels()
	for _, l := range labelsOfHelm {
		delete(labels, l)
	}
	o.SetLabels(labels)
	annotations := o.GetAnnotations()
	delete(annotations, annotationOfHelm)
	o.SetAnnotations(annotations)
	if slices.Contains(ofTheFleet, o.GetKind()) {
		o.SetName(strings.TrimSuffix(o.GetName(), "-"+system))
		for _, at := range [][]string{{"roleRef", "name"}, {"spec", "policyName"}} {
			if name, ok, _ := unstructured.NestedString(o.Object, at...); ok {
				_ = unstructured.SetNestedField(o.Object, strings.TrimSuffix(name, "-"+system), at...) // it was there
			}
		}
	}
	plain(o)
}

// plain takes labels out that say no more than where an object belongs, and what is empty then.
func plain(o *unstructured.Unstructured) {
	labels := o.GetLabels()
	for _, l := range labelsOfFleet {
		delete(labels, l)
	}
	o.SetLabels(nil)
	if len(labels) > 0 {
		o.SetLabels(labels)
	}
	if len(o.GetAnnotations()) == 0 {
		o.SetAnnotations(nil)
	}
	unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
}
