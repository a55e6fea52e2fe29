package dossier

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"crawlfleet.dev/crawlfleet/internal/wacz"
)

// Pack writes a dossier as one ZIP file, encrypted to recipients when there are any (age,
// https://age-encryption.org/v1). Files are stored as they are, in order, with the time of the
// dossier: the same dossier gives the same bytes, unless it is encrypted.
func Pack(w io.Writer, fsys fs.FS, created time.Time, recipients []age.Recipient) (err error) {
	if len(recipients) == 0 {
		return packZIP(w, fsys, created)
	}
	sealed, err := age.Encrypt(w, recipients...)
	if err != nil {
		return fmt.Errorf("encrypt the dossier: %w", err)
	}
	return errors.Join(packZIP(sealed, fsys, created), sealed.Close())
}

func packZIP(w io.Writer, fsys fs.FS, created time.Time) error {
	z := zip.NewWriter(w)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer src.Close() // read only
		header := zip.FileHeader{Name: name, Method: zip.Store, Modified: created.UTC()}
		if isProgram(name) {
			header.SetMode(programMode)
		}
		dst, err := z.CreateHeader(&header)
		if err != nil {
			return err
		}
		_, err = io.Copy(dst, src)
		return err
	})
	if err = errors.Join(err, z.Close()); err != nil {
		return fmt.Errorf("pack the dossier: %w", err)
	}
	return nil
}

// programMode is that of programs in a ZIP file: whoever unpacks it can run them. Other files have
// none, which leaves theirs to the system. Neither depends on the folder that is packed: the same
// dossier gives the same bytes.
const programMode fs.FileMode = 0o755

func isProgram(name string) bool { return strings.HasPrefix(name, payloadDir+verifierDir) }

// oddMode reports whether a program has another mode than it is packed with, or than none, as
// programs were packed with once.
func oddMode(f *zip.File) bool {
	var want zip.FileHeader
	want.SetMode(programMode)
	packed := f.CreatorVersion>>8 == want.CreatorVersion>>8 && f.ExternalAttrs == want.ExternalAttrs
	return isProgram(f.Name) && !packed && f.ExternalAttrs != 0
}

// Unpack opens a packed dossier: it unpacks the files to a folder, and says what is wrong with
// the ZIP file. No byte of it is without a meaning that is checked here or by [Check].
func Unpack(src io.ReaderAt, size int64, dir string) (wrong []string, err error) {
	z, err := zip.NewReader(src, size)
	if errors.Is(err, zip.ErrFormat) {
		return []string{"is no ZIP file, or cut off"}, nil
	}
	if err != nil {
		return nil, err
	}
	if why := repacked(z.File); why != "" {
		return []string{why}, nil // all else that is odd about it comes from that
	}
	wrong, err = wacz.CheckLayout(src, size, z.File)
	if err != nil || len(wrong) > 0 {
		return wrong, err // files may lie over each other: all of them could have any size
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // all files are closed
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		if !fs.ValidPath(f.Name) || !f.Mode().IsRegular() {
			return append(wrong, fmt.Sprintf("%s: is no regular file", f.Name)), nil
		}
		if oddMode(f) {
			wrong = append(wrong, fmt.Sprintf("%s: has another mode than a program is packed with", f.Name))
		}
		err := unpack(root, f)
		if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
			wrong = append(wrong, fmt.Sprintf("%s: its bytes are not those that the ZIP file says", f.Name))
			continue
		}
		if err != nil {
			return wrong, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if !slices.IsSorted(names) {
		wrong = append(wrong, "its files are not in order")
	}
	return wrong, nil
}

// repacked says by what it is seen that the files were packed by another program, as when somebody
// unpacked a dossier and packed it again: they may be as they were, but the ZIP file is not. It is
// empty when nothing is seen.
func repacked(files []*zip.File) string {
	const advice = ": somebody packed the dossier anew; unzip it and verify the folder"
	for _, f := range files {
		switch {
		case f.Method != zip.Store:
			return f.Name + ": is compressed" + advice
		case f.Mode().IsDir():
			return f.Name + ": is packed as a folder of its own" + advice
		}
	}
	return ""
}

func unpack(root *os.Root, f *zip.File) error {
	if err := root.MkdirAll(filepath.Dir(filepath.FromSlash(f.Name)), 0o700); err != nil {
		return err
	}
	src, err := f.Open()
	if err != nil {
		return err
	}
	defer src.Close() // read only
	dst, err := root.OpenFile(filepath.FromSlash(f.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
