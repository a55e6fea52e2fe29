// Package verify checks, offline, what crawlfleet keeps: a stranger who has nothing but the
// files, and knows whom to trust, learns what holds and what does not.
//
// Every check has a name, a verdict and a reason. A subject [Holds] only when all of its checks
// do; what cannot be checked, because a signature is missing or nobody said whose key is to be
// trusted, is [Unchecked] and never passed off as holding.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/evidence"
)

// Verifier checks.
type Verifier struct {
	// Trust says whose signatures and time stamps count. Without it nobody is vouched for.
	Trust evidence.Trust
	// Progress, when it is not nil, is told before each file of a larger subject which of how
	// many it is.
	Progress func(name string, n, of int)
}

// Path checks what lies at a path: a WACZ file (in the folder of a run also that the run
// names it), the folder of a run (with run.json), that of a snapshot taken out of one, or a folder with any number of them. The error is for what kept it from checking.
func (v *Verifier) Path(ctx context.Context, name string) ([]Report, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		r, err := v.file(ctx, name)
		return []Report{r}, err
	}
	root, err := os.OpenRoot(name) // nothing that it links to outside of it belongs to it
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // only read
	return v.folder(ctx, root.FS(), name)
}

// File checks one WACZ file of a folder; shown is its name in the report.
func (v *Verifier) File(ctx context.Context, fsys fs.FS, name, shown string) (Report, error) {
	return v.FileOf(ctx, fsys, name, shown, "")
}

// FileOf is File; sum is the SHA-256 of the file in hex where that was computed already, which
// spares computing it again.
func (v *Verifier) FileOf(ctx context.Context, fsys fs.FS, name, shown, sum string) (Report, error) {
	f, size, err := Open(fsys, name)
	if err != nil {
		return Report{Subject: shown, Kind: KindUnknown}, err
	}
	defer f.Close()
	r, err := v.wacz(ctx, shown, f, size, fsys, name, sum)
	if err != nil {
		err = fmt.Errorf("%s: %w", shown, err)
	}
	return r, err
}

// The checks of what lies in a folder.
const (
	CheckFolder = "Folder" // what lies there is of a kind that is looked into
	CheckRun    = "Run"    // the statement of the run names the snapshot
	CheckOpen   = "Open"   // it can be opened and read; told only where it cannot
)

// RandomFile is an open file that can be read anywhere.
type RandomFile interface {
	fs.File
	io.ReaderAt
}

// Open opens a regular file, and tells its size in bytes.
func Open(fsys fs.FS, name string) (RandomFile, int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	random, ok := f.(RandomFile)
	if !ok || !info.Mode().IsRegular() {
		return nil, 0, errors.Join(&fs.PathError{Op: "open", Path: name, Err: errors.New("is no regular file")}, f.Close())
	}
	return random, info.Size(), nil
}

// folder checks all that can be checked below a folder.
func (v *Verifier) folder(ctx context.Context, fsys fs.FS, shown string) ([]Report, error) {
	runs, files, others, err := subjects(fsys, shown)
	if err != nil {
		return nil, err
	}
	if len(runs)+len(files)+len(others) == 0 {
		return nil, fmt.Errorf("%s: has neither a WACZ file nor a run (run.json)", shown)
	}
	var reports []Report
	for _, dir := range runs {
		sub, err := fs.Sub(fsys, dir)
		if err != nil {
			return reports, err
		}
		r, err := v.runOrSnapshot(ctx, sub, path.Join(shown, dir))
		if err != nil {
			return reports, err
		}
		reports = append(reports, r)
	}
	for i, name := range files {
		v.progress(name, i+1, len(files))
		r, err := v.File(ctx, fsys, name, path.Join(shown, name))
		if err != nil {
			return reports, err
		}
		if r.Facts != nil && r.Facts.Order != nil {
			r.Add(CheckRun, StatementPath, Unchecked, "the statement of its run is not there: nothing says that the file counts, nor what belongs to it")
			r.Conclude()
		}
		reports = append(reports, r)
	}
	return append(reports, others...), nil
}

// runOrSnapshot checks a folder with the statement of a run: the run, or the one snapshot that was taken out of it.
func (v *Verifier) runOrSnapshot(ctx context.Context, run fs.FS, shown string) (Report, error) {
	whole, err := filepath.Abs(shown)
	if err != nil {
		return Report{}, err
	}
	if chunk := takenOut(run, filepath.Base(whole)); chunk != "" {
		return v.Snapshot(ctx, run, chunk, path.Join(shown, chunk), "")
	}
	return v.Run(ctx, run, shown)
}

func (v *Verifier) progress(name string, n, of int) {
	if v.Progress != nil {
		v.Progress(name, n, of)
	}
}

// dossierIndex is the file of a dossier that no other bag has.
const dossierIndex = "data/dossier.json"

// IsDossier reports whether a folder is a dossier, or what somebody left of one: any file that only
// dossiers have makes it one. Who takes away a file must not have the rest pass for a heap of
// snapshots.
func IsDossier(fsys fs.FS, dir string) bool {
	if _, err := fs.Stat(fsys, path.Join(dir, dossierIndex)); err == nil {
		return true
	}
	entries, err := fs.ReadDir(fsys, dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return bagit.IsTagFile(e.Name()) })
}

// subjects finds the runs, the WACZ files that do not belong to one, and, as reports, what is not
// looked into: nothing is passed over in silence.
func subjects(fsys fs.FS, shown string) (runs, files []string, others []Report, err error) {
	pass := func(name, reason string) {
		r := Report{Subject: path.Join(shown, name), Kind: KindUnknown}
		r.Add(CheckFolder, "", Unchecked, reason)
		r.Conclude()
		others = append(others, r)
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && IsDossier(fsys, name):
			pass(name, "is a dossier: check it by itself")
			return fs.SkipDir
		case strings.HasSuffix(name, ".zip"), strings.HasSuffix(name, ".zip.age"):
			pass(name, "may be a dossier: check it by itself")
		case !d.IsDir() && !d.Type().IsRegular():
			pass(name, "is a link or no regular file, and is not followed")
		case d.Type().IsRegular() && path.Base(name) == StatementPath:
			runs = append(runs, path.Dir(name))
		case d.Type().IsRegular() && strings.HasSuffix(name, ".wacz"):
			files = append(files, name)
		}
		return nil
	})
	of := func(name string) bool {
		return slices.ContainsFunc(runs, func(dir string) bool { return path.Dir(name) == path.Join(dir, ChunksDir) })
	}
	return runs, slices.DeleteFunc(files, of), others, err
}
