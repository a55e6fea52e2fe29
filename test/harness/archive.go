package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// A Run is what a crawl has left in the archive bucket.
type Run struct {
	// Chunks are the WACZ files, in the order of their keys.
	Chunks []Chunk
	// Statement is run.json as it lies there; nil if the run is not sealed.
	Statement []byte
}

// A Chunk is one WACZ file in the bucket; all that [OpenWACZ] checks has been found right.
type Chunk struct {
	Key    string
	Size   int64
	SHA256 string
	// Committed says that run.json names this chunk. Without run.json every chunk counts.
	Committed bool
	*WACZ
}

// Pages returns the pages of all committed chunks.
func (r *Run) Pages() []Page {
	var pages []Page
	for _, c := range r.Chunks {
		if c.Committed {
			pages = append(pages, c.Pages...)
		}
	}
	return pages
}

// URLs returns the addresses of all committed pages, sorted, each as often as it was archived.
func (r *Run) URLs() []string {
	var urls []string
	for _, p := range r.Pages() {
		urls = append(urls, p.URL)
	}
	slices.Sort(urls)
	return urls
}

// Paths returns [Run.URLs] as paths with their query, as test/sites writes addresses, of the pages of one site.
func (r *Run) Paths(site string) []string {
	var paths []string
	for _, u := range r.URLs() {
		if rest, ok := strings.CutPrefix(u, site); ok && strings.HasPrefix(rest, "/") {
			paths = append(paths, rest)
		}
	}
	return paths
}

// S3 returns a client of the stack's store.
func (f *Fleet) S3() (*minio.Client, error) {
	s := f.State().S3
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("the store's address: %w", err)
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""),
		Secure:       endpoint.Scheme == "https",
		Region:       s.Region,
		BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the store's client: %w", err)
	}
	return client, nil
}

// ReadRun reads everything that a job's run has archived and checks every WACZ file. Where the job's status does not say
// where the archive is, the test fails.
func (f *Fleet) ReadRun(t testing.TB, name string) *Run {
	t.Helper()
	job := f.Job(t, name)
	if job.Status.Archive == nil || job.Status.Archive.Prefix == "" {
		t.Fatalf("the status of %s does not say where the archive is", name)
	}
	client, err := f.S3()
	if err != nil {
		t.Fatal(err)
	}
	run, err := ReadRun(t.Context(), client, job.Status.Archive.Bucket, job.Status.Archive.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// ReadRun reads all WACZ files below a prefix of a bucket, and its run.json.
func ReadRun(ctx context.Context, client *minio.Client, bucket, prefix string) (*Run, error) {
	run := &Run{}
	for object := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, fmt.Errorf("list %s/%s: %w", bucket, prefix, object.Err)
		}
		switch {
		case strings.HasSuffix(object.Key, ".wacz"):
			c, err := readChunk(ctx, client, bucket, object.Key)
			if err != nil {
				return nil, fmt.Errorf("%s/%s: %w", bucket, object.Key, err)
			}
			run.Chunks = append(run.Chunks, *c)
		case strings.HasSuffix(object.Key, "/run.json"):
			var err error
			if run.Statement, err = readAll(ctx, client, bucket, object.Key); err != nil {
				return nil, err
			}
		}
	}
	return run, run.commit()
}

// commit finds out which chunks count, and compares them with what run.json says of them.
func (r *Run) commit() error {
	if r.Statement == nil {
		for i := range r.Chunks {
			r.Chunks[i].Committed = true
		}
		return nil
	}
	var statement struct {
		Chunks []struct {
			Key    string `json:"key"`
			Size   int64  `json:"size"`
			SHA256 string `json:"sha256"`
		} `json:"chunks"`
	}
	if err := json.Unmarshal(r.Statement, &statement); err != nil {
		return fmt.Errorf("run.json: %w", err)
	}
	for _, said := range statement.Chunks {
		i := slices.IndexFunc(r.Chunks, func(c Chunk) bool { return c.Key == said.Key })
		switch {
		case i < 0:
			return fmt.Errorf("run.json names %s, which is not there", said.Key)
		case r.Chunks[i].Committed:
			return fmt.Errorf("run.json names %s twice", said.Key)
		case r.Chunks[i].Size != said.Size || r.Chunks[i].SHA256 != said.SHA256:
			return fmt.Errorf("run.json says %d bytes and %s of %s, which has %d and %s", said.Size, said.SHA256, said.Key, r.Chunks[i].Size, r.Chunks[i].SHA256)
		}
		r.Chunks[i].Committed = true
	}
	return nil
}

func readChunk(ctx context.Context, client *minio.Client, bucket, key string) (chunk *Chunk, err error) {
	object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = object.Close() }()
	file, err := os.CreateTemp("", "chunk-*.wacz")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), object)
	if err != nil {
		return nil, err
	}
	w, err := OpenWACZ(file, n)
	if err != nil {
		return nil, err
	}
	for i := range w.Pages {
		w.Pages[i].Chunk = key
	}
	return &Chunk{Key: key, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)), WACZ: w}, nil
}

func readAll(ctx context.Context, client *minio.Client, bucket, key string) ([]byte, error) {
	object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", bucket, key, err)
	}
	defer func() { _ = object.Close() }()
	b, err := io.ReadAll(io.LimitReader(object, maxJSON))
	if err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", bucket, key, err)
	}
	return b, nil
}
