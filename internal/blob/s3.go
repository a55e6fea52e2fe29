package blob

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Config says where a store is and how to get in.
type Config struct {
	// Endpoint is http://host:port or https://host.
	Endpoint string
	// Region is the store's region, such as us-east-1.
	Region string
	// CredentialsFile is a file in the AWS format (an ini file with
	// aws_access_key_id and aws_secret_access_key). It is read again when it
	// changed, so that a rotated Secret works without a restart. It goes before
	// AccessKey and SecretKey.
	CredentialsFile string
	// AccessKey and SecretKey are used where there is no file.
	AccessKey, SecretKey string
}

// requestTime is how long a request may take, and slowest, in bytes a second, below what
// speed a body counts as stuck.
const (
	requestTime = time.Minute
	slowest     = 256 << 10
)

// bound limits a request that carries size bytes.
func bound(ctx context.Context, size int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTime+time.Duration(size/slowest)*time.Second)
}

// Client is a connection to a store; it opens buckets.
type Client struct {
	core     *minio.Core
	measured *measured
}

// NewClient checks the configuration. It does not connect: a store that is down may
// be there later.
func NewClient(c Config) (*Client, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("store endpoint %q: must be http://host:port or https://host", c.Endpoint)
	}
	creds := credentials.NewStaticV4(c.AccessKey, c.SecretKey, "")
	if c.CredentialsFile != "" {
		creds = credentials.New(&fileProvider{path: c.CredentialsFile})
	} else if c.AccessKey == "" || c.SecretKey == "" {
		return nil, errors.New("store credentials: neither a file nor an access key and secret key are given")
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       60 * time.Second,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true,
	}
	counted := &measured{next: transport}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds:        creds,
		Secure:       u.Scheme == "https",
		Region:       c.Region,
		BucketLookup: minio.BucketLookupPath,
		Transport:    dated{counted},
		MaxRetries:   2, // the callers' own retries are the patient ones
	})
	if err != nil {
		return nil, fmt.Errorf("store endpoint %q: %w", c.Endpoint, err)
	}
	return &Client{core: core, measured: counted}, nil
}

// Bucket opens a bucket. It does not ask whether it exists: [Bucket.Check] does.
func (c *Client) Bucket(name string) *Bucket { return &Bucket{core: c.core, name: name} }

// Bucket is a [Store] in an S3-compatible store.
type Bucket struct {
	core *minio.Core
	name string
}

// Name is the bucket's name.
func (b *Bucket) Name() string { return b.name }

// Check asks whether the bucket is there and may be looked at.
func (b *Bucket) Check(ctx context.Context) error {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	ok, err := b.core.BucketExists(ctx, b.name)
	if ok {
		return nil
	}
	head := classify(err)
	if err != nil && !errors.Is(head, ErrDenied) {
		return fmt.Errorf("bucket %q: %w", b.name, head)
	}
	// The answer to a HEAD has no body to tell why: there are stores that say 404 to
	// credentials that they do not know, and all say 403 to a clock that is wrong.
	for o := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{MaxKeys: 1}) {
		if o.Err != nil {
			return fmt.Errorf("bucket %q: %w", b.name, classify(o.Err))
		}
		break
	}
	if head != nil {
		return fmt.Errorf("bucket %q: %w", b.name, head)
	}
	return nil
}

// Put implements [Store].
func (b *Bucket) Put(ctx context.Context, key Key, content Content) (Info, error) {
	return b.put(ctx, key, content, func(o *minio.PutObjectOptions) { o.SetMatchETagExcept("*") })
}

// Replace writes an object in place of the one with that ETag; when it is another one
// meanwhile the error is ErrExists. It is no part of [Store]: what is archived is never
// replaced. The one kind of object that is are sidecars, which only gain time stamps.
func (b *Bucket) Replace(ctx context.Context, key Key, etag string, content Content) (Info, error) {
	if etag == "" {
		return Info{}, fmt.Errorf("replace %q: the store gave no ETag of it", key)
	}
	return b.put(ctx, key, content, func(o *minio.PutObjectOptions) { o.SetMatchETag(etag) })
}

// put writes an object under a condition.
func (b *Bucket) put(ctx context.Context, key Key, content Content, condition func(*minio.PutObjectOptions)) (Info, error) {
	sum, err := hex.DecodeString(content.SHA256)
	if err != nil || len(sum) != 32 {
		return Info{}, fmt.Errorf("put %q: %q is not a SHA-256 in hex", key, content.SHA256)
	}
	if content.Size > MaxSinglePut {
		return Info{}, fmt.Errorf("put %q: %d bytes are more than one request may carry (%d)", key, content.Size, int64(MaxSinglePut))
	}
	if _, err := content.Body.Seek(0, io.SeekStart); err != nil {
		return Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	ctx, cancel := bound(ctx, content.Size)
	defer cancel()
	encoded := base64.StdEncoding.EncodeToString(sum)
	opts := minio.PutObjectOptions{
		ContentType:  content.Type,
		UserMetadata: map[string]string{"X-Amz-Checksum-Sha256": encoded, "crawlfleet-sha256": content.SHA256},
	}
	condition(&opts)
	answer, err := b.core.PutObject(ctx, b.name, string(key), content.Body, content.Size, "", content.SHA256, opts)
	if err != nil {
		err = classify(err)
		if errors.Is(err, ErrExists) {
			return b.sameAsThere(ctx, key, content)
		}
		return Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	if answer.ChecksumSHA256 != "" {
		if answer.ChecksumSHA256 != encoded {
			return Info{}, fmt.Errorf("put %q: the store confirms another SHA-256 than was sent: %w", key, ErrCorrupt)
		}
		return Info{Key: key, Size: content.Size, ETag: answer.ETag, SHA256: content.SHA256, Version: answer.VersionID}, nil
	}
	return b.sameAsOurs(ctx, key, content) // a store that does not echo the checksum is asked
}

// sameAsThere decides whether an object that was there before is the one that was to be put. In a
// bucket that was restored from a copy the store may know no SHA-256 of it: then it is read.
func (b *Bucket) sameAsThere(ctx context.Context, key Key, content Content) (Info, error) {
	info, err := b.there(ctx, key)
	if err != nil {
		return Info{}, err
	}
	if info.Size != content.Size || info.SHA256 != "" && info.SHA256 != content.SHA256 {
		return info, fmt.Errorf("put %q: %w", key, ErrExists)
	}
	if info.SHA256 != "" {
		return info, nil
	}
	body, _, err := b.Get(ctx, key)
	if err != nil {
		return Info{}, fmt.Errorf("confirm %q: %w", key, err)
	}
	defer func() { _ = body.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(body, info.Size+1)); err != nil {
		return Info{}, fmt.Errorf("confirm %q: %w", key, classify(err))
	}
	if info.SHA256 = hex.EncodeToString(h.Sum(nil)); info.SHA256 != content.SHA256 {
		return info, fmt.Errorf("put %q: %w", key, ErrExists)
	}
	return info, nil
}

// sameAsOurs decides whether an object that is there is the one that was to be put.
func (b *Bucket) sameAsOurs(ctx context.Context, key Key, content Content) (Info, error) {
	info, err := b.there(ctx, key)
	if err != nil {
		return Info{}, err
	}
	if info.SHA256 == "" {
		return Info{}, fmt.Errorf("confirm %q: the store gives no SHA-256 of it: %w", key, ErrCorrupt)
	}
	if info.SHA256 != content.SHA256 || info.Size != content.Size {
		return info, fmt.Errorf("put %q: %w", key, ErrExists)
	}
	return info, nil
}

// there looks at an object that is to be the one that was put.
func (b *Bucket) there(ctx context.Context, key Key) (Info, error) {
	info, err := b.Head(ctx, key)
	if errors.Is(err, ErrDenied) {
		return Info{}, fmt.Errorf("confirm %q: %w: %w", key, ErrUnseen, err)
	}
	if err != nil {
		return Info{}, fmt.Errorf("confirm %q: %w", key, err)
	}
	return info, nil
}

// Get implements [Store].
func (b *Bucket) Get(ctx context.Context, key Key) (io.ReadCloser, Info, error) {
	body, info, _, err := b.core.GetObject(ctx, b.name, string(key), minio.GetObjectOptions{})
	if err != nil {
		return nil, Info{}, fmt.Errorf("get %q: %w", key, classify(err))
	}
	return body, toInfo(key, info), nil
}

// GetRange implements [Store].
func (b *Bucket) GetRange(ctx context.Context, key Key, offset, length int64) (io.ReadCloser, error) {
	if length <= 0 || offset < 0 {
		return nil, fmt.Errorf("get %q: no range of %d bytes from %d", key, length, offset)
	}
	opts := minio.GetObjectOptions{}
	if err := opts.SetRange(offset, offset+length-1); err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	body, _, _, err := b.core.GetObject(ctx, b.name, string(key), opts)
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", key, classify(err))
	}
	return body, nil
}

// Head implements [Store].
func (b *Bucket) Head(ctx context.Context, key Key) (Info, error) {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	info, err := b.core.StatObject(ctx, b.name, string(key), minio.StatObjectOptions{Checksum: true})
	if err != nil {
		return Info{}, fmt.Errorf("head %q: %w", key, classify(err))
	}
	return toInfo(key, info), nil
}

// checksum is the SHA-256 in base64 that the store itself keeps of an object, empty when
// it keeps none.
func (b *Bucket) checksum(ctx context.Context, key Key) (string, error) {
	info, err := b.core.StatObject(ctx, b.name, string(key), minio.StatObjectOptions{Checksum: true})
	if err != nil {
		return "", fmt.Errorf("head %q: %w", key, classify(err))
	}
	return info.ChecksumSHA256, nil
}

// Remove removes an object; one that is not there is removed already. It is no part of
// [Store]: what is archived goes by [Bucket.Erase] alone.
func (b *Bucket) Remove(ctx context.Context, key Key) error {
	ctx, cancel := bound(ctx, 0)
	defer cancel()
	if err := b.core.RemoveObject(ctx, b.name, string(key), minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("remove %q: %w", key, classify(err))
	}
	return nil
}

// List implements [Store].
func (b *Bucket) List(ctx context.Context, prefix string, yield func(Info) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("list %q: %w", prefix, classify(o.Err))
		}
		if !yield(toInfo(Key(o.Key), o)) {
			return nil
		}
	}
	return nil
}

func toInfo(key Key, o minio.ObjectInfo) Info {
	info := Info{Key: key, Size: o.Size, ETag: strings.Trim(o.ETag, `"`), Modified: o.LastModified, Version: o.VersionID}
	if sum, err := base64.StdEncoding.DecodeString(o.ChecksumSHA256); err == nil && len(sum) == 32 {
		info.SHA256, info.Computed = hex.EncodeToString(sum), true
		return info
	}
	info.SHA256 = o.UserMetadata["Crawlfleet-Sha256"]
	return info
}

// classify finds the kind of a store's error. The codes are those of the Amazon S3
// API Reference, "Error responses".
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && answer.Code != "" {
		if kind := kindOf(answer); kind != nil {
			return fmt.Errorf("%w: %s (%s)", kind, answer.Message, answer.Code)
		}
		return err
	}
	var netErr net.Error
	if errors.As(err, &netErr) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

// fullCodes are the codes of stores that have no room, or whose quota is used up: those of Ceph, MinIO and others.
var fullCodes = []string{"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "StorageFull"}

func kindOf(e minio.ErrorResponse) error {
	switch e.Code {
	case "NoSuchBucket":
		return ErrNoBucket
	case "NoSuchKey", "NoSuchVersion", "NotFound":
		return ErrNotFound
	case "PreconditionFailed", "ConditionalRequestConflict":
		return ErrExists
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccountProblem",
		"XAdminUserNotFound": // the Versity gateway's word for an access key that nobody has
		return ErrDenied
	case "RequestTimeTooSkewed": // more than 15 minutes
		return ErrClock
	case "BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest":
		return ErrCorrupt
	}
	switch {
	case slices.Contains(fullCodes, e.Code):
		return ErrFull
	case e.StatusCode == http.StatusInsufficientStorage:
		return ErrFull
	case e.StatusCode == http.StatusPreconditionFailed:
		return ErrExists
	case e.StatusCode == http.StatusForbidden, e.StatusCode == http.StatusUnauthorized:
		return ErrDenied
	case e.StatusCode == http.StatusNotFound:
		return ErrNotFound
	case e.StatusCode == http.StatusTooManyRequests, e.StatusCode >= 500:
		return ErrUnreachable
	}
	return nil
}
