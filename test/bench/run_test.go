package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// The variants, from the limit to everything.
const (
	variantBare    = "bare"    // navigate, wait for the load event, next
	variantRelay   = "relay"   // the same through a proxy that only copies bytes
	variantRecord  = "record"  // the same through the recorder
	variantPicture = "picture" // the bare loop, with a screenshot of each page
	variantSettled = "settled" // what the fleet does with a page, without derived outputs
	variantAll     = "all"     // with screenshot, text, DOM and links, into WACZ files in the store
)

// order says what a run does.
type order struct {
	Variant string
	Tabs    int
	URLs    []string
	Store   *blob.Config
	Bucket  string
	// Profile is a file for a profile of the run's own processor time; none if empty.
	Profile string
}

// timing is what a run took: from the first page's begin to the last one's end.
type timing struct {
	Pages   int
	Seconds float64
	// Own and Chrome are seconds of processor time, of the run's own process and of its Chromes.
	Own, Chrome float64
	// Incomplete counts pages that failed or whose ledger and record do not agree.
	Incomplete int
}

func (t timing) pagesPerSecond() float64 { return float64(t.Pages) / t.Seconds }
func (t timing) cpu() float64            { return (t.Own + t.Chrome) / float64(t.Pages) }

// orderName is the variable that makes this binary do one run instead of tests.
const orderName = "CRAWLFLEET_BENCH_ORDER"

func TestMain(m *testing.M) {
	raw := os.Getenv(orderName)
	if raw == "" {
		os.Exit(m.Run())
	}
	t, err := follow(raw)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measureOnce follows an order in a process of its own.
func measureOnce(ctx context.Context, o order) (timing, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return timing{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), orderName+"="+string(raw))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return timing{}, fmt.Errorf("%s with %d tabs: %w", o.Variant, o.Tabs, err)
	}
	var t timing
	return t, json.Unmarshal(out, &t)
}

// run is an order being followed.
type run struct {
	order
	dir      string
	recorder *recorder.Recorder
	pool     *browser.Pool
	folders  atomic.Int64

	incomplete atomic.Int64
}

func follow(raw string) (t timing, err error) {
	r := &run{}
	if err := json.Unmarshal([]byte(raw), &r.order); err != nil {
		return t, err
	}
	if r.dir, err = os.MkdirTemp("", "crawlfleet-bench-"); err != nil {
		return t, err
	}
	defer os.RemoveAll(r.dir)
	if err := os.Chmod(r.dir, 0o755); err != nil { // Chrome runs as another user
		return t, err
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if r.recorder, err = recorder.New(recorder.Options{Dir: r.dir, Dialer: &netguard.Dialer{Allow: loopback}}); err != nil {
		return t, err
	}
	ctx := context.Background()
	r.pool, err = browser.New(ctx, browser.Options{Dir: filepath.Join(r.dir, "chrome"), Recorder: r.recorder, Tabs: r.Tabs})
	if err != nil {
		return t, errors.Join(err, r.recorder.Close())
	}
	defer func() { err = errors.Join(err, r.pool.Close(), r.recorder.Close()) }()
	if r.Profile != "" {
		f, err := os.Create(r.Profile)
		if err != nil {
			return t, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return t, err
		}
		defer pprof.StopCPUProfile()
	}
	switch r.Variant {
	case variantBare, variantRelay, variantRecord, variantPicture:
		return r.runBare(ctx)
	default:
		return r.runCapture(ctx, r.Variant == variantAll)
	}
}

// chrome is the executable of the pool's Chrome.
func (r *run) chrome() string {
	children, err := processes(os.Getpid())
	if err != nil {
		return ""
	}
	for _, p := range children {
		if path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid)); err == nil && strings.Contains(path, "chrom") {
			return path
		}
	}
	return ""
}

// pageDir is a folder for a page that is removed with the run.
func (r *run) pageDir() recorder.Page {
	return recorder.Page{Dir: filepath.Join(r.dir, "page-"+strconv.FormatInt(r.folders.Add(1), 10))}
}

// measure visits all pages, as many at once as there are visits. chrome is the process whose family counts as Chrome's.
func (r *run) measure(chrome int, visits []func(string) error) (timing, error) {
	var next atomic.Int64
	errs := make([]error, len(visits))
	own, chromes, began := ownCPU(), familyCPU(chrome), time.Now()
	var wg sync.WaitGroup
	for i, visit := range visits {
		wg.Go(func() {
			for errs[i] == nil {
				k := int(next.Add(1)) - 1
				if k >= len(r.URLs) {
					return
				}
				errs[i] = visit(r.URLs[k])
			}
		})
	}
	wg.Wait()
	t := timing{Pages: len(r.URLs), Seconds: time.Since(began).Seconds(), Own: ownCPU() - own, Chrome: familyCPU(chrome) - chromes}
	t.Incomplete = int(r.incomplete.Load())
	return t, errors.Join(errs...)
}
