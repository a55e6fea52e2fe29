package machine

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/images/container"
	"crawlfleet.dev/crawlfleet/images/debian"
)

var (
	archive  = flag.String("archive", "../../build/images-arm64/worker.tar", "archive with the worker's image for arm64")
	mirror   = flag.String("mirror", "", "Debian archive to take Linux from (default deb.debian.org)")
	security = flag.String("mirror-security", "", "Debian's security archive")
	snapshot = flag.String("snapshot", "", "state of snapshot.debian.org to take Linux from")
)

const (
	processor = "arm64"
	// patience bounds all that the test does, which takes some three minutes.
	patience = 20 * time.Minute
)

// TestWorker: on another processor, too, both browsers start with their sandbox and archive a page, and
// the archive holds (but for a signature, which nobody gave it).
func TestWorker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	worker, err := container.Unpack(ctx, *archive, processor, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	build(t, "..", "./machine/guest", filepath.Join(worker.Root(), "guest"))
	build(t, "../..", "./cmd/crawlctl", filepath.Join(worker.Root(), "opt/crawlctl"))
	kernel, err := debian.Kernel(ctx, debian.Options{Architecture: processor, Mirror: *mirror, Security: *security, Snapshot: *snapshot}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	browsers := []string{"chromium-headless-shell", "chromium"}
	m := Machine{Kernel: kernel, Root: worker.Root(), Init: "/guest", Args: append([]string{worker.User()}, browsers...)}
	var out bytes.Buffer
	if err := m.Run(ctx, t.TempDir(), &out); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	console := out.String()
	if !strings.Contains(console, "linux/"+processor) {
		t.Error("worker --version does not name the processor")
	}
	for _, want := range []string{"sandbox=on", `"outcome":"Archived"`, `"title":"A script ran"`, "guest: exit 0: /usr/bin/tini", "holds      Record ", "guest: exit 3: /opt/crawlctl verify"} {
		if n := strings.Count(console, want); n != len(browsers) {
			t.Errorf("%q: %d times, want once for each of %d browsers", want, n, len(browsers))
		}
	}
	if t.Failed() {
		t.Log(console)
	}
}

// build compiles a program for the machine.
func build(t *testing.T, module, program, file string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", file, program)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+processor, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", program, err, out)
	}
}
