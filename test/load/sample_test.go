package load

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"
)

// The kinds of processes, as tables call them.
const (
	kindRun      = "worker, workflows"
	kindPlan     = "worker, planning"
	kindVisit    = "worker, visits (stand-in)"
	kindOperator = "operator"
	kindTemporal = "Temporal"
	kindStore    = "S3 store"
	kindKube     = "Kubernetes API server and etcd"
	kindTest     = "the test: gateways, robots.txt, sampling"
)

// kinds is their order in tables.
var kinds = []string{kindVisit, kindPlan, kindRun, kindTemporal, kindStore, kindOperator, kindKube, kindTest}

// sample is how everything stood at a time.
type sample struct {
	at    time.Time
	tabs  counters           // of all stand-ins
	cpu   map[string]float64 // in seconds, by kind
	all   float64            // of the machine
	store map[string]calls   // by kind of worker
}

// sampler takes a sample each second.
type sampler struct {
	pids   map[string][]int // by kind
	stats  []string         // addresses of the stand-ins' counters
	stores map[string]*counter

	mu      sync.Mutex
	samples []sample
	peaks   map[string]int64 // bytes, the largest process of each kind
}

const sampleEvery = time.Second

// start samples until stop is called.
func (s *sampler) start(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	s.peaks = map[string]int64{}
	var done sync.WaitGroup
	done.Go(func() {
		every := time.NewTicker(sampleEvery)
		defer every.Stop()
		for {
			s.take(ctx)
			select {
			case <-every.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return sync.OnceFunc(func() { cancel(); done.Wait() })
}

// take adds a sample; none when a stand-in does not answer.
func (s *sampler) take(ctx context.Context) {
	next := sample{at: time.Now(), cpu: map[string]float64{}, store: map[string]calls{}}
	for _, address := range s.stats {
		one, err := ask(ctx, address)
		if err != nil {
			return
		}
		next.tabs.Pages += one.Pages
		next.tabs.Beats += one.Beats
		next.tabs.Refused += one.Refused
		next.tabs.Tabs += one.Tabs
		next.tabs.Waiting += one.Waiting
	}
	next.all = machine()
	for kind, pids := range s.pids {
		for _, pid := range pids {
			next.cpu[kind] += processor(pid)
		}
	}
	for kind, c := range s.stores {
		next.store[kind] = c.read()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, next)
	for kind, pids := range s.pids {
		for _, pid := range pids {
			s.peaks[kind] = max(s.peaks[kind], peakMemory(pid))
		}
	}
}

func ask(ctx context.Context, address string) (c counters, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return c, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer res.Body.Close()
	return c, json.NewDecoder(res.Body).Decode(&c)
}

// list returns the samples so far.
func (s *sampler) list() []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.samples[:len(s.samples):len(s.samples)]
}

// The window of what is measured, in shares of all pages: before it, hosts become known and bundles grow; after it, the
// last hosts are waited for.
const (
	windowFrom = .15
	windowTo   = .85
)

// window is the first and the last sample between which the crawl was in full swing.
func window(samples []sample, pages int) (from, to sample) {
	reached := func(share float64) sample {
		for _, s := range samples {
			if float64(s.tabs.Pages) >= share*float64(pages) {
				return s
			}
		}
		return samples[len(samples)-1]
	}
	return reached(windowFrom), reached(windowTo)
}

func TestWindow(t *testing.T) {
	var samples []sample
	for i := range 11 {
		samples = append(samples, sample{tabs: counters{Pages: int64(10 * i)}})
	}
	if from, to := window(samples, 100); from.tabs.Pages != 20 || to.tabs.Pages != 90 {
		t.Errorf("the window is from %d to %d", from.tabs.Pages, to.tabs.Pages)
	}
	if from, to := window(samples[:3], 100); from.tabs.Pages != 20 || to.tabs.Pages != 20 {
		t.Errorf("the window of a crawl that did not get far is from %d to %d", from.tabs.Pages, to.tabs.Pages)
	}
}
