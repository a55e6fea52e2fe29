package s3

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
	"golang.org/x/sys/unix"
)

// durable confirms a change when it is on the disk. The gateway itself leaves that to the
// system, which takes up to half a minute: what was confirmed meanwhile is undone by a power
// cut. A hold that is lost leaves evidence to be deleted; a deletion that is lost brings back
// what had to go.
//
// The whole file system is written out (syncfs(2)), because an object is more than a file: the
// folders that it is in, its extended attributes or the file of its metadata, and the version
// that it replaces.
//
// Every method of backend.Backend that changes what lasts is here, also where the gateway has
// one call another: those calls stay within Posix. (Parts of an upload do not last. They are
// on the disk with the object that is made of them; where they are not, making it fails.)
type durable struct {
	*posix.Posix
	data string
}

// PutObject stores an object.
func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := d.Posix.PutObject(ctx, in)
	return out, d.after(err)
}

// CopyObject copies an object.
func (d *durable) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := d.Posix.CopyObject(ctx, in)
	return out, d.after(err)
}

// CompleteMultipartUpload makes an object of its parts.
func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	out, version, err := d.Posix.CompleteMultipartUpload(ctx, in)
	return out, version, d.after(err)
}

// DeleteObject deletes an object or a version of it.
func (d *durable) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	out, err := d.Posix.DeleteObject(ctx, in)
	return out, d.after(err)
}

// DeleteObjects deletes several objects.
func (d *durable) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	out, err := d.Posix.DeleteObjects(ctx, in)
	return out, d.after(err)
}

// PutObjectLegalHold begins or ends an object's hold.
func (d *durable) PutObjectLegalHold(ctx context.Context, bucket, object, version string, status bool) error {
	return d.after(d.Posix.PutObjectLegalHold(ctx, bucket, object, version, status))
}

// PutObjectRetention says how long an object is kept.
func (d *durable) PutObjectRetention(ctx context.Context, bucket, object, version string, retention []byte) error {
	return d.after(d.Posix.PutObjectRetention(ctx, bucket, object, version, retention))
}

// PutObjectTagging replaces an object's tags.
func (d *durable) PutObjectTagging(ctx context.Context, bucket, object, version string, tags map[string]string) error {
	return d.after(d.Posix.PutObjectTagging(ctx, bucket, object, version, tags))
}

// DeleteObjectTagging removes an object's tags.
func (d *durable) DeleteObjectTagging(ctx context.Context, bucket, object, version string) error {
	return d.after(d.Posix.DeleteObjectTagging(ctx, bucket, object, version))
}

// CreateBucket makes a bucket.
func (d *durable) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	return d.after(d.Posix.CreateBucket(ctx, in, acl))
}

// DeleteBucket removes an empty bucket.
func (d *durable) DeleteBucket(ctx context.Context, bucket string) error {
	return d.after(d.Posix.DeleteBucket(ctx, bucket))
}

// PutObjectLockConfiguration says how long a bucket's objects are kept.
func (d *durable) PutObjectLockConfiguration(ctx context.Context, bucket string, config []byte) error {
	return d.after(d.Posix.PutObjectLockConfiguration(ctx, bucket, config))
}

// PutBucketVersioning says whether a bucket keeps versions.
func (d *durable) PutBucketVersioning(ctx context.Context, bucket string, status types.BucketVersioningStatus) error {
	return d.after(d.Posix.PutBucketVersioning(ctx, bucket, status))
}

// PutBucketAcl says who may do what with a bucket.
func (d *durable) PutBucketAcl(ctx context.Context, bucket string, data []byte) error {
	return d.after(d.Posix.PutBucketAcl(ctx, bucket, data))
}

// PutBucketPolicy says who may do what with a bucket.
func (d *durable) PutBucketPolicy(ctx context.Context, bucket string, policy []byte) error {
	return d.after(d.Posix.PutBucketPolicy(ctx, bucket, policy))
}

// DeleteBucketPolicy removes a bucket's policy.
func (d *durable) DeleteBucketPolicy(ctx context.Context, bucket string) error {
	return d.after(d.Posix.DeleteBucketPolicy(ctx, bucket))
}

// PutBucketOwnershipControls says whose a bucket's objects are.
func (d *durable) PutBucketOwnershipControls(ctx context.Context, bucket string, ownership types.ObjectOwnership) error {
	return d.after(d.Posix.PutBucketOwnershipControls(ctx, bucket, ownership))
}

// DeleteBucketOwnershipControls removes what says whose a bucket's objects are.
func (d *durable) DeleteBucketOwnershipControls(ctx context.Context, bucket string) error {
	return d.after(d.Posix.DeleteBucketOwnershipControls(ctx, bucket))
}

// PutBucketTagging replaces a bucket's tags.
func (d *durable) PutBucketTagging(ctx context.Context, bucket string, tags map[string]string) error {
	return d.after(d.Posix.PutBucketTagging(ctx, bucket, tags))
}

// DeleteBucketTagging removes a bucket's tags.
func (d *durable) DeleteBucketTagging(ctx context.Context, bucket string) error {
	return d.after(d.Posix.DeleteBucketTagging(ctx, bucket))
}

// PutBucketCors says which sites' scripts reach a bucket.
func (d *durable) PutBucketCors(ctx context.Context, bucket string, cors []byte) error {
	return d.after(d.Posix.PutBucketCors(ctx, bucket, cors))
}

// DeleteBucketCors removes what says so.
func (d *durable) DeleteBucketCors(ctx context.Context, bucket string) error {
	return d.after(d.Posix.DeleteBucketCors(ctx, bucket))
}

// PutBucketWebsite says how a bucket is a website.
func (d *durable) PutBucketWebsite(ctx context.Context, bucket string, website []byte) error {
	return d.after(d.Posix.PutBucketWebsite(ctx, bucket, website))
}

// DeleteBucketWebsite removes what says so.
func (d *durable) DeleteBucketWebsite(ctx context.Context, bucket string) error {
	return d.after(d.Posix.DeleteBucketWebsite(ctx, bucket))
}

// ChangeBucketOwner gives a bucket to another account.
func (d *durable) ChangeBucketOwner(ctx context.Context, bucket, owner string) error {
	return d.after(d.Posix.ChangeBucketOwner(ctx, bucket, owner))
}

// after ends a change: one that was made is written to the disk. So is what stands in the way of
// a conditional one: whose first try got no answer takes that for its confirmation.
func (d *durable) after(err error) error {
	var stands s3err.PreconditionFailedError
	if err != nil && !errors.As(err, &stands) {
		return err
	}
	if problem := d.sync(); problem != nil {
		return problem
	}
	return err // as it is: the gateway makes its answer of it
}

func (d *durable) sync() error {
	folder, err := os.Open(d.data)
	if err != nil {
		return fmt.Errorf("write the store to the disk: %w", err)
	}
	defer folder.Close()
	if err := unix.Syncfs(int(folder.Fd())); err != nil {
		return fmt.Errorf("write the store to the disk: %w", err)
	}
	return nil
}
