package follow

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// memory is a store of which the time in a test can be taken.
type memory struct {
	blob.Store
	mu      sync.Mutex
	objects map[blob.Key][]byte
}

func (m *memory) put(key string, b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[blob.Key(key)] = b
}

func (m *memory) remove(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, blob.Key(key))
}

func (m *memory) get(key blob.Key) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects[key]
}

func (m *memory) List(_ context.Context, prefix string, yield func(blob.Info) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(string(key), prefix) && !yield(blob.Info{Key: key, Size: int64(len(m.objects[key])), Modified: time.Now()}) {
			break
		}
	}
	return nil
}

func (m *memory) Get(_ context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	b := m.get(key)
	return io.NopCloser(bytes.NewReader(b)), blob.Info{Key: key, Size: int64(len(b))}, nil
}

func (m *memory) GetRange(_ context.Context, key blob.Key, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(m.get(key)[offset : offset+length])), nil
}

// TestLargeArchive: of a large archive only the runs that may grow are listed every time, and
// everything once a minute.
func TestLargeArchive(t *testing.T) {
	sample := verifytest.NewSample(1).Pack(t)
	const old = "ns/job/old/chunks/a.wacz" // is there all the time
	synctest.Test(t, func(t *testing.T) {
		m := &memory{objects: map[blob.Key][]byte{blob.Key(chunkName(1)): sample, old: sample,
			"ns/job/old/run.json": []byte(`{"format":"crawlfleet-run","version":1,"chunks":[{"key":"` + old + `"}]}`)}}
		for i := range 6 * perRequest {
			m.put(fmt.Sprintf("ns/job/old/visits/%05d", i), nil)
		}
		s := &store{Store: m}
		c := newRecorder()
		f := &Follower{Store: s, Catalog: c}
		if listed, current := f.Runs(); len(listed) > 0 || current {
			t.Errorf("runs before the archive was listed: %v, %v", listed, current)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		after := func(d time.Duration, want ...string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if diff := cmp.Diff(append(want, old), c.names(), cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Errorf("after %v (-want +got):\n%s", d, diff)
			}
		}
		runs := func(want map[string]int) {
			t.Helper()
			got := map[string]int{}
			listed, current := f.Runs()
			for _, r := range listed {
				got[r.Folder] = len(r.Chunks)
			}
			if diff := cmp.Diff(want, got); diff != "" || !current {
				t.Errorf("runs, %v (-want +got):\n%s", current, diff)
			}
		}
		after(time.Second, "1.wacz")
		m.put(chunkName(2), sample)
		after(5*time.Second, "1.wacz", "2.wacz") // within Every
		if diff := cmp.Diff([]string{"", folder}, s.listed()); diff != "" {
			t.Errorf("listed were (-want +got):\n%s", diff)
		}
		runs(map[string]int{folder: 2, "ns/job/old/": 1})
		m.put("ns/job/new/chunks/b.wacz", sample)
		m.remove(chunkName(1))
		after(5*time.Second, "2.wacz")
		runs(map[string]int{folder: 1, "ns/job/old/": 1})
		after(time.Minute, "ns/job/new/chunks/b.wacz", "2.wacz") // within All
		runs(map[string]int{folder: 1, "ns/job/old/": 1, "ns/job/new/": 1})
		m.put(folder+"run.json", statement(t))
		after(5*time.Second, "ns/job/new/chunks/b.wacz")
		s.set(nil)
		after(5*time.Second, "ns/job/new/chunks/b.wacz")
		if diff := cmp.Diff([]string{"ns/job/new/"}, s.listed()); diff != "" {
			t.Errorf("listed were (-want +got):\n%s", diff)
		}
		// While the store is away, it is asked less and less often.
		s.set(blob.ErrUnreachable)
		after(10*time.Minute, "ns/job/new/chunks/b.wacz")
		if listed, current := f.Runs(); len(listed) != 3 || current {
			t.Errorf("runs while the store is away: %v, %v", listed, current)
		}
		if n := len(s.listed()); n < 10 || n > 14 {
			t.Errorf("a store that was away for 10 minutes was listed %d times", n)
		}
		s.set(nil)
		m.put("ns/job/new/chunks/c.wacz", sample)
		after(time.Minute, "ns/job/new/chunks/b.wacz", "ns/job/new/chunks/c.wacz")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
