package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/internal/payload"
)

// TestNotReadyWithoutKeys: a worker whose payload keys are not there yet lives, is not ready, and
// does not connect: it could not answer for the work that it would take.
func TestNotReadyWithoutKeys(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	file := payload.File{Path: filepath.Join(t.TempDir(), "keys")}
	var options client.Options
	keys, err := file.Apply(&options, log)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	var working atomic.Bool
	working.Store(true)
	stop, err := serveHealth(address, readiness(&working, keys))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	expectProbe(t, address+"/healthz", http.StatusOK, "")
	expectProbe(t, address+"/readyz", http.StatusServiceUnavailable, file.Path+" is not there")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(ended, options, keys, log); err == nil || !strings.Contains(err.Error(), file.Path+" is not there") {
		t.Errorf("dial: %v", err)
	}
	if err := payload.Create(file.Path, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := keys.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectProbe(t, address+"/readyz", http.StatusOK, "")
}

func expectProbe(t *testing.T, address string, code int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != code || !strings.Contains(string(body), text) {
		t.Errorf("%s: %d %s, %v; want %d and %q", address, res.StatusCode, body, err, code, text)
	}
}
