package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// TestDamagedCatalog: a portal whose catalog is damaged ends and says so, and the next one makes it
// anew. Two portals do not share one.
func TestDamagedCatalog(t *testing.T) {
	dir := replayFiles(t)
	t.Setenv("CRAWLFLEET_S3_CREDENTIALS_FILE", "")
	t.Setenv("CRAWLFLEET_S3_ACCESS_KEY", "key")
	t.Setenv("CRAWLFLEET_S3_SECRET_KEY", "secret-of-the-store")
	store := (&blobtest.Server{}).Start(t)
	path := filepath.Join(dir, "catalog.sqlite")
	damagedCatalog(t, path, "NL")
	portal := func(ctx context.Context, more ...string) error {
		c := command()
		c.SetArgs(append([]string{"--listen", "127.0.0.1:0", "--replay-listen", "127.0.0.1:0", "--replay", dir, "--dir", filepath.Join(dir, "temp"),
			"--s3-endpoint", store, "--archive-bucket", "archive", "--catalog", path, "--regions", "NL", "--log-level", "error"}, more...))
		return c.ExecuteContext(ctx)
	}
	if err := portal(t.Context()); !errors.Is(err, catalog.ErrCorrupt) || !strings.Contains(err.Error(), "has been removed") {
		t.Fatalf("with a damaged catalog the portal ended with %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the damaged catalog is still there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	address := free(t)
	go func() { ended <- portal(ctx, "--listen", address) }()
	if status, text, err := ask("http://" + address + "/"); err != nil || status != http.StatusOK {
		t.Errorf("the next portal answers %d, %v: %s", status, err, text)
	}
	if err := portal(t.Context()); !errors.Is(err, catalog.ErrInUse) || !strings.Contains(err.Error(), "--catalog") {
		t.Errorf("a second portal with the same catalog ended with %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the portal ended with %v", err)
	}
}

// damagedCatalog makes a catalog for regions whose first page alone is whole.
func damagedCatalog(t *testing.T, path string, regions ...string) {
	t.Helper()
	c, err := catalog.Open(t.Context(), path, catalog.Contacts{Regions: regions}.MadeWith())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	copy(b[page:], strings.Repeat("x", len(b)-page))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
