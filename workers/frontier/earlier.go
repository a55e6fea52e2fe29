package frontier

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of what a worker keeps of the indexes of earlier runs. An index takes some 150
// bytes a page: those of seven million pages fit on the disk.
const (
	// indexBytes is how much of them lies on the disk, indexBlocks of how many blocks it is
	// kept in memory where they are, some 150 bytes each.
	indexBytes  = 1 << 30
	indexBlocks = 100_000
	// indexPatience is how long the store may take to give an object of one, indexAgain
	// after how long it is asked again when it did not.
	indexPatience = 15 * time.Second
	indexAgain    = 30 * time.Second
)

// indexes are the indexes of earlier runs, as far as a worker needed them. An object is
// fetched as a whole, once, so that a run costs a worker few requests, however its pages lie.
type indexes struct {
	mu     sync.Mutex
	known  map[string]*index // by bucket and directory
	order  []*index          // the one that was asked last is the last
	blocks int
	files  diskCache
}

// index is that of one run.
type index struct {
	bucket, directory string
	blocks            int // of its directory, guarded by indexes.mu

	mu      sync.Mutex // held while the store is asked: who waits wants the same
	dir     *visits.Directory
	failure error
	since   time.Time // when failure was
}

// errNoIndex means that the earlier run has no index, or none any more.
var errNoIndex = errors.New("the earlier run has no index of its visits")

// errIndexDenied is the same for a worker that the store does not let see which of the two it is.
var errIndexDenied = fmt.Errorf("%w, or this worker may not read it", errNoIndex)

// earlier is what the run that the order compares with knows of a page; nil when there is
// none. Whatever goes wrong with that is told with the page, which is visited all the same.
func (b *bundleRun) earlier(ctx context.Context, address string) *visits.Earlier {
	run := b.in.Job.Spec.CompareWith
	if run == nil {
		return nil
	}
	e := &visits.Earlier{Run: visits.Run{Run: run.Run, Name: run.Name}}
	var err error
	e.Visit, err = b.look(ctx, earlierArchive(b.in.Job, b.in.Archive), address)
	switch {
	case errors.Is(err, errNoIndex):
		e.Unknown, e.Detail = visits.ByNoIndex, err.Error()
	case err != nil:
		e.Unknown, e.Detail = visits.ByIndexUnreadable, "the index of the earlier run cannot be read: "+kindOf(err)
	}
	return e
}

// kindOf says what is wrong without naming what is nobody else's business.
func kindOf(err error) string {
	if t := troubleOf(err); t != nil {
		return t.Message
	}
	if errors.Is(err, visits.ErrIndex) || errors.Is(err, blob.ErrCorrupt) {
		return "it is damaged"
	}
	return "the store does not give it"
}

// look finds the visit of an address in the index of a run, nil when there is none.
func (c *Crawler) look(ctx context.Context, at workflows.Archive, address string) (*visits.Visit, error) {
	ctx, cancel := context.WithTimeout(ctx, indexPatience)
	defer cancel()
	i := c.indexes.of(at)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.failure != nil && c.Now().Sub(i.since) < indexAgain {
		return nil, i.failure
	}
	v, err := c.lookIn(ctx, i, address)
	i.failure = nil
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) { // that is the bundle's end, not the index' fault
		i.failure, i.since = err, c.Now()
		c.Logger.WarnContext(ctx, "the index of an earlier run cannot be read, pages are not compared with it", "directory", i.directory, "error", err)
	}
	return v, err
}

func (c *Crawler) lookIn(ctx context.Context, i *index, address string) (*visits.Visit, error) {
	if i.dir == nil {
		if err := c.openIndex(ctx, i); err != nil {
			return nil, err
		}
	}
	object, block, ok := i.dir.Find(address)
	if !ok {
		return nil, nil
	}
	o := i.dir.Objects[object]
	b := o.Blocks[block]
	data, err := c.readBlock(ctx, i.bucket, o, b)
	if err != nil {
		return nil, err
	}
	return visits.FindIn(data, address)
}

// openIndex reads the directory of an index.
func (c *Crawler) openIndex(ctx context.Context, i *index) error {
	data, err := get(ctx, c.Buckets.Bucket(i.bucket), i.directory, visits.MaxDirectory)
	if errors.Is(err, blob.ErrNotFound) {
		return errNoIndex
	}
	if errors.Is(err, blob.ErrDenied) { // what a store also says of what is not there to who may not list
		return errIndexDenied
	}
	if err != nil {
		return err
	}
	if i.dir, err = visits.DecodeDirectory(data); err != nil {
		return err
	}
	c.indexes.opened(i)
	return nil
}

// readBlock reads a part of an object of an index, which it fetches when it is not there.
func (c *Crawler) readBlock(ctx context.Context, bucket string, o visits.Object, b visits.Block) ([]byte, error) {
	name := bucket + "/" + o.Key
	if path := c.indexes.files.path(name); path != "" {
		if data, err := readAt(path, b); err == nil {
			return data, nil
		} // else it was removed for another
	}
	data, err := get(ctx, c.Buckets.Bucket(bucket), o.Key, visits.MaxObject)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, errNoIndex
	}
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != o.Size || frontier.Hash(data) != o.SHA256 {
		return nil, fmt.Errorf("object %q: %w: it is not what the directory says", o.Key, visits.ErrIndex)
	}
	if scarceDisk(c.Dir) == "" { // else it is read and forgotten
		if err := c.indexes.files.keep(c.Dir, name, data); err != nil {
			c.Logger.WarnContext(ctx, "a part of the index of an earlier run could not be kept", "error", err)
		}
	}
	return data[b.Offset : b.Offset+b.Length], nil
}

func readAt(path string, b visits.Block) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	data = make([]byte, b.Length)
	if _, err := f.ReadAt(data, b.Offset); err != nil {
		return nil, err
	}
	return data, nil
}

// of returns the index of a run, which may not be open yet.
func (x *indexes) of(at workflows.Archive) *index {
	x.mu.Lock()
	defer x.mu.Unlock()
	directory := directoryKey(at.Prefix)
	name := at.Bucket + "/" + directory
	i := x.known[name]
	if i == nil {
		i = &index{bucket: at.Bucket, directory: directory}
		if x.known == nil {
			x.known = map[string]*index{}
		}
		x.known[name] = i
	}
	x.last(i)
	return i
}

// maxIndexes is how many runs are known at most.
const maxIndexes = 256

// last notes that an index was asked, and forgets those that were not for the longest time
// when there are too many.
func (x *indexes) last(i *index) {
	for n, o := range x.order {
		if o == i {
			x.order = append(x.order[:n], x.order[n+1:]...)
			break
		}
	}
	x.order = append(x.order, i)
	for len(x.order) > maxIndexes {
		x.forget()
	}
}

// opened counts what an index takes in memory.
func (x *indexes) opened(i *index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known[i.bucket+"/"+i.directory] != i {
		return // it was forgotten meanwhile
	}
	i.blocks = i.dir.Blocks()
	x.blocks += i.blocks
	for x.blocks > indexBlocks && len(x.order) > 1 {
		x.forget()
	}
}

// forget drops the index that was not asked for the longest time. Whoever is asking it just
// now goes on with it.
func (x *indexes) forget() {
	i := x.order[0]
	x.order = x.order[1:]
	delete(x.known, i.bucket+"/"+i.directory)
	x.blocks -= i.blocks
}

// diskCache keeps objects as files, up to a bound in bytes: the one that was not read for the
// longest time goes first.
type diskCache struct {
	limit int64 // for tests; 0 is indexBytes

	mu    sync.Mutex
	files map[string]*cached
	size  int64
	uses  int64
	made  int
}

type cached struct {
	path string
	size int64
	used int64
}

// path is where an object is, empty when it is not here.
func (d *diskCache) path(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return ""
	}
	d.uses++
	f.used = d.uses
	return f.path
}

// keep writes an object into a file of a folder.
func (d *diskCache) keep(dir, name string, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := d.limit
	if limit == 0 {
		limit = indexBytes
	}
	if old := d.files[name]; old != nil {
		d.drop(name, old)
	}
	for len(d.files) > 0 && d.size+int64(len(data)) > limit {
		oldest := ""
		for name, f := range d.files {
			if oldest == "" || f.used < d.files[oldest].used {
				oldest = name
			}
		}
		d.drop(oldest, d.files[oldest])
	}
	d.made++
	f := &cached{path: filepath.Join(dir, fmt.Sprintf("visits-%d", d.made)), size: int64(len(data))}
	if err := os.WriteFile(f.path, data, 0o600); err != nil {
		os.Remove(f.path) // what there is of it
		return err
	}
	d.uses++
	f.used = d.uses
	if d.files == nil {
		d.files = map[string]*cached{}
	}
	d.files[name] = f
	d.size += f.size
	return nil
}

func (d *diskCache) drop(name string, f *cached) {
	delete(d.files, name)
	d.size -= f.size
	os.Remove(f.path) // a leftover in the worker's own folder
}
