package portal

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// maxPageLine bounds one line of pages.jsonl in bytes: it carries the page's text.
const maxPageLine = 32 << 20

// Run is one run of a CrawlJob as the archive knows it.
type Run struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	// Prefix is the folder of the run in the bucket, with a slash at the end.
	Prefix string `json:"prefix"`
	// Sealed tells whether the run's closing statement is there.
	Sealed bool `json:"sealed"`
	// Newest is when the newest chunk was written.
	Newest time.Time `json:"newest"`
	// Bytes are stored bytes of all chunks.
	Bytes  int64   `json:"bytes"`
	Chunks []Chunk `json:"chunks"`
	// Pages are the pages of all chunks in order of time; only [Catalog.Run]
	// fills them in.
	Pages []Page `json:"pages,omitempty"`
}

// Chunk is one stored WACZ file.
type Chunk struct {
	Key  blob.Key  `json:"key"`
	Size int64     `json:"size"`
	Time time.Time `json:"time"`
}

// Page is one archived page.
type Page struct {
	ID     string    `json:"id"`
	URL    string    `json:"url"`
	Title  string    `json:"title"`
	Time   time.Time `json:"ts"`
	Status int       `json:"status,omitempty"`
	// Chunk is the file that holds it.
	Chunk blob.Key `json:"chunk"`
}

// Catalog reads the archive. What it has read of a chunk it keeps: a stored chunk
// never changes.
type Catalog struct {
	Archive blob.Store

	mu    sync.Mutex
	pages map[blob.Key][]Page
}

// ErrNoRun means that the archive holds nothing of that run.
var ErrNoRun = errors.New("no such run in the archive")

// Runs lists the runs, the newest first.
func (c *Catalog) Runs(ctx context.Context) ([]Run, error) {
	runs := map[string]*Run{}
	err := c.Archive.List(ctx, "", func(o blob.Info) bool {
		collect(runs, o)
		return true
	})
	if err != nil {
		return nil, err
	}
	list := make([]Run, 0, len(runs))
	for _, r := range runs {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Run) int {
		if d := b.Newest.Compare(a.Newest); d != 0 {
			return d
		}
		return strings.Compare(a.Prefix, b.Prefix)
	})
	return list, nil
}

// collect adds an object to the run it belongs to. The names are
// [prefix/]namespace/name/uid/chunks/*.wacz and …/uid/run.json.
func collect(runs map[string]*Run, o blob.Info) {
	parts := strings.Split(string(o.Key), "/")
	n := len(parts)
	chunk := n >= 5 && parts[n-2] == "chunks" && strings.HasSuffix(parts[n-1], ".wacz")
	sealed := n >= 4 && parts[n-1] == "run.json"
	if !chunk && !sealed {
		return
	}
	folder := parts[:n-1]
	if chunk {
		folder = parts[:n-2]
	}
	prefix := strings.Join(folder, "/") + "/"
	r := runs[prefix]
	if r == nil {
		m := len(folder)
		r = &Run{Namespace: folder[m-3], Name: folder[m-2], UID: folder[m-1], Prefix: prefix}
		runs[prefix] = r
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

// Run finds a run and reads the pages of its chunks.
func (c *Catalog) Run(ctx context.Context, namespace, name, uid string) (*Run, error) {
	runs, err := c.Runs(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(runs, func(r Run) bool { return r.Namespace == namespace && r.Name == name && r.UID == uid })
	if i < 0 {
		return nil, fmt.Errorf("%s/%s %s: %w", namespace, name, uid, ErrNoRun)
	}
	run := runs[i]
	for _, chunk := range run.Chunks {
		pages, err := c.chunkPages(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("read the pages of %q: %w", chunk.Key, err)
		}
		run.Pages = append(run.Pages, pages...)
	}
	slices.SortStableFunc(run.Pages, func(a, b Page) int { return a.Time.Compare(b.Time) })
	return &run, nil
}

func (c *Catalog) chunkPages(ctx context.Context, chunk Chunk) ([]Page, error) {
	c.mu.Lock()
	pages, ok := c.pages[chunk.Key]
	c.mu.Unlock()
	if ok {
		return pages, nil
	}
	pages, err := readPages(ctx, c.Archive, chunk)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages == nil {
		c.pages = map[blob.Key][]Page{}
	}
	c.pages[chunk.Key] = pages
	return pages, nil
}

// readPages reads pages/pages.jsonl of a WACZ (WACZ 1.1.1, "pages.jsonl") with a few
// range requests.
func readPages(ctx context.Context, store blob.Store, chunk Chunk) ([]Page, error) {
	archive, err := zip.NewReader(blob.NewReaderAt(ctx, store, chunk.Key, chunk.Size), chunk.Size)
	if err != nil {
		return nil, err
	}
	file, err := archive.Open("pages/pages.jsonl")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var pages []Page
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 64<<10), maxPageLine)
	for header := true; lines.Scan(); header = false {
		if header || len(lines.Bytes()) == 0 {
			continue // the first line describes the list
		}
		p := Page{Chunk: chunk.Key}
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("pages.jsonl: %w", err)
		}
		p.Chunk = chunk.Key
		pages = append(pages, p)
	}
	return pages, lines.Err()
}
