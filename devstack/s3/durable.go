package s3

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3response"
	"golang.org/x/sys/unix"
)

// durable confirms an object when it is on the disk. The gateway itself leaves that to the
// system, which takes up to half a minute: what was confirmed meanwhile is lost by a power cut.
//
// The whole file system is written out (syncfs(2)), because an object is more than a file: the
// folders that it is in, its extended attributes or the file of its metadata, and the version
// that it replaces.
type durable struct {
	*posix.Posix
	data string
}

// PutObject stores an object, and writes it to the disk.
func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := d.Posix.PutObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.sync()
}

// CopyObject copies an object, and writes it to the disk.
func (d *durable) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := d.Posix.CopyObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, d.sync()
}

// CompleteMultipartUpload makes an object of its parts, and writes it to the disk.
func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	out, version, err := d.Posix.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return out, version, err
	}
	return out, version, d.sync()
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
