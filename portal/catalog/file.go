package catalog

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrInUse means that another catalog has the file, most likely that of another process.
var ErrInUse = errors.New("another portal has this file: end that one, or give each a file of its own")

// ErrCorrupt means that the file of the catalog is damaged. It is to be closed, and opened anew.
var ErrCorrupt = errors.New("the file of the catalog is damaged")

// fingerprintOf tells files apart by what they were made with. It stands in the file as its user
// version (https://www.sqlite.org/pragma.html#pragma_user_version).
func fingerprintOf(madeWith []string) int32 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %q", version, schema, madeWith))
	return int32(binary.BigEndian.Uint32(sum[:]))
}

// file is the file of a catalog, which nobody else has.
type file struct {
	path string
	lock *os.File
}

// lock takes the file of that path. The kernel gives it back when the process ends. The file
// that is locked is one beside it, which stays: SQLite has locks of its own on the other.
func lock(path string) (*file, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{path, f}, nil
}

func (f *file) unlock() error { return f.lock.Close() }

// remove removes the file with what SQLite keeps beside it.
func (f *file) remove() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(f.path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// damage is whether the file was found damaged.
type damage struct {
	once  sync.Once
	found chan struct{}
}

// Corrupt is closed once the file was found damaged, in whatever was asked of the catalog.
func (c *Catalog) Corrupt() <-chan struct{} { return c.damage.found }

// judged is an error of the database, which is ErrCorrupt when it tells of damage, or that a row
// is missing which others need.
func (c *Catalog) judged(err error) error {
	if broken(err) || errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if errors.Is(err, ErrCorrupt) {
		c.damage.once.Do(func() { close(c.damage.found) })
	}
	return err
}

// broken reports whether an error says that a file is not a sound database.
func broken(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// removeDamaged removes the closed file if it was found damaged.
func (c *Catalog) removeDamaged() error {
	select {
	case <-c.damage.found:
	default:
		return nil
	}
	if err := c.file.remove(); err != nil {
		return errors.Join(ErrCorrupt, err)
	}
	return fmt.Errorf("%w; %q has been removed, and is made anew from the archive at the next start", ErrCorrupt, c.file.path)
}
