package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ticks is the kernel's unit of processor time, 1/s (USER_HZ, which is 100 on every Linux).
const ticks = 100

// process is a process and the processor time, in ticks, of it and of the children that it has waited for.
type process struct{ pid, parent, cpu int }

// processes are a process and all that descend from it.
func processes(root int) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]process)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := stat(pid); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var all []process
	if p, ok := stat(root); ok {
		all = append(all, p)
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all, nil
}

// stat reads /proc/PID/stat (proc_pid_stat(5)).
func stat(pid int) (process, bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false // it has ended meanwhile
	}
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	p := process{pid: pid}
	p.parent, _ = strconv.Atoi(f[1])
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(f[i])
		p.cpu += n
	}
	return p, true
}

// familyCPU is the processor time, in seconds, of a process and all that descend from it; of the Chromes of this
// process when pid is its own.
func familyCPU(pid int) float64 {
	all, err := processes(pid)
	if err != nil {
		return 0
	}
	n := 0
	for _, p := range all {
		if p.pid != os.Getpid() {
			n += p.cpu
		}
	}
	return float64(n) / ticks
}

// ownCPU is the processor time of this process, in seconds.
func ownCPU() float64 {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e9
}
