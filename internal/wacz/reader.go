package wacz

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// maxPackage is the size in bytes that datapackage.json may have, maxIdx that of a
// secondary index and maxBlock that of a block of an index when it is unpacked.
const (
	maxPackage = 64 << 20
	maxIdx     = 256 << 20
	maxBlock   = 64 << 20
)

// Reader reads a WACZ. It is safe for use by many goroutines, as far as the
// io.ReaderAt is.
type Reader struct {
	pkg   Package
	zip   *zip.Reader
	src   io.ReaderAt
	files map[string]*zip.File
	// places is where the data of files begins, by their names: to find that takes a read.
	places sync.Map
	// plain and blocks are the indexes, read when they are first needed.
	plain  func() ([]cdxj.Entry, error)
	blocks func() ([]cdxj.Block, error)
}

// Open reads the table of contents of a WACZ of that size.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	rd, err := openZip(r, size)
	if err != nil {
		return nil, fmt.Errorf("open WACZ: %w", err)
	}
	b, err := rd.ReadFile(PackagePath, maxPackage)
	if err != nil {
		return nil, fmt.Errorf("open WACZ: %w", err)
	}
	if err := json.Unmarshal(b, &rd.pkg); err != nil {
		return nil, fmt.Errorf("open WACZ: %s: %w", PackagePath, err)
	}
	return rd, nil
}

// openZip opens the ZIP file without looking into it.
func openZip(r io.ReaderAt, size int64) (*Reader, error) {
	z, err := zip.NewReader(r, size)
	switch {
	case errors.Is(err, zip.ErrFormat):
		return nil, fmt.Errorf("it is no ZIP file, or its end is missing: %w", err)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return nil, err
	}
	rd := &Reader{zip: z, src: r, files: map[string]*zip.File{}}
	for _, f := range z.File {
		if rd.files[f.Name] != nil {
			return nil, fmt.Errorf("there are two files at %q", f.Name)
		}
		rd.files[f.Name] = f
	}
	rd.plain = sync.OnceValues(rd.readPlain)
	rd.blocks = sync.OnceValues(rd.readBlocks)
	return rd, nil
}

// Package is the content of datapackage.json.
func (r *Reader) Package() Package { return r.pkg }

// Files are the paths of all files.
func (r *Reader) Files() []string {
	var names []string
	for _, f := range r.zip.File {
		names = append(names, f.Name)
	}
	return names
}

// OpenFile opens a file by its path within the WACZ. A file that is not there is
// fs.ErrNotExist.
func (r *Reader) OpenFile(name string) (io.ReadCloser, error) {
	f := r.files[name]
	if f == nil {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return f.Open()
}

// ReadFile reads a file by its path within the WACZ, of at most limit bytes. A file that is not there is
// fs.ErrNotExist.
func (r *Reader) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := r.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, nil
}

// PackageDigest reads datapackage-digest.json.
func (r *Reader) PackageDigest() (PackageDigest, error) {
	b, err := r.ReadFile(PackageDigestPath, maxPackage)
	if err != nil {
		return PackageDigest{}, err
	}
	var d PackageDigest
	if err := json.Unmarshal(b, &d); err != nil {
		return PackageDigest{}, fmt.Errorf("%s: %w", PackageDigestPath, err)
	}
	return d, nil
}

// Pages reads pages/pages.jsonl and then pages/extraPages.jsonl, if there is one,
// and ends with the first error.
func (r *Reader) Pages() iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for _, name := range []string{PagesPath, ExtraPagesPath} {
			if name == ExtraPagesPath && r.files[name] == nil {
				return
			}
			if !r.yieldPages(name, yield) {
				return
			}
		}
	}
}

// PageList reads one page list, PagesPath or ExtraPagesPath, and ends with the first
// error. A list that is not there is fs.ErrNotExist.
func (r *Reader) PageList(name string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) { r.yieldPages(name, yield) }
}

// yieldPages reads a page list; it returns false when that is the end.
func (r *Reader) yieldPages(name string, yield func(Page, error) bool) bool {
	f, err := r.OpenFile(name)
	if err != nil {
		yield(Page{}, err)
		return false
	}
	defer f.Close()
	for p, err := range readPages(f) {
		if err != nil {
			yield(Page{}, fmt.Errorf("%s: %w", name, err))
			return false
		}
		if !yield(p, nil) {
			return false
		}
	}
	return true
}

// Index reads the indexes, each in its order, and ends with the first error.
func (r *Reader) Index() iter.Seq2[cdxj.Entry, error] {
	return func(yield func(cdxj.Entry, error) bool) {
		for _, f := range r.zip.File {
			if isIndexFile(f.Name) && path.Ext(f.Name) != ".idx" && !yieldEntries(f, yield) {
				return
			}
		}
	}
}

func yieldEntries(f *zip.File, yield func(cdxj.Entry, error) bool) bool {
	fail := func(err error) bool {
		yield(cdxj.Entry{}, fmt.Errorf("%s: %w", f.Name, err))
		return false
	}
	src, err := f.Open()
	if err != nil {
		return fail(err)
	}
	defer src.Close()
	var lines io.Reader = src
	if path.Ext(f.Name) == ".gz" {
		if lines, err = gzip.NewReader(src); err != nil {
			return fail(err)
		}
	}
	for e, err := range cdxj.Read(lines) {
		if err != nil {
			return fail(err)
		}
		if !yield(e, nil) {
			return false
		}
	}
	return true
}

// readPlain reads the indexes that have no secondary index.
func (r *Reader) readPlain() ([]cdxj.Entry, error) {
	blocks, err := r.blocks()
	if err != nil {
		return nil, err
	}
	var all []cdxj.Entry
	for _, f := range r.zip.File {
		inBlocks := slices.ContainsFunc(blocks, func(b cdxj.Block) bool { return indexesDir+b.Filename == f.Name })
		if !isIndexFile(f.Name) || path.Ext(f.Name) == ".idx" || inBlocks {
			continue
		}
		var failed error
		yieldEntries(f, func(e cdxj.Entry, err error) bool {
			all, failed = append(all, e), err
			return err == nil
		})
		if failed != nil {
			return nil, failed
		}
	}
	cdxj.Sort(all)
	return all, nil
}

// readBlocks reads the secondary indexes.
func (r *Reader) readBlocks() ([]cdxj.Block, error) {
	var all []cdxj.Block
	for _, f := range r.zip.File {
		if !isIndexFile(f.Name) || path.Ext(f.Name) != ".idx" {
			continue
		}
		b, err := r.ReadFile(f.Name, maxIdx)
		if err != nil {
			return nil, err
		}
		blocks, err := cdxj.ReadBlocks(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		all = append(all, blocks...)
	}
	slices.SortStableFunc(all, func(a, b cdxj.Block) int {
		return cmp.Or(strings.Compare(a.Filename, b.Filename), strings.Compare(a.Prefix, b.Prefix))
	})
	return all, nil
}

// Lookup returns the captures of a URL that was asked for with GET, by their time.
func (r *Reader) Lookup(url string) ([]cdxj.Entry, error) { return r.LookupKey(urls.MakeSURT(url)) }

// LookupKey returns the captures that are indexed under a key, by their time. See
// [cdxj.RequestKey] for the keys of other methods than GET.
func (r *Reader) LookupKey(key urls.SURT) ([]cdxj.Entry, error) {
	plain, err := r.plain()
	if err != nil {
		return nil, err
	}
	blocks, err := r.blocks()
	if err != nil {
		return nil, err
	}
	start, _ := slices.BinarySearchFunc(plain, key, func(e cdxj.Entry, k urls.SURT) int {
		return strings.Compare(string(e.Key), string(k))
	})
	var found []cdxj.Entry
	for _, e := range plain[start:] {
		if e.Key != key {
			break
		}
		found = append(found, e)
	}
	for len(blocks) > 0 {
		name := blocks[0].Filename
		n := slices.IndexFunc(blocks, func(b cdxj.Block) bool { return b.Filename != name })
		if n < 0 {
			n = len(blocks)
		}
		entries, err := r.readBlocksOf(cdxj.FindBlocks(blocks[:n], key))
		if err != nil {
			return nil, err
		}
		blocks = blocks[n:]
		for _, e := range entries {
			if e.Key == key {
				found = append(found, e)
			}
		}
	}
	cdxj.Sort(found)
	return found, nil
}

// readBlocksOf reads blocks of a compressed index.
func (r *Reader) readBlocksOf(blocks []cdxj.Block) ([]cdxj.Entry, error) {
	var all []cdxj.Entry
	for _, b := range blocks {
		entries, err := r.readBlock(b)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// readBlock reads a block of a compressed index.
func (r *Reader) readBlock(b cdxj.Block) ([]cdxj.Entry, error) {
	name := indexesDir + b.Filename
	stored, err := r.section(name)
	if err != nil {
		return nil, err
	}
	if b.Offset > stored.Size() || b.Length > stored.Size()-b.Offset || b.Length > maxBlock {
		return nil, fmt.Errorf("%s: the block at %d+%d is not within", name, b.Offset, b.Length)
	}
	gz, err := gzip.NewReader(io.NewSectionReader(stored, b.Offset, b.Length))
	if err != nil {
		return nil, fmt.Errorf("%s: block at %d: %w", name, b.Offset, err)
	}
	var entries []cdxj.Entry
	for e, err := range cdxj.Read(io.LimitReader(gz, maxBlock)) {
		if err != nil {
			return nil, fmt.Errorf("%s: block at %d: %w", name, b.Offset, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// section returns a stored file as it lies in the WACZ.
func (r *Reader) section(name string) (*io.SectionReader, error) {
	f := r.files[name]
	if f == nil {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
		return nil, fmt.Errorf("%s is compressed within the ZIP file; it must be stored", name)
	}
	place, ok := r.places.Load(name)
	if !ok {
		offset, err := f.DataOffset()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		place = offset
		r.places.Store(name, place)
	}
	return io.NewSectionReader(r.src, place.(int64), int64(f.UncompressedSize64)), nil
}

// WARCs are the names of the record files, such as "data.warc.gz".
func (r *Reader) WARCs() []string {
	var names []string
	for _, f := range r.zip.File {
		if name, ok := strings.CutPrefix(f.Name, archiveDir); ok && isWARC(name) {
			names = append(names, name)
		}
	}
	return names
}

// EachRecord reads every record of all record files once, in their order, and checks its digests. Each is called
// with the file's name, while what the record holds can be read; it may finish the record itself to learn
// where it lies. Its first error ends it, and the error says of which record it is.
func (r *Reader) EachRecord(ctx context.Context, each func(name string, rd *warc.Reader, rec *warc.Record) error) error {
	for _, name := range r.WARCs() {
		file, err := r.OpenWARC(name)
		if err != nil {
			return err
		}
		rd := warc.NewReader(file, warc.ReaderOptions{Verify: true})
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			rec, err := rd.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := each(name, rd, rec); err != nil {
				return fmt.Errorf("%s: %s: %w", name, rec.ID, err)
			}
		}
	}
	return nil
}

// OpenWARC opens a record file by its name. It can be read at random.
func (r *Reader) OpenWARC(name string) (*io.SectionReader, error) {
	return r.section(archiveDir + name)
}

// Record reads the record that an entry points to. Reading its body to the end
// checks its digests: the error is a *warc.DigestError when they do not match.
func (r *Reader) Record(e cdxj.Entry) (*warc.Record, error) {
	file, err := r.OpenWARC(e.Filename)
	if err != nil {
		return nil, err
	}
	if e.Offset > file.Size() || e.Length > file.Size()-e.Offset {
		return nil, fmt.Errorf("%s: the record at %d+%d is not within", e.Filename, e.Offset, e.Length)
	}
	rd := warc.NewReader(io.NewSectionReader(file, e.Offset, e.Length), warc.ReaderOptions{Verify: true})
	rec, err := rd.Next()
	if err != nil {
		return nil, fmt.Errorf("%s: record at %d: %w", e.Filename, e.Offset, err)
	}
	return rec, nil
}
