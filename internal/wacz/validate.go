package wacz

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Checks that [Validate] makes; the words of Finding.Check.
const (
	CheckZip      = "Zip"      // the ZIP file can be read and has no bytes besides its files
	CheckPackage  = "Package"  // datapackage.json is there and as it should be
	CheckDigest   = "Digest"   // datapackage-digest.json has the hash of datapackage.json
	CheckResource = "Resource" // every resource is there, with its size and hash
	CheckForeign  = "Foreign"  // every file is a resource, and where it belongs
	CheckStored   = "Stored"   // what is read at random is not compressed by the ZIP file
	CheckRecord   = "Record"   // every WARC record is whole and has its digests
	CheckRevisit  = "Revisit"  // every revisit refers to a record in the file
	CheckIndex    = "Index"    // the index says of every capture what its record says
	CheckPages    = "Pages"    // every page is in the index
)

// Finding is something wrong with a WACZ.
type Finding struct {
	// Check is the word for what was checked, such as "Resource".
	Check string
	// Path of the file within the WACZ, empty for the WACZ itself.
	Path string
	// Detail for people.
	Detail string
}

// String is one line for people.
func (f Finding) String() string {
	if f.Path == "" {
		return f.Check + ": " + f.Detail
	}
	return f.Check + ": " + f.Path + ": " + f.Detail
}

// MaxFindings is the number of findings after which Validate stops looking.
const MaxFindings = 1000

// Validate checks everything that can be checked of a WACZ without trusting
// anyone, and returns what is wrong: nothing when the file is sound. That is more
// than the specification asks: WACZ files of other tools, which for example may
// leave records out of the index, can have findings and be usable still.
//
// Each, when it is not nil, is called with every record that can be read, without its body.
//
// The error is for what kept it from checking: reading failed, or ctx ended.
func Validate(ctx context.Context, r io.ReaderAt, size int64, each func(*warc.Record)) ([]Finding, error) {
	src := &failingReader{r: r}
	v := &validator{ctx: ctx, each: each}
	rd, err := openZip(src, size)
	if err != nil {
		v.add(CheckZip, "", "cannot be opened: %v", err)
	} else {
		v.rd = rd
		err = v.run(src, size)
	}
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("validate WACZ: %w", ctx.Err())
	case src.err != nil:
		return nil, fmt.Errorf("validate WACZ: %w", src.err)
	case err != nil && rd != nil && !errors.Is(err, errEnough):
		v.add(CheckZip, "", "cannot be read: %v", err)
	}
	return v.findings, nil
}

// errEnough ends the search.
var errEnough = errors.New("enough")

// failingReader remembers that the file could not be read, which is no finding.
type failingReader struct {
	r   io.ReaderAt
	err error
}

func (f *failingReader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, io.EOF // an offset that the file itself claims
	}
	n, err := f.r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

type validator struct {
	ctx      context.Context //nolint:containedctx // lives as long as the call of Validate
	rd       *Reader
	each     func(*warc.Record)
	findings []Finding
	records  records
}

func (v *validator) add(check, path, format string, args ...any) {
	if len(v.findings) < MaxFindings {
		v.findings = append(v.findings, Finding{check, path, fmt.Sprintf(format, args...)})
	}
}

// stop returns an error when there is no point in going on.
func (v *validator) stop() error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	if len(v.findings) >= MaxFindings {
		return errEnough
	}
	return nil
}

func (v *validator) run(src io.ReaderAt, size int64) error {
	l := layout{r: src, size: size, report: func(path, detail string) { v.add(CheckZip, path, "%s", detail) }}
	steps := []func() error{
		func() error { return l.check(v.rd.zip.File) },
		v.checkPackage, v.checkResources, v.checkForeign, v.checkRecords, v.checkRevisits, v.checkIndex, v.checkPages,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
		if err := v.stop(); err != nil {
			return err
		}
	}
	return nil
}

// checkPackage checks datapackage.json and its digest.
func (v *validator) checkPackage() error {
	b, err := v.rd.ReadFile(PackagePath, maxPackage)
	if err != nil {
		v.add(CheckPackage, PackagePath, "cannot be read: %v", err)
		return nil
	}
	v.checkPackageDigest(b)
	if err := json.Unmarshal(b, &v.rd.pkg); err != nil {
		v.add(CheckPackage, PackagePath, "is not as it should be: %v", err)
		return nil
	}
	if v.rd.pkg.Profile != profile {
		v.add(CheckPackage, PackagePath, "profile is %q instead of %q", v.rd.pkg.Profile, profile)
	}
	if v.rd.pkg.Version == "" {
		v.add(CheckPackage, PackagePath, "wacz_version is missing")
	}
	for what, n := range map[string]int{archiveDir: len(v.rd.WARCs()), PagesPath: v.count(PagesPath), indexesDir: v.countIndexes()} {
		if n == 0 {
			v.add(CheckPackage, what, "is missing or empty")
		}
	}
	return nil
}

func (v *validator) count(name string) int {
	if v.rd.files[name] != nil {
		return 1
	}
	return 0
}

func (v *validator) countIndexes() int {
	n := 0
	for _, f := range v.rd.zip.File {
		if isIndexFile(f.Name) {
			n++
		}
	}
	return n
}

func (v *validator) checkPackageDigest(pkg []byte) {
	d, err := v.rd.PackageDigest()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.add(CheckDigest, PackageDigestPath, "is missing: nothing vouches for %s", PackagePath)
	case err != nil:
		v.add(CheckDigest, PackageDigestPath, "cannot be read: %v", err)
	case d.Path != PackagePath:
		v.add(CheckDigest, PackageDigestPath, "is about %q instead of %s", d.Path, PackagePath)
	default:
		if got := warc.SHA256Of(pkg); got != d.Hash {
			v.add(CheckDigest, PackagePath, "its hash is %s, %s says %s", got, PackageDigestPath, d.Hash)
		}
	}
}

// checkResources checks the files that datapackage.json lists.
func (v *validator) checkResources() error {
	seen := map[string]bool{}
	for _, res := range v.rd.pkg.Resources {
		if err := v.stop(); err != nil {
			return err
		}
		if seen[res.Path] {
			v.add(CheckResource, res.Path, "is listed twice")
			continue
		}
		seen[res.Path] = true
		v.checkResource(res)
	}
	return nil
}

func (v *validator) checkResource(res Resource) {
	f := v.rd.files[res.Path]
	if f == nil {
		v.add(CheckResource, res.Path, "is listed but is not there")
		return
	}
	if res.Name != path.Base(res.Path) {
		v.add(CheckResource, res.Path, "is listed under the name %q", res.Name)
	}
	if res.Bytes != int64(f.UncompressedSize64) {
		v.add(CheckResource, res.Path, "has %d bytes instead of %d", f.UncompressedSize64, res.Bytes)
		return
	}
	h, err := hashFile(f)
	if err != nil {
		v.add(CheckResource, res.Path, "cannot be read: %v", err)
		return
	}
	if h != res.Hash {
		v.add(CheckResource, res.Path, "its hash is %s instead of %s", h, res.Hash)
	}
}

func hashFile(f *zip.File) (warc.Digest, error) {
	src, err := f.Open()
	if err != nil {
		return "", err
	}
	defer src.Close()
	h := sha256.New()
	if _, err := io.Copy(h, src); err != nil {
		return "", err
	}
	return warc.SHA256(h), nil
}

// checkForeign checks the files that are there.
func (v *validator) checkForeign() error {
	listed := map[string]bool{PackagePath: true, PackageDigestPath: true}
	for _, res := range v.rd.pkg.Resources {
		listed[res.Path] = true
	}
	for _, f := range v.rd.zip.File {
		if strings.HasSuffix(f.Name, "/") && f.UncompressedSize64 == 0 {
			continue // a folder
		}
		if !listed[f.Name] {
			v.add(CheckForeign, f.Name, "is not listed in %s", PackagePath)
		}
		if !belongs(f.Name) {
			v.add(CheckForeign, f.Name, "does not belong into this folder")
		}
		mustStore := strings.HasPrefix(f.Name, archiveDir) || isIndexFile(f.Name) && path.Ext(f.Name) == ".gz"
		if mustStore && f.Method != zip.Store {
			v.add(CheckStored, f.Name, "is compressed within the ZIP file; it must be stored")
		}
	}
	return nil
}

// belongs reports whether a file may be where it is: in the format's folders are
// the format's files only.
func belongs(name string) bool {
	switch dir, base := path.Split(name); {
	case strings.HasPrefix(name, archiveDir):
		return dir == archiveDir && isWARC(base)
	case strings.HasPrefix(name, indexesDir):
		return dir == indexesDir && isIndexFile(name)
	case strings.HasPrefix(name, pagesDir):
		return dir == pagesDir && strings.HasSuffix(base, ".jsonl")
	}
	return fs.ValidPath(name) && !strings.Contains(name, `\`)
}
