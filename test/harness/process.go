package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// markName is the environment variable that tells the harness's processes, and theirs, from all others.
const markName = "CRAWLFLEET_HARNESS_MARK"

// A Process is a program that a test starts, kills and starts again. Its output of all lives goes to one log file. Its
// methods are safe for concurrent use and return errors, so that they may be called from goroutines of a test.
type Process struct {
	// Name is what messages call it.
	Name string
	// Path is the program, Args its arguments, Env what is added to the environment.
	Path string
	Args []string
	Env  []string
	// Log is the file that its output is appended to.
	Log string

	mark   string
	health string // address of /readyz; empty for the stack

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	err    error         // how it ended; read after exited
	starts int
}

// stopTimeout is how long a process may take to end by itself after SIGTERM.
const stopTimeout = 60 * time.Second

// Start starts the program; one that runs already is an error.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil && !closed(p.exited) {
		return fmt.Errorf("start %s: it is running as process %d", p.Name, p.cmd.Process.Pid)
	}
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: open its log: %w", p.Name, err)
	}
	defer func() { _ = out.Close() }()
	p.starts++
	_, err = fmt.Fprintf(out, "--- %s: start %d of %s %q\n", time.Now().UTC().Format(time.RFC3339Nano), p.starts, p.Path, p.Args)
	if err != nil {
		return fmt.Errorf("start %s: write its log: %w", p.Name, err)
	}
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(append(os.Environ(), p.Env...), markName+"="+p.mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Its own group, so that all of it can be ended, and so that a Ctrl-C in the terminal is the test's to handle.
		Setpgid: true,
		// A test that is ended hard, as by go test's -timeout, takes the process with it.
		Pdeathsig: syscall.SIGKILL,
	}
	started, exited := make(chan error, 1), make(chan struct{})
	go p.live(cmd, started, exited)
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.cmd, p.exited = cmd, exited
	return nil
}

// live starts the program and waits for its end. The kernel sends the parent-death signal when the thread that forked
// ends, and not the process (prctl(2)), so this goroutine keeps its thread.
func (p *Process) live(cmd *exec.Cmd, started chan<- error, exited chan<- struct{}) {
	runtime.LockOSThread()
	err := cmd.Start()
	started <- err
	if err != nil {
		return
	}
	err = cmd.Wait()
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(exited)
}

// PID returns the id of the current or last life; 0 before the first.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Running reports whether the program runs.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && !closed(p.exited)
}

// Signal sends a signal to the process itself, not to its children.
func (p *Process) Signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || closed(p.exited) {
		return fmt.Errorf("signal %s: it is not running", p.Name)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// Kill is kill -9 of the process itself. Its children are left to what they do when their parent dies.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done()
	return nil
}

// Stop asks the process to end (SIGTERM), waits, and returns how it ended: nil for exit status 0. After a minute it
// kills the process's whole group. A process that has ended is no error.
func (p *Process) Stop() error {
	if !p.Running() {
		return nil
	}
	// It may end just now by itself; then there is nothing to signal, and waiting returns at once.
	_ = p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.done():
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err != nil {
			return fmt.Errorf("stop %s: %w", p.Name, p.err)
		}
		return nil
	case <-timer.C:
		p.killGroup()
		<-p.done()
		return fmt.Errorf("stop %s: it did not end within %v and was killed", p.Name, stopTimeout)
	}
}

// Wait waits until the process has ended and returns how: nil for exit status 0.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("wait for %s to end: %w", p.Name, context.Cause(ctx))
	}
}

// ending says how the last life ended.
func (p *Process) ending() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// Tail returns the last bytes of the log, from the beginning of a line.
func (p *Process) Tail(most int64) string {
	f, err := os.Open(p.Log)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	cut := false
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return err.Error()
		}
		cut = true
	}
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return err.Error()
	}
	if i := bytes.IndexByte(b, '\n'); cut && i >= 0 {
		b = b[i+1:]
	}
	return string(b)
}

// done returns a channel that is closed when the current life has ended.
func (p *Process) done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	return p.exited
}

func (p *Process) killGroup() {
	if pid := p.PID(); pid > 0 {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // gone already is what is wanted
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// marked returns the ids of the running processes that carry the mark: what a test's processes left behind.
func marked(mark string) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	whole := make([]byte, 1<<18)
	for _, dir := range dirs {
		env, err := environ(dir, whole)
		if err != nil {
			continue // ended meanwhile, or somebody else's
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		for variable := range bytes.SplitSeq(env, []byte{0}) {
			if string(variable) == markName+"="+mark && !zombie(dir) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// environ returns the environment of a process. While the process becomes another program (execve(2)) it is empty, or is
// cut off where a second read finds it gone, so it is read at once, into whole, and again where a program has none.
func environ(dir string, whole []byte) ([]byte, error) {
	for tries := 0; ; tries++ {
		f, err := os.Open(filepath.Join(dir, "environ"))
		if err != nil {
			return nil, err
		}
		n, err := f.Read(whole)
		_ = f.Close()
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return whole[:n], err
		}
		if _, err := os.Readlink(filepath.Join(dir, "exe")); err != nil || tries == 50 {
			return nil, nil // it is no program: the kernel's own, or a zombie; or it has no environment
		}
		time.Sleep(time.Millisecond)
	}
}

// zombie reports whether the process has ended and only waits for its parent to notice.
func zombie(dir string) bool {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return true
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(after, []byte("Z"))
}

// killMarked ends what carries the mark and returns the ids that it found.
func killMarked(mark string) ([]int, error) {
	pids, err := marked(mark)
	errs := []error{err}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("end process %d: %w", pid, err))
		}
	}
	return pids, errors.Join(errs...)
}
