package load

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// ticks is the kernel's unit of processor time, 1/s (USER_HZ, which is 100 on every Linux).
const ticks = 100

// processor is the processor time in seconds that a process has had, with that of the children that it waited for
// (proc_pid_stat(5)); 0 when it has ended.
func processor(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	sum := 0
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(f[i])
		sum += n
	}
	return float64(sum) / ticks
}

// peakMemory is the largest resident size in bytes that a process has had (proc_pid_status(5), VmHWM).
func peakMemory(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// machine is the processor time in seconds that all processes of the machine have had (proc_stat(5)).
func machine() float64 {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	sum := 0
	for i, field := range strings.Fields(line)[1:] {
		// user, nice, system, irq, softirq: not idle, iowait, steal, and guests are in user.
		if n, err := strconv.Atoi(field); err == nil && (i < 3 || i == 5 || i == 6) {
			sum += n
		}
	}
	return float64(sum) / ticks
}

func TestOwnProcess(t *testing.T) {
	x := 0.0
	for before := processor(os.Getpid()); processor(os.Getpid()) < before+.05; {
		for i := range 1_000_000 {
			x += float64(i)
		}
	}
	if all := machine(); all < processor(os.Getpid()) || x == 0 {
		t.Errorf("all processes had %v s", all)
	}
	if m := peakMemory(os.Getpid()); m < 1<<20 {
		t.Errorf("the largest size is %d", m)
	}
	if processor(-1) != 0 || peakMemory(-1) != 0 {
		t.Error("a process that is not there has had something")
	}
}
