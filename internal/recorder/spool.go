package recorder

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// pieceSize is how much of a body is in memory at a time.
const pieceSize = 32 << 10

// The words of WARC-Truncated (WARC/1.1 section 5.13) for a body that is not whole: a limit
// has cut it off, its time was over, either side closed the connection, or something else.
const (
	TruncatedLength      = "length"
	TruncatedTime        = "time"
	TruncatedDisconnect  = "disconnect"
	TruncatedUnspecified = "unspecified"
)

// Open opens the body for reading.
func (b Body) Open() (io.ReadCloser, error) {
	if b.Path == "" {
		return io.NopCloser(io.LimitReader(nil, 0)), nil
	}
	f, err := os.Open(b.Path)
	if err != nil {
		return nil, err
	}
	return &bodyFile{SectionReader: io.NewSectionReader(f, b.Offset, b.Size), file: f}, nil
}

type bodyFile struct {
	*io.SectionReader
	file *os.File
}

func (f *bodyFile) Close() error { return f.file.Close() }

// budget is a number of bytes that several bodies share.
type budget struct {
	limit int64 // 0 for none
	used  atomic.Int64
}

// take asks for n bytes and says how many there are.
func (b *budget) take(n int) int {
	used := b.used.Add(int64(n))
	if b.limit <= 0 || used <= b.limit {
		return n
	}
	over := used - b.limit
	return max(0, n-int(min(over, int64(n))))
}

// shared is the file that the small bodies of a page are kept in: making a file
// costs more than all else that is done for most exchanges.
type shared struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
}

// add writes a body to the end of the file and returns where it is.
func (s *shared) add(p []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		f, err := create(s.path)
		if err != nil {
			return 0, err
		}
		s.file = f
	}
	at := s.size
	if _, err := s.file.WriteAt(p, at); err != nil {
		return 0, err // the next body is written over what was
	}
	s.size += int64(len(p))
	return at, nil
}

// close closes the file; its bodies stay.
func (s *shared) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// create makes a file that is not there yet: what was recorded is never
// written over.
func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// spool writes a body down as it comes and hashes it on the way. A body of at
// most one piece is written when it ends, to the file that the page's small
// bodies share; a larger one has a file of its own.
type spool struct {
	path   string
	limit  int64 // of this body, 0 for none
	page   *budget
	small  *shared
	pieces *sync.Pool

	piece     *[]byte // what is not written yet
	held      int     // bytes in it
	file      *os.File
	hash      hash.Hash
	size      int64 // bytes written or held
	truncated string
	err       error
	ended     *Body
}

// write takes some of the body and returns how much of it is within the limits.
// After an error, or when it takes less than it is given, the body has ended.
func (s *spool) write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n := len(p)
	if s.limit > 0 {
		n = int(min(int64(n), s.limit-s.size))
	}
	if s.page != nil && len(p) > 0 {
		n = s.page.take(n)
	}
	if n < len(p) {
		s.truncated = TruncatedLength
	}
	if n == 0 {
		return 0, nil
	}
	if s.hash == nil {
		s.hash = sha256.New()
	}
	if s.file == nil && s.held+n <= pieceSize {
		s.hold(p[:n])
		return n, nil
	}
	s.spill()
	return s.put(p[:n])
}

// hold keeps bytes until there are more of them.
func (s *spool) hold(p []byte) {
	if s.piece == nil {
		s.piece = s.pieces.Get().(*[]byte)
	}
	copy((*s.piece)[s.held:], p)
	s.held += len(p)
	s.size += int64(len(p))
	s.hash.Write(p)
}

// release gives the piece back.
func (s *spool) release() {
	if s.piece != nil {
		s.pieces.Put(s.piece)
		s.piece, s.held = nil, 0
	}
}

// spill makes the body's own file of what is held.
func (s *spool) spill() {
	if s.file != nil {
		return
	}
	if s.file, s.err = create(s.path); s.err == nil && s.held > 0 {
		_, s.err = s.file.Write((*s.piece)[:s.held])
	}
	if s.err != nil {
		s.lose()
	}
	s.release()
}

// lose forgets what was held and could not be written.
func (s *spool) lose() {
	s.truncated = TruncatedUnspecified
	s.size = 0
	s.hash.Reset()
}

// put writes to the body's own file. What did not get to the disk is no part of
// the body.
func (s *spool) put(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	written, err := s.file.Write(p)
	s.hash.Write(p[:written])
	s.size += int64(written)
	if err != nil {
		s.err, s.truncated = err, TruncatedUnspecified
	}
	return written, err
}

// body ends the body and returns what was written, the second time too. A
// reason for truncation that was found earlier stays.
func (s *spool) body(truncated string) Body {
	if s.ended == nil {
		b := s.end(truncated)
		s.ended = &b
	}
	return *s.ended
}

func (s *spool) end(truncated string) Body {
	if s.truncated == "" {
		s.truncated = truncated
	}
	var b Body
	switch {
	case s.file != nil:
		if err := s.file.Close(); err != nil && s.err == nil {
			s.err, s.truncated = err, TruncatedUnspecified
		}
		s.file = nil
		b.Path = s.path
	case s.held > 0:
		if b.Offset, s.err = s.small.add((*s.piece)[:s.held]); s.err != nil {
			s.lose()
			break
		}
		b.Path = s.small.path
	}
	s.release()
	b.Size, b.Truncated = s.size, s.truncated
	if b.Size == 0 {
		return Body{Truncated: b.Truncated}
	}
	b.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	return b
}

// DiskFull reports whether an error is that of a file system that has no room, be it for
// bytes or for files, or of a quota that is used up.
func DiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// DiskDetail says for people why a body could not be written.
func DiskDetail(err error) string {
	if DiskFull(err) {
		return "no space is left where bodies are spooled: " + err.Error()
	}
	return "a body could not be written: " + err.Error()
}
