package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Lock is the right to run a stack in a folder.
//
// It is an flock on an open file. Child processes inherit that open file, so the
// folder stays locked until the last process of the stack is gone, even if the
// start process was killed: whoever holds the lock finds the ports and the
// databases free.
type Lock struct {
	file *os.File
}

// Holder tells who holds a lock.
type Holder struct {
	// PID is the start process.
	PID int `json:"pid"`
	// Since is when it took the lock.
	Since time.Time `json:"since"`
}

// HeldError says that a stack runs in the folder already.
type HeldError struct {
	Dir    string
	Holder Holder
}

// Error names the folder, the process and the ways out.
func (e *HeldError) Error() string {
	return fmt.Sprintf("a stack is already running in %s: process %d since %s holds its lock; stop it with \"devstack stop --dir %s\" or use another --dir",
		e.Dir, e.Holder.PID, e.Holder.Since.Local().Format(time.DateTime), e.Dir)
}

// lockPoll is how often a held lock is tried again.
const lockPoll = 50 * time.Millisecond

// AcquireLock locks dir. While the recorded holder is dead but its children have
// not ended yet, it waits until ctx is done; a living holder is a *HeldError at once.
func AcquireLock(ctx context.Context, dir string) (*Lock, error) {
	path := filepath.Join(dir, LockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the stack's lock: %w; choose a --dir that you may write to", err)
	}
	for {
		err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		holder := readHolder(f)
		if holder.alive() {
			f.Close()
			return nil, &HeldError{Dir: dir, Holder: holder}
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, &HeldError{Dir: dir, Holder: holder}
		case <-time.After(lockPoll):
		}
	}
	data, err := json.Marshal(Holder{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("encode the lock's holder: %w", err)
	}
	if err := errors.Join(f.Truncate(0), writeAt0(f, data)); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &Lock{file: f}, nil
}

// Release gives the folder free, once no child holds the lock any more.
func (l *Lock) Release() error { return l.file.Close() }

// FindHolder tells who holds dir's lock; ok is false when nobody does.
func FindHolder(dir string) (h Holder, ok bool, err error) {
	f, err := os.OpenFile(filepath.Join(dir, LockFile), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, fmt.Errorf("open the stack's lock: %w", err)
	}
	defer f.Close()
	switch err := flock(f, syscall.LOCK_SH|syscall.LOCK_NB); {
	case err == nil:
		return Holder{}, false, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return readHolder(f), true, nil
	default:
		return Holder{}, false, fmt.Errorf("look at the stack's lock: %w", err)
	}
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func writeAt0(f *os.File, data []byte) error {
	_, err := f.WriteAt(data, 0)
	return err
}

// readHolder reads who holds the lock; the zero Holder when that is not known yet.
func readHolder(f *os.File) Holder {
	var h Holder
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil || json.Unmarshal(data, &h) != nil {
		return Holder{}
	}
	return h
}

// alive tells whether the holder's process exists. A lock whose holder is not
// recorded yet has only just been taken: its holder counts as alive.
func (h Holder) alive() bool {
	if h.PID <= 0 {
		return true
	}
	err := syscall.Kill(h.PID, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, nil
}
