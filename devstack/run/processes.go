package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to end after SIGTERM: a worker commits
// what it has captured.
const stopTimeout = 45 * time.Second

// processes are the programs that were started, in order.
type processes struct {
	// dir is where the logs are.
	dir string
	// failed tells the name of a process that ended by itself.
	failed  chan string
	running []*process
}

type process struct {
	name     string
	cmd      *exec.Cmd
	stopping chan struct{}
	done     chan struct{}
}

func newProcesses(dir string) *processes {
	return &processes{dir: dir, failed: make(chan string, 16)}
}

func (p *processes) logOf(name string) string { return filepath.Join(p.dir, name+".log") }

// start runs a program with its output in a log file.
func (p *processes) start(name, path string, args, env []string) error {
	log, err := p.openLog(name)
	if err != nil {
		return err
	}
	defer log.Close()
	return p.spawn(name, path, args, env, log, log)
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
func (p *processes) spawn(name, path string, args, env []string, stdout, stderr io.Writer) error {
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// A group of its own: Ctrl-C on the terminal reaches this program alone, which
	// then ends the others in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	proc := &process{name: name, cmd: cmd, stopping: make(chan struct{}), done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(proc.done)
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is in its log
		select {
		case <-proc.stopping:
		default:
			select {
			case p.failed <- name:
			default:
			}
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	p.running = append(p.running, proc)
	return nil
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
	err = p.spawn("site", path, args, nil, writer, log)
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
		_ = proc.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
		select {
		case <-proc.done:
		case <-time.After(stopTimeout):
			_ = proc.cmd.Process.Kill()
			<-proc.done
		}
	}
	p.running = nil
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
