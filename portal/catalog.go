package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/wacz"
)

const (
	// maxStatement bounds a closing statement in bytes.
	maxStatement = 256 << 20
	// readers is how many chunks are read at once.
	readers = 8
)

// What is asked for and is not there.
var (
	// ErrNoRun means that the archive holds nothing of that run.
	ErrNoRun = errors.New("no such run in the archive")
	// ErrNoPage means that a run has no such page.
	ErrNoPage = errors.New("no such page in the run")
)

// Catalog reads the archive. What it has read of a chunk or a closing statement it keeps:
// once stored they never change. It is safe for concurrent use.
type Catalog struct {
	Archive blob.Store

	mu         sync.Mutex
	pages      map[blob.Key]chunkPages
	statements map[blob.Key]*Statement
}

// chunkPages is what became of reading a chunk: its pages, or what is wrong with it.
type chunkPages struct {
	pages, partial []Page
	problem        string
}

// Runs lists the runs, the newest first, as far as the listing of the bucket tells.
func (c *Catalog) Runs(ctx context.Context) ([]Run, error) {
	runs, err := c.list(ctx, "")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(runs, func(a, b Run) int {
		return cmp.Or(b.Newest.Compare(a.Newest), strings.Compare(a.Prefix, b.Prefix))
	})
	return runs, nil
}

func (c *Catalog) list(ctx context.Context, prefix string) ([]Run, error) {
	found := map[string]*Run{}
	err := c.Archive.List(ctx, prefix, func(o blob.Info) bool {
		collect(found, o)
		return true
	})
	if err != nil {
		return nil, err
	}
	runs := make([]Run, 0, len(found))
	for _, r := range found {
		runs = append(runs, *r)
	}
	return runs, nil
}

// collect adds an object to the run it belongs to. The names are
// [prefix/]namespace/name/uid/chunks/*.wacz and …/uid/run.json.
func collect(runs map[string]*Run, o blob.Info) {
	if _, err := blob.NewKey(string(o.Key)); err != nil {
		return // nothing of ours, and not to be linked to
	}
	chunk := isChunk(o.Key)
	folder, sealed := strings.CutSuffix(string(o.Key), "/run.json")
	if chunk {
		folder = string(o.Key[:strings.LastIndex(string(o.Key), "/chunks/")])
	}
	parts := strings.Split(folder, "/")
	n := len(parts)
	if !chunk && !sealed || n < 3 {
		return
	}
	r := runs[folder]
	if r == nil {
		r = &Run{Namespace: parts[n-3], Name: parts[n-2], UID: parts[n-1], Prefix: folder + "/"}
		runs[folder] = r
	}
	if sealed {
		r.Sealed = true
		return
	}
	r.Chunks = append(r.Chunks, Chunk{Key: o.Key, Size: o.Size, Time: o.Modified})
	r.Bytes += o.Size
	if o.Modified.After(r.Newest) {
		r.Newest = o.Modified
	}
}

// isChunk reports whether a key is that of a WACZ file of a run.
func isChunk(key blob.Key) bool {
	parts := strings.Split(string(key), "/")
	n := len(parts)
	return n >= 5 && parts[n-2] == "chunks" && strings.HasSuffix(parts[n-1], ".wacz")
}

// Run finds a run and reads its closing statement and the pages of its chunks.
func (c *Catalog) Run(ctx context.Context, namespace, name, uid string) (*Run, error) {
	run, err := c.find(ctx, namespace, name, uid)
	if err != nil {
		return nil, err
	}
	if err := c.Detail(ctx, run); err != nil {
		return nil, err
	}
	return run, c.readPages(ctx, run)
}

// find looks where runs of buckets without a prefix are, and then everywhere.
func (c *Catalog) find(ctx context.Context, namespace, name, uid string) (*Run, error) {
	for _, prefix := range []string{namespace + "/" + name + "/" + uid + "/", ""} {
		runs, err := c.list(ctx, prefix)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(runs, func(r Run) bool { return r.Namespace == namespace && r.Name == name && r.UID == uid })
		if i >= 0 {
			return &runs[i], nil
		}
	}
	return nil, fmt.Errorf("%s/%s %s: %w", namespace, name, uid, ErrNoRun)
}

// Detail reads the closing statement of a run that has one, and the pages of one that has
// none yet, so that they can be counted.
func (c *Catalog) Detail(ctx context.Context, run *Run) error {
	if !run.Sealed {
		return c.readPages(ctx, run)
	}
	key := blob.Key(run.Prefix + "run.json")
	c.mu.Lock()
	statement := c.statements[key]
	c.mu.Unlock()
	if statement == nil {
		b, err := blob.ReadAll(ctx, c.Archive, key, maxStatement)
		if err != nil {
			return fmt.Errorf("read %q: %w", key, err)
		}
		if statement, err = parseStatement(b); err != nil {
			run.Problems = append(run.Problems, err.Error())
			return nil
		}
		c.mu.Lock()
		if c.statements == nil {
			c.statements = map[blob.Key]*Statement{}
		}
		c.statements[key] = statement
		c.mu.Unlock()
	}
	run.Statement = statement
	run.settle()
	return nil
}

// readPages reads the pages of all chunks that count. A chunk that cannot be read as a WACZ is
// a problem of the run; a store that does not answer is an error.
func (c *Catalog) readPages(ctx context.Context, run *Run) error {
	if run.Pages != nil {
		return nil
	}
	results, errs := make([]chunkPages, len(run.Chunks)), make([]error, len(run.Chunks))
	var wg sync.WaitGroup
	slots := make(chan struct{}, readers)
	for i, chunk := range run.Chunks {
		if chunk.Uncommitted {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i], errs[i] = c.chunk(ctx, chunk)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	run.Pages = []Page{}
	for _, r := range results {
		if r.problem != "" {
			run.Problems = append(run.Problems, r.problem)
		}
		run.Pages = append(run.Pages, r.pages...)
		run.Partial = append(run.Partial, r.partial...)
	}
	byTime := func(a, b Page) int { return a.Time.Compare(b.Time) }
	slices.SortStableFunc(run.Pages, byTime)
	slices.SortStableFunc(run.Partial, byTime)
	return nil
}

// chunk reads the pages of a chunk, or returns what it read before.
func (c *Catalog) chunk(ctx context.Context, chunk Chunk) (chunkPages, error) {
	c.mu.Lock()
	known, ok := c.pages[chunk.Key]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	read, err := readChunk(ctx, c.Archive, chunk)
	if err != nil {
		return read, fmt.Errorf("read the pages of %q: %w", chunk.Key, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages == nil {
		c.pages = map[blob.Key]chunkPages{}
	}
	c.pages[chunk.Key] = read
	return read, nil
}

// readChunk reads the page lists of a WACZ with a few range requests. The error is the
// store's; what is wrong with the file is in the result.
func readChunk(ctx context.Context, store blob.Store, chunk Chunk) (chunkPages, error) {
	src := &watched{from: blob.NewReaderAt(ctx, store, chunk.Key, chunk.Size)}
	read, err := readLists(src, chunk)
	if src.err != nil {
		return chunkPages{}, src.err
	}
	if err != nil {
		return chunkPages{problem: fmt.Sprintf("the pages of %s cannot be read: %v", chunk.Key, err)}, nil
	}
	return read, nil
}

func readLists(src io.ReaderAt, chunk Chunk) (read chunkPages, err error) {
	file, err := wacz.Open(src, chunk.Size)
	if err != nil {
		return read, err
	}
	for _, list := range []struct {
		name string
		into *[]Page
	}{{wacz.PagesPath, &read.pages}, {wacz.ExtraPagesPath, &read.partial}} {
		for p, err := range file.PageList(list.name) {
			if errors.Is(err, fs.ErrNotExist) && list.name == wacz.ExtraPagesPath {
				break
			}
			if err != nil {
				return read, err
			}
			status, _ := p.Extra["status"].(float64) // other tools may leave it out
			*list.into = append(*list.into, Page{ID: p.ID, URL: p.URL, Title: p.Title, Time: p.Time, Status: int(status), Chunk: chunk.Key})
		}
	}
	return read, nil
}

// watched remembers an error of what it reads, so that trouble of the store is told from
// faults of the file.
type watched struct {
	from io.ReaderAt
	err  error
}

// ReadAt implements io.ReaderAt.
func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.from.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
