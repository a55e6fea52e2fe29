package browser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"

	"crawlfleet.dev/crawlfleet/internal/tempdir"
)

// ErrClosed is the error of a pool that has been closed.
var ErrClosed = errors.New("the browser pool is closed")

// Version is what a Chrome says of itself.
type Version struct {
	// Product such as "HeadlessChrome/156.0.8078.79", Revision the source
	// revision, UserAgent the default user agent, Protocol the DevTools version.
	Product, Revision, UserAgent, Protocol string
}

// Pool owns Chrome processes and hands out stays in them. Processes start when
// they are needed, are replaced after some pages or when they have grown too
// large, and are replaced when they die.
type Pool struct {
	opts    Options
	log     *slog.Logger
	launch  launch
	sandbox string
	folder  *tempdir.Folder // holds the profiles
	version Version         // of the first Chrome

	slots   chan struct{} // one token per stay that may be open
	waiting atomic.Int64  // for one of them
	turns   *turns
	closed  chan struct{}

	launching sync.Mutex // one Chrome starts at a time

	mu      sync.Mutex
	chromes map[*chrome]struct{}
	wg      sync.WaitGroup
}

// New starts a pool and its first Chrome, which shows that Chrome works here
// and whether its sandbox does. The context bounds the start alone. Close the
// pool to end its Chromes and to remove their folders.
func New(ctx context.Context, opts Options) (*Pool, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	path, shell, err := find(opts.Engine)
	if err != nil {
		return nil, err
	}
	p := &Pool{
		opts:    opts,
		log:     opts.Logger,
		slots:   make(chan struct{}, opts.Stays),
		turns:   newTurns(opts.Tabs),
		closed:  make(chan struct{}),
		chromes: make(map[*chrome]struct{}),
	}
	p.launch = launch{path: path, shell: shell, args: arguments(shell, opts.Recorder.SPKI())}
	if err := p.settleIn(); err != nil {
		return nil, err
	}
	if err := p.probe(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.log.Info("browser pool is ready", "product", p.Version().Product, "engine", path, "tabs", opts.Tabs, "sandbox", p.sandbox)
	return p, nil
}

func (o *Options) complete() error {
	if o.Recorder == nil {
		return errors.New("browser pool: no recorder given")
	}
	if o.Dir == "" {
		return errors.New("browser pool: no folder given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("browser pool: folder %q: %w", o.Dir, err)
	}
	o.Dir = dir
	if o.Tabs <= 0 {
		o.Tabs = 4
	}
	o.Tabs = min(o.Tabs, 256)
	if o.Stays <= 0 {
		o.Stays = 3 * o.Tabs
	}
	if o.StaysPerBrowser <= 0 {
		o.StaysPerBrowser = 12
	}
	if o.RecyclePages <= 0 {
		o.RecyclePages = 500
	}
	if o.RecycleBytes <= 0 {
		o.RecycleBytes = 2 << 30
	}
	if o.UserID <= 0 {
		o.UserID = nobody
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// probe starts the first Chrome in the safest way that works here: with its
// sandbox, as root under an unprivileged user, and without only where a start
// with it has failed.
func (p *Pool) probe(ctx context.Context) error {
	safe := p.launch
	safe.sandbox = true
	how := "on"
	if os.Geteuid() == 0 {
		safe.uid = p.opts.UserID
		how = fmt.Sprintf("on, as user %d", safe.uid)
	}
	p.launch, p.sandbox = safe, how
	c, err := p.start(ctx, p.launch)
	if err == nil {
		p.first(c)
		return nil
	}
	if p.opts.Sandbox == SandboxRequire || ctx.Err() != nil {
		return fmt.Errorf("start Chrome with its sandbox: %w", err)
	}
	first := err
	p.launch.sandbox, p.launch.uid = false, 0
	p.sandbox = "OFF: " + first.Error()
	c, err = p.start(ctx, p.launch)
	if err != nil {
		return fmt.Errorf("start Chrome: %w (with its sandbox: %w)", err, first)
	}
	p.log.Warn("CHROME RUNS WITHOUT ITS SANDBOX: a page that breaks out of its renderer owns this process's user. "+
		"Run as an unprivileged user on a kernel that allows user namespaces", "error", first)
	p.first(c)
	return nil
}

func (p *Pool) first(c *chrome) {
	p.version = c.version
	p.add(c)
}

// launchOf is how a Chrome of an engine is started: as the pool's own, but for what
// differs between the engines.
func (p *Pool) launchOf(engine Engine) (launch, error) {
	l := p.launch
	if engine == EngineAuto || engine == p.opts.Engine {
		return l, nil
	}
	path, shell, err := find(engine)
	if err != nil {
		return l, err
	}
	l.path, l.shell, l.args = path, shell, arguments(shell, p.opts.Recorder.SPKI())
	return l, nil
}

// start starts one Chrome and asks for its version.
func (p *Pool) start(ctx context.Context, l launch) (*chrome, error) {
	proc, err := l.start()
	if err != nil {
		return nil, err
	}
	c := &chrome{pool: p, path: l.path, flags: l.flags(), proc: proc, contexts: make(map[string]*tab)}
	if err := c.init(ctx); err != nil {
		if errors.Is(err, errLost) {
			err = errors.New(proc.why())
		}
		proc.kill()
		return nil, err
	}
	return c, nil
}

// add takes a started Chrome into the pool and watches over it.
func (p *Pool) add(c *chrome) {
	p.mu.Lock()
	p.chromes[c] = struct{}{}
	p.mu.Unlock()
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		<-c.proc.conn.done
		p.mu.Lock()
		unexpected := !c.retiring
		c.retiring = true // what is found to be missing of it from now on, is so because it ends
		p.mu.Unlock()
		if unexpected {
			c.proc.outlive()
		}
		c.proc.kill()
		p.mu.Lock()
		delete(p.chromes, c)
		p.mu.Unlock()
		if unexpected {
			p.log.Warn("a Chrome died and will be replaced", "cause", c.proc.why())
			p.replaced(CauseCrashed)
		}
	}()
}

// Version says which Chrome the pool's own engine is.
func (p *Pool) Version() Version { return p.version }

// Sandbox says how Chrome's sandbox stands: "on", "on, as user N", or "OFF: "
// and why. It belongs into the records of what was captured.
func (p *Pool) Sandbox() string { return p.sandbox }

// Flags is the command line of the Chromes of the pool's own engine, without the profile folder.
func (p *Pool) Flags() []string { return p.launch.flags() }

// Close ends every Chrome, removes their folders and waits until that is done.
// Open stays fail with ErrClosed or BrowserCrashed.
func (p *Pool) Close() error {
	p.mu.Lock()
	select {
	case <-p.closed:
		p.mu.Unlock()
		p.wg.Wait()
		return nil
	default:
	}
	close(p.closed)
	chromes := make([]*chrome, 0, len(p.chromes))
	for c := range p.chromes {
		c.retiring = true
		chromes = append(chromes, c)
	}
	p.mu.Unlock()
	for _, c := range chromes {
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			c.proc.close()
		}()
	}
	p.wg.Wait()
	return p.folder.Remove()
}

// acquire finds room for a stay in a Chrome of an engine, or starts one.
func (p *Pool) acquire(ctx context.Context, engine Engine) (*chrome, error) {
	l, err := p.launchOf(engine)
	if err != nil {
		return nil, err
	}
	p.launching.Lock()
	defer p.launching.Unlock()
	if c, err := p.room(l.path); c != nil || err != nil {
		return c, err
	}
	p.dismiss(l.path)
	c, err := p.start(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("start Chrome: %w", err)
	}
	c.stays = 1
	p.add(c)
	select {
	case <-p.closed:
		// Close did not see it.
		c.proc.kill()
		return nil, ErrClosed
	default:
	}
	return c, nil
}

// room takes a place in a running Chrome of an executable, nil when none has one.
func (p *Pool) room(path string) (*chrome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return nil, ErrClosed
	default:
	}
	for c := range p.chromes {
		if c.path == path && !c.retiring && c.stays < p.opts.StaysPerBrowser && !c.lost() && c.maimed() == nil {
			c.stays++
			return c, nil
		}
	}
	return nil, nil
}

// dismiss ends the Chromes of other executables that nobody stays in, whose memory one
// that is to be started may need.
func (p *Pool) dismiss(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.chromes {
		if c.path != path && c.stays == 0 && !c.retiring {
			c.retiring = true
			p.end(c)
		}
	}
}

// release gives a place back. A Chrome that is due is closed with its last stay.
func (p *Pool) release(c *chrome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.stays--
	if c.retiring && c.stays == 0 {
		p.end(c)
	}
}

// end closes a retired Chrome in the background. p.mu is held.
func (p *Pool) end(c *chrome) {
	if c.lost() {
		return
	}
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		c.proc.close()
	}()
}

// memoryEvery is after how many pages the memory of a Chrome is looked at: its processes
// have to be found among all of the machine, which takes a few milliseconds.
const memoryEvery = 5

// count notes a captured page and retires a Chrome that is due.
func (p *Pool) count(c *chrome) {
	p.mu.Lock()
	c.pages++
	pages, retiring := c.pages, c.retiring
	p.mu.Unlock()
	if retiring {
		return
	}
	cause := ""
	if pages >= p.opts.RecyclePages {
		cause = CausePages
	} else if pages%memoryEvery == 0 && residentBytes(c.proc.cmd.Process.Pid, c.proc.profile) > p.opts.RecycleBytes {
		cause = CauseMemory
	}
	if cause != "" {
		p.retire(c, cause)
	}
}

// retire takes no further stays into a Chrome; it is closed when its last ends.
func (p *Pool) retire(c *chrome, cause string) {
	p.mu.Lock()
	already, pages := c.retiring, c.pages
	c.retiring = true
	p.mu.Unlock()
	if !already {
		p.log.Info("a Chrome is being replaced", "cause", cause, "pages", pages)
		p.replaced(cause)
	}
}

func (p *Pool) replaced(cause string) {
	if p.opts.Replaced != nil {
		p.opts.Replaced(cause)
	}
}

// chrome is one Chrome process of a pool.
type chrome struct {
	pool    *Pool
	path    string // of its executable
	flags   []string
	proc    *process
	version Version

	// Guarded by pool.mu.
	pages, stays int
	retiring     bool

	mu       sync.Mutex
	contexts map[string]*tab // by browser context ID
	helpers  map[int]string  // by process ID, nil before the first tab
}

func (c *chrome) lost() bool {
	select {
	case <-c.proc.conn.done:
		return true
	default:
		return false
	}
}

const startTimeout = 30 * time.Second

// init shows that a started Chrome works, and listens to it.
func (c *chrome) init(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	root := c.proc.conn.root
	root.handle(c.event)
	v, err := call(ctx, root, browser.GetVersion, cdp.Empty{})
	if err != nil {
		return err
	}
	c.version = Version{Product: v.Product, Revision: v.Revision, UserAgent: v.UserAgent, Protocol: v.ProtocolVersion}
	root.post("Target.setDiscoverTargets", map[string]any{"discover": true})
	// Windows that a page opens wait before they ask for anything, see attached.
	return root.Call(ctx, "Target.setAutoAttach", map[string]any{
		"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true,
		"filter": []map[string]any{{"type": "page"}, {"type": "shared_worker"}, {"exclude": true}},
	}, nil)
}
