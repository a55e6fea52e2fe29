// Package blob is the object store as crawlfleet uses it: whole immutable objects
// under safe names, written once, with a checksum that the store itself confirms.
//
// A [Store] is one bucket of an S3-compatible store ([Open]). An object is put with
// one request, never in parts, because only a single-part PUT is atomic and
// conditional everywhere. The SHA-256 goes along in x-amz-checksum-sha256 and in the
// signature, so that the store refuses bytes that changed on the way; [Store.Put]
// returns only when the store has answered that it holds exactly them.
//
// Errors tell what a person would have to mend: test for them with errors.Is
// ([ErrNotFound], [ErrExists], [ErrUnseen], [ErrUnreachable], [ErrDenied], [ErrClock],
// [ErrNoBucket], [ErrFull], [ErrLocked]).
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The kinds of errors. Anything else is a fault that a retry may mend.
var (
	// ErrNotFound: there is no such object.
	ErrNotFound = errors.New("no such object")
	// ErrExists: an object of this name, with other content, is there already.
	ErrExists = errors.New("object exists already")
	// ErrUnseen: an object of this name is there, or was put just now, and who put it may not look
	// whether it has the content. It comes with ErrDenied.
	ErrUnseen = errors.New("the object that is there may not be looked at")
	// ErrUnreachable: the store does not answer, or answers that it cannot now.
	ErrUnreachable = errors.New("store unreachable")
	// ErrDenied: the credentials are wrong, or do not suffice.
	ErrDenied = errors.New("store denied access")
	// ErrClock: the clocks of this machine and of the store differ by too much.
	ErrClock = errors.New("the clocks of this machine and of the store differ")
	// ErrNoBucket: the bucket does not exist.
	ErrNoBucket = errors.New("no such bucket")
	// ErrFull: the store has no room, or a quota is used up.
	ErrFull = errors.New("store full")
	// ErrCorrupt: what the store holds or confirms is not what was sent.
	ErrCorrupt = errors.New("checksum differs")
)

// MaxSinglePut is the largest object in bytes that S3 takes in one PUT (Amazon S3
// User Guide, "Uploading objects": 5 GB).
const MaxSinglePut = 5 << 30

// Key names an object. Make it with [NewKey] or [Join].
type Key string

// NewKey checks that s is safe as a key in every store, also in those that keep
// objects as files: components of letters, digits and "-_.=+@", at most 255 bytes
// each and none that begins with a dot, at most 1,024 bytes in all, no empty
// component. A URL is therefore no key.
func NewKey(s string) (Key, error) {
	if s == "" || len(s) > 1024 {
		return "", fmt.Errorf("object key of %d bytes: must have 1 to 1024", len(s))
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || len(part) > 255 {
			return "", fmt.Errorf("object key %q: component %q is empty, begins with a dot or has more than 255 bytes", s, part)
		}
		if strings.ContainsFunc(part, unsafeRune) {
			return "", fmt.Errorf("object key %q: component %q has a character that is not a letter, digit or one of -_.=+@", s, part)
		}
	}
	return Key(s), nil
}

func unsafeRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-_.=+@", r)
}

// Info is what the store says about an object.
type Info struct {
	Key Key
	// Size in bytes.
	Size int64
	// ETag as the store gives it, without quotes.
	ETag string
	// SHA256 in hex where the store gave it, else empty.
	SHA256 string
	// Computed is set when the store itself computed SHA256, which else is what the writer
	// sent along.
	Computed bool
	// Modified is when the object was written.
	Modified time.Time
	// Version is the ID of the version, where the bucket keeps any and it was not listed.
	Version string
}

// Content is what is put: Size bytes from Body whose SHA-256 in hex is SHA256. Body
// is read from its start, more than once when a request has to be repeated.
type Content struct {
	Body   io.ReadSeeker
	Size   int64
	SHA256 string
	// Type is the media type; default application/octet-stream.
	Type string
}

// Store is one bucket.
type Store interface {
	// Put writes an object that must not exist yet. When it exists with the very
	// same content (our own request, whose answer was lost), that is a success;
	// with other content the error is ErrExists.
	Put(ctx context.Context, key Key, content Content) (Info, error)
	// Get opens an object; the caller closes it.
	Get(ctx context.Context, key Key) (io.ReadCloser, Info, error)
	// GetRange opens length bytes from offset on; the caller closes it.
	GetRange(ctx context.Context, key Key, offset, length int64) (io.ReadCloser, error)
	// Head asks for an object's facts alone.
	Head(ctx context.Context, key Key) (Info, error)
	// List calls yield for each object whose key begins with prefix, in order of
	// the keys, until there are none or yield returns false.
	List(ctx context.Context, prefix string, yield func(Info) bool) error
}

// ReadAll reads an object of at most limit bytes into memory.
func ReadAll(ctx context.Context, s Store, key Key, limit int64) ([]byte, error) {
	ctx, cancel := bound(ctx, limit)
	defer cancel()
	body, info, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if info.Size > limit {
		return nil, fmt.Errorf("read object %q: has %d bytes, at most %d are expected", key, info.Size, limit)
	}
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read object %q: %w", key, classify(err))
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read object %q: has more than %d bytes", key, limit)
	}
	return b, nil
}
