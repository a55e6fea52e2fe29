package container

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"crawlfleet.dev/crawlfleet/images/seccomp"
)

var (
	archives = flag.String("archives", "../../build/images", "folder with the images' archives")
	bin      = flag.String("bin", "../../bin", "folder with crawlctl")
)

// patience bounds each run.
const patience = 3 * time.Minute

// TestWorker: in its image, under the profile of config/seccomp and with what the manifests take from it, Chrome starts
// with its sandbox and captures a page.
func TestWorker(t *testing.T) {
	worker := unpack(t, "worker")
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>A page</title><p>Seen from a container")
	}))
	defer page.Close()
	capture := func(t *testing.T, profile *specs.LinuxSeccomp, engine string) string {
		return output(t, worker, Run{
			Command: []string{"/usr/bin/tini", "--", "/opt/crawlctl", "capture", "--verbose", "--json", "--chrome", engine, "--allow-private", "127.0.0.0/8", "--dir", "/scratch", "--out", "/scratch/page.wacz", page.URL + "/"},
			Seccomp: profile, Files: map[string]string{"/opt/crawlctl": absolute(t, filepath.Join(*bin, "crawlctl"))},
		})
	}
	profile := committed(t)
	for _, engine := range []string{"chromium-headless-shell", "chromium"} {
		t.Run(engine, func(t *testing.T) {
			out := capture(t, profile, engine)
			if !strings.Contains(out, "sandbox=on") || !strings.Contains(out, `"outcome":"Archived"`) {
				t.Errorf("no capture with the sandbox on:\n%s", out)
			}
		})
	}
	// (The profile is what makes the difference.)
	t.Run("Default", func(t *testing.T) {
		without := seccomp.Default()
		if out := capture(t, &without, "chromium-headless-shell"); !strings.Contains(out, "OFF") {
			t.Errorf("the sandbox is on under the runtime's default profile, too: the profile is not needed\n%s", out)
		}
	})
	t.Run("EntryPoint", func(t *testing.T) {
		if out := output(t, worker, Run{Args: []string{"--version"}, Seccomp: profile}); !strings.Contains(out, "linux/") {
			t.Errorf("worker --version: %s", out)
		}
	})
	t.Run("Orphans", func(t *testing.T) {
		script := "(sleep 0.1 &); sleep 1; cat /proc/[0-9]*/status | grep -c '^State:.*zombie' || true"
		if out := output(t, worker, Run{Command: []string{"/usr/bin/tini", "--", "/bin/sh", "-c", script}, Seccomp: profile}); strings.TrimSpace(out) != "0" {
			t.Errorf("processes that nobody has waited for: %s", out)
		}
	})
	t.Run("ReadOnly", func(t *testing.T) {
		script := "touch /a 2>/dev/null && echo written; touch /scratch/a /tmp/a /dev/shm/a && id -u && grep -E '^(CapEff|NoNewPrivs)' /proc/self/status"
		want := "1000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n"
		if out := output(t, worker, Run{Command: []string{"/bin/sh", "-c", script}, Seccomp: profile}); out != want {
			t.Errorf("what a program may do: %q, want %q", out, want)
		}
	})
}

// TestOperator: it starts, and knows what it was built of.
func TestOperator(t *testing.T) {
	profile := seccomp.Default()
	if out := output(t, unpack(t, "operator"), Run{Args: []string{"--version"}, Seccomp: &profile}); !strings.Contains(out, "linux/") {
		t.Errorf("operator --version: %s", out)
	}
}

// TestPortal: it finds the verifier and ReplayWeb.page in its image, and listens.
func TestPortal(t *testing.T) {
	portal := unpack(t, "portal")
	profile := seccomp.Default()
	if out := output(t, portal, Run{Command: []string{"/verify", "--version"}, Seccomp: &profile}); !strings.Contains(out, "linux/") {
		t.Errorf("verify --version: %s", out)
	}
	ports := freePorts(t, 3) // (nothing is on the last: a portal starts without its store, too)
	keys := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(keys, []byte("[default]\naws_access_key_id = EXAMPLE\naws_secret_access_key = example-of-a-secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"--s3-credentials-file=/etc/credentials", "--listen=127.0.0.1:" + ports[0], "--replay-listen=127.0.0.1:" + ports[1], "--s3-endpoint=http://127.0.0.1:" + ports[2], "--organization=Example"}
	serves(t, portal, Run{Args: args, Seccomp: &profile, Files: map[string]string{"/etc/credentials": keys}}, func(ctx context.Context) bool {
		return listens(ctx, "127.0.0.1:"+ports[0]) && listens(ctx, "127.0.0.1:"+ports[1])
	})
}

// TestServices: the single node's services serve.
func TestServices(t *testing.T) {
	profile := seccomp.Default()
	ports := freePorts(t, 2)
	run := Run{Args: []string{"--dir=/data", "--s3-port=" + ports[0], "--temporal-port=" + ports[1]}, Seccomp: &profile}
	serves(t, unpack(t, "services"), run, func(ctx context.Context) bool {
		return healthy(ctx, "http://127.0.0.1:"+ports[0]+"/-healthz") && listens(ctx, "127.0.0.1:"+ports[1])
	})
}

// serves runs an image until it is ready, and ends it.
func serves(t *testing.T, b *Bundle, r Run, ready func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	running, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(running, id(t), r, &out) }()
	for !ready(ctx) {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v: %s", err, &out)
		case <-ctx.Done():
			end()
			<-ended
			t.Fatalf("not ready in time: %s", &out)
		case <-time.After(100 * time.Millisecond):
		}
	}
	end()
	<-ended // (an error: it was called off)
}

// healthy says whether a server answers that it is well.
func healthy(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func listens(ctx context.Context, address string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func freePorts(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // after all were chosen
		ports[i] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// committed is the profile as it lies in config.
func committed(t *testing.T) *specs.LinuxSeccomp {
	t.Helper()
	data, err := os.ReadFile("../../config/seccomp/chromium.json")
	if err != nil {
		t.Fatal(err)
	}
	var p specs.LinuxSeccomp
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

func unpack(t *testing.T, name string) *Bundle {
	t.Helper()
	b, err := Unpack(t.Context(), filepath.Join(*archives, name+".tar"), runtime.GOARCH, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// output is what a run of an image wrote, which has to succeed.
func output(t *testing.T, b *Bundle, r Run) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	if err := b.Run(ctx, id(t), r, &out); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	return out.String()
}

// id names a container.
func id(t *testing.T) string {
	return fmt.Sprintf("crawlfleet-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
