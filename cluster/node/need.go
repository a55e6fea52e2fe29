package node

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// parts are the programs that "make cluster" builds.
var parts = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
	"containerd", "containerd-shim-runc-v2", "ctr", "runc", "coredns", "pause", "netpol-cni",
}

// Check says all that this machine lacks for a node in a folder, each with what brings it.
func Check(d Dir, programsDir string) error {
	var missing []error
	lack := func(format string, args ...any) { missing = append(missing, fmt.Errorf(format, args...)) }
	if os.Geteuid() != 0 {
		lack("this is not root: namespaces, mounts and cgroups need it (try sudo)")
	}
	for _, name := range parts {
		if _, err := os.Stat(filepath.Join(programsDir, name)); err != nil {
			lack("%s is missing in %s: build it (make cluster)", name, programsDir)
		}
	}
	for _, name := range []string{"ptp", "host-local"} {
		if _, err := os.Stat(filepath.Join(cniBin, name)); err != nil {
			lack("%s is missing in %s: install the package containernetworking-plugins", name, cniBin)
		}
	}
	for name, pkg := range map[string]string{"nft": "nftables", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(name); err != nil {
			lack("%s is missing: install the package %s", name, pkg)
		}
	}
	if !hasFileSystem("overlay") {
		lack("the kernel has no overlay file system: load the module overlay (modprobe overlay)")
	}
	if _, err := hierarchies(); err != nil {
		lack("no cgroups are mounted at %s: %w", cgroupRoot, err)
	}
	if onOverlay(string(d)) {
		lack("%s is on an overlay file system, which holds no images: choose another --dir", d)
	}
	return errors.Join(missing...)
}

func hasFileSystem(name string) bool {
	f, err := os.Open("/proc/filesystems")
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 0 && fields[len(fields)-1] == name {
			return true
		}
	}
	return false
}

// onOverlay tells whether the nearest folder there is lies on an overlay.
func onOverlay(path string) bool {
	for {
		var stat unix.Statfs_t
		if err := unix.Statfs(path, &stat); err == nil {
			return stat.Type == unix.OVERLAYFS_SUPER_MAGIC
		}
		parent := filepath.Dir(path)
		if parent == path {
			return false
		}
		path = parent
	}
}
