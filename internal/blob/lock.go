package blob

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"
)

// Locking is what a bucket can do to keep objects from being removed.
type Locking struct {
	// Versioned is set when the bucket keeps versions: a plain DELETE only hides an object.
	Versioned bool
	// ObjectLock is set when objects can be locked.
	ObjectLock bool
}

// Locking asks what the bucket can do. A store that has never heard of locks has none.
func (b *Bucket) Locking(ctx context.Context) (Locking, error) {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	var l Locking
	versioning, err := b.core.GetBucketVersioning(ctx, b.name)
	if err != nil && !missing(err) {
		return l, fmt.Errorf("bucket %q: ask for versioning: %w", b.name, classify(err))
	}
	l.Versioned = versioning.Status != ""
	enabled, _, _, _, err := b.core.GetObjectLockConfig(ctx, b.name)
	switch {
	case err == nil:
		l.ObjectLock = enabled == "Enabled"
	case !missing(err) && !unlocked(err):
		return l, fmt.Errorf("bucket %q: ask for Object Lock: %w", b.name, classify(err))
	}
	return l, nil
}

// unlocked tells whether a store says that a bucket or object has no lock.
func unlocked(err error) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Code {
	case "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "InvalidRequest", "InvalidBucketObjectLockConfiguration":
		return true
	}
	return false
}

// Lock is what keeps one object from being removed.
type Lock struct {
	// Until is the end of its retention lock, zero for none.
	Until time.Time
	// Held is set while it is under a legal hold.
	Held bool
}

// Lock asks what keeps an object from being removed.
func (b *Bucket) Lock(ctx context.Context, key Key) (Lock, error) {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	return b.lock(ctx, key, "")
}

// lock reads the heads of an answer, which stores agree about more than about the bodies of
// GetObjectRetention (Amazon S3 API Reference, HeadObject).
func (b *Bucket) lock(ctx context.Context, key Key, version string) (l Lock, err error) {
	info, err := b.core.StatObject(ctx, b.name, string(key), minio.StatObjectOptions{VersionID: version})
	if err != nil {
		return l, fmt.Errorf("ask for the lock of %q: %w", key, classify(err))
	}
	if until := info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"); until != "" {
		if l.Until, err = time.Parse(time.RFC3339, until); err != nil {
			return l, fmt.Errorf("ask for the lock of %q: %w", key, err)
		}
		l.Until = l.Until.UTC()
	}
	l.Held = info.Metadata.Get("X-Amz-Object-Lock-Legal-Hold") == "ON"
	return l, nil
}

// LockUntil locks an object in governance mode until a time: who has no right to pass such
// locks by cannot remove it before. A later lock is not shortened. Compliance mode, which
// nobody could undo, is never used.
func (b *Bucket) LockUntil(ctx context.Context, key Key, until time.Time) error {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	mode := minio.Governance
	until = until.UTC()
	err := b.core.PutObjectRetention(ctx, b.name, string(key), minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until})
	if err != nil {
		return fmt.Errorf("lock %q: %w", key, classify(err))
	}
	return nil
}

// SetHold puts an object under the store's legal hold, or takes it from there.
func (b *Bucket) SetHold(ctx context.Context, key Key, held bool) error {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	status := minio.LegalHoldDisabled
	if held {
		status = minio.LegalHoldEnabled
	}
	if err := b.core.PutObjectLegalHold(ctx, b.name, string(key), minio.PutObjectLegalHoldOptions{Status: &status}); err != nil {
		return fmt.Errorf("hold %q: %w", key, classify(err))
	}
	return nil
}
