package node

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// stopTimeout is how long a component may take to end after SIGTERM.
	stopTimeout = 20 * time.Second
	// restartPause is how long a component that ended stays away.
	restartPause = time.Second
)

// component is a program of the node.
type component struct {
	name string
	path string // relative to the folder of the programs
	args []string
	// patience is how long it may take to end after SIGTERM; 0 for stopTimeout.
	patience time.Duration
}

// start starts a component with where it reads from and writes to.
func (c component) start(stdin, output *os.File) (*os.Process, error) {
	path := c.path
	if !filepath.IsAbs(path) {
		path = filepath.Join(programs, path)
	}
	return os.StartProcess(path, append([]string{path}, c.args...), &os.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=" + programs + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/run/cluster"},
		Files: []*os.File{stdin, output, output},
	})
}

// processes are the children of the node's first process. Since all that lose their parent
// become its children, too, it waits for any child at one place: nothing here may wait for
// one by itself, as os/exec does.
type processes struct {
	mu       sync.Mutex
	waiting  map[int]chan syscall.WaitStatus
	running  []*kept
	stopping bool
	ready    bool
	failed   chan error
}

// kept is a component that runs.
type kept struct {
	component
	pid  int
	done chan syscall.WaitStatus
}

func newProcesses() *processes {
	return &processes{waiting: map[int]chan syscall.WaitStatus{}, failed: make(chan error, 1)}
}

// reap waits for children until there is none and the context is done.
func (p *processes) reap(ctx context.Context, children <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-children:
		}
		p.reapAll()
	}
}

func (p *processes) reapAll() {
	for {
		var status syscall.WaitStatus
		p.mu.Lock()
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		done := p.waiting[pid]
		delete(p.waiting, pid)
		p.mu.Unlock()
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
		if done != nil {
			done <- status
		}
	}
}

// spawn starts a component; the channel tells how it ended.
func (p *processes) spawn(c component, stdin, output *os.File) (int, chan syscall.WaitStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	process, err := c.start(stdin, output)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	done := make(chan syscall.WaitStatus, 1)
	p.waiting[process.Pid] = done
	pid := process.Pid
	return pid, done, process.Release()
}

// start runs a component with its output in its log. It is started again when it ends by
// itself once the node was ready; before, that is an error.
func (p *processes) start(c component) error {
	log, err := os.OpenFile(filepath.Join(logDir, c.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	pid, done, err := p.spawn(c, nil, log)
	log.Close()
	if err != nil {
		return err
	}
	k := &kept{component: c, pid: pid, done: make(chan syscall.WaitStatus, 1)}
	p.mu.Lock()
	p.running = append(p.running, k)
	p.mu.Unlock()
	go p.keep(k, done)
	return nil
}

func (p *processes) keep(k *kept, done chan syscall.WaitStatus) {
	status := <-done
	k.done <- status
	p.mu.Lock()
	stopping, ready := p.stopping, p.ready
	p.running = slices.DeleteFunc(p.running, func(o *kept) bool { return o == k && !stopping })
	p.mu.Unlock()
	if stopping {
		return
	}
	ended := fmt.Errorf("%s ended (%s); the end of its log:\n%s", k.name, describe(status), Tail(filepath.Join(logDir, k.name+".log")))
	if !ready {
		p.fail(ended)
		return
	}
	slog.Warn("started again", "component", k.name, "ended", describe(status))
	time.Sleep(restartPause)
	if err := p.start(k.component); err != nil {
		p.fail(err)
	}
}

func (p *processes) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

func (p *processes) setReady() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = true
}

// run runs a component to its end. What it says is part of the error.
func (p *processes) run(c component, input func(io.Writer) error) error {
	output, err := os.CreateTemp("/run", "output")
	if err != nil {
		return err
	}
	defer output.Close()
	defer os.Remove(output.Name())
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	_, done, err := p.spawn(c, reader, output)
	reader.Close()
	if err != nil {
		writer.Close()
		return err
	}
	var written error
	if input != nil {
		written = input(writer)
	}
	writer.Close()
	if status := <-done; !status.Exited() || status.ExitStatus() != 0 {
		return fmt.Errorf("%s: %s: %s", c.name, describe(status), Tail(output.Name()))
	}
	return written
}

// stop ends the components, the last one first.
func (p *processes) stop() {
	p.mu.Lock()
	p.stopping = true
	running := slices.Clone(p.running)
	p.mu.Unlock()
	for _, k := range slices.Backward(running) {
		began := time.Now()
		_ = syscall.Kill(k.pid, syscall.SIGTERM)
		select {
		case <-k.done:
		case <-time.After(cmp.Or(k.patience, stopTimeout)):
			slog.Warn("killed, since it did not end", "component", k.name)
			_ = syscall.Kill(k.pid, syscall.SIGKILL)
		}
		slog.Info("ended", "component", k.name, "seconds", time.Since(began).Seconds())
	}
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// tailBytes is how much of a log an error shows.
const tailBytes = 2000

// Tail is the end of a log.
func Tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if stat, err := f.Stat(); err == nil && stat.Size() > tailBytes {
		_, _ = f.Seek(-tailBytes, io.SeekEnd)
	}
	end, _ := io.ReadAll(io.LimitReader(f, 2*tailBytes))
	return string(bytes.TrimSpace(end))
}
