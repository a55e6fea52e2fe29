package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Resolve tells which packages Bootstrap would install, as name=version, sorted. It downloads the lists of
// packages alone.
func Resolve(ctx context.Context, o Options) ([]string, error) {
	var packages []string
	err := o.ask(ctx, func(options []string) error {
		// (What is essential, what is required, and apt: minbase, in mmdebstrap(1).)
		out, err := run(ctx, "apt-get", append(append(options, "--simulate", "install", "?essential", "?priority(required)", "apt"), o.Packages...)...)
		packages = simulated(out)
		return err
	})
	return packages, err
}

// Kernel downloads the Linux of an architecture that Debian makes for machines that are emulated,
// and returns the file to start such a machine with, in the folder, which has to be empty.
func Kernel(ctx context.Context, o Options, dir string) (string, error) {
	o.Packages = []string{"linux-image-cloud-" + o.Architecture}
	err := o.ask(ctx, func(options []string) error {
		// It depends on the package of the version that is current.
		out, err := run(ctx, "apt-get", append(append(options, "--simulate", "install"), o.Packages...)...)
		if err != nil {
			return err
		}
		p, ok := linux(simulated(out), o.Packages[0])
		if !ok {
			return fmt.Errorf("%s depends on no Linux", o.Packages[0])
		}
		script := `cd "$0" && apt-get "$@" && dpkg-deb --extract ./*.deb .`
		_, err = run(ctx, "sh", append(append([]string{"-c", script, dir}, options...), "download", p)...)
		return err
	})
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil {
		return "", err
	}
	if len(files) != 1 {
		return "", fmt.Errorf("the package of Linux has %d files boot/vmlinuz-*, not one", len(files))
	}
	return files[0], nil
}

// linux is the package with a Linux among those that would be installed with the one that stands for the
// current version.
func linux(packages []string, current string) (string, bool) {
	i := slices.IndexFunc(packages, func(p string) bool {
		return strings.HasPrefix(p, "linux-image-") && !strings.HasPrefix(p, current+"=")
	})
	if i < 0 {
		return "", false
	}
	return packages[i], true
}

// ask has apt ask the archives, with options that it hands on, in a folder of its own: what is set up on this
// machine has no part in it.
func (o Options) ask(ctx context.Context, question func(options []string) error) error {
	dir, err := os.MkdirTemp("", "apt-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"etc/apt/preferences.d", "etc/apt/apt.conf.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	list := strings.Join(o.sources(), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "etc/apt/sources.list"), []byte(list), 0o644); err != nil {
		return err
	}
	options := []string{
		"-o", "Dir=" + dir, "-o", "Dir::State::status=/dev/null", "-o", "Dir::Etc::trustedparts=/usr/share/keyrings",
		"-o", "APT::Architecture=" + o.Architecture, "-o", "APT::Architectures=" + o.Architecture,
		"-o", "APT::Sandbox::User=root", "-o", "APT::Install-Recommends=false", "-o", "Acquire::Languages=none", "-q", "-q",
	}
	if _, err := run(ctx, "apt-get", append(options, "update")...); err != nil {
		return err
	}
	return question(slices.Clip(options))
}

// simulated reads the lines "Inst NAME (VERSION SUITE [ARCH])" of apt-get --simulate.
func simulated(out []byte) []string {
	var packages []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "Inst" {
			continue
		}
		packages = append(packages, f[1]+"="+strings.TrimPrefix(f[2], "("))
	}
	slices.Sort(packages)
	return packages
}
