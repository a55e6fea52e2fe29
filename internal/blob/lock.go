package blob

import (
	"bytes"
	"context"
	"encoding/xml"
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

// Lock is what keeps one version of an object from being removed: the store locks versions, not
// objects (Amazon S3 User Guide, "Locking objects with Object Lock").
type Lock struct {
	// Version is its ID, empty in a store that keeps none.
	Version string
	// Until is the end of its retention lock, zero for none.
	Until time.Time
	// Held is set while it is under a legal hold.
	Held bool
}

// Locks are those of [Bucket.EachLock], for tests: an object may have more versions than memory holds.
func (b *Bucket) Locks(ctx context.Context, key Key) (locks []Lock, err error) {
	err = b.EachLock(ctx, key, func(l Lock) error {
		locks = append(locks, l)
		return nil
	})
	return locks, err
}

// EachLock asks what keeps an object from being removed, and calls yield for each version that there
// is of it, until it returns an error: what was replaced, or hidden by a plain DELETE, is locked as
// it was before. There are none of an object that is not there.
func (b *Bucket) EachLock(ctx context.Context, key Key, yield func(Lock) error) error {
	var failed error
	err := b.versions(ctx, key, func(v version) bool {
		if v.marker {
			return true // it has no content, and cannot be locked
		}
		l, err := b.lock(ctx, key, v.id)
		if errors.Is(err, ErrNotFound) {
			return true // somebody removed it meanwhile
		}
		if err == nil {
			err = yield(l)
		}
		failed = err
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("ask for the locks of %q: %w", key, err)
	}
	return failed
}

// lock reads the heads of an answer, which stores agree about more than about the bodies of
// GetObjectRetention (Amazon S3 API Reference, HeadObject). There are stores whose heads say
// nothing of a version that was replaced: then they are asked.
func (b *Bucket) lock(ctx context.Context, key Key, version string) (Lock, error) {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	l := Lock{Version: version}
	info, err := b.core.StatObject(ctx, b.name, string(key), minio.StatObjectOptions{VersionID: version})
	if err == nil {
		until, hold := info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"), info.Metadata.Get("X-Amz-Object-Lock-Legal-Hold")
		l.Held = hold == string(minio.LegalHoldEnabled)
		switch {
		case until != "":
			l.Until, err = time.Parse(time.RFC3339, until)
		case hold == "" && version != "":
			err = b.askLock(ctx, key, &l)
		}
	}
	if err != nil {
		return l, fmt.Errorf("ask for the lock of %s: %w", named(key, version), classify(err))
	}
	l.Until = l.Until.UTC()
	return l, nil
}

// askLock asks for the legal hold and the retention of a version themselves (Amazon S3 API
// Reference, GetObjectLegalHold and GetObjectRetention).
func (b *Bucket) askLock(ctx context.Context, key Key, l *Lock) error {
	hold, err := b.core.GetObjectLegalHold(ctx, b.name, string(key), minio.GetObjectLegalHoldOptions{VersionID: l.Version})
	if err != nil && !unlocked(err) {
		return err
	}
	l.Held = hold != nil && *hold == minio.LegalHoldEnabled
	// The client wants the answer's element to be called Retention, and not all stores do so.
	var body bytes.Buffer
	_, _, err = b.core.GetObjectRetention(context.WithValue(ctx, bodyKey{}, &body), b.name, string(key), l.Version)
	var answer minio.ErrorResponse
	if unlocked(err) {
		return nil
	}
	if errors.As(err, &answer) || err != nil && body.Len() == 0 {
		return err
	}
	var retention struct{ RetainUntilDate time.Time }
	if err := xml.Unmarshal(body.Bytes(), &retention); err != nil {
		return err
	}
	l.Until = retention.RetainUntilDate
	return nil
}

// LockUntil locks all versions of an object in governance mode until a time: who has no right to
// pass such locks by cannot remove them before. A later lock is not shortened. Compliance mode,
// which nobody could undo, is never used.
func (b *Bucket) LockUntil(ctx context.Context, key Key, until time.Time) error {
	until = until.UTC()
	mode := minio.Governance
	return b.change(ctx, key, "lock", func(ctx context.Context, l Lock) error {
		if !until.After(l.Until) {
			return nil
		}
		return b.core.PutObjectRetention(ctx, b.name, string(key), minio.PutObjectRetentionOptions{VersionID: l.Version, Mode: &mode, RetainUntilDate: &until})
	})
}

// SetHold puts all versions of an object under the store's legal hold, or takes them from there.
func (b *Bucket) SetHold(ctx context.Context, key Key, held bool) error {
	status, what := minio.LegalHoldDisabled, "release"
	if held {
		status, what = minio.LegalHoldEnabled, "hold"
	}
	return b.change(ctx, key, what, func(ctx context.Context, l Lock) error {
		if l.Held == held {
			return nil
		}
		return b.core.PutObjectLegalHold(ctx, b.name, string(key), minio.PutObjectLegalHoldOptions{VersionID: l.Version, Status: &status})
	})
}

// change does something to the locks of an object, version by version. One that the store refuses
// keeps no other from it, and the first is told. What there is none of is ErrNotFound.
func (b *Bucket) change(ctx context.Context, key Key, what string, do func(context.Context, Lock) error) error {
	var refused error
	some := false
	err := b.EachLock(ctx, key, func(l Lock) error {
		some = true
		ctx, cancel := bound(ctx, 0)
		defer cancel()
		err := classify(do(ctx, l))
		if err == nil || errors.Is(err, ErrNotFound) { // it was removed meanwhile
			return nil
		}
		err = fmt.Errorf("%s %s: %w", what, named(key, l.Version), err)
		if !errors.Is(err, ErrDenied) {
			return err // the store has trouble with more than this one
		}
		if refused == nil {
			refused = err
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	case !some:
		return fmt.Errorf("%s %q: %w", what, key, ErrNotFound)
	}
	return nil
}

// named is a version of an object in words.
func named(key Key, version string) string {
	if version == "" {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q, version %s", key, version)
}
