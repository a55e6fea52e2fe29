package harness

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ShiftClock sets the wall clock of one running process off by whole seconds, against the
// machine's, and returns what sets it right again. Its monotonic clock goes on, and so do the
// clocks of its children.
//
// No kernel has a clock per process (time_namespaces(7) knows the monotonic ones alone), and
// a program without a C library has no function that a preloaded one could stand in for. But
// every process reads the clock through a page of code that the kernel maps into it (vdso(7)),
// and that page can be written to, as a debugger does for its breakpoints. The process must be
// a child of this one, or the caller root.
func ShiftClock(pid int, by time.Duration) (right func() error, err error) {
	v, err := findVDSO(pid)
	if err != nil {
		return nil, fmt.Errorf("shift the clock of process %d: %w", pid, err)
	}
	code := shiftedClock(int32(by / time.Second))
	before, err := v.replace(code)
	if err != nil {
		return nil, fmt.Errorf("shift the clock of process %d: %w", pid, err)
	}
	return func() error {
		if _, err := v.replace(before); err != nil {
			return fmt.Errorf("set the clock of process %d right: %w", pid, err)
		}
		return nil
	}, nil
}

// shiftedClock is clock_gettime(2), with that many seconds added to CLOCK_REALTIME.
func shiftedClock(seconds int32) []byte {
	code := []byte{
		0xb8, 0xe4, 0, 0, 0, // mov eax, 228 (clock_gettime)
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi (CLOCK_REALTIME is 0)
		0x75, 0x07, // jne to the end
		0x48, 0x81, 0x06, // add qword [rsi], seconds
	}
	return append(binary.LittleEndian.AppendUint32(code, uint32(seconds)), 0xc3) // ret
}

// vdso is the code by which a process reads the clock.
type vdso struct {
	pid        int
	start, end uint64
	clock      uint64 // the address of clock_gettime
}

// patchTries is how often a process is stopped until no thread is just reading the clock.
const patchTries = 100

func findVDSO(pid int) (*vdso, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	v := &vdso{pid: pid}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &v.start, &v.end); err != nil {
			return nil, fmt.Errorf("read its memory map: %w", err)
		}
	}
	if v.start == 0 {
		return nil, errors.New("it has no vDSO")
	}
	image := make([]byte, v.end-v.start)
	if err := v.memory(func(f *os.File) error { _, err := f.ReadAt(image, int64(v.start)); return err }); err != nil {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("read its vDSO: %w", err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("read its vDSO: %w", err)
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			v.clock = v.start + s.Value
			return v, nil
		}
	}
	return nil, errors.New("its vDSO has no clock_gettime")
}

// replace writes code over clock_gettime while the process stands still, and returns what
// was there.
func (v *vdso) replace(code []byte) (before []byte, err error) {
	before = make([]byte, len(code))
	for range patchTries {
		if err := syscall.Kill(v.pid, syscall.SIGSTOP); err != nil {
			return nil, err
		}
		busy, err := v.busy()
		if err == nil && !busy {
			err = v.memory(func(f *os.File) error {
				if _, err := f.ReadAt(before, int64(v.clock)); err != nil {
					return err
				}
				_, err := f.WriteAt(code, int64(v.clock))
				return err
			})
		}
		if err = errors.Join(err, syscall.Kill(v.pid, syscall.SIGCONT)); err != nil || !busy {
			return before, err
		}
		time.Sleep(time.Millisecond)
	}
	return nil, errors.New("its threads read the clock all the time")
}

func (v *vdso) memory(do func(*os.File) error) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", v.pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(do(f), f.Close())
}

// busy tells whether a thread is in the vDSO, or has not stopped yet.
func (v *vdso) busy() (bool, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", v.pid))
	if err != nil {
		return false, err
	}
	for _, t := range tasks {
		at, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", v.pid, t.Name()))
		if err != nil {
			return false, err
		}
		fields := strings.Fields(string(at)) // "running", or numbers of which the last one is the program counter
		if len(fields) < 2 {
			return true, nil
		}
		pc, err := strconv.ParseUint(fields[len(fields)-1], 0, 64)
		if err != nil {
			return false, err
		}
		if pc >= v.start && pc < v.end {
			return true, nil
		}
	}
	return false, nil
}
