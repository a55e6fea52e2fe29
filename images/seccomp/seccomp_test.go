package seccomp

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "write config/seccomp/chromium.json")

const file = "../../config/seccomp/chromium.json"

// TestCommitted: what is in config is what the package makes, and nothing that a runtime would pass over.
func TestCommitted(t *testing.T) {
	want, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("go test ./seccomp -update writes it anew (-want +got):\n%s", diff)
	}
	var read specs.LinuxSeccomp
	if err := json.Unmarshal(got, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Chromium(), read); diff != "" {
		t.Errorf("it is read as something else (-want +got):\n%s", diff)
	}
}

// TestChromium: what the profile lets through, to whom.
func TestChromium(t *testing.T) {
	p := Chromium()
	const (
		newUser = 0x10000000
		newPID  = 0x20000000
		newNet  = 0x40000000
	)
	for name, c := range map[string]struct {
		syscall string
		flags   uint64
		want    bool
	}{
		"Read":             {"read", 0, true},
		"Thread":           {"clone", 0x100, true},
		"SandboxOfClone":   {"clone", newUser | newPID | newNet, true},
		"SandboxOfUnshare": {"unshare", newUser, true},
		"Chroot":           {"chroot", 0, true},
		"MountNamespace":   {"clone", newUser | newNS, false},
		"UnshareMounts":    {"unshare", newNS, false},
		"UnshareCgroups":   {"unshare", newCgroup, false},
		"Clone3":           {"clone3", 0, false},
		"Setns":            {"setns", 0, false},
		"Mount":            {"mount", 0, false},
		"Keyring":          {"add_key", 0, false},
		"Module":           {"init_module", 0, false},
		"BPF":              {"bpf", 0, false},
		"OtherProcess":     {"kexec_load", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := allows(p, c.syscall, c.flags); got != c.want {
				t.Errorf("%s with flags %#x: allowed %v, want %v", c.syscall, c.flags, got, c.want)
			}
		})
	}
	if p.DefaultAction != specs.ActErrno {
		t.Errorf("what no rule names is %s", p.DefaultAction)
	}
}

// allows judges a call with a first argument as the kernel would.
func allows(p specs.LinuxSeccomp, name string, first uint64) bool {
	for _, s := range p.Syscalls {
		if !slices.Contains(s.Names, name) || s.Action != specs.ActAllow {
			continue
		}
		if !slices.ContainsFunc(s.Args, func(a specs.LinuxSeccompArg) bool {
			return a.Index == 0 && a.Op == specs.OpMaskedEqual && first&a.Value != a.ValueTwo
		}) {
			return true
		}
	}
	return false
}
