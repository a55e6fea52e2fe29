package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupRoot is where cgroups are mounted, by long custom.
const cgroupRoot = "/sys/fs/cgroup"

// cgroupTimeout is how long the kernel may take to let go of a cgroup whose processes
// have been killed.
const cgroupTimeout = 30 * time.Second

// hierarchies are the mounted cgroup hierarchies: one where the machine has cgroup v2 alone.
func hierarchies() ([]string, error) {
	var root unix.Statfs_t
	if err := unix.Statfs(cgroupRoot, &root); err != nil {
		return nil, fmt.Errorf("look for cgroups: %w", err)
	}
	if root.Type == unix.CGROUP2_SUPER_MAGIC {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		path := filepath.Join(cgroupRoot, e.Name())
		var stat unix.Statfs_t
		// (Links lead to hierarchies that hold several controllers.)
		if e.IsDir() && unix.Statfs(path, &stat) == nil && (stat.Type == unix.CGROUP_SUPER_MAGIC || stat.Type == unix.CGROUP2_SUPER_MAGIC) {
			found = append(found, path)
		}
	}
	return found, nil
}

// makeCgroups makes the cluster's cgroup in every hierarchy: the kubelet wants to find it.
func makeCgroups(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := handDown(h); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(h, name), 0o755); err != nil {
			return fmt.Errorf("make a cgroup: %w", err)
		}
		// (What a cgroup hands on can't be taken from it: systemd takes back what no unit of its own uses.)
		if err := handDown(filepath.Join(h, name)); err != nil {
			return err
		}
		if err := shareCPUs(h, name); err != nil {
			return err
		}
	}
	return nil
}

// controllers are those that the kubelet wants to find in its cgroup, as far as the machine has them.
var controllers = []string{"cpu", "cpuset", "hugetlb", "memory", "pids"}

// handDown has the cgroups below one of the second version get the controllers: in the
// beginning they have none, and systemd hands down those alone that its units use (Linux's
// Documentation/admin-guide/cgroup-v2.rst, "Enabling and Disabling").
func handDown(cgroup string) error {
	has, err := os.ReadFile(filepath.Join(cgroup, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // of the first version
	}
	if err != nil {
		return err
	}
	var more []string
	for _, c := range strings.Fields(string(has)) {
		if slices.Contains(controllers, c) {
			more = append(more, "+"+c)
		}
	}
	if len(more) == 0 {
		return nil
	}
	err = os.WriteFile(filepath.Join(cgroup, "cgroup.subtree_control"), []byte(strings.Join(more, " ")), 0o644)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("processes are in the cgroup %s itself, as in a container, so that it hands no controllers down: move them into one below it: %w", cgroup, err)
	}
	if err != nil {
		return fmt.Errorf("hand controllers (%s) down to the cgroups below %s: %w", strings.Join(more, " "), cgroup, err)
	}
	return nil
}

// shareCPUs gives a cgroup of the first version's cpuset hierarchy the processors and the
// memory of its parent: without them it takes no process (cpuset(7)).
func shareCPUs(hierarchy, name string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		all, err := os.ReadFile(filepath.Join(hierarchy, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(hierarchy, name, file), all, 0o644); err != nil {
			return fmt.Errorf("share processors with a cgroup: %w", err)
		}
	}
	return nil
}

// removeCgroups removes the cluster's cgroups, the innermost first. The processes in them
// ended with the node; the kernel may need a moment to see that.
func removeCgroups(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range all {
		errs = append(errs, removeTree(filepath.Join(h, name)))
	}
	return errors.Join(errs...)
}

func removeTree(path string) error {
	var dirs []string
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := removeDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func removeDir(path string) error {
	for deadline := time.Now().Add(cgroupTimeout); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Rmdir(path)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove the cgroup %s: %w", path, err)
		}
	}
}
