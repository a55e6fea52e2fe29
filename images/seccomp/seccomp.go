// Package seccomp makes the profile under which Chromium's own sandbox works in a container that
// has no capabilities.
//
// It is the default profile of container runtimes (github.com/moby/profiles, which containerd's and
// CRI-O's are made after) for a process without capabilities, with what Chromium's sandbox needs of
// user namespaces added. The default keeps these from processes without CAP_SYS_ADMIN (or
// CAP_SYS_CHROOT), because a kernel had bugs that they led to; the sandbox, which has to be turned
// off otherwise, is what stands between a page that breaks out of its renderer and the worker.
//
// The profile has no conditions on capabilities and kernels left in it: containerd reads a node's
// profiles as the runtime specification writes them (contrib/seccomp, WithProfile), and
// CRI-O and Docker read that form, too.
package seccomp

import (
	"encoding/json"
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// The flags of clone(2) and unshare(2) for namespaces (linux/sched.h).
const (
	newNS     = 0x00020000
	newCgroup = 0x02000000
	newUTS    = 0x04000000
	newIPC    = 0x08000000
)

// closed are the namespaces that the sandbox does not make. User, PID and network namespaces are what it
// is made of (Chromium: sandbox/linux/services/namespace_sandbox.cc, credentials.cc).
const closed = newNS | newCgroup | newUTS | newIPC

// architectures are those of the images, with what their processors run beside.
var architectures = []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM}

// names of the architectures in the default profile's conditions.
var names = []string{"amd64", "x86", "x32", "arm64", "arm"}

// sandbox are the rules for Chromium's sandbox. chroot takes the sight of files from its
// processes; who may call it is the user namespace's business. clone3 stays as it is by default: it says that
// it does not exist, since a filter cannot see its flags, and the C library takes clone.
var sandbox = []specs.LinuxSyscall{
	{
		Names: []string{"clone", "unshare"}, Action: specs.ActAllow,
		Args: []specs.LinuxSeccompArg{{Index: 0, Value: closed, ValueTwo: 0, Op: specs.OpMaskedEqual}},
	},
	{Names: []string{"chroot"}, Action: specs.ActAllow},
}

// Default is the runtimes' profile for a process without capabilities.
func Default() specs.LinuxSeccomp {
	base := seccomp.DefaultProfile()
	p := specs.LinuxSeccomp{DefaultAction: base.DefaultAction, DefaultErrnoRet: base.DefaultErrnoRet, Architectures: architectures}
	for _, s := range base.Syscalls {
		if applies(s) {
			p.Syscalls = append(p.Syscalls, s.LinuxSyscall)
		}
	}
	return p
}

// Chromium is the profile. The default's rule for clone gives way to the wider one.
func Chromium() specs.LinuxSeccomp {
	p := Default()
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(s specs.LinuxSyscall) bool { return slices.Equal(s.Names, []string{"clone"}) })
	p.Syscalls = append(p.Syscalls, sandbox...)
	return p
}

// applies says whether a rule is for a process without capabilities on one of the architectures. (Every
// kernel that Kubernetes runs on is newer than those that rules ask for.)
func applies(s *seccomp.Syscall) bool {
	if in := s.Includes; in != nil {
		if len(in.Caps) > 0 {
			return false
		}
		if len(in.Arches) > 0 && !slices.ContainsFunc(in.Arches, served) {
			return false
		}
	}
	return s.Excludes == nil || !slices.ContainsFunc(s.Excludes.Arches, served)
}

func served(arch string) bool { return slices.Contains(names, arch) }

// JSON is the profile as it lies on a node.
func JSON() ([]byte, error) {
	data, err := json.MarshalIndent(Chromium(), "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}
