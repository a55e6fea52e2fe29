package fleet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

// forwarded is a port of a pod that kubectl port-forward leads to.
type forwarded struct {
	address string // on this machine
	close   func()
}

var forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) -> \d+`)

// forward does as the guide says, but for the ports on this machine, which others may have.
func (b *bed) forward(t *testing.T, to string, ports ...int) []forwarded {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	args := []string{"-n", fleetSpace, "port-forward", to}
	for _, p := range ports {
		args = append(args, fmt.Sprintf(":%d", p))
	}
	cmd := b.command(ctx, filepath.Join(b.work, "bin", "kubectl"), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems strings.Builder
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := ended(cancel, cmd)
	t.Cleanup(end)
	lines := bufio.NewScanner(out)
	var all []forwarded
	for len(all) < len(ports) && lines.Scan() {
		if m := forwarding.FindStringSubmatch(lines.Text()); m != nil {
			all = append(all, forwarded{m[1], end})
		}
	}
	if len(all) < len(ports) {
		end()
		t.Fatalf("kubectl port-forward %s: %s", to, problems.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // until it ends
	return all
}

// ended ends a command, once.
func ended(cancel context.CancelFunc, cmd *exec.Cmd) func() {
	done := false
	return func() {
		if !done {
			done = true
			cancel()
			_ = cmd.Wait() // it was ended, and says so
		}
	}
}

// portal goes the guide's way to the portal, finds the snapshot there, and has its file verified.
func (b *bed) portal(t *testing.T) {
	b.says(t, "kubectl -n crawlfleet-system port-forward deployment/crawlfleet-portal-local 8080 8081")
	ways := b.forward(t, "deployment/crawlfleet-portal-local", 8080, 8081)
	b.answers(t, "http://"+ways[0].address+"/", "<html")
	b.answers(t, "http://"+strings.Replace(ways[1].address, "127.0.0.1", "localhost", 1)+"/", "")
	url := mesh.URL(0, 0)
	var id string
	await(t, "the portal lists the snapshot", func(ctx context.Context) (bool, string) {
		out, err := b.crawlctl(ctx, ways[0], "snapshots", "list", "--url", url, "-o", "name")
		id = strings.TrimSpace(out)
		return err == nil && id != "", fmt.Sprint(out, err)
	})
	if strings.Contains(id, "\n") {
		t.Fatalf("the portal lists more than one snapshot: %q", id)
	}
	file := filepath.Join(t.TempDir(), "first.wacz")
	if out, err := b.crawlctl(t.Context(), ways[0], "snapshots", "get", id, "--wacz", file); err != nil {
		t.Fatalf("download the snapshot: %v\n%s", err, out)
	}
	// As the notes of the release say.
	fingerprint, err := b.shell(t.Context(), "set +x; kubectl -n "+fleetSpace+" get secret crawlfleet-signing -o jsonpath='{.data.fingerprint}' | base64 -d")
	if err != nil {
		t.Fatal(err, fingerprint)
	}
	fingerprint = strings.TrimSpace(strings.TrimPrefix(fingerprint, "+ set +x"))
	b.verified(t, fingerprint, file)
}

// verified fails the test unless all that a file alone can show holds, for who trusts a key: nobody has stamped it, and
// its sidecar was not asked for.
func (b *bed) verified(t *testing.T, key, file string) {
	t.Helper()
	const trusted = " is a trusted one"
	out, err := b.verify(t, key, file)
	if code := exitCode(err); code != 3 || !strings.Contains(out, "the key "+key+trusted) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		verdict := strings.Fields(line)
		if len(verdict) > 1 && (verdict[0] == "fails" || verdict[0] == "unchecked" && verdict[1] != "Stamp" && verdict[1] != "Sidecar") {
			t.Errorf("verify says: %s", line)
		}
	}
	if out, err := b.verify(t, "sha256:"+strings.Repeat("0", 64), file); exitCode(err) == 0 || strings.Contains(out, trusted) {
		t.Errorf("the file holds for somebody who trusts another key: %v\n%s", err, out)
	}
}

func (b *bed) verify(t *testing.T, key, file string) (string, error) {
	t.Helper()
	out, err := b.command(t.Context(), filepath.Join(b.work, "bin", "crawlctl"), "verify", "--trust-key", key, file).Output()
	return string(out), err
}

// exitCode is that of a program that has ended; -1 for one that has not run.
func exitCode(err error) int {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.ExitCode()
	}
	return -1
}

func (b *bed) crawlctl(ctx context.Context, portal forwarded, args ...string) (string, error) {
	cmd := b.command(ctx, filepath.Join(b.work, "bin", "crawlctl"), args...)
	cmd.Env = append(cmd.Env, "CRAWLFLEET_PORTAL=http://"+portal.address)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, problems.String())
	}
	return out.String(), err
}

// answers waits until something answers at an address, with a text in what it says.
func (b *bed) answers(t *testing.T, url, text string) {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	await(t, url+" answers", func(context.Context) (bool, string) {
		res, err := client.Get(url)
		if err != nil {
			return false, err.Error()
		}
		defer res.Body.Close()
		body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		return err == nil && res.StatusCode < 500 && strings.Contains(string(body), text), res.Status
	})
}
