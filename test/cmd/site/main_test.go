package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites"
)

func TestServesUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "index.html"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"board", "--ads", "3", "--crawl-delay", "1s"},
		{"docs", "--root", root},
		{"trouble", "--listen", "localhost:0"},
	} {
		file := filepath.Join(t.TempDir(), "log.jsonl")
		ctx, stop := context.WithCancel(t.Context())
		out, in := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, append(args, "--log", file), in, io.Discard) }()
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var got running
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: the first line is %q: %v", args, line, err)
		}
		if got.Site != args[0] || got.PID != os.Getpid() {
			t.Errorf("%v: got %+v", args, got)
		}
		res, err := http.Get(got.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		entries, err := sites.ReadLog(t.Context(), got.LogURL, sites.Filter{})
		if err != nil || len(entries) != 1 || entries[0].Status != 200 {
			t.Errorf("%v: the log has %+v, %v", args, entries, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if b, err := os.ReadFile(file); err != nil || bytes.Count(b, []byte("\n")) != 1 {
			t.Errorf("%v: the log file has %q, %v", args, b, err)
		}
	}
}

func TestMistakesAreExplained(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		args   []string
		want   string
	}{
		{"no site", nil, "name a site"},
		{"unknown site", []string{"bord"}, `no site "bord"`},
		{"unknown flag", []string{"board", "--adds", "3"}, "adds"},
		{"flag of another site", []string{"trouble", "--ads", "3"}, "ads"},
		{"argument after the flags", []string{"board", "--ads", "3", "docs"}, `unexpected argument "docs"`},
		{"not a loopback address", []string{"board", "--listen", "0.0.0.0:0"}, "loopback"},
		{"no port", []string{"board", "--listen", "127.0.0.1"}, "host:port"},
		{"half a second", []string{"board", "--crawl-delay", "500ms"}, "whole seconds"},
		{"no folder", []string{"docs", "--root", "/nonexistent"}, "/nonexistent"},
	} {
		err := run(t.Context(), tc.args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.reason, err, tc.want)
		}
	}
	var help bytes.Buffer
	if err := run(t.Context(), []string{"board", "--help"}, io.Discard, &help); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
	for _, want := range []string{"Examples:", "-ads", "-sub-resources", "logURL"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("the help does not mention %s:\n%s", want, help.String())
		}
	}
}
