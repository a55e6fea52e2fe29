// Package container runs images that lie in archives, with runc, as a kubelet would with the security
// settings of crawlfleet's manifests. It serves the tests of the images.
package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// rootfs is the folder of a bundle that has the root file system.
const rootfs = "rootfs"

// Bundle is an unpacked image: a folder as runc wants it (runtime specification, "Filesystem Bundle").
type Bundle struct {
	dir    string
	config v1.Config
}

// Unpack unpacks the image for a processor, as Go names it, from an archive into a folder. Owners are kept,
// so it needs root.
func Unpack(ctx context.Context, archive, processor, dir string) (*Bundle, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can unpack an image with its owners and run it")
	}
	stored := filepath.Join(dir, "layout")
	if err := untar(ctx, archive, stored, nil); err != nil {
		return nil, err
	}
	defer os.RemoveAll(stored)
	img, err := imageIn(stored, processor)
	if err != nil {
		return nil, fmt.Errorf("read the layout in %s: %w", archive, err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		content, err := l.Uncompressed()
		if err != nil {
			return nil, err
		}
		err = untar(ctx, "-", filepath.Join(dir, rootfs), content)
		content.Close()
		if err != nil {
			return nil, err
		}
	}
	return &Bundle{dir: dir, config: file.Config}, nil
}

// Root is the folder of the root file system.
func (b *Bundle) Root() string { return filepath.Join(b.dir, rootfs) }

// User is whom the image runs as, UID:GID.
func (b *Bundle) User() string { return b.config.User }

// untar unpacks a tar file, or what is read if the file is "-".
func untar(ctx context.Context, file, dir string, in io.Reader) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "tar", "--extract", "--file", file, "--directory", dir, "--numeric-owner", "--same-owner", "--same-permissions")
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", file, err, out)
	}
	return nil
}

// imageIn is a layout's image for a processor.
func imageIn(dir, processor string) (v1.Image, error) {
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return nil, err
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		return nil, err
	}
	if manifest, err = index.IndexManifest(); err != nil {
		return nil, err
	}
	for _, m := range manifest.Manifests {
		if m.Platform != nil && m.Platform.Architecture == processor {
			return index.Image(m.Digest)
		}
	}
	return nil, fmt.Errorf("there is no image for %s", processor)
}

// Run is one run of an image.
type Run struct {
	// Args take the place of the image's command, as a pod's args do; Command takes that of
	// its entry point, too.
	Command, Args []string
	// Seccomp is a profile in the runtime specification's form.
	Seccomp *specs.LinuxSeccomp
	// Files are mounted, to be read only, by their path in the container.
	Files map[string]string
}

// Run runs the image until it ends, or the context does, and returns what it wrote: without capabilities, without a
// way to more rights, in namespaces of its own but for the network's, with a root file system that cannot
// be written to. Its volumes, /tmp and /dev/shm are in memory.
func (b *Bundle) Run(ctx context.Context, id string, r Run, out io.Writer) error {
	spec, err := b.spec(r)
	if err != nil {
		return err
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "config.json"), data, 0o600); err != nil {
		return err
	}
	root := filepath.Join(b.dir, "state")
	cmd := exec.CommandContext(ctx, "runc", "--root", root, "run", "--bundle", b.dir, id)
	cmd.Stdout, cmd.Stderr = out, out
	// runc hands SIGTERM on to the container, as a kubelet that ends a pod has it done.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		var remains bytes.Buffer
		kill := exec.Command("runc", "--root", root, "delete", "--force", id)
		kill.Stdout, kill.Stderr = &remains, &remains
		_ = kill.Run() // it is gone already, as a rule
		return fmt.Errorf("run the image: %w", err)
	}
	return nil
}

func (b *Bundle) spec(r Run) (*specs.Spec, error) {
	user, err := identity(b.config.User)
	if err != nil {
		return nil, err
	}
	args := r.Command
	if len(args) == 0 {
		args = b.config.Entrypoint
	}
	if r.Args != nil {
		args = append(args[:len(args):len(args)], r.Args...)
	} else {
		args = append(args[:len(args):len(args)], b.config.Cmd...)
	}
	cwd := b.config.WorkingDir
	if cwd == "" {
		cwd = "/"
	}
	return &specs.Spec{
		Version:  "1.0.2",
		Root:     &specs.Root{Path: rootfs, Readonly: true},
		Hostname: "container",
		Process:  &specs.Process{User: user, Args: args, Env: b.config.Env, Cwd: cwd, NoNewPrivileges: true, Capabilities: &specs.LinuxCapabilities{}},
		Mounts:   append(b.mounts(user), files(r.Files)...),
		Linux: &specs.Linux{
			Namespaces:    []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}},
			Seccomp:       r.Seccomp,
			MaskedPaths:   []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}, nil
}

// identity reads "uid:gid".
func identity(text string) (specs.User, error) {
	uid, gid, _ := strings.Cut(text, ":")
	u, err := strconv.ParseUint(uid, 10, 32)
	if err != nil {
		return specs.User{}, fmt.Errorf("the image's user %q: %w", text, err)
	}
	g, err := strconv.ParseUint(gid, 10, 32)
	if err != nil {
		return specs.User{}, fmt.Errorf("the image's group in %q: %w", text, err)
	}
	return specs.User{UID: uint32(u), GID: uint32(g)}, nil
}

// mounts are what containerd mounts, and what the pods' manifests do.
func (b *Bundle) mounts(user specs.User) []specs.Mount {
	own := fmt.Sprintf("uid=%d,gid=%d", user.UID, user.GID)
	memory := func(at, size string) specs.Mount {
		options := append([]string{"nosuid", "nodev", "mode=700", "size=" + size}, strings.Split(own, ",")...)
		return specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: options}
	}
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		memory("/dev/shm", "1g"), memory("/tmp", "1g"),
	}
	for v := range b.config.Volumes {
		mounts = append(mounts, memory(v, "1g"))
	}
	return mounts
}

func files(m map[string]string) []specs.Mount {
	var mounts []specs.Mount
	for at, source := range m {
		mounts = append(mounts, specs.Mount{Destination: at, Type: "bind", Source: source, Options: []string{"bind", "ro", "nosuid", "nodev"}})
	}
	return mounts
}
