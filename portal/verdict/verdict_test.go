package verdict

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

const prefix = "default/ads/0b6c1f5e-0000-4000-8000-000000000001/"

// archive is a store with a signed run, and who verifies it.
type archive struct {
	store *blobtest.Server
	gets  atomic.Int32
	judge *Judge
	run   fstest.MapFS
	chunk blob.Key
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	office := verifytest.NewOffice(t)
	a := &archive{run: verifytest.NewSignedRun(t, office, 2)}
	a.store = &blobtest.Server{Answer: func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".wacz") {
			a.gets.Add(1)
		}
		return false
	}}
	client, err := blob.NewClient(blob.Config{Endpoint: a.store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	bucket := client.Bucket("archive")
	for name, f := range a.run {
		put(t, bucket, prefix+name, f.Data)
		if strings.HasSuffix(name, ".wacz") {
			a.chunk = blob.Key(prefix + name)
		}
	}
	a.judge = &Judge{Archive: bucket, Verifier: &verify.Verifier{Trust: office.Trust(t)}, Dir: t.TempDir(), Now: time.Now}
	return a
}

func put(t *testing.T, bucket *blob.Bucket, name string, data []byte) {
	t.Helper()
	key, err := blob.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), key, blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: verifytest.SumOf(data)}); err != nil {
		t.Fatal(err)
	}
}

// lose takes an object out of the store, and puts another one in its place unless there is none.
func (a *archive) lose(t *testing.T, name string, other []byte) {
	t.Helper()
	a.store.Remove("/archive/" + prefix + name)
	if other != nil {
		put(t, a.judge.Archive.(*blob.Bucket), prefix+name, other)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	chunkName := func(a *archive) string { return strings.TrimPrefix(string(a.chunk), prefix) }
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, a *archive)
		want  verify.Verdict
		check string // that is not as it would be
	}{
		{name: "Whole", spoil: func(*testing.T, *archive) {}, want: verify.Holds},
		{name: "FlippedBit", want: verify.Fails, spoil: func(t *testing.T, a *archive) {
			b := slices.Clone(a.run[chunkName(a)].Data)
			b[len(b)/2] ^= 1
			a.lose(t, chunkName(a), b)
		}},
		{name: "Unstated", want: verify.Fails, check: verify.CheckRun, spoil: func(t *testing.T, a *archive) {
			a.lose(t, "run.json", bytes.ReplaceAll(a.run["run.json"].Data, []byte(verifytest.SumOf(a.run[chunkName(a)].Data)), []byte(strings.Repeat("0", 64))))
		}},
		{name: "Unsealed", want: verify.Unchecked, check: verify.CheckRun, spoil: func(t *testing.T, a *archive) {
			a.lose(t, "run.json", nil)
			a.lose(t, "run.json.evidence.json", nil)
		}},
		{name: "NobodyTrusted", want: verify.Unchecked, check: verify.CheckSignature, spoil: func(_ *testing.T, a *archive) { a.judge.Verifier = &verify.Verifier{} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := newArchive(t)
			tc.spoil(t, a)
			v, err := a.judge.Of(t.Context(), a.chunk)
			if err != nil {
				t.Fatal(err)
			}
			if v.Verdict != tc.want {
				t.Errorf("the verdict is %s, want %s: %+v", v.Verdict, tc.want, v.Checks)
			}
			wrong := slices.IndexFunc(v.Checks, func(c verify.Check) bool { return c.Verdict == tc.want && (tc.check == "" || c.Name == tc.check) })
			if wrong < 0 {
				t.Errorf("no check %s is %s: %+v", tc.check, tc.want, v.Checks)
			}
			if left, err := os.ReadDir(a.judge.Dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	var mu sync.Mutex
	observed := map[verify.Verdict]int{}
	a.judge.Observe = func(v verify.Verdict, _ error) {
		mu.Lock()
		defer mu.Unlock()
		observed[v]++
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if v, err := a.judge.Of(t.Context(), a.chunk); err != nil || v.Verdict != verify.Holds {
				t.Errorf("%s, %v", v.Verdict, err)
			}
		})
	}
	wg.Wait()
	if n := a.gets.Load(); n != 1 {
		t.Errorf("the file was read %d times", n)
	}
	name := strings.TrimPrefix(string(a.chunk), prefix)
	b := slices.Clone(a.run[name].Data)
	b[len(b)/2] ^= 1
	a.lose(t, name, b)
	if v, err := a.judge.Of(t.Context(), a.chunk); err != nil || v.Verdict != verify.Fails {
		t.Errorf("after the file was changed: %s, %v", v.Verdict, err)
	}
	if observed[verify.Holds] != 1 || observed[verify.Fails] != 1 || len(observed) != 2 {
		t.Errorf("observed were %v", observed)
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	for _, key := range []blob.Key{prefix + "chunks/none.wacz", prefix + "run.json", "run.json"} {
		if _, err := a.judge.Of(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: %v", key, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.judge.Of(ctx, a.chunk); err == nil {
		t.Error("who has gone gets a verdict")
	}
	if len(maps.Clone(a.judge.known)) > 0 {
		t.Error("a verdict of nothing is kept")
	}
}

// blocked is a store whose files come when they are let.
func blocked(t *testing.T, a *archive) (let func(), reading chan struct{}) {
	t.Helper()
	gate, reads := make(chan struct{}), make(chan struct{}, 100)
	a.judge.Archive = &gated{a.judge.Archive, gate, reads}
	return sync.OnceFunc(func() { close(gate) }), reads
}

type gated struct {
	blob.Store
	gate, reads chan struct{}
}

func (g *gated) Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	if strings.HasSuffix(string(key), ".wacz") {
		g.reads <- struct{}{}
		select {
		case <-g.gate:
		case <-ctx.Done():
			return nil, blob.Info{}, ctx.Err()
		}
	}
	return g.Store.Get(ctx, key)
}

// TestQueue: a few files are verified at once, a few wait, and others are told to come again. Who goes away while they wait
// takes no slot, and the time of a verification begins with it.
func TestQueue(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	file := a.run[strings.TrimPrefix(string(a.chunk), prefix)].Data
	keys := []blob.Key{a.chunk}
	for i := range atOnce + queued {
		name := fmt.Sprintf("chunks/copy%d.wacz", i)
		put(t, a.judge.Archive.(*blob.Bucket), prefix+name, file)
		keys = append(keys, blob.Key(prefix+name))
	}
	let, reading := blocked(t, a)
	defer let()
	leaving, leave := context.WithCancel(t.Context())
	results := make(chan error, len(keys))
	ask := func(ctx context.Context, key blob.Key) {
		_, err := a.judge.Of(ctx, key)
		results <- err
	}
	for _, key := range keys[:atOnce] {
		go ask(t.Context(), key)
		<-reading
	}
	for _, key := range keys[atOnce : atOnce+queued] {
		go ask(leaving, key)
	}
	waiting := func() int {
		a.judge.mu.Lock()
		defer a.judge.mu.Unlock()
		return len(a.judge.queue.runs) - atOnce
	}
	for waiting() < queued {
		runtime.Gosched()
	}
	if _, err := a.judge.Of(t.Context(), keys[atOnce+queued]); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	leave()
	for range queued {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone: %v", err)
		}
	}
	if n := waiting(); n != 0 {
		t.Errorf("%d wait for nobody", n)
	}
	go ask(t.Context(), keys[atOnce+queued])
	let()
	for range atOnce + 1 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n := a.gets.Load(); n != atOnce+1 {
		t.Errorf("%d files were read", n)
	}
}

func TestQuick(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	if v, ok, err := a.judge.Quick(t.Context(), a.chunk); err != nil || !ok || v.Verdict != verify.Holds {
		t.Errorf("a small file: %+v, %v, %v", v, ok, err)
	}
	const large = prefix + "chunks/large.wacz"
	put(t, a.judge.Archive.(*blob.Bucket), large, make([]byte, small+1))
	before := a.gets.Load()
	if _, ok, err := a.judge.Quick(t.Context(), large); ok || err != nil || a.gets.Load() != before {
		t.Errorf("a large one: %v, %v", ok, err)
	}
	if v, err := a.judge.Of(t.Context(), large); err != nil || v.Verdict != verify.Fails {
		t.Errorf("%+v, %v", v.Verdict, err)
	}
	if v, ok, err := a.judge.Quick(t.Context(), large); !ok || err != nil || v.Verdict != verify.Fails {
		t.Errorf("a large one that is known: %v, %v, %v", v.Verdict, ok, err)
	}
}

// TestDamagedInTheStore: what the store has is judged, although it is not what it was given.
func TestDamagedInTheStore(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"the chunk", "run.json", "run.json.evidence.json"} {
		a := newArchive(t)
		path := prefix + name
		if name == "the chunk" {
			path = string(a.chunk)
		}
		a.store.Damage("/archive/" + path)
		v, err := a.judge.Of(t.Context(), a.chunk)
		if err != nil || v.Verdict != verify.Fails {
			t.Fatalf("%s: %s, %v", name, v.Verdict, err)
		}
		i := slices.IndexFunc(v.Checks, func(c verify.Check) bool { return c.Name == CheckObject })
		if i < 0 || v.Checks[i].Verdict != verify.Fails || prefix+v.Checks[i].Path != path || !strings.Contains(v.Checks[i].Reason, "the store was given") {
			t.Errorf("%s: %+v", name, v.Checks)
		}
	}
}

// damaging is a store whose objects come with a byte changed on the way, another one each time.
type damaging struct {
	blob.Store
	times *atomic.Int32
}

func (d damaging) Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	body, info, err := d.Store.Get(ctx, key)
	if err != nil {
		return nil, info, err
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	raw[int(d.times.Add(1))%len(raw)] ^= 1
	return io.NopCloser(bytes.NewReader(raw)), info, err
}

// TestDamagedOnTheWay: no verdict is given, and kept, on another file than the one that the store says it has.
func TestDamagedOnTheWay(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	sound := a.judge.Archive
	a.judge.Archive = damaging{sound, &atomic.Int32{}}
	if v, err := a.judge.Of(t.Context(), a.chunk); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("a file that was damaged on the way: %s, %v", v.Verdict, err)
	}
	a.judge.Archive = sound
	if v, err := a.judge.Of(t.Context(), a.chunk); err != nil || v.Verdict != verify.Holds {
		t.Errorf("the file itself: %s, %v", v.Verdict, err)
	}
}
