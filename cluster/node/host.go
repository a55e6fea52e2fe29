package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// State is what the folder remembers of a node that runs.
type State struct {
	// PID is its first process, Started when the kernel started that, in its own
	// ticks: a process of another time with the same number is another one.
	PID     int    `json:"pid"`
	Started string `json:"started"`
	// Server is where the API server is reached from outside.
	Server string `json:"server"`
}

// ErrNotRunning says that the folder has no node that runs.
var ErrNotRunning = errors.New("no cluster runs here: start one with \"cluster up\"")

const (
	readyMessage    = "ready"
	progressMessage = "progress "
	errorMessage    = "error "
	// endTimeout is how long a node may take to end its components.
	endTimeout = 2 * time.Minute
)

// Lock makes sure that one program at a time starts or ends the node of a folder. The
// kernel lets go of it when the process ends.
func (d Dir) Lock() (unlock func(), err error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.Path("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another \"cluster up\" or \"cluster down\" is under way in %s: wait for it (%w)", d, err)
	}
	return func() { f.Close() }, nil
}

func (d Dir) stateFile() string { return d.Path("node.json") }

// Find reads the state of the node that runs in a folder.
func Find(d Dir) (State, error) {
	var s State
	data, err := os.ReadFile(d.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return s, ErrNotRunning
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", d.stateFile(), err)
	}
	if !s.alive() {
		return s, ErrNotRunning
	}
	return s, nil
}

func (s State) alive() bool {
	started, err := startTime(s.PID)
	return err == nil && started == s.Started
}

// startTime is when a process started (proc(5), field 22 of stat). One that has ended and
// was not waited for has none.
func startTime(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is a name in parentheses, which may hold spaces.
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return "", fs.ErrNotExist
	}
	return fields[19], nil
}

// Start starts a node in namespaces of its own and returns when it is ready. It goes on
// when the calling process ends. The command makes that process: the listener is its file
// 3, and it writes messages to its file 4.
func Start(ctx context.Context, d Dir, command *exec.Cmd, progress func(string)) (err error) {
	if err := os.MkdirAll(d.Path("logs"), 0o755); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(rememberedPort(d)))
	if err != nil {
		// The port of last time is taken.
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer socket.Close()
	messages, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer messages.Close()
	log, err := os.Create(d.Log("node"))
	if err != nil {
		writer.Close()
		return err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{socket, writer}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	err = command.Start()
	writer.Close()
	if err != nil {
		return fmt.Errorf("start the node in namespaces of its own: %w", err)
	}
	if err := remember(d, command.Process.Pid, listener.Addr().String()); err != nil {
		return errors.Join(err, command.Process.Kill(), Stop(context.WithoutCancel(ctx), d))
	}
	if err := listen(ctx, messages, progress); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the node ended; the end of %s:\n%s", d.Log("node"), Tail(d.Log("node")))
		}
		// It was this process' child: its end is waited for here.
		go func() { _ = command.Wait() }()
		return errors.Join(err, Stop(context.WithoutCancel(ctx), d))
	}
	return command.Process.Release()
}

// rememberedPort is the API server's of last time, so that a kubeconfig stays good.
func rememberedPort(d Dir) int {
	data, err := os.ReadFile(d.Path("port"))
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return port
}

func remember(d Dir, pid int, server string) error {
	started, err := startTime(pid)
	if err != nil {
		return fmt.Errorf("the node ended at once: %w", err)
	}
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.Path("port"), []byte(port+"\n"), 0o644); err != nil {
		return err
	}
	data, err := json.Marshal(State{PID: pid, Started: started, Server: server})
	if err != nil {
		return err
	}
	return os.WriteFile(d.stateFile(), append(data, '\n'), 0o644)
}

// listen hands on what the node says until it is ready.
func listen(ctx context.Context, messages *os.File, progress func(string)) error {
	stop := context.AfterFunc(ctx, func() { messages.Close() })
	defer stop()
	lines := bufio.NewScanner(messages)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == readyMessage {
			return nil
		}
		if text, ok := strings.CutPrefix(line, progressMessage); ok {
			progress(text)
		}
		if text, ok := strings.CutPrefix(line, errorMessage); ok {
			said, err := strconv.Unquote(text)
			if err != nil {
				return err
			}
			return errors.New(said)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return io.ErrUnexpectedEOF
}

// Messages are what the node tells the process that started it.
type Messages struct{ io.Writer }

// Progress says what is waited for.
func (m Messages) Progress(what string) { fmt.Fprintln(m, progressMessage+what) }

// Ready says that the node is.
func (m Messages) Ready() { fmt.Fprintln(m, readyMessage) }

// Error says why it will not be.
func (m Messages) Error(err error) { fmt.Fprintln(m, errorMessage+strconv.Quote(err.Error())) }

// Stop ends the node of a folder, if one runs, and removes what it left: its cgroups, and
// what says that it runs. What it stored stays.
func Stop(ctx context.Context, d Dir) error {
	s, err := Find(d)
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	if err == nil {
		if err := s.end(ctx); err != nil {
			return err
		}
	}
	if err := removeCgroups(d.Cgroup()); err != nil {
		return err
	}
	if err := os.Remove(d.stateFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// end asks the first process to end all, and kills it when it takes too long: then the
// kernel ends all.
func (s State) end(ctx context.Context) error {
	// A handle on this very process, whose number no other can take meanwhile.
	process, err := os.FindProcess(s.PID)
	if err != nil {
		return err
	}
	defer func() { _ = process.Release() }()
	if !s.alive() {
		return nil
	}
	if err := process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	deadline := time.After(endTimeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for s.alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
			deadline = nil
		}
	}
	return nil
}

// Command is a program of the cluster, or any other with a slash in its name, run inside
// the node.
func Command(ctx context.Context, s State, name string, args ...string) *exec.Cmd {
	if !strings.Contains(name, "/") {
		name = filepath.Join(programs, name)
	}
	// (nsenter, since a process of several threads cannot join a mount namespace.)
	into := []string{"--target", strconv.Itoa(s.PID), "--mount", "--pid", "--net", "--uts", "--ipc", "--wd=/", "--", name}
	return exec.CommandContext(ctx, "nsenter", append(into, args...)...)
}
