// Package machine starts machines of another processor, which QEMU emulates whole, with Linux, from a root file system: what
// Chromium's sandbox asks of a kernel is there, as it is not where single programs are emulated. It serves the test of
// images for such processors.
package machine

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Machine is an arm64 machine of two processors, without a network or a disk.
type Machine struct {
	// Kernel is a file with Linux; Root a folder with the root file system, which is copied into memory.
	Kernel, Root string
	// Init is the first process's path in it, Args its arguments.
	Init string
	Args []string
}

// Run runs the machine until it turns itself off, or the context ends, and copies its console to out. It needs
// qemu-system-aarch64, cpio and some 8 GB of memory, and a folder for a file as large as the root file system.
func (m Machine) Run(ctx context.Context, dir string, out io.Writer) error {
	initial := filepath.Join(dir, "root.cpio")
	if err := pack(ctx, m.Root, initial); err != nil {
		return err
	}
	defer os.Remove(initial)
	// A panic ends the machine. (What follows "--" Linux hands to the first process: Documentation/admin-guide/kernel-parameters.rst.)
	line := "console=ttyAMA0 quiet panic=-1 rdinit=" + m.Init + " -- " + strings.Join(m.Args, " ")
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2", "-m", "6G",
		"-nographic", "-nic", "none", "-no-reboot", "-kernel", m.Kernel, "-initrd", initial, "-append", line)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run the machine: %w", err)
	}
	return nil
}

// pack writes a folder as an initial file system (Linux's Documentation/driver-api/early-userspace/buffer-format.rst).
func pack(ctx context.Context, root, file string) error {
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", `find . -xdev -print0 | cpio --null --create --format=newc --quiet > "$0"`, file)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pack the root file system: %w: %s", err, out)
	}
	return nil
}
