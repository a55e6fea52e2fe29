package browser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp/jsonv2"

	"crawlfleet.dev/crawlfleet/internal/tempdir"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

// PersonOptions configure the browser of a person.
type PersonOptions struct {
	// Engine is the Chrome to use. The default is Chromium, and chromium-headless-shell
	// where there is none and no window is wanted.
	Engine Engine
	// Dir is the folder for the browser's files, all of which are removed in the end.
	Dir string
	// Visible opens a window on the display that the environment names. Without it the
	// browser is led from another one, over DebugPort.
	Visible bool
	// DebugPort is the port of 127.0.0.1 at which a browser without a window can be led; 0
	// takes a free one. Whoever can reach it can do what the person can.
	DebugPort int
}

// Person is a browser that a person uses, to log in somewhere. Nothing of it is recorded:
// it is no part of a crawl.
type Person struct {
	proc    *process
	folder  *tempdir.Folder // of its profile, nil where that is in the folder that was given
	address string
	unsafe  error // why Chrome runs without its sandbox

	mu      sync.Mutex
	origins []string // in the order in which they were first seen
	changed chan struct{}
}

// maxVisited bounds the origins that a person's browser is asked about in the end.
const maxVisited = 200

// displays are what tells a program of the display.
var displays = []string{"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR"}

// HasDisplay reports whether there is a display to open a window on.
func HasDisplay() bool { return os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "" }

// OpenPerson starts a browser and shows a page. Close it to end it. What it kept is gone
// then.
func OpenPerson(ctx context.Context, o PersonOptions, address string) (*Person, error) {
	engine := o.Engine
	if _, found := firstOf(binaries[EngineChromium]); engine == EngineAuto && (found || o.Visible) {
		engine = EngineChromium
	}
	path, shell, err := find(engine)
	if err != nil {
		return nil, err
	}
	if shell && o.Visible {
		return nil, errors.New("chromium-headless-shell has no window: install chromium, or lead it from another browser")
	}
	if err := awaitPort(ctx, o.DebugPort); err != nil {
		return nil, err
	}
	p := &Person{changed: make(chan struct{}, 1)}
	if err := p.start(ctx, launch{path: path, args: personArguments(o, shell), profile: o.Dir, env: displayOf(o)}); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.begin(ctx, o, address); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func displayOf(o PersonOptions) (env []string) {
	for _, name := range displays {
		if v, ok := os.LookupEnv(name); ok && o.Visible {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// personArguments is the command line of a person's browser: an ordinary one, that keeps
// no passwords.
func personArguments(o PersonOptions, shell bool) []string {
	args := []string{
		"--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-sync", "--disable-default-apps",
		"--disable-breakpad", "--disable-crash-reporter", "--password-store=basic", "--use-mock-keychain",
		"--disable-features=Translate,PasswordManagerOnboarding",
	}
	if !o.Visible {
		args = append(args, fmt.Sprintf("--remote-debugging-port=%d", o.DebugPort), "--remote-debugging-address=127.0.0.1", "--window-size=1280,800")
		if !shell {
			args = append(args, "--headless=new")
		}
	}
	if smallSharedMemory() {
		args = append(args, "--disable-dev-shm-usage")
	}
	return args
}

// start starts Chrome in the safest way that works here.
func (p *Person) start(ctx context.Context, l launch) error {
	l.sandbox = true
	if os.Geteuid() == 0 && len(l.env) == 0 { // another user could not use the display
		l.uid = nobody
		if !traversable(l.profile) { // nor a private folder
			var err error
			if p.folder, err = makeFolder(os.TempDir(), slog.New(slog.DiscardHandler)); err != nil {
				return err
			}
			l.profile = p.folder.Path
		}
	}
	if p.unsafe = p.try(ctx, l); p.unsafe == nil || ctx.Err() != nil {
		return p.unsafe
	}
	l.sandbox, l.uid = false, 0
	if err := p.try(ctx, l); err != nil {
		return fmt.Errorf("start Chrome: %w (with its sandbox: %w)", err, p.unsafe)
	}
	return nil
}

func (p *Person) try(ctx context.Context, l launch) error {
	proc, err := l.start()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := proc.conn.root.Call(ctx, "Browser.getVersion", nil, nil); err != nil {
		if errors.Is(err, errLost) {
			err = errors.New(proc.why())
		}
		proc.kill()
		return err
	}
	p.proc = proc
	return nil
}

// Unsafe is why Chrome runs without its sandbox, nil when it runs with it.
func (p *Person) Unsafe() error { return p.unsafe }

// begin follows the person and shows the first page.
func (p *Person) begin(ctx context.Context, o PersonOptions, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	root := p.proc.conn.root
	root.handle(p.event)
	if err := root.Call(ctx, "Target.setDiscoverTargets", map[string]any{"discover": true}, nil); err != nil {
		return err
	}
	if !o.Visible {
		if err := p.findPort(ctx, o.DebugPort); err != nil {
			return err
		}
	}
	pages, err := p.tabs(ctx)
	if err != nil {
		return err
	}
	if len(pages) == 0 {
		return root.Call(ctx, "Target.createTarget", map[string]any{"url": address}, nil)
	}
	return p.with(ctx, pages[0].ID, func(page *session) error {
		// The answer comes when the site answers. The person sees how that goes.
		page.post("Page.navigate", map[string]any{"url": address})
		return nil
	})
}

// findPort waits until Chrome listens, and says where.
func (p *Person) findPort(ctx context.Context, wanted int) error {
	for {
		if p.address = p.listening(wanted); p.address != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the port of Chrome: %w", context.Cause(ctx))
		case <-p.proc.conn.done:
			return errors.New(p.proc.why())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// listening is where Chrome listens, empty when it does not yet. Only of a port that it
// has chosen itself does it write down which that is.
func (p *Person) listening(wanted int) string {
	port := strconv.Itoa(wanted)
	if wanted == 0 {
		raw, err := os.ReadFile(filepath.Join(p.proc.profile, "DevToolsActivePort"))
		line, _, whole := strings.Cut(string(raw), "\n")
		if err != nil || !whole {
			return ""
		}
		port = line
	}
	address := net.JoinHostPort("127.0.0.1", port)
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return ""
	}
	conn.Close()
	return address
}

// portPatience is how long a port may be taken still by a browser that is ending: the one
// of a command that was killed a moment ago.
const portPatience = 5 * time.Second

// awaitPort waits until a port can be listened at: Chrome would not say that it cannot.
func awaitPort(ctx context.Context, port int) error {
	if port == 0 {
		return nil
	}
	late := time.After(portPatience)
	for {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return l.Close()
		}
		select {
		case <-late:
			return fmt.Errorf("the port to lead the browser over: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// DebugAddress is the address at which a browser without a window can be led, empty of
// one that has a window.
func (p *Person) DebugAddress() string { return p.address }

// event notes where the person is, and has whoever waits look.
func (p *Person) event(method string, params jsonv2.Value) {
	switch method {
	case "Target.targetCreated", "Target.targetInfoChanged":
		take(params, func(ev targetEvent) { p.visited(ev.TargetInfo.URL) })
	case "Target.targetDestroyed":
	default:
		return
	}
	select {
	case p.changed <- struct{}{}:
	default: // it will look anyway
	}
}

// visited notes the origin of an address.
func (p *Person) visited(address string) {
	u, err := urls.Split(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return
	}
	origin := u.Scheme + "://" + u.Host
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.origins, origin) && len(p.origins) < maxVisited {
		p.origins = append(p.origins, origin)
	}
}

// seen are the origins that were visited.
func (p *Person) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.origins)
}

// Close ends the browser and removes all that it kept.
func (p *Person) Close() error {
	if p.proc != nil {
		p.proc.close()
	}
	if p.folder == nil {
		return nil
	}
	return p.folder.Remove()
}
