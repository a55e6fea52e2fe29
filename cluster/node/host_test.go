package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	d := Dir(t.TempDir())
	if _, err := Find(d); !errors.Is(err, ErrNotRunning) {
		t.Errorf("an empty folder: got %v", err)
	}
	if err := remember(d, os.Getpid(), "127.0.0.1:4711"); err != nil {
		t.Fatal(err)
	}
	s, err := Find(d)
	if err != nil || s.PID != os.Getpid() || s.Server != "127.0.0.1:4711" {
		t.Errorf("a process that runs: got %+v, %v", s, err)
	}
	if got := rememberedPort(d); got != 4711 {
		t.Errorf("got port %d", got)
	}
	// The number is another process' now.
	other := fmt.Sprintf(`{"pid": %d, "started": "1"}`, os.Getpid())
	if err := os.WriteFile(d.stateFile(), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(d); !errors.Is(err, ErrNotRunning) {
		t.Errorf("the number of another process: got %v", err)
	}
}

// A process that ended is not alive, though nobody has waited for it yet.
func TestStartTimeOfAZombie(t *testing.T) {
	t.Parallel()
	c := exec.Command("cat")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := startTime(c.Process.Pid); err != nil {
		t.Errorf("a process that runs: %v", err)
	}
	if err := errors.Join(stdin.Close(), drain(stdout)); err != nil {
		t.Fatal(err)
	}
	// (Its output is closed a moment before it has ended.)
	for {
		if _, err := startTime(c.Process.Pid); err != nil {
			break
		}
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
}

func drain(r interface{ Read([]byte) (int, error) }) error {
	for buffer := make([]byte, 64); ; {
		if _, err := r.Read(buffer); err != nil {
			return nil
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		say    func(Messages)
		want   string
		heard  []string
	}{
		"ready":    {"progress is handed on", func(m Messages) { m.Progress("one"); m.Progress("two"); m.Ready() }, "", []string{"one", "two"}},
		"an error": {"it is the node's, of several lines", func(m Messages) { m.Error(errors.New("a\nb")) }, "a\nb", nil},
		"an end":   {"the log tells why", func(m Messages) { m.Progress("one") }, "unexpected EOF", []string{"one"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			tc.say(Messages{w})
			w.Close()
			var heard []string
			err = listen(t.Context(), r, func(what string) { heard = append(heard, what) })
			if got := fmt.Sprint(err); (err != nil || tc.want != "") && got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
			if strings.Join(heard, ",") != strings.Join(tc.heard, ",") {
				t.Errorf("%s: heard %q, want %q", tc.reason, heard, tc.heard)
			}
		})
	}
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	for _, name := range parts[1:] {
		if err := os.WriteFile(filepath.Join(programs, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := Check(Dir(t.TempDir()), programs)
	if err == nil || !strings.Contains(err.Error(), parts[0]+" is missing") || !strings.Contains(err.Error(), "make cluster") {
		t.Errorf("got %v, want what is missing and what brings it", err)
	}
	if err != nil && strings.Contains(err.Error(), parts[1]+" is missing") {
		t.Errorf("got %v, though it is there", err)
	}
}

// A cluster's cgroup is that of its folder.
func TestCgroup(t *testing.T) {
	t.Parallel()
	a, again, b := Dir("/a").Cgroup(), Dir("/a").Cgroup(), Dir("/b").Cgroup()
	if a != again || a == b {
		t.Errorf("got %s and %s for one folder, %s for another", a, again, b)
	}
}

// The kubelet wants to find controllers in its cgroup, which gets those alone that are handed down.
func TestHandDown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reason, has, want string }{
		"Second":  {"what the kubelet asks for, of what there is", "cpuset cpu io memory pids rdma\n", "+cpuset +cpu +memory +pids"},
		"Unified": {"beside hierarchies of the first version it has none", "\n", ""},
		"First":   {"which has no such file", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if c.has != "" {
				if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte(c.has), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := handDown(dir); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
			if string(got) != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v, want %q: %s", got, err, c.want, c.reason)
			}
		})
	}
}

func TestRemoveTree(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "a")
	if err := os.MkdirAll(filepath.Join(root, "b", "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is gone is no error
		if err := removeTree(root); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}
