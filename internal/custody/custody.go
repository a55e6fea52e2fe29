// Package custody is the log of who did what with which snapshot, and when: an append-only
// Merkle tree ([RFC 6962] section 2) in the object store, whose every state is signed.
//
// An [Entry] is one event. Entries are written in batches, numbered objects that are put
// once and never overwritten; each holds its entries, and its writer's signature over the
// size and root of the tree with them. There is no server that
// orders the writers. A batch extends the log by taking the next number, and the store's
// conditional PUT lets one writer have it: two batches of one number would be a fork, and
// the store refuses the second. A writer that dies leaves a batch that counts or none.
// Only the tree of a batch that the store holds is signed as a checkpoint
// ([tlog-checkpoint]), so that no two checkpoints of a log contradict each other.
//
// Everything else is derived from the batches and made anew when it is missing: hash tiles
// and bundles of entries ([tlog-tiles]), and lists of the entries' identifiers.
//
// A [Log] appends, finds the head, proves and verifies. A [Proof] can be checked offline
// with the log's public key alone. A witness keeps checkpoints, and
// [Log.Extends] refuses a log that does not extend the last one.
//
// The log holds identifiers, never the address or content of a page.
//
// [RFC 6962]: https://www.rfc-editor.org/rfc/rfc6962
// [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
// [tlog-tiles]: https://c2sp.org/tlog-tiles
package custody

import (
	"context"
	"errors"
	"fmt"
	"io"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// The kinds of errors that are no fault of the store.
var (
	// ErrConflict: an entry with this identifier is in the log and says something else.
	ErrConflict = errors.New("an entry with this identifier says something else")
	// ErrNotFound: the log has no such entry.
	ErrNotFound = errors.New("no such entry in the log")
	// ErrEmpty: nothing was ever written to the log.
	ErrEmpty = errors.New("the log is empty")
)

// Store is where a log lies; a [blob.Store] is one. Put must be atomic and must refuse a key
// that has other content with [blob.ErrExists].
type Store interface {
	Put(ctx context.Context, key blob.Key, content blob.Content) (blob.Info, error)
	Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error)
	Head(ctx context.Context, key blob.Key) (blob.Info, error)
	List(ctx context.Context, prefix string, yield func(blob.Info) bool) error
}

// Divergence is where a log is not what it says. It is an error.
type Divergence struct {
	// Key is the object, Entry the index in the tree, -1 when it is not about one entry.
	Key   blob.Key
	Entry int64
	// Reason says what does not hold.
	Reason string
}

// Error implements error.
func (d *Divergence) Error() string {
	if d.Entry >= 0 {
		return fmt.Sprintf("custody log: %s: entry %d: %s", d.Key, d.Entry, d.Reason)
	}
	return fmt.Sprintf("custody log: %s: %s", d.Key, d.Reason)
}

func diverges(key blob.Key, format string, args ...any) error {
	return &Divergence{Key: key, Entry: -1, Reason: fmt.Sprintf(format, args...)}
}
