package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// ReadyTimeout is how long a part may take until it serves, on a machine that is busy with other
// things: one that ends before is missed at once.
const ReadyTimeout = 4 * time.Minute

// Limits of a child's life.
const (
	// readyTimeout is how long a child may take to become ready: it tells itself what was not
	// in time.
	readyTimeout = ReadyTimeout + 30*time.Second
	// stopTimeout is how long it may take to end after SIGTERM.
	stopTimeout = 20 * time.Second
	// firstBackoff and lastBackoff bound the pause before a dead child is
	// started again; it doubles each time and begins anew after steadyAfter.
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 5 * time.Second
	steadyAfter  = time.Minute
)

// ChildOptions say what to run and whom to tell.
type ChildOptions struct {
	// Name of the part, for messages.
	Name string
	// Args of this very binary.
	Args []string
	// Log is the file that the child's output is appended to.
	Log string
	// Lock is inherited, so that the folder stays locked while the child lives.
	Lock *Lock
	// Restarted is called with the new process id each time the child is ready
	// again after it died.
	Restarted func(pid int)
	// Logger tells of deaths and restarts.
	Logger *slog.Logger
}

// Child is a part that runs as a process of its own. When the process dies it is
// started again, until Stop.
type Child struct {
	opts ChildOptions
	stop chan struct{}
	once sync.Once
	done chan struct{}

	mu  sync.Mutex
	pid int
}

// StartChild runs this binary again with other arguments and returns when it has
// reported that it is ready; if it ends before, its own error is returned.
func StartChild(ctx context.Context, opts ChildOptions) (*Child, error) {
	c := &Child{opts: opts, stop: make(chan struct{}), done: make(chan struct{})}
	first := make(chan error, 1)
	go c.run(first)
	select {
	case err := <-first:
		if err != nil {
			<-c.done
			return nil, err
		}
		return c, nil
	case <-ctx.Done():
		c.Stop()
		return nil, context.Cause(ctx)
	}
}

// PID returns the id of the child's current, or last, process.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// Done is closed after Stop; a child that dies by itself is started again.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is nil: a child has no end of its own.
func (c *Child) Err() error { return nil }

// Stop ends the child, with SIGTERM and then SIGKILL, and waits for it.
func (c *Child) Stop() {
	c.once.Do(func() { close(c.stop) })
	<-c.done
}

// run starts the child, and starts it again, until Stop. The kernel sends the
// parent-death signal when the thread that forked ends, not the process
// (prctl(2)), so one goroutine keeps its thread for as long as the child may live.
func (c *Child) run(first chan<- error) {
	runtime.LockOSThread()
	defer close(c.done)
	backoff := firstBackoff
	for generation := 0; ; generation++ {
		began := time.Now()
		p, err := c.spawn()
		if err == nil {
			err = p.waitReady(c.stop)
		}
		switch {
		case generation == 0:
			first <- err
			if err != nil {
				return
			}
		case err == nil:
			c.opts.Logger.Info("part is back", "part", c.opts.Name, "pid", p.pid(), "after", time.Since(began).Round(time.Millisecond))
			c.opts.Restarted(p.pid())
		}
		if err == nil {
			select {
			case <-c.stop:
				p.end()
				return
			case <-p.exited:
				err = p.ending()
			}
		}
		if time.Since(began) > steadyAfter {
			backoff = firstBackoff
		}
		c.opts.Logger.Warn("part died, starting it again", "part", c.opts.Name, "err", err, "pause", backoff, "log", c.opts.Log)
		select {
		case <-c.stop:
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// process is one life of a child.
type process struct {
	name   string
	log    string
	cmd    *exec.Cmd
	report io.ReadCloser
	// exited is closed when the process is gone; cmd.ProcessState says how.
	exited chan struct{}
}

func (c *Child) spawn() (*process, error) {
	out, err := os.OpenFile(c.opts.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s's log: %w", c.opts.Name, err)
	}
	defer out.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open %s's report: %w", c.opts.Name, err)
	}
	defer w.Close()
	// /proc/self/exe is the binary that runs, even if a new one was built since.
	cmd := exec.Command("/proc/self/exe", c.opts.Args...)
	cmd.Args[0] = "devstack"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{w, c.opts.Lock.file} // descriptors 3 and 4
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", parentEnv, os.Getpid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		// A Ctrl-C on the terminal is for the parent, which ends its children in order.
		Setpgid: true,
	}
	if err := cmd.Start(); err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", c.opts.Name, err)
	}
	c.mu.Lock()
	c.pid = cmd.Process.Pid
	c.mu.Unlock()
	p := &process{name: c.opts.Name, log: c.opts.Log, cmd: cmd, report: r, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// waitReady returns when the child says that it is ready; otherwise the child is
// gone when it returns.
func (p *process) waitReady(stop <-chan struct{}) error {
	defer p.report.Close()
	reports := make(chan report, 1)
	go func() {
		var r report
		if err := json.NewDecoder(io.LimitReader(p.report, 1<<16)).Decode(&r); err != nil {
			r = report{}
		}
		reports <- r
	}()
	timeout := time.NewTimer(readyTimeout)
	defer timeout.Stop()
	var err error
	select {
	case r := <-reports:
		if r.Ready {
			return nil
		}
		if r.Error != "" {
			err = errors.New(r.Error)
		}
	case <-timeout.C:
		err = fmt.Errorf("%s was not ready after %s; see %s", p.name, readyTimeout, p.log)
	case <-stop:
		err = errors.New("stopped")
	}
	p.end()
	if err == nil {
		err = fmt.Errorf("%s ended before it was ready: %w; see %s", p.name, p.ending(), p.log)
	}
	return err
}

// end asks the process to end, kills it if it does not, and waits for it.
func (p *process) end() {
	// Errors mean that it has ended already, which is what is wanted.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return
	case <-time.After(stopTimeout):
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// ending tells how the process ended.
func (p *process) ending() error { return errors.New(p.cmd.ProcessState.String()) }
