// Package s3 runs a real S3 server, the Versity gateway on a folder of files.
//
// The gateway changes the working directory of its process and keeps settings in
// package variables: give it a process of its own, and one per process.
//
// What it is good for and where it differs from other stores is written in the
// README; in short: conditional PUTs, checksums, multipart, versions and object
// lock work; keys are cleaned like file paths, and a key cannot also be a prefix.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// What every stack's store has.
const (
	Region         = "us-east-1"
	ArchiveBucket  = "crawlfleet-archive"
	FrontierBucket = "crawlfleet-frontier"
)

// Limits of the gateway. It has no defaults of its own for these.
const (
	maxConnections    = 4096
	maxRequests       = 1024
	multipartMaxParts = 10000
	copyThreshold     = 5 << 30 // bytes; S3's own limit for one CopyObject
)

// healthPath masks a bucket of that name, which S3's rules for names forbid anyway.
const healthPath = "/-healthz"

const (
	readyPoll    = 10 * time.Millisecond
	readyTimeout = stack.ReadyTimeout
	probeTimeout = 5 * time.Second
	stopTimeout  = 15 * time.Second
)

// Options say where the store keeps its files and where it listens.
type Options struct {
	// Dir is the stack's folder: the store keeps DIR/s3.
	Dir string
	// Everywhere listens on all addresses, not on the loopback address alone.
	Everywhere bool
	// Port is the server's.
	Port int
	// Credentials is the file with the root account's keys; empty is DIR/s3/credentials, which is
	// made when it is not there.
	Credentials string
	// Users get in beside the root account, each with the rights that its policy gives it. They are read
	// when the store starts.
	Users []User
	// Durable has what is stored on the disk before that is confirmed: it survives a power
	// cut.
	Durable bool
}

// Endpoint is the store's base URL for this machine.
func (o Options) Endpoint() string {
	return "http://" + o.address()
}

func (o Options) address() string { return net.JoinHostPort(stack.Loopback, strconv.Itoa(o.Port)) }

func (o Options) path(name string) string { return filepath.Join(o.Dir, "s3", name) }

// CredentialsFile is where the root account's keys are kept, in the form of an AWS
// credentials file.
func (o Options) CredentialsFile() string { return cmp.Or(o.Credentials, o.path("credentials")) }

// Server is a running store.
type Server struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Start starts the store and returns when its buckets are there. It changes the
// process's working directory.
func Start(ctx context.Context, opts Options) (*Server, error) {
	keys, err := LoadKeys(opts)
	if err != nil {
		return nil, err
	}
	users, err := loadUsers(opts.Users)
	if err != nil {
		return nil, err
	}
	known, err := newAccounts(keys, users)
	if err != nil {
		return nil, err
	}
	files, err := openBackend(opts)
	if err != nil {
		return nil, err
	}
	if bound := onceOnly(users); len(bound) > 0 {
		files = &once{Backend: files, keys: bound}
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		err := embedgw.RunVersityGW(runCtx, files, &embedgw.Config{
			RootUserAccess:    keys.Access,
			RootUserSecret:    keys.Secret,
			IAMService:        known,
			Region:            Region,
			Ports:             []string{net.JoinHostPort(stack.Listen(opts.Everywhere), strconv.Itoa(opts.Port))},
			MaxConnections:    maxConnections,
			MaxRequests:       maxRequests,
			MultipartMaxParts: multipartMaxParts,
			KeepAlive:         true,
			Quiet:             true,
			HealthPath:        healthPath,
		})
		if runCtx.Err() == nil {
			s.err = errors.Join(errors.New("the S3 server ended"), err)
		}
	}()
	if err := s.prepare(ctx, opts, keys, users); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start the S3 server at %s: %w", opts.Endpoint(), err)
	}
	return s, nil
}

// openBackend opens the folder of buckets. Metadata lies in extended attributes or,
// where the file system has none, in files beside them.
func openBackend(opts Options) (backend.Backend, error) {
	data, versions, sidecar := opts.path("data"), opts.path("versions"), opts.path("metadata")
	for _, dir := range []string{data, versions} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the store's folder: %w", err)
		}
	}
	settings := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: copyThreshold}
	settings.SetNewDirPerm(0o700)
	settings.SetNewFilePerm(0o600)
	var metadata meta.MetadataStorer = meta.XattrMeta{}
	if err := (meta.XattrMeta{}).Test(data); err != nil {
		if err := os.MkdirAll(sidecar, 0o700); err != nil {
			return nil, fmt.Errorf("make the store's folder: %w", err)
		}
		beside, err := meta.NewSideCar(sidecar)
		if err != nil {
			return nil, fmt.Errorf("open the store's metadata: %w", err)
		}
		metadata, settings.SideCarDir = beside, sidecar
	}
	files, err := posix.New(data, metadata, settings)
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", data, err)
	}
	if opts.Durable {
		return &durable{Posix: files, data: data}, nil
	}
	return files, nil
}

// prepare waits until the server answers, makes the buckets and says what users may do there.
func (s *Server) prepare(ctx context.Context, opts Options, keys Keys, users []member) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := Probe(ctx, opts.Endpoint())
		if err == nil {
			break
		}
		select {
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer was: %w", context.Cause(ctx), err)
		case <-time.After(readyPoll):
		}
	}
	client, err := minio.New(opts.address(), &minio.Options{
		Creds:        credentials.NewStaticV4(keys.Access, keys.Secret, ""),
		Region:       Region,
		BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return err
	}
	for _, bucket := range []string{ArchiveBucket, FrontierBucket} {
		err := client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: Region})
		if err != nil && minio.ToErrorResponse(err).Code != minio.BucketAlreadyOwnedByYou {
			return fmt.Errorf("make the bucket %q: %w", bucket, err)
		}
		policy, err := bucketPolicy(bucket, users)
		if err != nil {
			return err
		}
		if err := client.SetBucketPolicy(ctx, bucket, string(policy)); err != nil { // without one, that of before goes
			return fmt.Errorf("say what users may do in the bucket %q: %w", bucket, err)
		}
	}
	return nil
}

// Probe asks the store at endpoint whether it serves.
func Probe(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+healthPath, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 4096)); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err tells, after Done, why the server ended by itself; nil after Stop.
func (s *Server) Err() error { return s.err }

// Stop ends the server.
func (s *Server) Stop() {
	s.cancel()
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
	}
}
