package main

import (
	_ "embed" // for the schema of the values
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// values is the schema of the chart's values, but for the fleet's.
//
//go:embed values.json
var values []byte

// valuesSchema puts the schema of a CrawlFleet's spec, as the definition has it, into that of the
// values (JSON Schema 2020-12).
func valuesSchema(definition []byte) ([]byte, error) {
	spec, err := specOf(definition)
	if err != nil {
		return nil, err
	}
	strict(spec)
	// The chart knows them where it runs Temporal and the store itself.
	for _, service := range []string{"temporal", "store"} {
		if property, ok := spec["properties"].(map[string]any)[service].(map[string]any); ok {
			delete(property, "required")
		}
	}
	var schema map[string]any
	if err := json.Unmarshal(values, &schema); err != nil {
		return nil, fmt.Errorf("values.json: %w", err)
	}
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return nil, errors.New("values.json has no properties")
	}
	properties["fleet"] = spec
	text, err := json.MarshalIndent(schema, "", "  ")
	return append(text, '\n'), err
}

// specOf returns the schema of the spec of the kind that a CustomResourceDefinition defines.
func specOf(definition []byte) (map[string]any, error) {
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema struct {
						Properties map[string]map[string]any `json:"properties"`
					} `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(definition, &crd); err != nil {
		return nil, err
	}
	if len(crd.Spec.Versions) != 1 {
		return nil, fmt.Errorf("the CrawlFleet has %d versions: say which one the chart installs", len(crd.Spec.Versions))
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	if spec == nil {
		return nil, errors.New("the CrawlFleet has no spec")
	}
	return spec, nil
}

// strict makes of an OpenAPI schema of Kubernetes one of JSON Schema that refuses what it does not know:
// what Kubernetes adds to the language is left out (the API server judges by it), and so are formats, of
// which JSON Schema has others.
func strict(schema map[string]any) {
	for key := range schema {
		if strings.HasPrefix(key, "x-kubernetes-") || key == "format" {
			delete(schema, key)
		}
	}
	if properties, ok := schema["properties"].(map[string]any); ok {
		for _, p := range properties {
			strictly(p)
		}
		if _, ok := schema["additionalProperties"]; !ok {
			schema["additionalProperties"] = false
		}
	}
	strictly(schema["items"])
	strictly(schema["additionalProperties"])
}

func strictly(schema any) {
	if s, ok := schema.(map[string]any); ok {
		strict(s)
	}
}
