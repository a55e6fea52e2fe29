package charts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const root = "../.."

// tool runs a program of bin/, and returns what it prints. The error has what it says.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(root, "bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the tests of the charts need %s: run \"make build tools\" first (%v)", path, err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	// No settings, plugins or repositories of whoever runs the tests.
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(problem.String()+out.String()))
	}
	return out.String(), nil
}

func chart(name string) string { return filepath.Join(root, "charts", name) }

// profile is the flag for the values of a profile.
func profile(name string) []string {
	return []string{"--values", filepath.Join(chart("crawlfleet"), "values-"+name+".yaml")}
}

// template renders a chart for a release in a namespace.
func template(t *testing.T, name, namespace string, args ...string) objects {
	t.Helper()
	text, err := tool(t, "helm", append([]string{"template", "fleet", chart(name), "--namespace", namespace}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

// objects are those of manifests, by kind, namespace and name.
type objects map[string]*unstructured.Unstructured

// parse reads manifests; two of the same name are an error.
func parse(t *testing.T, manifests string) objects {
	t.Helper()
	all := objects{}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	for {
		var o unstructured.Unstructured
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) == 0 {
			continue
		}
		if all[key(&o)] != nil {
			t.Errorf("%s is there twice", key(&o))
		}
		all[key(&o)] = &o
	}
}

func key(o *unstructured.Unstructured) string {
	return strings.Join([]string{o.GetKind(), o.GetNamespace(), o.GetName()}, "/")
}

// add adds the objects of others.
func (o objects) add(others objects) objects {
	for k, v := range others {
		o[k] = v
	}
	return o
}

// valuesFile writes values to a file, and returns the flag that names it.
func valuesFile(t *testing.T, values map[string]any) []string {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--values", file}
}
