package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// makeRun starts what "make run" does, on a folder.
func makeRun(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := os.Getenv("CRAWLFLEET_BIN")
	if bin == "" {
		bin = filepath.Join(root, "bin")
	}
	args = append([]string{
		"run", "--dir", dir, "--bin", bin, "--config", filepath.Join(root, "config"), "--replay", filepath.Join(root, "build/replay"),
	}, args...)
	cmd := exec.Command(filepath.Join(bin, "devstack"), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
		if t.Failed() {
			t.Logf("it printed:\n%s", out.String())
		}
	})
	return cmd, &out
}

// exitCode waits for the end of a command.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// leftovers are the command lines of processes that have to do with a folder.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && bytes.Contains(line, []byte(dir)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// untilArchived waits until the latest of so many crawls is under way: those of earlier
// runs are there before the programs of this one are.
func untilArchived(t *testing.T, cmd *exec.Cmd, dir string, crawls int) {
	t.Helper()
	kubectl := filepath.Join(filepath.Dir(cmd.Path), "kubectl")
	deadline := time.Now().Add(troubleTimeout)
	for {
		got, err := exec.Command(kubectl, "--kubeconfig", filepath.Join(dir, "stack", "kubeconfig"), "get", "crawl",
			"--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.counters.archived} {end}").Output()
		if jobs := strings.Fields(string(got)); err == nil && len(jobs) == crawls {
			if _, archived, _ := strings.Cut(jobs[crawls-1], "="); archived != "" && archived != "0" {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing is archived: %v: %s", err, got)
		}
		time.Sleep(2 * time.Second) // each call costs a third of a second of a processor
	}
}

// kill is kill -9 of a program that a run on a folder started.
func kill(t *testing.T, dir, program string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		line, err := os.ReadFile(f)
		name, args, _ := bytes.Cut(line, []byte{0})
		if err != nil || filepath.Base(string(name)) != program || !bytes.Contains(args, []byte(dir)) {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(f, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("there is no process of %s to kill", program)
}

// TestRunIsInterruptedAndGoesOn is "make run" as a person uses it: Ctrl-C in the middle of the demo leaves no process behind;
// the next run tells what goes on, outlives a kill -9 of the worker, crawls the demo whole, and ends with its verdict.
func TestRunIsInterruptedAndGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, out := makeRun(t, dir)
	untilArchived(t, cmd, dir, 1)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd); code != 130 {
		t.Errorf("an interrupted run exits with %d, want 130", code)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("the interrupted run left behind:\n%s", strings.Join(left, "\n"))
	}
	if !strings.Contains(out.String(), "Crawling") {
		t.Error("the run showed no progress")
	}

	cmd, out = makeRun(t, dir, "--once")
	untilArchived(t, cmd, dir, 2)
	kill(t, dir, "worker")
	if code := exitCode(t, cmd); code != 0 {
		t.Errorf("the run exits with %d, want 0", code)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("the run left behind:\n%s", strings.Join(left, "\n"))
	}
	for _, want := range []string{"which an earlier run began", "worker ended by itself and is started again", "Finished: Succeeded (Completed)", "/ad/1060-", "85 pages in ", "1 not visited: RobotsDisallowed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the run does not say %q", want)
		}
	}
}

// TestRunTellsWhatIsWrong gives "make run" what it cannot use.
func TestRunTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		args   []string
		want   string
	}{
		{"two things at once", []string{"--url", "http://board.test/", "--file", "job.yaml"}, "not both"},
		{"no such file", []string{"--file", "/does/not/exist.yaml"}, "/does/not/exist.yaml"},
	} {
		cmd, out := makeRun(t, t.TempDir(), tc.args...)
		if code := exitCode(t, cmd); code != 1 || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: exits with %d and says %q, want %q in it", tc.reason, code, out.String(), tc.want)
		}
	}
}
