// Command generate writes what in the Helm charts follows from config:
//
//	generate CONFIG CHARTS
//
// The definitions of the kinds and the roles of people become templates of crawlfleet-crds, since a
// cluster has them once. What each fleet has of its own (the operator's and the portal's rights, the
// policies, the alerts, the dashboards) is copied beside the templates of crawlfleet, which read it.
// The schema of crawlfleet's values is the one in values.json, with the spec of a CrawlFleet put in.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate CONFIG CHARTS")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write replaces what is generated in the folder of charts.
func write(config, charts string) error {
	files, err := generate(os.DirFS(config))
	if err != nil {
		return err
	}
	// What is not generated any more is to be gone.
	for _, old := range []string{"crawlfleet-crds/templates", "crawlfleet/files"} {
		if err := os.RemoveAll(filepath.Join(charts, old)); err != nil {
			return err
		}
	}
	for name, content := range files {
		name = filepath.Join(charts, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, content, 0o644); err != nil { //nolint:gosec // sources of the project
			return err
		}
	}
	return nil
}

// The roles in config/rbac that are not people's: a fleet has its own.
var ofTheFleet = []string{"role.yaml", "portal.yaml", "leader_election.yaml"}

// generate returns the files of the charts that follow from config, by their paths.
func generate(config fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{}
	if err := errors.Join(addKinds(files, config), addRoles(files, config), addFleet(files, config)); err != nil {
		return nil, err
	}
	fleet, err := fs.ReadFile(config, "crd/bases/crawlfleet.dev_crawlfleets.yaml")
	if err != nil {
		return nil, err
	}
	files["crawlfleet/values.schema.json"], err = valuesSchema(fleet)
	return files, err
}

// addKinds adds the definitions. Helm upgrades them like other templates, which it does not do to what
// is in a chart's folder crds, and leaves them in the cluster when the release is uninstalled: with
// them every order would be deleted.
func addKinds(files map[string][]byte, config fs.FS) error {
	names, err := fs.Glob(config, "crd/bases/*.yaml")
	if err != nil {
		return err
	}
	for _, name := range names {
		content, err := fs.ReadFile(config, name)
		if err != nil {
			return err
		}
		before := []byte("  annotations:\n")
		if !bytes.Contains(content, before) {
			return fmt.Errorf("%s has no annotations to add one to", name)
		}
		content = bytes.Replace(content, before, append(before, "    helm.sh/resource-policy: keep\n"...), 1)
		if err := addTemplate(files, "crawlfleet-crds/templates/"+strings.TrimPrefix(path.Base(name), "crawlfleet.dev_"), name, content); err != nil {
			return err
		}
	}
	return nil
}

// addRoles adds the roles that people are given.
func addRoles(files map[string][]byte, config fs.FS) error {
	names, err := fs.Glob(config, "rbac/*.yaml")
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.Contains(ofTheFleet, path.Base(name)) {
			continue
		}
		content, err := fs.ReadFile(config, name)
		if err != nil {
			return err
		}
		var object struct{ Kind string }
		if err := yaml.Unmarshal(content, &object); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if object.Kind != "ClusterRole" {
			continue
		}
		if err := addTemplate(files, "crawlfleet-crds/templates/role_"+path.Base(name), name, content); err != nil {
			return err
		}
	}
	return nil
}

// addTemplate adds a file that Helm reads as a template and is to render as it is.
func addTemplate(files map[string][]byte, name, source string, content []byte) error {
	if bytes.Contains(content, []byte("{{")) {
		return fmt.Errorf("%s has braces in it, which Helm would take for its own", source)
	}
	files[name] = append([]byte("# Generated from config/"+source+": change that, and run make generate.\n"), content...)
	return nil
}

// addFleet adds what the templates of a fleet read.
func addFleet(files map[string][]byte, config fs.FS) error {
	for _, pattern := range []string{"rbac/role.yaml", "rbac/portal.yaml", "rbac/leader_election.yaml", "policy/*.yaml", "alerts/*.yaml", "dashboards/*.json", "store/*.json"} {
		names, err := fs.Glob(config, pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if path.Base(name) == "kustomization.yaml" {
				continue
			}
			if files["crawlfleet/files/"+name], err = fs.ReadFile(config, name); err != nil {
				return err
			}
		}
	}
	return nil
}
