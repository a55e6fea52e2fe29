package debian

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

const (
	// emulators is where Linux lists the programs that run those of other processors (its
	// Documentation/admin-guide/binfmt-misc.rst).
	emulators = "/proc/sys/fs/binfmt_misc"
	// known is where Debian 12 keeps those that it can have Linux take (update-binfmts(8)), static where systemd
	// and later Debians do (binfmt.d(5)).
	known  = "/var/lib/binfmts"
	static = "/usr/lib/binfmt.d"
)

// runnable says whether programs of an architecture run on the machine with a root folder, as the packages' own
// scripts have to: the error says what changes that.
func runnable(root, architecture string) error {
	if architecture == runtime.GOARCH {
		return nil
	}
	name := map[string]string{"arm64": "qemu-aarch64", "amd64": "qemu-x86_64"}[architecture]
	if name == "" {
		return fmt.Errorf("no image is made for %q: use amd64 or arm64", architecture)
	}
	listed := filepath.Join(emulators, name)
	if data, err := os.ReadFile(filepath.Join(root, listed)); err == nil {
		if bytes.HasPrefix(data, []byte("enabled")) {
			return nil
		}
		return unable(architecture, "echo 1 > "+listed)
	}
	there := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	register, line := filepath.Join(emulators, "register"), filepath.Join(static, name+".conf")
	mount := ""
	if !there(register) {
		mount = "mount -t binfmt_misc binfmt_misc " + emulators + " && "
	}
	switch {
	case there(filepath.Join(known, name)):
		return unable(architecture, mount+"update-binfmts --enable "+name)
	case there(line):
		return unable(architecture, mount+"cat "+line+" > "+register)
	}
	return unable(architecture, "apt-get install qemu-user-static binfmt-support arch-test; or build on a machine of that kind")
}

func unable(architecture, remedy string) error {
	return fmt.Errorf("this machine runs no programs of %s, which installing its packages needs: %s", architecture, remedy)
}
