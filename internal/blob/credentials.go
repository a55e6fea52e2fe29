package blob

import (
	"errors"
	"fmt"
	"sync"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

// fileProvider reads credentials from a file and again when the file changed.
type fileProvider struct {
	path string

	mu   sync.Mutex
	seen filestate.Seen
}

// Retrieve implements credentials.Provider.
func (p *fileProvider) Retrieve() (credentials.Value, error) { return p.RetrieveWithCredContext(nil) }

// RetrieveWithCredContext implements credentials.Provider.
func (p *fileProvider) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := filestate.Look(p.path)
	value, err := credentials.NewFileAWSCredentials(p.path, "").GetWithContext(nil)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("store credentials file %q: %w: %w", p.path, ErrDenied, err)
	}
	if value.AccessKeyID == "" || value.SecretAccessKey == "" {
		return credentials.Value{}, fmt.Errorf("store credentials file %q: %w: %w", p.path, ErrDenied,
			errors.New("it lacks aws_access_key_id or aws_secret_access_key"))
	}
	p.seen = now
	return value, nil
}

// IsExpired implements credentials.Provider: the file changed since it was read.
func (p *fileProvider) IsExpired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.seen.Same(filestate.Look(p.path))
}
