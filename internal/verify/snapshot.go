package verify

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Snapshot checks a chunk in the folder of its run: the file, and that the statement of the run names it, and who
// vouches for that. What else the statement names need not be there. Shown and sum are as for [Verifier.FileOf].
func (v *Verifier) Snapshot(ctx context.Context, run fs.FS, name, shown, sum string) (Report, error) {
	r, err := v.FileOf(ctx, run, name, shown, sum)
	if err != nil {
		return r, err
	}
	if sum == "" {
		if sum, _, err = Sum(run, name); err != nil {
			return r, err
		}
	}
	switch reason, err := Names(run, sum, r.Facts); {
	case errors.Is(err, fs.ErrNotExist):
		r.Add(CheckRun, StatementPath, Unchecked, "the run is not sealed, or its statement is not here: nothing says that the snapshot counts")
	case err != nil:
		r.Add(CheckRun, StatementPath, Fails, "the statement of the run "+err.Error())
	default:
		r.Add(CheckRun, StatementPath, Holds, reason)
		if err := v.Signature(&r, run, StatementPath); err != nil {
			return r, err
		}
	}
	r.Conclude()
	return r, nil
}

// TakenOut checks the one folder of a file system if it has a snapshot that was taken out of its run, with what it
// rests upon, as the portal hands it out. It reports whether there is one.
func (v *Verifier) TakenOut(ctx context.Context, fsys fs.FS, shown string) (r Report, ok bool, err error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		return r, false, err
	}
	run, err := fs.Sub(fsys, entries[0].Name())
	if err != nil {
		return r, false, err
	}
	chunk := takenOut(run, entries[0].Name())
	if chunk == "" {
		return r, false, nil
	}
	r, err = v.Snapshot(ctx, run, chunk, shown, "")
	return r, true, err
}

// takenOut is the file of the only snapshot in the folder of a run that bears the name of that snapshot; empty for
// any other folder. A run that lost its other chunks has the name of the run, or what somebody called it: that they
// are missing has to be told.
func takenOut(run fs.FS, name string) string {
	entries, err := fs.ReadDir(run, ChunksDir)
	if err != nil {
		return ""
	}
	chunk := ""
	for _, e := range entries {
		switch {
		case !strings.HasSuffix(e.Name(), ".wacz"):
		case e.Name() != name+".wacz" || !e.Type().IsRegular():
			return ""
		default:
			chunk = path.Join(ChunksDir, e.Name())
		}
	}
	return chunk
}

// file checks one file: beside the statement of a run, as a snapshot of it.
func (v *Verifier) file(ctx context.Context, name string) (Report, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return Report{}, err
	}
	check, base := v.File, filepath.Base(name)
	if run := filepath.Dir(dir); filepath.Base(dir) == ChunksDir && isFile(filepath.Join(run, StatementPath)) {
		dir, base = run, ChunksDir+"/"+base
		check = func(ctx context.Context, fsys fs.FS, name, shown string) (Report, error) {
			return v.Snapshot(ctx, fsys, name, shown, "")
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = root.Close() }() // only read
	return check(ctx, root.FS(), base, name)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
