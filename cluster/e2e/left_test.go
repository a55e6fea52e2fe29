package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/cluster/node"
)

// outside is where Kubernetes and containerd write when they are not in namespaces.
var outside = []string{
	"/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/lib/etcd", "/var/log/pods", "/var/log/containers",
	"/run/containerd", "/run/netns", "/run/flannel", "/etc/cni", "/etc/kubernetes", "/opt/cni", "/tmp/hostpath_pv", "/run/cluster",
	"/usr/libexec/kubernetes",
}

// files tells which of these there are, and what the kubelet would set.
func files(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, path := range outside {
		if _, err := os.Lstat(path); err == nil {
			found[path] = "is there"
		}
	}
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward", "kernel/hostname"} {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			t.Fatal(err)
		}
		found[name] = string(value)
	}
	return found
}

// processes are those inside a cluster, by number and start, with their namespaces.
type processes struct {
	started    map[int]string
	namespaces map[string]bool
}

// inside finds all processes below the first one.
func (c *cluster) inside(t *testing.T) processes {
	t.Helper()
	children := map[int][]int{}
	for _, pid := range pids(t) {
		if fields := stat(pid); fields != nil {
			var parent int
			fmt.Sscan(fields[1], &parent)
			children[parent] = append(children[parent], pid)
		}
	}
	p := processes{started: map[int]string{}, namespaces: map[string]bool{}}
	for queue := []int{c.first(t)}; len(queue) > 0; queue = queue[1:] {
		pid := queue[0]
		queue = append(queue, children[pid]...)
		if fields := stat(pid); fields != nil {
			p.started[pid] = fields[19]
		}
		maps.Copy(p.namespaces, namespacesOf(pid))
	}
	for own := range namespacesOf(os.Getpid()) {
		delete(p.namespaces, own)
	}
	// The control plane, the node and the pods with their shims.
	if len(p.started) < 15 || len(p.namespaces) < 5 {
		t.Fatalf("found only %d processes and %d namespaces in the cluster", len(p.started), len(p.namespaces))
	}
	t.Logf("the cluster has %d processes in %d namespaces", len(p.started), len(p.namespaces))
	return p
}

// gone waits until none of the processes is there, and nobody else is in their namespaces.
func (p processes) gone(t *testing.T) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		left = nil
		for _, pid := range pids(t) {
			fields := stat(pid)
			if fields == nil || fields[0] == "Z" {
				continue
			}
			in := slices.ContainsFunc(slices.Collect(maps.Keys(namespacesOf(pid))), func(ns string) bool { return p.namespaces[ns] })
			if p.started[pid] == fields[19] || in {
				command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				left = append(left, fmt.Sprintf("%d %q", pid, command))
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("processes are left:\n%s", strings.Join(left, "\n"))
}

func pids(t *testing.T) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, e := range entries {
		var pid int
		if n, _ := fmt.Sscan(e.Name(), &pid); n == 1 {
			all = append(all, pid)
		}
	}
	return all
}

// stat are the fields of a process from its state on (proc(5)).
func stat(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[strings.LastIndex(string(data), ") ")+2:]))
}

func namespacesOf(pid int) map[string]bool {
	found := map[string]bool{}
	for _, kind := range []string{"mnt", "net", "pid", "uts", "ipc", "user"} {
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
			found[ns] = true
		}
	}
	return found
}

func (c *cluster) first(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(c.path("node.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state struct{ PID int }
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	return state.PID
}

// kill ends the first process as a crash would.
func (c *cluster) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(c.first(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// killComponent kills a child of the first process by the name of its program, or by its
// first argument where that is the cluster program itself.
func (c *cluster) killComponent(t *testing.T, name string) {
	t.Helper()
	first := fmt.Sprint(c.first(t))
	for _, pid := range pids(t) {
		fields := stat(pid)
		if fields == nil || fields[1] != first {
			continue
		}
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.Split(string(command), "\x00")
		if filepath.Base(args[0]) == name || len(args) > 1 && args[1] == name {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no %s runs", name)
}

// nothingLeft looks for mounts, cgroups and files of the cluster outside its folder.
func (c *cluster) nothingLeft(t *testing.T, before map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, files(t)); diff != "" {
		t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	// (As mountinfo writes a space.)
	if name := strings.ReplaceAll(c.dir, " ", `\040`); strings.Contains(string(mounts), name) {
		t.Errorf("mounts of %s are left:\n%s", name, mounts)
	}
	name := node.Dir(c.dir).Cgroup()
	for _, pattern := range []string{"/sys/fs/cgroup/" + name, "/sys/fs/cgroup/*/" + name} {
		left, err := filepath.Glob(pattern)
		if err != nil || len(left) > 0 {
			t.Errorf("cgroups are left: %q %v", left, err)
		}
	}
}
