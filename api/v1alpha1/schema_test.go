package v1alpha1_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/crdserverscheme"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

const crdFile = "../../config/crd/bases/crawlfleet.dev_crawljobs.yaml"

// server treats a resource exactly as the API server does with the generated
// CustomResourceDefinition: it runs the same pruning, defaulting and
// validation code in the same order.
type server struct {
	definition *apiextensions.CustomResourceDefinition
	structural *schema.Structural
	strategy   strategy
}

// strategy is the part of the API server's create and update path that matters
// here.
type strategy interface {
	PrepareForCreate(ctx context.Context, obj runtime.Object)
	Validate(ctx context.Context, obj runtime.Object) field.ErrorList
	PrepareForUpdate(ctx context.Context, obj, old runtime.Object)
	ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList
}

// loadDefinition reads a generated definition, that of CrawlJob unless another is named.
func loadDefinition(t testing.TB, file ...string) *apiextensions.CustomResourceDefinition {
	t.Helper()
	crdFile := append(file, crdFile)[0]
	raw, err := os.ReadFile(crdFile)
	if err != nil {
		t.Fatalf("read the generated definition (make generate writes it): %v", err)
	}
	v1 := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(raw, v1); err != nil {
		t.Fatalf("decode %s: %v", crdFile, err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(v1)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
	definition := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(v1, definition, nil); err != nil {
		t.Fatalf("convert %s: %v", crdFile, err)
	}
	definition.Status.StoredVersions = []string{"v1alpha1"}
	return definition
}

func newServer(t testing.TB, file ...string) *server {
	t.Helper()
	definition := loadDefinition(t, file...)
	props := definition.Spec.Validation
	if props == nil {
		props = definition.Spec.Versions[0].Schema
	}
	structural, err := schema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatalf("structural schema: %v", err)
	}
	validator, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatalf("schema validator: %v", err)
	}
	statusSchema := props.OpenAPIV3Schema.Properties["status"]
	statusValidator, _, err := validation.NewSchemaValidator(&statusSchema)
	if err != nil {
		t.Fatalf("status validator: %v", err)
	}
	kind := runtimeschema.GroupVersionKind{Group: definition.Spec.Group, Version: "v1alpha1", Kind: definition.Spec.Names.Kind}
	return &server{
		definition: definition,
		structural: structural,
		strategy: customresource.NewStrategy(crdserverscheme.NewUnstructuredObjectTyper(), true, kind,
			validator, statusValidator, structural, &apiextensions.CustomResourceSubresourceStatus{}, nil, nil),
	}
}

// admit decodes a manifest as the API server does with strict field validation,
// and returns the object with its defaults and the names of unknown fields.
func (s *server) admit(t testing.TB, manifest string) (*unstructured.Unstructured, []string) {
	t.Helper()
	obj := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatalf("decode the manifest: %v\n%s", err, manifest)
	}
	if err := obj.UnmarshalJSON(raw); err != nil {
		t.Fatalf("decode the manifest: %v\n%s", err, manifest)
	}
	if obj.GetNamespace() == "" {
		obj.SetNamespace("default") // as the path of the request does
	}
	unknown := pruning.PruneWithOptions(obj.Object, s.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.Default(obj.Object, s.structural)
	return obj, unknown
}

func (s *server) create(t testing.TB, manifest string) (*unstructured.Unstructured, field.ErrorList) {
	t.Helper()
	ctx := context.Background()
	obj, unknown := s.admit(t, manifest)
	var errs field.ErrorList
	for _, name := range unknown {
		errs = append(errs, field.NotSupported(field.NewPath(name), "unknown field", []string(nil)))
	}
	s.strategy.PrepareForCreate(ctx, obj)
	return obj, append(errs, s.strategy.Validate(ctx, obj)...)
}

func (s *server) update(t testing.TB, before, after string) field.ErrorList {
	t.Helper()
	old, errs := s.create(t, before)
	if len(errs) > 0 {
		t.Fatalf("the resource before the change is refused: %v", errs)
	}
	return s.change(t, old, after)
}

// change validates an update of a stored object, which need not be valid itself.
func (s *server) change(t testing.TB, old *unstructured.Unstructured, after string) field.ErrorList {
	t.Helper()
	ctx := context.Background()
	old.SetResourceVersion("1")
	old.SetGeneration(1)
	obj, _ := s.admit(t, after)
	obj.SetResourceVersion("1")
	obj.SetGeneration(1)
	s.strategy.PrepareForUpdate(ctx, obj, old)
	return s.strategy.ValidateUpdate(ctx, obj, old)
}

func TestDefinitionIsValid(t *testing.T) {
	t.Parallel()
	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), loadDefinition(t)); len(errs) > 0 {
		t.Fatalf("the API server would refuse the definition:\n%v", errs.ToAggregate())
	}
}

// TestDefinitionSize keeps room for what is to come: kubectl apply stores a copy
// of the definition in an annotation, which may not be larger than 256 KiB.
func TestDefinitionSize(t *testing.T) {
	t.Parallel()
	info, err := os.Stat(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(128 << 10); info.Size() > limit {
		t.Errorf("%s is %d bytes; keep it under %d so that client-side apply works", crdFile, info.Size(), limit)
	}
}

// TestRuleCost keeps the estimated cost of all rules together well under what
// the API server allows, so that later fields have room.
func TestRuleCost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	results := walkRules(t, s.structural, nil)
	var total uint64
	for _, r := range results {
		if r.cost > crdvalidation.StaticEstimatedCostLimit*2/3 {
			t.Errorf("%s: rule %q costs %d, over two thirds of the limit of %d", r.path, r.rule, r.cost, crdvalidation.StaticEstimatedCostLimit)
		}
		total += r.cost
	}
	if total > crdvalidation.StaticEstimatedCRDCostLimit/2 {
		t.Errorf("all rules together cost %d, over half of the limit of %d", total, crdvalidation.StaticEstimatedCRDCostLimit)
	}
	t.Logf("%d rules, estimated cost %d of %d", len(results), total, crdvalidation.StaticEstimatedCRDCostLimit)
}

type ruleCost struct {
	path, rule string
	cost       uint64
}

// walkRules compiles every rule in the schema and multiplies its cost with the
// number of times that it can run, as the API server does.
func walkRules(t *testing.T, s *schema.Structural, at []string) []ruleCost {
	t.Helper()
	return walkRulesTimes(t, s, at, 1)
}

func walkRulesTimes(t *testing.T, s *schema.Structural, at []string, times uint64) []ruleCost {
	t.Helper()
	var costs []ruleCost
	if len(s.XValidations) > 0 {
		declType := model.SchemaDeclType(s, len(at) == 0)
		compiled, err := cel.Compile(s, declType, celconfig.PerCallLimit,
			environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()), cel.NewExpressionsEnvLoader())
		if err != nil {
			t.Fatalf("%s: compile: %v", strings.Join(at, "."), err)
		}
		for i, c := range compiled {
			if c.Error != nil {
				t.Errorf("%s: rule %q: %v", strings.Join(at, "."), s.XValidations[i].Rule, c.Error)
			}
			costs = append(costs, ruleCost{path: strings.Join(at, "."), rule: s.XValidations[i].Rule, cost: c.MaxCost * times})
		}
	}
	for name, prop := range s.Properties {
		costs = append(costs, walkRulesTimes(t, &prop, append(at[:len(at):len(at)], name), times)...)
	}
	if s.Items != nil {
		n := uint64(1)
		if s.ValueValidation != nil && s.ValueValidation.MaxItems != nil {
			n = uint64(*s.ValueValidation.MaxItems)
		}
		costs = append(costs, walkRulesTimes(t, s.Items, append(at[:len(at):len(at)], "[]"), times*n)...)
	}
	return costs
}
