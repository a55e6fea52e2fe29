package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/payload"
)

// TestLinksNoBrowserAndNoStore asserts that what reads resources cannot open a
// page or a bucket: the code for it is not there.
func TestLinksNoBrowserAndNoStore(t *testing.T) {
	t.Parallel()
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the test binary does not say what it is built from")
	}
	if len(info.Deps) < 10 {
		t.Fatalf("the test binary names %d modules, which cannot be all", len(info.Deps))
	}
	for _, m := range info.Deps {
		for _, foreign := range []string{"chromedp", "minio", "versity", "go.temporal.io/server"} {
			if strings.Contains(m.Path, foreign) {
				t.Errorf("the operator links %s", m.Path)
			}
		}
	}
}

func TestFlags(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "temporal.example.org:7233")
	c := command()
	if got := c.Flag("temporal-address").DefValue; got != "temporal.example.org:7233" {
		t.Errorf("--temporal-address defaults to %q, want $TEMPORAL_ADDRESS", got)
	}
	for _, tc := range []struct{ args, want string }{
		{"--log-format=xml", "--log-format"},
		{"--log-level=loud", "--log-level"},
		{"--profile-recipients=nobody", "--profile-recipients"},
		{"--kubeconfig=/does/not/exist", "/does/not/exist"},
		{"stray", "stray"},
	} {
		c := command()
		c.SetArgs([]string{tc.args})
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one that names %s", tc.args, err, tc.want)
		}
	}
}

// TestNotReadyWithoutKeys: an operator whose payload keys are not there yet lives and is not
// ready, until they come.
func TestNotReadyWithoutKeys(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	o := options{payloadKeys: payload.File{Path: filepath.Join(t.TempDir(), "keys")}}
	runs, keys, err := temporalClient(o, log)
	if err != nil {
		t.Fatal(err)
	}
	defer runs.Close()
	ready := encodes(keys)
	if err := ready(nil); err == nil || !strings.Contains(err.Error(), o.payloadKeys.Path+" is not there") {
		t.Errorf("ready: %v", err)
	}
	if err := payload.Create(o.payloadKeys.Path, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := keys.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ready(nil); err != nil {
		t.Error(err)
	}
}

// TestRequestsAreNotHeldBack: a visit to a CrawlFleet is many requests.
func TestRequestsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	const content = `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]}`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := restConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if config.QPS >= 0 {
		t.Errorf("%v requests a second", config.QPS)
	}
}
