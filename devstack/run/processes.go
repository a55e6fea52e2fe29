package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to end after SIGTERM: a worker commits
// what it has captured.
const stopTimeout = time.Minute

// A program that ends by itself is started again after a pause, a few times.
const (
	maxRestarts  = 5
	restartPause = time.Second
)

// errStopping means that a process is to be stopped and is not started any more.
var errStopping = errors.New("it is to be stopped")

// processes are the programs that were started, in order.
type processes struct {
	// dir is where the logs are.
	dir string
	// failed tells the name of a process that ended by itself for good, restarted that
	// of one that is started again.
	failed, restarted chan string
	running           []*process
	keeping           atomic.Bool
}

type process struct {
	name     string
	stopping chan struct{}
	done     chan struct{}

	mu  sync.Mutex
	cmd *exec.Cmd
}

func newProcesses(dir string) *processes {
	return &processes{dir: dir, failed: make(chan string, 16), restarted: make(chan string, 16)}
}

func (p *processes) logOf(name string) string { return filepath.Join(p.dir, name+".log") }

// start runs a program with its output in a log file.
func (p *processes) start(run program) error {
	log, err := p.openLog(run.name)
	if err != nil {
		return err
	}
	defer log.Close()
	return p.spawn(run, log, log)
}

// keep starts programs again from now on that end by themselves, as a cluster would: all
// of them were ready once.
func (p *processes) keep() { p.keeping.Store(true) }

// program is what is to be run.
type program struct {
	name, path string
	args, env  []string
	stateless  bool // it may be started again
}

// command makes a process of a program. It has a group of its own: Ctrl-C on the terminal
// reaches this program alone, which then ends the others in order.
func (r program) command(stdout, stderr io.Writer) *exec.Cmd {
	cmd := exec.Command(r.path, r.args...)
	cmd.Env = append(os.Environ(), r.env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return cmd
}

func (p *processes) openLog(name string) (*os.File, error) {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for logs: %w", err)
	}
	log, err := os.OpenFile(p.logOf(name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	return log, nil
}

// spawn starts the process from a goroutine that keeps its thread: the kernel sends
// the parent-death signal when the thread that forked ends (prctl(2)).
func (p *processes) spawn(run program, stdout, stderr *os.File) error {
	stdout, stderr, err := keepOpen(stdout, stderr)
	if err != nil {
		return fmt.Errorf("start %s: %w", run.name, err)
	}
	proc := &process{name: run.name, stopping: make(chan struct{}), done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(proc.done)
		defer stdout.Close()
		defer stderr.Close()
		err := proc.start(run.command(stdout, stderr))
		started <- err
		for tries := 0; err == nil; tries++ {
			_ = proc.cmd.Wait() // how it ended is in its log
			if !run.stateless || !p.keeping.Load() || tries >= maxRestarts || proc.stopped(restartPause) {
				break
			}
			p.tell(p.restarted, run.name)
			err = proc.start(run.command(stdout, stderr))
		}
		if !proc.stopped(0) {
			p.tell(p.failed, run.name)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", run.name, err)
	}
	p.running = append(p.running, proc)
	return nil
}

// keepOpen makes copies of the files of a process that live as long as it may be started
// again.
func keepOpen(stdout, stderr *os.File) (out, problems *os.File, err error) {
	copied := func(f *os.File) (*os.File, error) {
		fd, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			return nil, err
		}
		syscall.CloseOnExec(fd)
		return os.NewFile(uintptr(fd), f.Name()), nil
	}
	if out, err = copied(stdout); err != nil {
		return nil, nil, err
	}
	if problems, err = copied(stderr); err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	return out, problems, nil
}

// tell hands a name on to whoever listens, and does not wait.
func (p *processes) tell(to chan string, name string) {
	select {
	case to <- name:
	default:
	}
}

// start starts the process unless it is to be stopped already.
func (p *process) start(cmd *exec.Cmd) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stopping:
		return errStopping
	default:
	}
	p.cmd = cmd
	return cmd.Start()
}

// signal sends a signal to the process, which may be gone already.
func (p *process) signal(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s)
}

// stopped tells whether the process is to be stopped, within a time.
func (p *process) stopped(within time.Duration) bool {
	select {
	case <-p.stopping:
		return true
	default:
	}
	select {
	case <-p.stopping:
		return true
	case <-time.After(within):
		return false
	}
}

// startSite starts a test site and returns its address, the first line it prints.
func (p *processes) startSite(ctx context.Context, path string, args ...string) (string, error) {
	log, err := p.openLog("site")
	if err != nil {
		return "", err
	}
	defer log.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	err = p.spawn(program{name: "site", path: path, args: args}, writer, log)
	writer.Close()
	if err != nil {
		reader.Close()
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { reader.Close() })
	defer stop()
	defer reader.Close()
	line, err := bufio.NewReader(io.LimitReader(reader, 1<<16)).ReadBytes('\n')
	if err != nil {
		return "", fmt.Errorf("the demo site did not say where it is (see %s): %w", p.logOf("site"), err)
	}
	var said struct{ URL string }
	if err := json.Unmarshal(line, &said); err != nil || said.URL == "" {
		return "", fmt.Errorf("the demo site printed %q instead of where it is", line)
	}
	return said.URL, nil
}

// await polls until ready says so, the process ended, or the time is over.
func (p *processes) await(ctx context.Context, name string, limit time.Duration, ready func() bool) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case died := <-p.failed:
			return fmt.Errorf("%s ended at once; the end of %s:\n%s", died, p.logOf(died), tail(p.logOf(died)))
		case <-deadline.C:
			return fmt.Errorf("%s is not ready after %v; the end of %s:\n%s", name, limit, p.logOf(name), tail(p.logOf(name)))
		case <-tick.C:
		}
	}
	return nil
}

// stop ends the processes, the last one first.
func (p *processes) stop() {
	for _, proc := range slices.Backward(p.running) {
		close(proc.stopping)
		proc.signal(syscall.SIGTERM)
		select {
		case <-proc.done:
		case <-time.After(stopTimeout):
			proc.signal(syscall.SIGKILL)
			<-proc.done
		}
	}
	p.running = nil
}

func (p *processes) restartNote(name string) string {
	return fmt.Sprintf("%s ended by itself and is started again; its log is %s", name, p.logOf(name))
}

func (p *processes) endedError(name string) error {
	return fmt.Errorf("%s ended by itself; its log is %s. Nothing that was archived is lost: the next run with the same folder goes on", name, p.logOf(name))
}

// tail is the end of a log.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if stat, err := f.Stat(); err == nil && stat.Size() > 2000 {
		_, _ = f.Seek(-2000, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, 4000))
	return string(bytes.TrimSpace(b))
}

func alive(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }

// answers tells whether a health address says OK.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// freePorts finds loopback addresses that are free now.
func freePorts(n int) ([]string, error) {
	var found []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		found = append(found, l.Addr().String())
	}
	return found, nil
}

// sameAddress is the loopback address that a file remembers, so that a crawl of an
// earlier run finds its site again; another one when that is taken.
func sameAddress(file string) (string, error) {
	if last, err := os.ReadFile(file); err == nil {
		if l, err := net.Listen("tcp", string(last)); err == nil {
			return string(last), l.Close()
		}
	}
	free, err := freePorts(1)
	if err != nil {
		return "", err
	}
	return free[0], os.WriteFile(file, []byte(free[0]), 0o644)
}
