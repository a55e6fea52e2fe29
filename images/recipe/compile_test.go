package recipe

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestSettingsOfTheMachineDoNotCount: what somebody has set for go on the machine that builds is not in the programs.
func TestSettingsOfTheMachineDoNotCount(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.test/x\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"GOFLAGS": "-tags=mine", "CGO_ENABLED": "1", "GOFIPS140": "latest", "GOEXPERIMENT": "nogreenteagc", "GOAMD64": "v3", "GOARM64": "v9.0", "GOWORK": filepath.Join(dir, "none"),
	} {
		t.Setenv(name, value)
	}
	out := filepath.Join(t.TempDir(), "x")
	b := build{Options: Options{Root: dir, Tag: "1.2.3"}, platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}
	if err := b.goBuild(t.Context(), program{".", ".", "x"}, out); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"CGO_ENABLED": "0", "GOAMD64": "v1", "GOARM64": "v8.0", "-trimpath": "true"}
	for _, s := range info.Settings {
		switch expected, known := want[s.Key]; {
		case known && s.Value != expected:
			t.Errorf("%s is %q, want %q", s.Key, s.Value, expected)
		case s.Key == "GOFIPS140" || s.Key == "GOEXPERIMENT" || s.Key == "-tags":
			t.Errorf("%s is %q, as it is set here", s.Key, s.Value)
		}
	}
}
