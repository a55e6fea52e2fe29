package s3

import (
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// TestDurable: a store whose confirmations are to survive a power cut is one that writes to the disk, and another is not
// slowed down by it. (The gateway's own Posix has no such setting.)
func TestDurable(t *testing.T) {
	for want, opts := range map[bool]Options{true: {Dir: t.TempDir(), Durable: true}, false: {Dir: t.TempDir()}} {
		files, err := openBackend(opts)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := files.(*durable)
		if ok != want {
			t.Errorf("Durable %t: got %T", want, files)
		}
		if !ok {
			if _, ok := files.(*posix.Posix); !ok {
				t.Errorf("got %T, want the gateway's own", files)
			}
			continue
		}
		if err := d.sync(); err != nil {
			t.Error(err)
		}
		d.data += "/none"
		if err := d.sync(); err == nil {
			t.Error("what cannot be written to the disk is confirmed")
		}
	}
}

// TestNothingIsConfirmedBeforeItIsOnTheDisk tries what the archive does to objects and buckets on a store that cannot be
// written to the disk: each call has to say so.
func TestNothingIsConfirmedBeforeItIsOnTheDisk(t *testing.T) {
	files, err := openBackend(Options{Dir: t.TempDir(), Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	d := files.(*durable)
	t.Cleanup(d.Shutdown)
	const bucket, object = "archive", "kept"
	ctx := t.Context()
	put := func(name string) error {
		_, err := d.PutObject(ctx, s3response.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String(name), Body: strings.NewReader("x"), ContentLength: aws.Int64(1), IfNoneMatch: aws.String("*"),
		})
		return err
	}
	if err := d.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket), ObjectLockEnabledForBucket: aws.Bool(true), CreateBucketConfiguration: &types.CreateBucketConfiguration{}}, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := put(object); err != nil {
		t.Fatal(err)
	}
	if err, ok := put(object).(s3err.S3Error); !ok { //nolint:errorlint // as the gateway asks
		t.Errorf("a second object of the same name: got %v, want an answer of S3", err)
	}
	d.data = filepath.Join(d.data, "none")
	for name, change := range map[string]func() error{
		"a bucket": func() error {
			return d.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("another"), CreateBucketConfiguration: &types.CreateBucketConfiguration{}}, []byte("{}"))
		},
		"an object": func() error { return put("another") },
		// That there is one already is an answer, too, on which somebody builds.
		"an object that is there": func() error { return put(object) },
		"a hold":                  func() error { return d.PutObjectLegalHold(ctx, bucket, object, "", true) },
		"a retention": func() error {
			return d.PutObjectRetention(ctx, bucket, object, "", []byte(`{"Mode":"GOVERNANCE","RetainUntilDate":"2035-12-31T00:00:00Z"}`))
		},
		"tags": func() error { return d.PutObjectTagging(ctx, bucket, object, "", map[string]string{"case": "one"}) },
		"versions": func() error {
			return d.PutBucketVersioning(ctx, bucket, types.BucketVersioningStatusEnabled)
		},
		"a deletion": func() error {
			_, err := d.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("none")})
			return err
		},
		"deletions": func() error {
			_, err := d.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("none")}}}})
			return err
		},
	} {
		if err := change(); err == nil || !strings.Contains(err.Error(), "write the store to the disk") {
			t.Errorf("%s: got %v, want that it cannot be written to the disk", name, err)
		}
	}
}

// reads are the methods of a backend that change nothing which lasts.
var reads = []string{
	"String", "Shutdown", "NormalizeObjectKey", "SelectObjectContent",
	// Parts of uploads: see durable.
	"CreateMultipartUpload", "AbortMultipartUpload", "UploadPart", "UploadPartCopy",
	// The gateway has none on files.
	"PutObjectAcl", "RestoreObject",
}

// TestEveryChangeIsWritten: no change goes past durable, also none that a newer gateway brings.
func TestEveryChangeIsWritten(t *testing.T) {
	all, own := reflect.TypeFor[backend.Backend](), reflect.TypeFor[*durable]()
	for i := range all.NumMethod() {
		name := all.Method(i).Name
		if strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "Head") || strings.HasPrefix(name, "List") || slices.Contains(reads, name) {
			continue
		}
		method, ok := own.MethodByName(name)
		if !ok {
			t.Errorf("durable has no %s", name)
			continue
		}
		// The compiler writes the methods of an embedded type.
		pc := method.Func.Pointer()
		if file, _ := runtime.FuncForPC(pc).FileLine(pc); filepath.Base(file) != "durable.go" {
			t.Errorf("%s is the gateway's own (%s), which writes nothing to the disk: give it a method of durable, or a place in reads", name, file)
		}
	}
}
