package browser

import (
	"bytes"
	"os"
	"strconv"
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

func containsArg(cmdline, want []byte) bool {
	for arg := range bytes.SplitSeq(cmdline, []byte{0}) {
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
