package charts

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/guide"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// TestInstallGuide runs the commands of docs/install.md, as they are written, against a real API server.
func TestInstallGuide(t *testing.T) {
	t.Parallel()
	// (What needs pods is shown as a console, and run by test/fleet.)
	all, err := guide.Commands(filepath.Join(root, "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for name, headings := range map[string][]string{
		"on one node":    {"The kinds", "On one node", "The first crawl", "The portal", "Pod Security", "Upgrade", "Uninstall"},
		"production":     {"The kinds", "Production", "The first crawl", "Upgrade"},
		"several fleets": {"The kinds", "Several fleets"},
		"without Helm":   {"Without Helm"},
		"air-gapped":     {"Air-gapped"},
	} {
		for _, h := range headings {
			told[h] = true
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &cluster{t, harness.StartBare(t)}
			dir := c.workplace()
			for _, h := range headings {
				if all[h] == "" {
					t.Fatalf("docs/install.md has no commands under %q", h)
				}
				if out, err := c.shell(dir, all[h]); err != nil {
					t.Fatalf("%s: %v\n%s", h, err, out)
				}
			}
		})
	}
	for h := range all {
		if !told[h] {
			t.Errorf("nobody runs what docs/install.md says under %q", h)
		}
	}
}

// workplace is a folder with what the commands expect in the repository, and values where some are to be copied.
func (c *cluster) workplace() string {
	c.Helper()
	dir := c.TempDir()
	for _, name := range []string{"charts", "config"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, name))); err != nil {
			c.Fatal(err)
		}
	}
	values, err := os.ReadFile(filepath.Join(chart("crawlfleet"), "values-production.yaml"))
	if err != nil {
		c.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	repository, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		c.Fatal(err)
	}
	// Nobody runs the Jobs of hooks here, and there is no StorageClass whose volumes could be waited for.
	helm := fmt.Sprintf("#!/bin/sh\ncase $1 in install|upgrade) exec %[1]s/helm \"$@\" --no-hooks;; esac\nexec %[1]s/helm \"$@\"\n", repository)
	for name, content := range map[string]string{"my-values.yaml": string(values), "bin/helm": helm} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			c.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			c.Fatal(err)
		}
	}
	for _, name := range []string{"kubectl", "crawlctl"} {
		if err := os.Symlink(c.Binary(c.T, name), filepath.Join(bin, name)); err != nil {
			c.Fatal(err)
		}
	}
	return dir
}

// shell runs commands as somebody does who has the cluster's kubeconfig.
func (c *cluster) shell(dir, commands string) (string, error) {
	cmd := exec.CommandContext(c.Context(), "bash", "-eux", "-o", "pipefail", "-c", commands)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), []string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "KUBECONFIG=" + c.State().Kubeconfig,
		"HELM_CONFIG_HOME=" + dir, "HELM_CACHE_HOME=" + dir, "HELM_DATA_HOME=" + dir,
	})
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}
