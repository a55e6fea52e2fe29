package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// TestStampTells: what was fetched is said, that nothing is owed too, and which file is wanted.
func TestStampTells(t *testing.T) {
	t.Parallel()
	authority, err := tsa.NewAuthority("Test TSA", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !open.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		authority.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	key, path := filepath.Join(dir, "key.pem"), filepath.Join(dir, "run.json"+evidence.SidecarSuffix)
	if err := createKey(key); err != nil {
		t.Fatal(err)
	}
	named, err := evidence.ParseAuthority(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sidecarOf(t.Context(), new(bytes.Buffer), &evidence.KeyFile{Path: key}, stampers{}, "", evidence.Statement{
		Authorities: []evidence.Authority{named}, Created: time.Now(), Software: "test",
		Subject: evidence.Subject{Name: "run.json", SHA256: warc.SHA256Hex(strings.Repeat("ab", 32))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		open           bool
		path           string
		code           int
		stdout, stderr string
	}{
		{false, path, cli.ExitFailed, "", "503"},
		{true, path, cli.ExitOK, "1 stamp fetched\n", ""},
		{true, path, cli.ExitOK, "no stamp is owed\n", ""},
		{true, "a.wacz", cli.ExitUsage, "", "give a.wacz.evidence.json\n"},
	} {
		open.Store(step.open)
		var stdout, stderr bytes.Buffer
		code := run([]string{"stamp", step.path}, nil, &stdout, &stderr)
		if code != step.code || stdout.String() != step.stdout || !strings.Contains(stderr.String(), step.stderr) {
			t.Errorf("exit code %d, want %d; said is %q, %q", code, step.code, &stdout, &stderr)
		}
	}
}
