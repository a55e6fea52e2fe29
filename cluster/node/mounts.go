package node

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mount is one step of what the node sees instead of this machine's files.
type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

// hide gives the node a /proc of its own processes, empty /run and /tmp, and a /var/lib and
// a /var/log inside the cluster's folder. Folders that may themselves be below one of
// these are opened first and mounted by what is open.
func hide(dir Dir, programsDir string) error {
	opened := map[string]string{}
	for name, path := range map[string]string{
		"lib": dir.Path("lib"), "logs": dir.Path("logs"), "programs": programsDir,
	} {
		f, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		opened[name] = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	}
	steps := []mount{
		{target: "/", flags: unix.MS_REC | unix.MS_PRIVATE},
		{source: "proc", target: "/proc", kind: "proc", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{source: "run", target: "/run", kind: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=755"},
		{source: opened["programs"], target: programs, flags: unix.MS_BIND},
		{source: "tmp", target: "/tmp", kind: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
		{source: opened["logs"], target: "/var/log", flags: unix.MS_BIND},
		{source: opened["lib"], target: "/var/lib", flags: unix.MS_BIND},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return err
		}
	}
	if err := keepTunables(); err != nil {
		return err
	}
	// The kubelet hands volumes on to containers by mounts that both share.
	return mount{target: "/", flags: unix.MS_REC | unix.MS_SHARED}.do()
}

func (m mount) do() error {
	if m.kind != "" || m.flags&unix.MS_BIND != 0 {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s: %w", m.target, err)
	}
	return nil
}

// keepTunables shows the kubelet the kernel's settings as it wants them, so that it does
// not set them for the whole machine: a panic that restarts it, memory beyond what there is.
func keepTunables() error {
	wanted := map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	}
	for name, value := range wanted {
		file := filepath.Join("/run/cluster/tunables", name)
		if err := writeFile(file, value+"\n"); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover /proc/sys/%s: %w", name, err)
		}
	}
	// A pod with a user namespace may mount a /proc only where there is one with nothing
	// covered (mount_namespaces(7)).
	return mount{source: "proc", target: "/run/cluster/proc", kind: "proc", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}.do()
}

func writeFile(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}
