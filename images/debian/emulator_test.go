package debian

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestRunnable: what is missing for programs of another processor is told, as the command that brings it.
func TestRunnable(t *testing.T) {
	other, name := "arm64", "qemu-aarch64"
	if runtime.GOARCH == other {
		other, name = "amd64", "qemu-x86_64"
	}
	const register = "proc/sys/fs/binfmt_misc/register"
	listed := "proc/sys/fs/binfmt_misc/" + name
	for _, c := range []struct {
		name         string
		files        map[string]string
		architecture string
		want         string // of the error; empty: none
	}{
		{"Own", nil, runtime.GOARCH, ""},
		{"Unknown", nil, "riscv64", `no image is made for "riscv64"`},
		{"Enabled", map[string]string{listed: "enabled\n"}, other, ""},
		{"Disabled", map[string]string{listed: "disabled\n"}, other, ": echo 1 > /" + listed},
		{"Nothing", nil, other, ": apt-get install "},
		{"NotMounted", map[string]string{"var/lib/binfmts/" + name: ""}, other, ": mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && update-binfmts --enable " + name},
		{"Mounted", map[string]string{"var/lib/binfmts/" + name: "", register: ""}, other, ": update-binfmts --enable " + name},
		{"Systemd", map[string]string{"usr/lib/binfmt.d/" + name + ".conf": "", register: ""}, other, ": cat /usr/lib/binfmt.d/" + name + ".conf > /" + register},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for path, content := range c.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := runnable(root, c.architecture)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestLinux: of what would be installed, the package with a Linux is the one that the package that stands for the
// current version depends on.
func TestLinux(t *testing.T) {
	for _, c := range []struct {
		name     string
		packages []string
		want     string
	}{
		{"Current", []string{"kmod=30", "linux-image-6.1.0-56-cloud-arm64=6.1.192-2", "linux-image-cloud-arm64=6.1.192-2"}, "linux-image-6.1.0-56-cloud-arm64=6.1.192-2"},
		{"None", []string{"kmod=30", "linux-image-cloud-arm64=6.1.192-2"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := linux(c.packages, "linux-image-cloud-arm64"); got != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, c.want)
			}
		})
	}
}
