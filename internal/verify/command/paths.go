package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// checkPath checks whatever lies at a path.
func checkPath(ctx context.Context, v *dossier.Checker, name string) (reports []verify.Report, err error) {
	err = openDossier(name, func(fsys fs.FS, wrong []string) error {
		r, err := checkOpened(ctx, v, name, fsys, wrong)
		reports = []verify.Report{r}
		return err
	})
	if errors.Is(err, errNoDossier) {
		return v.Path(ctx, name)
	}
	return reports, err
}

// checkOpened checks what was opened: what the portal hands out for one snapshot, or a dossier.
func checkOpened(ctx context.Context, v *dossier.Checker, name string, fsys fs.FS, wrong []string) (verify.Report, error) {
	r, ok, err := v.TakenOut(ctx, fsys, name)
	if err == nil && !ok {
		return checkDossier(ctx, v, name, fsys, wrong)
	}
	tell(&r, verify.CheckFolder, wrong)
	return r, err
}

// tell adds what is wrong with the ZIP file that a report is about.
func tell(r *verify.Report, check string, wrong []string) {
	for _, w := range wrong {
		r.Add(check, filepath.Base(r.Subject), verify.Fails, w)
	}
	r.Conclude()
}

// checkDossier checks a dossier that was opened.
func checkDossier(ctx context.Context, v *dossier.Checker, name string, fsys fs.FS, wrong []string) (r verify.Report, err error) {
	r = verify.Report{Subject: name, Kind: dossier.KindDossier}
	if len(wrong) == 0 || !isEmpty(fsys) { // else each file is missing, for the one reason
		r, err = v.Check(ctx, fsys, name)
	}
	tell(&r, dossier.CheckBag, wrong)
	return r, err
}

// Open checks a bag at a path, a folder or one ZIP file, and calls use with its files and what the check
// says, which may be that it does not hold. Where somebody watches, stderr tells how far it is.
func (t *Trust) Open(ctx context.Context, name string, stderr io.Writer, use func(fsys fs.FS, r verify.Report) error) error {
	v, err := t.checker()
	if err != nil {
		return err
	}
	clear := showProgress(v.Verifier, stderr)
	err = openDossier(name, func(fsys fs.FS, wrong []string) error {
		r, err := checkDossier(ctx, v, name, fsys, wrong)
		clear()
		if err != nil {
			return err
		}
		return use(fsys, r)
	})
	if errors.Is(err, errNoDossier) {
		return fmt.Errorf("%s is no bag: want the folder or the ZIP file that was handed over", name)
	}
	return err
}

func isEmpty(fsys fs.FS) bool {
	entries, err := fs.ReadDir(fsys, ".")
	return err == nil && len(entries) == 0
}

var errNoDossier = errors.New("no dossier")

// openDossier calls use with the files of a dossier, and with what is wrong with the ZIP file that
// they are in. It is errNoDossier when the path has none.
func openDossier(name string, use func(fsys fs.FS, wrong []string) error) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(name, ".age"):
		return fmt.Errorf("is encrypted: decrypt it first, with age -d -i KEY %s > %s", name, strings.TrimSuffix(filepath.Base(name), ".age"))
	case info.IsDir():
		root, err := os.OpenRoot(name) // nothing that it links to outside of it belongs to it
		if err != nil {
			return err
		}
		defer func() { _ = root.Close() }() // only read
		if !verify.IsDossier(root.FS(), ".") {
			return errNoDossier
		}
		return use(root.FS(), nil)
	case !strings.HasSuffix(name, ".zip"):
		return errNoDossier
	}
	return openPacked(name, info.Size(), use)
}

// openPacked unpacks a dossier for as long as it is used.
func openPacked(name string, size int64, use func(fs.FS, []string) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	dir, err := os.MkdirTemp("", "dossier-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	wrong, err := dossier.Unpack(f, size, dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read
	return use(root.FS(), wrong)
}
