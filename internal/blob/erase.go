package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrLocked means that the store itself keeps an object from being erased: it is under a
// retention lock or a legal hold (Amazon S3 User Guide, "Locking objects with Object Lock").
var ErrLocked = errors.New("object locked by the store")

// Erased is what the store answered to an erasure.
type Erased struct {
	// Versions is how many versions and delete markers were removed; 0 when nothing was
	// there any more.
	Versions int
	// Absent is set when the store said afterwards that there is neither the object nor a
	// version of it.
	Absent bool
}

// batch is how many versions of an object are removed before it is asked again which there are: a
// list that goes on after a version which is not there any more may leave others out.
const batch = 1000

// Erase removes an object so that nothing of it is left: in a bucket that keeps versions a
// plain DELETE only hides it. It returns when the store has confirmed that nothing is there,
// also where nothing was. A lock is never passed by: the error is ErrLocked.
func (b *Bucket) Erase(ctx context.Context, key Key) (Erased, error) {
	var done Erased
	for removed := (map[string]bool)(nil); ; {
		versions, err := b.first(ctx, key)
		if err != nil {
			return done, fmt.Errorf("erase %q: %w", key, err)
		}
		if len(versions) == 0 {
			break
		}
		if slices.ContainsFunc(versions, func(id string) bool { return removed[id] }) {
			return done, fmt.Errorf("erase %q: the store took the removal and still has %d versions", key, len(versions))
		}
		removed = map[string]bool{}
		for _, id := range versions {
			if err := b.RemoveVersion(ctx, key, id); err != nil {
				return done, err
			}
			removed[id] = true
			done.Versions++
		}
	}
	switch _, err := b.Head(ctx, key); {
	case err == nil:
		return done, fmt.Errorf("erase %q: the store took the removal and still has the object", key)
	case !errors.Is(err, ErrNotFound):
		return done, fmt.Errorf("confirm that %q is erased: %w", key, err)
	}
	done.Absent = true
	return done, nil
}

// first are the IDs of the first versions and markers under a key, as many as are removed at a time.
func (b *Bucket) first(ctx context.Context, key Key) (ids []string, err error) {
	err = b.versions(ctx, key, func(v version) bool {
		ids = append(ids, v.id)
		return len(ids) < batch
	})
	return ids, err
}

// RemoveVersion removes one version of an object and leaves the others, or the object itself in a
// bucket that keeps no versions, for which the ID is empty. It is no part of [Store]: what is
// archived goes by [Bucket.Erase] alone.
func (b *Bucket) RemoveVersion(ctx context.Context, key Key, version string) error {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	err := b.core.RemoveObject(ctx, b.name, string(key), minio.RemoveObjectOptions{VersionID: version})
	if err != nil {
		return fmt.Errorf("erase %s: %w", named(key, version), b.refused(ctx, key, version, err))
	}
	return nil
}

// Has tells whether there is anything of an object: it itself, or a version that was replaced or that a
// plain DELETE hid. A marker that says that it was deleted is none.
func (b *Bucket) Has(ctx context.Context, key Key) (found bool, err error) {
	err = b.versions(ctx, key, func(v version) bool {
		found = !v.marker
		return !found
	})
	if err != nil {
		return false, fmt.Errorf("ask for versions of %q: %w", key, err)
	}
	return found, nil
}

// version is one that a store has under a key: content, or a marker that says that the object
// was deleted.
type version struct {
	id     string
	marker bool
}

// versions calls yield for all that a store has under a key, until it returns false: for one without
// an ID in a store that knows no versions.
func (b *Bucket) versions(ctx context.Context, key Key, yield func(version) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: string(key), Recursive: true, WithVersions: true}) {
		if missing(o.Err) {
			return b.unversioned(ctx, key, yield)
		}
		if o.Err != nil {
			return classify(o.Err)
		}
		// Others begin with the same letters, and may stand before: there are stores that list the
		// markers of a page before its versions.
		if o.Key == string(key) && !yield(version{o.VersionID, o.IsDeleteMarker}) {
			return nil
		}
	}
	return classify(ctx.Err()) // the client ends a list early, and says nothing
}

// ListVersions is List that knows of what a plain DELETE only hid, too: current is set for
// objects that can be read under their key. One that has several versions is told as often.
func (b *Bucket) ListVersions(ctx context.Context, prefix string, yield func(info Info, current bool) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			return fmt.Errorf("list versions of %q: %w", prefix, classify(o.Err))
		}
		if !yield(toInfo(Key(o.Key), o), o.IsLatest && !o.IsDeleteMarker) {
			return nil
		}
	}
	return nil
}

func (b *Bucket) unversioned(ctx context.Context, key Key, yield func(version) bool) error {
	_, err := b.Head(ctx, key)
	if err == nil {
		yield(version{})
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// missing tells whether a store says that it does not have what it was asked for at all.
func missing(err error) bool {
	var answer minio.ErrorResponse
	return errors.As(err, &answer) && (answer.Code == "NotImplemented" || answer.StatusCode == http.StatusNotImplemented)
}

// refused finds out whether it was a lock for which the store did not remove a version:
// stores have different words for that, AccessDenied among them.
func (b *Bucket) refused(ctx context.Context, key Key, version string, err error) error {
	kind := classify(err)
	if errors.Is(kind, ErrUnreachable) || errors.Is(kind, context.Canceled) {
		return kind
	}
	lock, asked := b.lock(ctx, key, version)
	switch {
	case asked != nil:
		return kind
	case lock.Held:
		return fmt.Errorf("%w: it is under a legal hold: %w", ErrLocked, err)
	case !lock.Until.IsZero():
		return fmt.Errorf("%w: it is locked until %s: %w", ErrLocked, lock.Until.UTC().Format(time.RFC3339), err)
	}
	return kind
}

// dateKey is the context's key of where the Date of an answer is to be noted, bodyKey of where
// the body of a short one is.
type (
	dateKey struct{}
	bodyKey struct{}
)

// maxNoted bounds a body that is noted.
const maxNoted = 64 << 10

// dated notes the Date of answers (RFC 9110 section 6.6.1), and bodies, for who asks.
type dated struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t dated) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.RoundTripper.RoundTrip(r)
	if at, ok := r.Context().Value(dateKey{}).(*time.Time); ok && err == nil {
		if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
			*at = date.UTC()
		}
	}
	if body, ok := r.Context().Value(bodyKey{}).(*bytes.Buffer); ok && err == nil && answer.StatusCode == http.StatusOK {
		body.Reset() // of the try before
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(io.LimitReader(answer.Body, maxNoted), body), answer.Body}
	}
	return answer, err
}

// Time asks the store what time it is: the Date of an answer, to the second.
func (b *Bucket) Time(ctx context.Context) (time.Time, error) {
	var at time.Time
	if err := b.Check(context.WithValue(ctx, dateKey{}, &at)); err != nil {
		return time.Time{}, err
	}
	if at.IsZero() {
		return time.Time{}, fmt.Errorf("bucket %q: the store's answer has no Date", b.name)
	}
	return at, nil
}
