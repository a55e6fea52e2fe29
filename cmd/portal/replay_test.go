package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/replay"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// noRuns has runs of no files.
type noRuns struct{}

func (noRuns) Chunks(context.Context, catalog.Run) ([]replay.Chunk, error) { return nil, nil }

func TestReplayOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, body := range map[string]string{"ui.js": "", "sw.js": "", "keys": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n", "short": "AQEB\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "open"), []byte("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	listens := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081}
	for _, tc := range []struct {
		args         []string
		origin, want string // where replays are, or part of the error
	}{
		{nil, "http://localhost:8081", ""},
		{[]string{"--replay-url=https://replay.example"}, "https://replay.example", ""},
		{[]string{"--replay-key-file=" + filepath.Join(dir, "keys")}, "http://localhost:8081", ""},
		{[]string{"--replay-key-file=" + filepath.Join(dir, "open")}, "", "chmod"},
		{[]string{"--replay-key-file=" + filepath.Join(dir, "short")}, "", "32 or more"},
		{[]string{"--replay-key-file=" + filepath.Join(dir, "none")}, "", "no such file"},
		{[]string{"--replay-url=http://127.0.0.1:8080"}, "", "origin of their own"},
		{[]string{"--replay-lifetime=1s"}, "", "a minute"},
	} {
		var o replayOptions
		f := pflag.NewFlagSet("portal", pflag.ContinueOnError)
		o.add(f)
		if err := f.Parse(tc.args); err != nil {
			t.Fatal(err)
		}
		o.dir = dir
		s, err := o.server("http://", listens, "http://127.0.0.1:8080", nil, noRuns{}, &access.Custody{}, slog.New(slog.NewTextHandler(t.Output(), nil)))
		if tc.want != "" {
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q: error %v, want %q", tc.args, err, tc.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tc.args, err)
			continue
		}
		page := snapshot.Page{Chunk: blob.Key("one/ads/u1/chunks/c0.wacz"), URL: "https://www.example.org/", Time: time.Now()}
		link, err := s.Link(t.Context(), access.Person{}, catalog.Run{Namespace: "one", Job: "ads", UID: "u1"}, page)
		if err != nil || link.Origin != tc.origin {
			t.Errorf("%q: %+v, %v, want %s", tc.args, link, err, tc.origin)
		}
	}
}

// fullLog is a custody log that cannot be written.
type fullLog struct{}

func (fullLog) Append(context.Context, ...custody.Entry) (custody.Receipt, error) {
	return custody.Receipt{}, errors.New("full")
}

// chunks are files of the archive.
type chunks struct{ access.Chunks }

func (chunks) Head(context.Context, blob.Key) (blob.Info, error) {
	return blob.Info{SHA256: strings.Repeat("0", 64)}, nil
}

// TestAReplayIsToldOf: replay tells the portal's custody log, or shows nothing.
func TestAReplayIsToldOf(t *testing.T) {
	t.Parallel()
	o := replayOptions{dir: t.TempDir(), lifetime: time.Hour}
	for _, name := range []string{"ui.js", "sw.js"} {
		if err := os.WriteFile(filepath.Join(o.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := o.server("http://", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081}, "http://127.0.0.1:8080", nil, noRuns{}, &access.Custody{Log: fullLog{}, Chunks: chunks{}}, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Look(t.Context(), access.Person{Name: "ann"}, "one/ads/u1/chunks/c0.wacz"); err == nil || !strings.Contains(err.Error(), string(access.ReasonCustodyUnavailable)) {
		t.Errorf("a log that cannot be written: %v", err)
	}
}
