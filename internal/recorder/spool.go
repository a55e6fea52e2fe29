package recorder

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"os"
	"sync/atomic"
	"syscall"
)

// pieceSize is how much of a body is in memory at a time.
const pieceSize = 32 << 10

// The words of WARC-Truncated (WARC/1.1 section 5.13).
const (
	truncatedLength      = "length"
	truncatedTime        = "time"
	truncatedDisconnect  = "disconnect"
	truncatedUnspecified = "unspecified"
)

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

// spool writes a body to a file as it comes and hashes it on the way. The file
// is made with the first byte.
type spool struct {
	path  string
	limit int64 // of this body, 0 for none
	page  *budget

	file      *os.File
	hash      hash.Hash
	size      int64
	truncated string
	err       error
}

// write takes a piece and returns how much of it is within the limits. After an
// error, or when it takes less than it is given, the body has ended.
func (s *spool) write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := len(p)
	if s.limit > 0 {
		n = int(min(int64(n), s.limit-s.size))
	}
	if s.page != nil {
		n = s.page.take(n)
	}
	if n < len(p) {
		s.truncated = truncatedLength
	}
	if n == 0 {
		return 0, nil
	}
	if s.file == nil {
		if s.file, s.err = os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); s.err != nil {
			s.truncated = truncatedUnspecified
			return 0, s.err
		}
		s.hash = sha256.New()
	}
	// What did not get to the disk is no part of the body.
	written, err := s.file.Write(p[:n])
	s.hash.Write(p[:written])
	s.size += int64(written)
	if err != nil {
		s.err, s.truncated = err, truncatedUnspecified
	}
	return written, err
}

// body closes the file and returns what was written. A reason for truncation
// that was found earlier stays.
func (s *spool) body(truncated string) Body {
	if s.truncated == "" {
		s.truncated = truncated
	}
	b := Body{Size: s.size, Truncated: s.truncated}
	if s.file == nil {
		return b
	}
	if err := s.file.Close(); err != nil && s.err == nil {
		s.err, b.Truncated = err, truncatedUnspecified
	}
	s.file = nil
	b.Path = s.path
	b.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	return b
}

// diskReason is the word for a body that could not be written.
func diskReason(err error) (reason, detail string) {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ReasonDiskFull, "no space is left where bodies are spooled: " + err.Error()
	}
	return ReasonDiskFull, "a body could not be written: " + err.Error()
}
