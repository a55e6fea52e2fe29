package browser

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// procStat is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type procStat struct {
	pid, ppid, pgid int
	state           byte
	rssPages        int64
}

// readStat reads one process. It reports false for one that is gone.
func readStat(pid int) (procStat, bool) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, false
	}
	// The command name in parentheses may hold anything.
	_, rest, ok := bytes.Cut(raw[bytes.LastIndexByte(raw, ')')+1:], []byte(" "))
	f := bytes.Fields(rest)
	if !ok || len(f) < 22 {
		return procStat{}, false
	}
	num := func(i int) int64 {
		n, err := strconv.ParseInt(string(f[i]), 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return procStat{pid: pid, state: f[0][0], ppid: int(num(1)), pgid: int(num(2)), rssPages: num(21)}, true
}

// family lists the processes of a Chrome: its process group, and whatever else
// names its profile folder.
func family(pgid int, profile string) []procStat {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	want := []byte("--user-data-dir=" + profile)
	var out []procStat
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		st, ok := readStat(pid)
		if !ok {
			continue
		}
		if st.pgid != pgid {
			cmdline, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
			if err != nil || !containsArg(cmdline, want) {
				continue
			}
		}
		out = append(out, st)
	}
	return out
}

// containsArg looks for an argument. Chrome's processes set their title, and divide the
// arguments in it by spaces.
func containsArg(cmdline, want []byte) bool {
	for arg := range bytes.FieldsFuncSeq(cmdline, func(r rune) bool { return r == 0 || r == ' ' }) {
		if bytes.Equal(arg, want) {
			return true
		}
	}
	return false
}

// signalGroup kills a Chrome and its children and reaps those that were left to
// us (a container's first process inherits orphans). It returns how many were
// still there.
func signalGroup(pgid int, profile string) int {
	n := 0
	for _, st := range family(pgid, profile) {
		if st.state == 'Z' {
			if st.pid != pgid && st.ppid == os.Getpid() {
				var ws syscall.WaitStatus
				_, _ = syscall.Wait4(st.pid, &ws, syscall.WNOHANG, nil) // gone either way
			}
			continue // a zombie of somebody else's is reaped by its parent
		}
		n++
		_ = syscall.Kill(st.pid, syscall.SIGKILL) // it may be gone by now
	}
	return n
}

// residentBytes sums the resident memory of a Chrome and its children. Shared
// pages count once per process, so it is an upper bound.
func residentBytes(pgid int, profile string) int64 {
	var pages int64
	for _, st := range family(pgid, profile) {
		pages += st.rssPages
	}
	return pages * int64(os.Getpagesize())
}

// resident is the memory of the browser process alone, in bytes; 0 when it is gone.
func (c *chrome) resident() int64 {
	st, _ := readStat(c.proc.cmd.Process.Pid)
	return st.rssPages * int64(os.Getpagesize())
}

// helpers are the processes of a Chrome without which it only seems to live: without its
// zygotes it starts no renderer, and a network service that it starts anew knows nothing
// of the contexts' proxies. Of others it copes with the death.
func helpers(pgid int, profile string) map[int]string {
	out := make(map[int]string)
	for _, st := range family(pgid, profile) {
		cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(st.pid) + "/cmdline")
		switch {
		case err != nil || st.state == 'Z':
		case st.ppid == pgid && containsArg(cmdline, []byte("--type=zygote")):
			// A renderer that a zygote has just forked calls itself one for a moment.
			out[st.pid] = "a zygote"
		case containsArg(cmdline, []byte("--utility-sub-type=network.mojom.NetworkService")):
			out[st.pid] = "the network service"
		}
	}
	return out
}

// killBelow kills what is still alive of Chromes whose profiles were below a folder,
// which is where they run. A Chrome ends with this program, and its sandbox with it, but
// without a sandbox a child that was stopped does not.
func killBelow(folder string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if at, err := os.Readlink("/proc/" + e.Name() + "/cwd"); err == nil && strings.HasPrefix(at, folder+"/") {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone by now
		}
	}
}
