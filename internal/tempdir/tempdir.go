// Package tempdir makes folders for temporary files that do not outlive their process
// for long, however it ends.
//
// A [Folder] belongs to whoever holds the lock on the file beside it, named as the
// folder with ".lock" behind it. The kernel gives the lock back when the process ends,
// also when it is killed, so a folder whose lock can be had is a dead one's: [Sweep]
// removes it. That holds between containers that share a file system, where process
// numbers say nothing. The lock file is there before its folder and goes after it: there
// is no moment at which a kill leaves something that no sweep finds.
package tempdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// suffix is what a lock file is called after its folder.
const suffix = ".lock"

// Folder is a folder of this process's own.
type Folder struct {
	// Path is absolute when the parent was.
	Path string

	lock *os.File
}

// Make makes a folder in parent, whose name begins with prefix, and the parent when it
// is missing. Other users may pass through it (mode 0755).
func Make(parent, prefix string) (*Folder, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	for {
		lock, err := os.CreateTemp(parent, prefix+"*"+suffix)
		if err != nil {
			return nil, fmt.Errorf("temporary folder: %w", err)
		}
		if !own(lock) { // a sweep came between, and took it for a dead one's
			lock.Close()
			continue
		}
		f := &Folder{Path: strings.TrimSuffix(lock.Name(), suffix), lock: lock}
		err = os.Mkdir(f.Path, 0o755)
		if err == nil {
			err = os.Chmod(f.Path, 0o755) // whatever the umask
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("temporary folder: %w", err), f.Remove())
		}
		return f, nil
	}
}

// own takes the lock of an open lock file. It reports false when somebody else has it, or
// has removed the file.
func own(f *os.File) bool {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false
	}
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(mine, there)
}

// Remove removes the folder with all that is in it, and its lock.
func (f *Folder) Remove() error {
	err := os.RemoveAll(f.Path)
	if err == nil { // else the next sweep tries again
		err = os.Remove(f.lock.Name())
	}
	if err = errors.Join(err, f.lock.Close()); err != nil {
		return fmt.Errorf("remove temporary folder: %w", err)
	}
	return nil
}

// Sweep removes the folders in parent, of names that begin with prefix, that dead
// processes left behind, and returns their paths. What belongs to a living process, or
// to a user whose files this one may not open, stays. Before a folder is removed, last
// unless nil is called with its path: to end what of the dead process is alive still.
func Sweep(parent, prefix string, last func(path string)) ([]string, error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sweep temporary folders: %w", err)
	}
	var swept []string
	var errs []error
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !strings.HasPrefix(name, prefix) || !strings.HasSuffix(name, suffix) {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(parent, name), os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue // gone meanwhile, or another user's
		}
		if own(lock) {
			f := &Folder{Path: strings.TrimSuffix(lock.Name(), suffix), lock: lock}
			if last != nil {
				last(f.Path)
			}
			if err := f.Remove(); err != nil {
				errs = append(errs, err)
				continue
			}
			swept = append(swept, f.Path)
			continue
		}
		lock.Close()
	}
	return swept, errors.Join(errs...)
}
