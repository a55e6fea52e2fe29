package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// process is one running Chrome with its pipes and its profile folder.
type process struct {
	cmd     *exec.Cmd
	profile string
	output  *tail
	conn    *conn

	condemned atomic.Pointer[error] // why it is killed, if there is a reason

	exited  chan struct{} // closed when the main process has been reaped
	exitErr error         // valid after exited
	once    sync.Once
}

// maxProfilePath is how many bytes the path of a profile may have: a full Chrome makes a socket
// org.chromium.Chromium.XXXXXX/SingletonSocket below it, and the path of a socket has at
// most 107 (unix(7)).
const maxProfilePath = 107 - len("/org.chromium.Chromium.XXXXXX/SingletonSocket")

// profiles numbers the profiles of this program: two never share a name.
var profiles atomic.Int64

// launch is what it takes to start a Chrome.
type launch struct {
	path    string
	args    []string
	shell   bool   // the headless shell, which makes no socket in its profile
	profile string // parent folder of the profile
	uid     int    // 0 keeps the user of this process
	sandbox bool
	env     []string // beside what every Chrome gets to see
}

// flags is the command line without the profile folder.
func (l launch) flags() []string {
	flags := slices.Clone(l.args)
	if !l.sandbox {
		flags = append(flags, "--no-sandbox")
	}
	return flags
}

// start starts Chrome and connects to it. The process ends with kill, with its
// own death, or with the death of this program.
func (l launch) start() (*process, error) {
	profile := filepath.Join(l.profile, strconv.FormatInt(profiles.Add(1), 36))
	if !l.shell && len(profile) > maxProfilePath {
		return nil, fmt.Errorf("the profile folder %s has a path of %d characters, and Chrome can work with %d: choose a temporary folder with a shorter path",
			profile, len(profile), maxProfilePath)
	}
	if err := os.Mkdir(profile, 0o700); err != nil {
		return nil, fmt.Errorf("make a profile folder: %w", err)
	}
	p := &process{profile: profile, output: &tail{}, exited: make(chan struct{})}
	if err := p.start(l); err != nil {
		os.RemoveAll(profile) // the first error says more
		return nil, err
	}
	return p, nil
}

func (p *process) start(l launch) error {
	if l.uid != 0 {
		if err := os.Chown(p.profile, l.uid, l.uid); err != nil {
			return fmt.Errorf("give the profile folder to user %d: %w", l.uid, err)
		}
	}
	toChromeR, toChromeW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	fromChromeR, fromChromeW, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("make a pipe: %w", err), toChromeR.Close(), toChromeW.Close())
	}
	outputR, outputW, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("make a pipe: %w", err),
			toChromeR.Close(), toChromeW.Close(), fromChromeR.Close(), fromChromeW.Close())
	}

	args := append([]string{"--user-data-dir=" + p.profile}, l.flags()...)
	p.cmd = exec.Command(l.path, append(args, "about:blank")...)
	p.cmd.ExtraFiles = []*os.File{toChromeR, fromChromeW}
	p.cmd.Stdout, p.cmd.Stderr = outputW, outputW
	p.cmd.Env = append(environment(p.profile), l.env...)
	p.cmd.Dir = p.profile
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true, // one kill reaches the children, and Ctrl-C does not
		Pdeathsig: syscall.SIGKILL,
	}
	if l.uid != 0 {
		id := uint32(l.uid)
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id, NoSetGroups: false}
	}

	started := make(chan error, 1)
	go func() {
		// Pdeathsig fires when the thread that forked ends: the goroutine
		// keeps its thread for as long as Chrome lives (go.dev/issue/27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.exitErr = p.cmd.Wait()
		close(p.exited)
	}()
	err = <-started
	for _, f := range []*os.File{toChromeR, fromChromeW, outputW} {
		f.Close() // Chrome has its own copies
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", l.path, err), toChromeW.Close(), fromChromeR.Close(), outputR.Close())
	}
	go p.output.drain(outputR)
	p.conn = newConn(newPipe(fromChromeR, toChromeW))
	return nil
}

// kill ends Chrome with all its children, reaps what is ours, and removes the
// profile. It returns when that is done, and may be called more than once.
func (p *process) kill() {
	p.once.Do(func() {
		pgid := p.cmd.Process.Pid
		signalGroup(pgid, p.profile)
		<-p.exited
		p.conn.close()
		// A child may fork while its group is being killed.
		for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if signalGroup(pgid, p.profile) == 0 {
				break
			}
		}
		removeAll(p.profile)
	})
}

// close asks Chrome to end, and kills it when it does not within a second.
func (p *process) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.conn.root.Call(ctx, "Browser.close", nil, nil); err == nil {
		select {
		case <-p.exited:
		case <-ctx.Done():
		}
	}
	p.kill()
}

// condemn notes why a Chrome is killed; the first reason counts.
func (p *process) condemn(why error) { p.condemned.CompareAndSwap(nil, &why) }

// exitGrace is how long a Chrome that hung up may take to be seen to have ended: its pipes
// are closed first.
const exitGrace = 250 * time.Millisecond

// outlive condemns a Chrome that lives on without its connection: that it is killed then
// is not what it died of.
func (p *process) outlive() {
	why := p.conn.lost()
	if errors.Is(why, io.EOF) || errors.Is(why, io.ErrUnexpectedEOF) || errors.Is(why, syscall.EPIPE) { // it hung up
		select {
		case <-p.exited:
			return
		case <-time.After(exitGrace):
		}
	}
	p.condemn(why)
}

// why says how Chrome ended, for people.
func (p *process) why() string {
	if why := p.condemned.Load(); why != nil {
		return (*why).Error()
	}
	select {
	case <-p.exited:
	case <-time.After(time.Second):
		return p.conn.lost().Error()
	}
	if why := p.condemned.Load(); why != nil { // since
		return (*why).Error()
	}
	s := "Chrome exited"
	if p.exitErr != nil {
		s += " (" + p.exitErr.Error() + ")"
	}
	if last := p.output.last(); last != "" {
		s += ": " + last
	}
	return s
}

// environment is what Chrome gets to see of ours: nothing that could be a secret.
func environment(home string) []string {
	env := []string{"HOME=" + home, "TMPDIR=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home,
		// No session bus: Chrome would wait for one.
		"DBUS_SESSION_BUS_ADDRESS=disabled:", "DBUS_SYSTEM_BUS_ADDRESS=disabled:"}
	for _, name := range []string{"PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// removeAll removes a folder that a dying process may still write to.
func removeAll(dir string) {
	for range 20 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// traversable reports whether another user could reach a folder.
func traversable(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// tail keeps the end of what Chrome prints, to explain why it died.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 8 << 10

func (t *tail) drain(r io.ReadCloser) {
	defer r.Close() // read only
	buf := make([]byte, 2<<10)
	for {
		n, err := r.Read(buf)
		t.mu.Lock()
		t.buf = append(t.buf, buf[:n]...)
		if extra := len(t.buf) - tailBytes; extra > 0 {
			t.buf = append(t.buf[:0], t.buf[extra:]...)
		}
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// last returns the last line that tells something.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.buf)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if strings.Contains(line, "FATAL") || strings.Contains(line, "sandbox") {
			return line
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}
