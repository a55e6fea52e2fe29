package harness

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/payload"
)

// Options say what a fleet consists of. The zero value is a stack, an operator and one worker.
type Options struct {
	// Dir holds everything; a temporary folder if empty. Starting on a folder again continues where it was.
	Dir string
	// Workers is how many worker processes there are; 1 if 0, none if negative.
	Workers int
	// Tabs is each worker's number of browser tabs; the worker's own default if 0.
	Tabs int
	// Resolve are addresses for names, as "board.test:80=127.0.0.1:40123", for each worker.
	Resolve []string
	// WorkerFlags and OperatorFlags are added to their command lines.
	WorkerFlags   []string
	OperatorFlags []string
	// NoOperator leaves the operator out.
	NoOperator bool
	// Unsigned leaves out what signs and logs what is stored: keys, time stamps, the custody log.
	// [Fleet.SigningFlags] has single workers do so all the same.
	Unsigned bool
	// StoreUsers has the store know users with the rights of config/store, whose credentials are those of
	// [Fleet.StoreCredentials]. Workers are the store's root unless they are told another one.
	StoreUsers bool
}

// State is what devstack writes to stack.json when it is up.
type State struct {
	PID        int            `json:"pid"`
	PIDs       map[string]int `json:"pids"`
	Kubeconfig string         `json:"kubeconfig"`
	Temporal   struct {
		Address   string `json:"address"`
		Namespace string `json:"namespace"`
	} `json:"temporal"`
	S3 struct {
		Endpoint        string `json:"endpoint"`
		Region          string `json:"region"`
		AccessKey       string `json:"accessKey"`
		SecretKey       string `json:"secretKey"`
		CredentialsFile string `json:"credentialsFile"`
		ArchiveBucket   string `json:"archiveBucket"`
		FrontierBucket  string `json:"frontierBucket"`
	} `json:"s3"`
}

// A Fleet is a running stack with its operator and workers.
type Fleet struct {
	// Dir holds everything, Logs the processes' logs.
	Dir, Logs string
	// Stack, Operator and Workers are the processes. Operator is nil where Options left it out.
	Stack    *Process
	Operator *Process
	Workers  []*Process

	operators []*Process

	// PayloadKeys is the file of the keys that encrypt what Temporal stores.
	PayloadKeys string

	options Options
	bin     string
	root    string
	mark    string
	keys    *keys
	mu      sync.Mutex
	state   State
}

// Bounds of what may take how long, on a machine that is busy with other tests.
const (
	stackTimeout = 5 * time.Minute
	readyTimeout = 2 * time.Minute
	pollEvery    = 50 * time.Millisecond
)

// Start starts a fleet and returns when all of it is ready. It ends with the test.
func Start(t testing.TB, o Options) *Fleet {
	t.Helper()
	f := prepare(t, o)
	f.startStack(t)
	f.Install(t)
	if !o.NoOperator {
		f.Operator = f.AddOperator(t)
	}
	n := o.Workers
	if n == 0 {
		n = 1
	}
	for range max(0, n) {
		f.AddWorker(t)
	}
	return f
}

// StartBare starts a stack in which nothing is installed, for tests of what installs it. It ends with the test.
func StartBare(t testing.TB) *Fleet {
	t.Helper()
	f := prepare(t, Options{NoOperator: true, Unsigned: true})
	f.startStack(t)
	return f
}

func newMark() string { return rand.Text() }

// prepare finds the binaries and sees to it that everything ends with the test.
func prepare(t testing.TB, o Options) *Fleet {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{Dir: o.Dir, options: o, root: root, bin: os.Getenv("CRAWLFLEET_BIN"), mark: newMark()}
	if f.bin == "" {
		f.bin = filepath.Join(root, "bin")
	}
	if f.Dir == "" {
		f.Dir = t.TempDir()
	}
	f.Logs = filepath.Join(f.Dir, "logs")
	if keep := os.Getenv("CRAWLFLEET_TEST_LOGS"); keep != "" {
		f.Logs = filepath.Join(keep, strings.ReplaceAll(t.Name(), "/", "-"))
	}
	if err := os.MkdirAll(f.Logs, 0o755); err != nil {
		t.Fatal(err)
	}
	f.PayloadKeys = filepath.Join(f.Dir, "payload-keys")
	if err := payload.Create(f.PayloadKeys, time.Now()); err != nil {
		t.Fatal(err)
	}
	f.Stack = &Process{
		Name: "devstack", Path: f.Binary(t, "devstack"), Log: filepath.Join(f.Logs, "devstack.log"), mark: f.mark,
		Args: []string{"start", "--dir", f.stackDir(), "--split", "--fast"},
	}
	if o.StoreUsers {
		f.Stack.Args = append(f.Stack.Args, f.storeUsers(t)...)
	}
	f.keys = makeKeys(t, KeysOf(f.Dir))
	t.Cleanup(func() { f.close(t) })
	return f
}

// repository returns the folder of the root module.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module crawlfleet.dev/crawlfleet\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the test does not run inside the repository")
		}
		dir = parent
	}
}

// Binary returns the path of one of the project's programs, or of kubectl; there must be one.
func (f *Fleet) Binary(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(f.bin, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the integration tests need %s: run \"make build\" first, or name its folder in CRAWLFLEET_BIN (%v)", path, err)
	}
	return path
}

func (f *Fleet) stackDir() string { return filepath.Join(f.Dir, "stack") }

// State returns what the stack said of itself when it was last started.
func (f *Fleet) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *Fleet) startStack(t testing.TB) {
	t.Helper()
	if err := f.StartStack(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// StartStack starts the stack, again after it was killed or stopped, and returns when it is up.
func (f *Fleet) StartStack(ctx context.Context) error {
	// What the last life wrote tells nothing of this one.
	file := filepath.Join(f.stackDir(), "stack.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("start the stack: %w", err)
	}
	if err := f.Stack.Start(); err != nil {
		return err
	}
	var s State
	err := f.poll(ctx, stackTimeout, f.Stack, func() error {
		var err error
		s, err = f.readState()
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for the stack: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
	return nil
}

func (f *Fleet) readState() (State, error) {
	var s State
	b, err := os.ReadFile(filepath.Join(f.stackDir(), "stack.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

// poll calls check until it returns nil, the process ends, or the time is up.
func (f *Fleet) poll(ctx context.Context, timeout time.Duration, p *Process, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done():
			return fmt.Errorf("%s ended (%v); the end of its log:\n%s", p.Name, p.ending(), p.Tail(4096))
		case <-ctx.Done():
			return fmt.Errorf("%w: %w; the end of the log of %s:\n%s", ctx.Err(), err, p.Name, p.Tail(4096))
		}
	}
}

// AddOperator starts an operator, with flags of its own, and returns when it is ready. A
// fleet that has several needs --leader-elect for each.
func (f *Fleet) AddOperator(t testing.TB, flags ...string) *Process {
	t.Helper()
	s := f.State()
	name := "operator"
	if n := len(f.operators); n > 0 {
		name += "-" + strconv.Itoa(n)
	}
	health := FreeAddress(t)
	p := &Process{
		Name: name, Path: f.Binary(t, "operator"), Log: filepath.Join(f.Logs, name+".log"), mark: f.mark,
		Args: append(append([]string{
			"--kubeconfig", s.Kubeconfig,
			"--temporal-address", s.Temporal.Address,
			"--temporal-namespace", s.Temporal.Namespace,
			"--health-probe-bind-address", health,
			"--payload-keys", f.PayloadKeys,
			"--log-format", "json",
		}, f.options.OperatorFlags...), flags...),
	}
	f.operators = append(f.operators, p)
	f.operatorOrWorker(t, p, health)
	return p
}

// AddWorker starts one more worker, with flags of its own, and returns when it is ready.
func (f *Fleet) AddWorker(t testing.TB, flags ...string) *Process {
	t.Helper()
	name := "worker-" + strconv.Itoa(len(f.Workers))
	health := FreeAddress(t)
	p := &Process{
		Name: name, Path: f.Binary(t, "worker"), Log: filepath.Join(f.Logs, name+".log"), mark: f.mark,
		Args: append(f.workerArgs(name, health), flags...),
	}
	f.Workers = append(f.Workers, p)
	f.operatorOrWorker(t, p, health)
	return p
}

func (f *Fleet) workerArgs(name, health string) []string {
	s := f.State()
	args := []string{
		"--temporal-address", s.Temporal.Address,
		"--temporal-namespace", s.Temporal.Namespace,
		"--s3-endpoint", s.S3.Endpoint,
		"--s3-region", s.S3.Region,
		"--s3-credentials-file", s.S3.CredentialsFile,
		"--archive-bucket", s.S3.ArchiveBucket,
		"--frontier-bucket", s.S3.FrontierBucket,
		"--payload-keys", f.PayloadKeys,
		"--dir", filepath.Join(f.Dir, name),
		"--health-address", health,
		"--log-format", "json",
		// The sites under test are on loopback addresses.
		"--allow-private", "127.0.0.0/8",
	}
	if f.options.Tabs > 0 {
		args = append(args, "--tabs", strconv.Itoa(f.options.Tabs))
	}
	if !f.options.Unsigned {
		args = append(args, f.SigningFlags()...)
	}
	for _, r := range f.options.Resolve {
		args = append(args, "--resolve", r)
	}
	return append(args, f.options.WorkerFlags...)
}

// operatorOrWorker starts a process that answers /readyz at the given address.
func (f *Fleet) operatorOrWorker(t testing.TB, p *Process, health string) {
	t.Helper()
	p.health = health
	f.StartAgain(t, p)
}

// StartAgain starts the operator or a worker, after it was killed or stopped, and waits until its /readyz says 200.
func (f *Fleet) StartAgain(t testing.TB, p *Process) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 5 * time.Second}
	err := f.poll(t.Context(), readyTimeout, p, func() error {
		res, err := client.Get("http://" + p.health + "/readyz")
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			err = fmt.Errorf("/readyz: %s", res.Status)
		}
		return errors.Join(err, res.Body.Close())
	})
	if err != nil {
		t.Fatalf("wait for %s: %v", p.Name, err)
	}
}

// listenHost is a loopback address that outgoing connections do not come from, so that none of them takes a port between
// two lives of the process that listens there.
const listenHost = "127.0.0.2"

// FreeAddress returns a loopback address that nobody listens at. Somebody else may take it before it is used, which
// shows as a process that does not become ready; among the ports of an address of its own that is a rare thing.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(listenHost, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// End ends everything before the end of the test, as when a cluster is given up. What it stored stays in Dir.
func (f *Fleet) End(t testing.TB) {
	t.Helper()
	f.stop(t, append(append([]*Process{}, f.Workers...), f.operators...))
}

// KeysOf is the folder with the keys that a fleet on the folder dir signs with, and keeps its custody log with.
func KeysOf(dir string) string { return filepath.Join(dir, "keys") }

// close ends everything, and shows the logs' ends of a failed test.
func (f *Fleet) close(t testing.TB) {
	t.Helper()
	processes := append(append([]*Process{}, f.Workers...), f.operators...)
	f.stop(t, processes)
	if !t.Failed() {
		return
	}
	for _, p := range append(processes, f.Stack) {
		t.Logf("the end of %s:\n%s", p.Log, p.Tail(8192))
	}
}

// stop ends everything in the order in which it depends on each other.
func (f *Fleet) stop(t testing.TB, processes []*Process) {
	t.Helper()
	var wait sync.WaitGroup
	for _, p := range processes {
		wait.Go(func() {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if err := f.Stack.Stop(); err != nil {
		t.Error(err)
	}
	// Orphans of processes that a test killed are expected to be gone too, but it is not this test's business.
	if left, err := killMarked(f.mark); err != nil || len(left) > 0 {
		t.Logf("ended what was left behind: %v, %v", left, err)
	}
}
