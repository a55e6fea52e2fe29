package wacz

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// maxPlainIndex is the size in bytes of an index up to which it is written as one
// file, which replay loads whole. Larger ones are written in compressed blocks.
const maxPlainIndex = 256 << 10

// Create writes a WACZ to w, from its first byte to its last. Contents are
// read twice, for the sizes and sums that come before them, and never held but for
// the index. When it fails, what has been written is of no
// use.
//
// Files are stored in the ZIP file without compression, record files because the
// specification says so and the others because every byte of them is then under a
// hash: a deflated file has bits that mean nothing and can change unnoticed. No
// entry has a data descriptor, so that tools that read it as a stream can, too; but
// for files of more than 4 GiB, which cannot do without.
func Create(w io.Writer, c Contents) error {
	if c.Created.IsZero() {
		return errors.New("create WACZ: Created is missing")
	}
	if len(c.WARCs) == 0 {
		return errors.New("create WACZ: there is no WARC file")
	}
	p := &packer{zip: zip.NewWriter(w), created: c.Created.UTC(), taken: map[string]bool{}}
	if err := p.pack(c); err != nil {
		return fmt.Errorf("create WACZ: %w", err)
	}
	return nil
}

// packer writes files into a ZIP file and keeps the list of them.
type packer struct {
	zip       *zip.Writer
	created   time.Time
	taken     map[string]bool
	resources []Resource
}

func (p *packer) pack(c Contents) error {
	for _, f := range c.WARCs {
		if err := checkWARCPath(f.Path); err != nil {
			return err
		}
		if err := p.addFile(f); err != nil {
			return err
		}
	}
	if err := p.addIndex(c); err != nil {
		return err
	}
	if err := p.addPages(c); err != nil {
		return err
	}
	for _, f := range c.Files {
		if err := checkOtherPath(f.Path); err != nil {
			return err
		}
		if err := p.addFile(f); err != nil {
			return err
		}
	}
	pkg, err := packageJSON(c, p.resources)
	if err != nil {
		return err
	}
	digest, err := packageDigestJSON(pkg, c.Sign)
	if err != nil {
		return err
	}
	if err := p.add(PackagePath, pkg); err != nil {
		return err
	}
	if err := p.add(PackageDigestPath, digest); err != nil {
		return err
	}
	return p.zip.Close()
}

func (p *packer) addIndex(c Contents) error {
	entries := c.Index
	if entries == nil {
		var err error
		if entries, err = indexFiles(c.WARCs); err != nil {
			return err
		}
	}
	var plain bytes.Buffer
	if err := cdxj.Write(&plain, entries); err != nil {
		return err
	}
	if plain.Len() <= maxPlainIndex {
		return p.add("indexes/index.cdx", plain.Bytes())
	}
	plain = bytes.Buffer{}
	var idx, data bytes.Buffer
	if err := cdxj.WriteCompressed(&idx, &data, "index.cdx.gz", entries); err != nil {
		return err
	}
	if err := p.add("indexes/index.cdx.gz", data.Bytes()); err != nil {
		return err
	}
	return p.add("indexes/index.idx", idx.Bytes())
}

// indexFiles makes the index of WARC files.
func indexFiles(files []File) ([]cdxj.Entry, error) {
	var all []cdxj.Entry
	for _, f := range files {
		src, err := f.Content.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		entries, err := cdxj.Index(src, path.Base(f.Path))
		if err := errors.Join(err, src.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		all = append(all, entries...)
	}
	return all, nil
}

func (p *packer) addPages(c Contents) error {
	lists := []struct {
		path, id, title string
		pages           []Page
	}{
		{PagesPath, "pages", "All Pages", c.Pages},
		{ExtraPagesPath, "extra", "Extra Pages", c.ExtraPages},
	}
	for _, l := range lists {
		if l.path != PagesPath && len(l.pages) == 0 {
			continue
		}
		err := p.addStream(l.path, func(w io.Writer) error { return writePages(w, l.id, l.title, l.pages) })
		if err != nil {
			return err
		}
	}
	return nil
}

// addFile adds a file with its content.
func (p *packer) addFile(f File) error {
	return p.addStream(f.Path, func(w io.Writer) error { return copyContent(w, f.Content) })
}

// add adds a file that is in memory.
func (p *packer) add(name string, content []byte) error {
	return p.addFile(File{Path: name, Content: warc.Bytes(content)})
}

// addStream adds a file that is written by a function, which is called twice: for
// the sums, and for the file.
func (p *packer) addStream(name string, write func(io.Writer) error) error {
	sum, crc, n := sha256.New(), crc32.NewIEEE(), byteCount(0)
	if err := write(io.MultiWriter(sum, crc, &n)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w, err := p.create(&zip.FileHeader{
		Name: name, Method: zip.Store, CRC32: crc.Sum32(),
		CompressedSize64: uint64(n), UncompressedSize64: uint64(n),
	}, warc.SHA256(sum))
	if err != nil {
		return err
	}
	again := crc32.NewIEEE()
	if err := write(io.MultiWriter(w, again)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if again.Sum32() != crc.Sum32() {
		return fmt.Errorf("%s: its content changed while it was packed", name)
	}
	return nil
}

// create starts an entry of the ZIP file.
func (p *packer) create(h *zip.FileHeader, hash warc.Digest) (io.Writer, error) {
	if p.taken[h.Name] {
		return nil, fmt.Errorf("there are two files at %s", h.Name)
	}
	p.taken[h.Name] = true
	if h.Name != PackagePath && h.Name != PackageDigestPath {
		p.resources = append(p.resources, Resource{
			Name: path.Base(h.Name), Path: h.Name, Hash: hash, Bytes: int64(h.UncompressedSize64),
		})
	}
	setDOSTime(h, p.created)
	// What zip.Writer does not do for raw entries: version 2.0 is what all know.
	h.CreatorVersion, h.ReaderVersion = 20, 20
	const limit = 1<<32 - 1
	if h.CompressedSize64 < limit && h.UncompressedSize64 < limit {
		return p.zip.CreateRaw(h)
	}
	return p.zip.CreateHeader(&zip.FileHeader{
		Name: h.Name, Method: zip.Store, ModifiedDate: h.ModifiedDate, ModifiedTime: h.ModifiedTime, //nolint:staticcheck // see setDOSTime
	})
}

// setDOSTime sets the time as MS-DOS had it, which is UTC here. FileHeader.Modified
// would add an extra field, and tools that find a file by the length of its central
// header stumble over that.
func setDOSTime(h *zip.FileHeader, t time.Time) {
	year := min(max(t.Year(), 1980), 2107)
	h.ModifiedDate = uint16(t.Day() + int(t.Month())<<5 + (year-1980)<<9) //nolint:staticcheck // on purpose
	h.ModifiedTime = uint16(t.Second()/2 + t.Minute()<<5 + t.Hour()<<11)  //nolint:staticcheck // on purpose
}

// copyContent copies content, which must have the size that it says.
func copyContent(w io.Writer, c warc.Content) error {
	src, err := c.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	n, err := io.Copy(w, io.LimitReader(src, c.Size()))
	if err != nil {
		return err
	}
	if extra, _ := src.Read(make([]byte, 1)); n < c.Size() || extra > 0 {
		return fmt.Errorf("%w: announced are %d bytes", warc.ErrSize, c.Size())
	}
	return nil
}

// byteCount counts what is written to it.
type byteCount int64

func (n *byteCount) Write(b []byte) (int, error) {
	*n += byteCount(len(b))
	return len(b), nil
}

// isIndexFile reports whether a path is one of an index.
func isIndexFile(p string) bool {
	for _, ext := range []string{".cdx", ".cdxj", ".cdx.gz", ".cdxj.gz", ".idx"} {
		if strings.HasSuffix(p, ext) {
			return strings.HasPrefix(p, indexesDir)
		}
	}
	return false
}
