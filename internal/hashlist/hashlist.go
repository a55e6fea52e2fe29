// Package hashlist knows files by their hashes.
//
// A list is a text file with a hash a line, in hexadecimal after the name of its algorithm.
// Empty lines and those that begin with # mean nothing; what follows a hash after a space is
// a note for people.
//
//	# list 7
//	sha256:0f1e… of 64 digits
//	sha1:… of 40 digits
//	md5:… of 32 digits
//
// It is read again when it has changed. A line that is no hash refuses the whole list: half of
// one would pass for all of it. Such lists are confidential; errors and logs name lines and
// hashes, and nothing else that is in them.
package hashlist

import (
	"bufio"
	"crypto/md5"  // it is what lists have; a collision drops a file too many
	"crypto/sha1" // it is what lists have; a collision drops a file too many
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

const (
	// maxHashes bounds a list: each takes less than 100 bytes of memory.
	maxHashes = 20_000_000
	maxLine   = 4 << 10
	// lookEvery is how often it is looked whether the file has changed.
	lookEvery = 5 * time.Second
)

// Sums are the hashes of one file.
type Sums struct {
	MD5    [md5.Size]byte
	SHA1   [sha1.Size]byte
	SHA256 [sha256.Size]byte
}

// Sum reads to the end, and returns the hashes of what it has read also with an error.
func Sum(r io.Reader) (s Sums, n int64, err error) {
	a, b, c := md5.New(), sha1.New(), sha256.New()
	n, err = io.Copy(io.MultiWriter(a, b, c), r)
	a.Sum(s.MD5[:0])
	b.Sum(s.SHA1[:0])
	c.Sum(s.SHA256[:0])
	return s, n, err
}

// hashes are those of one content of the file.
type hashes struct {
	md5    map[[md5.Size]byte]struct{}
	sha1   map[[sha1.Size]byte]struct{}
	sha256 map[[sha256.Size]byte]struct{}
}

func (h *hashes) len() int { return len(h.md5) + len(h.sha1) + len(h.sha256) }

// List is a list in a file. It is safe for use by many goroutines.
type List struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	known  *hashes
	seen   filestate.Seen
	looked time.Time
}

// Open reads a list.
func Open(path string, log *slog.Logger) (*List, error) {
	l := &List{path: path, log: log, now: time.Now}
	if err := l.read(); err != nil {
		return nil, err
	}
	l.looked = l.now()
	log.Info("a list of hashes was read", "hashes", l.known.len())
	return l, nil
}

// Find returns the entry that a file is in the list by, such as "sha256:0f1e…", empty when it
// is not in it.
func (l *List) Find(s Sums) string {
	h := l.current()
	if _, ok := h.sha256[s.SHA256]; ok {
		return "sha256:" + hex.EncodeToString(s.SHA256[:])
	}
	if _, ok := h.sha1[s.SHA1]; ok {
		return "sha1:" + hex.EncodeToString(s.SHA1[:])
	}
	if _, ok := h.md5[s.MD5]; ok {
		return "md5:" + hex.EncodeToString(s.MD5[:])
	}
	return ""
}

// current looks whether the file has changed. What was known stays when it cannot be read.
func (l *List) current() *hashes {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now().Sub(l.looked) < lookEvery {
		return l.known
	}
	l.looked = l.now()
	info, err := os.Stat(l.path)
	if err == nil && l.seen.Same(filestate.Of(info)) {
		return l.known
	}
	if err == nil {
		err = l.read()
	}
	if err != nil {
		l.log.Error("the list of hashes could not be read again; the one that was known stays", "error", err)
		return l.known
	}
	l.log.Info("a list of hashes was read again", "hashes", l.known.len())
	return l.known
}

func (l *List) read() error {
	f, err := os.Open(l.path)
	if err != nil {
		return fmt.Errorf("list of hashes: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("list of hashes: %w", err)
	}
	known, err := parse(f)
	if err != nil {
		return fmt.Errorf("list of hashes: %s, %w", l.path, err)
	}
	l.known, l.seen = known, filestate.Of(info)
	return nil
}

func parse(r io.Reader) (*hashes, error) {
	h := &hashes{map[[md5.Size]byte]struct{}{}, map[[sha1.Size]byte]struct{}{}, map[[sha256.Size]byte]struct{}{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxLine), maxLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := h.add(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if h.len() > maxHashes {
			return nil, fmt.Errorf("line %d: more than %d hashes", n, maxHashes)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if h.len() == 0 {
		return nil, errors.New("line 1: there is no hash in it")
	}
	return h, nil
}

// add takes a line.
func (h *hashes) add(line string) error {
	entry, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	algorithm, digits, _ := strings.Cut(entry, ":")
	raw, err := hex.DecodeString(digits)
	size := map[string]int{"md5": md5.Size, "sha1": sha1.Size, "sha256": sha256.Size}[strings.ToLower(algorithm)]
	if err != nil || size == 0 || len(raw) != size {
		return errors.New("want sha256:, sha1: or md5: and 64, 40 or 32 hexadecimal digits")
	}
	switch size {
	case md5.Size:
		h.md5[[md5.Size]byte(raw)] = struct{}{}
	case sha1.Size:
		h.sha1[[sha1.Size]byte(raw)] = struct{}{}
	default:
		h.sha256[[sha256.Size]byte(raw)] = struct{}{}
	}
	return nil
}
