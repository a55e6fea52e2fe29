package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// A Browser is a running Chrome with its helpers.
type Browser struct {
	// PID is the main process, whose parent is Parent. Helpers are the other ones.
	PID, Parent int
	Helpers     []int
	// Profile is its folder.
	Profile string
}

// Browsers are the Chromes whose profiles lie below a folder, the helpers of dead ones
// included: those have a PID of 0.
func Browsers(dir string) ([]Browser, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	byProfile := map[string]*Browser{}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		process := filepath.Dir(file)
		profile := profileOf(line)
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil || !within(dir, profile) || zombie(process) {
			continue
		}
		b := byProfile[profile]
		if b == nil {
			b = &Browser{Profile: profile}
			byProfile[profile] = b
		}
		if bytes.Contains(line, []byte("--type=")) {
			b.Helpers = append(b.Helpers, pid)
			continue
		}
		b.PID, b.Parent = pid, parent(process)
	}
	var list []Browser
	for _, b := range byProfile {
		list = append(list, *b)
	}
	slices.SortFunc(list, func(a, b Browser) int { return a.PID - b.PID })
	return list, nil
}

// Signal sends a signal to the main process and all helpers.
func (b Browser) Signal(s syscall.Signal) error {
	var errs []error
	for _, pid := range append([]int{b.PID}, b.Helpers...) {
		if pid == 0 {
			continue
		}
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("signal process %d of a browser: %w", pid, err))
		}
	}
	return errors.Join(errs...)
}

// profileOf reads the profile folder from a command line. Chrome's processes set their
// title, and divide the arguments in it by spaces.
func profileOf(line []byte) string {
	for arg := range bytes.FieldsFuncSeq(line, func(r rune) bool { return r == 0 || r == ' ' }) {
		if profile, ok := bytes.CutPrefix(arg, []byte("--user-data-dir=")); ok {
			return string(profile)
		}
	}
	return ""
}

// within tells whether a path lies below a folder.
func within(dir, path string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && path != "" && filepath.IsLocal(rest)
}

// parent is the parent of a process, 0 when it has ended.
func parent(process string) int {
	stat, err := os.ReadFile(filepath.Join(process, "stat"))
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(after)
	if len(fields) < 2 {
		return 0
	}
	pid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return pid
}
