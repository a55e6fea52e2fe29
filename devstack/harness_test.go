package devstack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// patience bounds each wait of the tests; a start takes 3 to 10 seconds.
const patience = 90 * time.Second

// binary is the devstack under test.
var binary string

// TestMain builds the binary, with the flags that the Makefile uses so that the
// build cache serves both, unless DEVSTACK names one.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		if binary = os.Getenv("DEVSTACK"); binary != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "devstack")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "devstack")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/devstack")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build devstack: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// devstack is a "devstack start" that a test runs.
type devstack struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// launch runs "devstack start" on dir.
func launch(t *testing.T, dir string, flags ...string) *devstack {
	t.Helper()
	d := &devstack{t: t, dir: dir, out: &output{}, done: make(chan struct{})}
	d.cmd = exec.Command(binary, append([]string{"start", "--dir", dir}, flags...)...)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start devstack: %v", err)
	}
	go func() {
		defer close(d.done)
		_ = d.cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	t.Cleanup(d.stop)
	return d
}

// start runs "devstack start" on dir and returns when the stack is up.
func start(t *testing.T, dir string, flags ...string) *devstack {
	t.Helper()
	began := time.Now()
	d := launch(t, dir, flags...)
	eventually(t, "the stack is up", func() error {
		select {
		case <-d.done:
			t.Fatalf("devstack start ended: %s\n%s", d.cmd.ProcessState, d.out)
		default:
		}
		if !strings.Contains(d.out.String(), "stack     up in") {
			return errors.New("not yet")
		}
		return nil
	})
	t.Logf("up after %s, %d MiB in memory\n%s", time.Since(began).Round(10*time.Millisecond), d.memory(), d.out)
	return d
}

// stop ends the stack as Ctrl-C does; a second call does nothing.
func (d *devstack) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGINT) // fails when it has ended, which is as good
	d.wait()
}

// kill ends the start process as a crash does.
func (d *devstack) kill() {
	_ = d.cmd.Process.Kill()
	d.wait()
}

func (d *devstack) wait() {
	select {
	case <-d.done:
	case <-time.After(patience):
		_ = d.cmd.Process.Kill()
		d.t.Errorf("devstack start has not ended after %s\n%s", patience, d.out)
	}
}

func (d *devstack) state() *stack.State {
	d.t.Helper()
	s, err := stack.ReadState(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// memory sums up the resident memory of the stack's processes, in MiB.
func (d *devstack) memory() int {
	pids := map[int]bool{}
	for _, pid := range d.state().PIDs {
		pids[pid] = true
	}
	total := 0
	for pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			d.t.Fatal(err)
		}
		var size, resident int
		if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
			d.t.Fatal(err)
		}
		total += resident * os.Getpagesize() >> 20
	}
	return total
}

// run runs another devstack command to its end.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("devstack %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// eventually tries until there is no error any more.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s until %s: %v", patience, what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// output collects what a process prints, for reading while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
