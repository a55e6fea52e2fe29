package recorder

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pattern is an endless body.
type pattern struct{ n byte }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = p.n
	}
	p.n++
	return len(b), nil
}

// heapGrowth runs f and returns how much the heap grew meanwhile, at most.
func heapGrowth(f func()) uint64 {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before := heap()
	var most atomic.Uint64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			most.Store(max(most.Load(), heap()))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	f()
	close(stop)
	wg.Wait()
	return most.Load() - min(before, most.Load())
}

// TestMemory: a body of 300 MB passes in both directions through a few pieces.
// Not parallel: other tests' memory would count.
func TestMemory(t *testing.T) {
	const size, bound = 300 << 20, 30 << 20
	var up hash.Hash
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up = sha256.New()
		if _, err := io.Copy(up, r.Body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.CopyN(w, &pattern{}, size)
	}))
	defer site.Close()
	s := newTestSession(t)
	c := client(t, s)
	down := sha256.New()
	var list []Exchange
	grew := heapGrowth(func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL, io.LimitReader(&pattern{}, size))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = size
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if n, err := io.Copy(down, res.Body); n != size || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
		list = end(t, s)
	})
	if grew > bound {
		t.Errorf("the heap grew by %d MB", grew>>20)
	}
	t.Logf("the heap grew by %d KB", grew>>10)
	if len(list) != 1 || list[0].Failure != "" {
		t.Fatalf("got %+v", list)
	}
	if b := list[0].Response.Body; b.Size != size || b.SHA256 != hex.EncodeToString(down.Sum(nil)) || b.Truncated != "" {
		t.Errorf("response %+v", b)
	}
	if b := list[0].Request.Body; b.Size != size || b.SHA256 != hex.EncodeToString(up.Sum(nil)) || b.Truncated != "" {
		t.Errorf("request %+v", b)
	}
}

// TestMemoryOfMany: an exchange costs a few kilobytes.
func TestMemoryOfMany(t *testing.T) {
	const count, bound = 5000, 30 << 20
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.RawQuery)
	}))
	defer site.Close()
	s := newTestSession(t)
	c := client(t, s)
	grew := heapGrowth(func() {
		for i := range count {
			if _, _, err := get(t, c, fmt.Sprintf("%s/?%d", site.URL, i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Logf("the heap grew by %d KB, %d bytes an exchange", grew>>10, grew/count)
	if grew > bound {
		t.Errorf("the heap grew by %d MB", grew>>20)
	}
	if list := end(t, s); len(list) != count {
		t.Errorf("%d exchanges", len(list))
	}
}
