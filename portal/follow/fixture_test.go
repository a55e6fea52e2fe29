package follow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const folder = "ns/job/run-1/"

// recorder is a catalog that keeps what it was told.
type recorder struct {
	mu     *sync.Mutex
	chunks map[blob.Key]catalog.Chunk
	pages  map[blob.Key][]catalog.Entry
	hosts  map[blob.Key][]string
	order  []blob.Key // of what was added
	fail   error
	busy   map[blob.Key]error // what cannot be removed for now
}

func newRecorder() *recorder {
	return &recorder{mu: &sync.Mutex{}, chunks: map[blob.Key]catalog.Chunk{}, pages: map[blob.Key][]catalog.Entry{}, hosts: map[blob.Key][]string{}}
}

func (r *recorder) Chunks(context.Context) (all []catalog.Chunk, err error) {
	return slices.Collect(maps.Values(r.chunks)), r.fail
}

func (r *recorder) Add(_ context.Context, c catalog.Chunk, entries []catalog.Entry, hosts []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.chunks[c.Key]; ok && known.Problem == "" {
		return fmt.Errorf("%s is added twice", c.Key)
	}
	r.chunks[c.Key], r.pages[c.Key], r.hosts[c.Key], r.order = c, entries, hosts, append(r.order, c.Key)
	return r.fail
}

func (r *recorder) Remove(_ context.Context, key blob.Key) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.busy[key]; err != nil {
		return err
	}
	delete(r.chunks, key)
	delete(r.pages, key)
	delete(r.hosts, key)
	return r.fail
}

// names are the chunks that it has, without their run.
func (r *recorder) names() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(r.chunks)) {
		names = append(names, strings.TrimPrefix(string(key), folder+"chunks/"))
	}
	return names
}

// store is one that can be taken away, and that knows what it was asked for.
type store struct {
	blob.Store
	mu     sync.Mutex
	down   error
	cut    int            // after how many objects a listing breaks off, 0 for never
	denied blob.Key       // what it does not give
	lists  []string       // the prefixes that were listed
	gets   map[string]int // how often objects were read
}

func (s *store) trouble(key blob.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gets == nil {
		s.gets = map[string]int{}
	}
	s.gets[string(key)]++
	if key != "" && key == s.denied {
		return blob.ErrDenied
	}
	return s.down
}

// set takes the store away or gives it back, and forgets what was listed.
func (s *store) set(down error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.lists = down, nil
}

// listed are the prefixes that were listed.
func (s *store) listed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lists)
}

func (s *store) List(ctx context.Context, prefix string, yield func(blob.Info) bool) error {
	s.mu.Lock()
	s.lists = append(s.lists, prefix)
	down, cut := s.down, s.cut
	s.mu.Unlock()
	if down != nil {
		return down
	}
	n := 0
	err := s.Store.List(ctx, prefix, func(o blob.Info) bool {
		n++
		return (cut == 0 || n <= cut) && yield(o)
	})
	if cut > 0 && n > cut {
		return blob.ErrUnreachable
	}
	return err
}

func (s *store) Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	if err := s.trouble(key); err != nil {
		return nil, blob.Info{}, err
	}
	return s.Store.Get(ctx, key)
}

func (s *store) GetRange(ctx context.Context, key blob.Key, offset, length int64) (io.ReadCloser, error) {
	if err := s.trouble(key); err != nil {
		return nil, err
	}
	return s.Store.GetRange(ctx, key, offset, length)
}

// fixture is an archive with a follower.
type fixture struct {
	t       *testing.T
	server  *blobtest.Server
	bucket  *blob.Bucket
	store   *store
	catalog *recorder
	*Follower
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, server: &blobtest.Server{}, catalog: newRecorder()}
	client, err := blob.NewClient(blob.Config{Endpoint: f.server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret-of-the-store"})
	if err != nil {
		t.Fatal(err)
	}
	f.bucket = client.Bucket("archive")
	f.store = &store{Store: f.bucket}
	f.restart()
	return f
}

// restart begins again with the same catalog.
func (f *fixture) restart() {
	f.t.Helper()
	f.Follower = &Follower{Store: f.store, Catalog: f.catalog, Identify: func(text string, links []snapshot.Link) []catalog.Meaning {
		return []catalog.Meaning{{As: "Text", Value: fmt.Sprint(len(text), len(links))}}
	}}
	if err := f.begin(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) put(key string, b []byte) {
	f.t.Helper()
	sum := sha256.Sum256(b)
	if _, err := f.bucket.Put(f.t.Context(), blob.Key(key), blob.Content{Body: bytes.NewReader(b), Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}); err != nil {
		f.t.Fatal(err)
	}
}

// chunk stores a chunk with a page.
func (f *fixture) chunk(n int) { f.put(chunkName(n), verifytest.NewSample(n).Pack(f.t)) }

func chunkName(n int) string { return fmt.Sprintf("%schunks/%d.wacz", folder, n) }

// seal stores the closing statement, which names chunks.
func (f *fixture) seal(chunks ...int) { f.put(folder+"run.json", statement(f.t, chunks...)) }

func statement(t *testing.T, chunks ...int) []byte {
	t.Helper()
	var named []map[string]any
	for _, n := range chunks {
		named = append(named, map[string]any{"key": chunkName(n), "size": 1})
	}
	b, err := json.Marshal(map[string]any{"format": "crawlfleet-run", "version": 1, "chunks": named})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// look looks at the archive once.
func (f *fixture) look() {
	f.t.Helper()
	if err := f.beat(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) want(what string, names ...string) {
	f.t.Helper()
	if diff := cmp.Diff(names, f.catalog.names(), cmpopts.EquateEmpty()); diff != "" {
		f.t.Errorf("%s: the catalog has (-want +got):\n%s", what, diff)
	}
}
