// Package admit reads manifests as the API server would: it refuses what that refuses, in
// the same words, and fills in what that fills in. It runs the API server's own code on
// the definition of the resource, and asks nobody.
package admit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// Definition is a CustomResourceDefinition of one version.
type Definition struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

// New compiles a definition in YAML.
func New(definition []byte) (*Definition, error) {
	v1 := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(definition, v1); err != nil {
		return nil, fmt.Errorf("decode the definition: %w", err)
	}
	if len(v1.Spec.Versions) != 1 || v1.Spec.Versions[0].Schema == nil {
		return nil, errors.New("the definition must have one version, with a schema")
	}
	props := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v1.Spec.Versions[0].Schema.OpenAPIV3Schema, props, nil); err != nil {
		return nil, fmt.Errorf("convert the schema: %w", err)
	}
	structural, err := schema.NewStructural(props)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return &Definition{
		structural: structural, validator: validator,
		rules: cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// Admit takes a manifest as the API server does that creates it, and decodes it into a
// resource with every default filled in. Its error names the fields that are wrong or
// unknown, one a line.
func (d *Definition) Admit(ctx context.Context, manifest map[string]any, into runtime.Object) error {
	var errs []error
	unknown := pruning.PruneWithOptions(manifest, d.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, name := range unknown {
		errs = append(errs, fmt.Errorf("%s: there is no such field", name))
	}
	defaulting.Default(manifest, d.structural)
	wrong := validation.ValidateCustomResource(nil, manifest, d.validator)
	if len(wrong) == 0 { // rules are written for what the schema allows
		wrong, _ = d.rules.Validate(ctx, nil, d.structural, manifest, nil, celconfig.RuntimeCELCostBudget)
	}
	for _, e := range wrong {
		errs = append(errs, e)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(manifest, into)
}

// Documents calls visit for each document of a file of YAML or JSON, with its number from
// 1. Empty ones are passed over; a field that is there twice is an error.
func Documents(r io.Reader, visit func(number int, document map[string]any) error) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(r))
	for number := 1; ; {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var document map[string]any
		if err == nil {
			err = utilyaml.UnmarshalStrict(raw, &document)
		}
		if err == nil && document == nil { // nothing but comments
			continue
		}
		if err == nil {
			err = visit(number, document)
		}
		if err != nil {
			return fmt.Errorf("document %d: %w", number, err)
		}
		number++
	}
}
