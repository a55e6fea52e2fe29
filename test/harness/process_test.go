package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func shell(t *testing.T, script string) *Process {
	t.Helper()
	p := &Process{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "log"), mark: newMark()}
	t.Cleanup(func() {
		if _, err := killMarked(p.mark); err != nil {
			t.Error(err)
		}
	})
	return p
}

func waitForLog(t *testing.T, p *Process, text string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(p.Tail(1<<16), text) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q in the log: %s", text, p.Tail(1<<16))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestProcessLives(t *testing.T) {
	t.Parallel()
	p := shell(t, `trap 'echo as""ked; exit 0' TERM; echo re""ady; while :; do sleep 0.01; done`)
	if p.Running() || p.PID() != 0 || p.Kill() == nil || p.Stop() != nil {
		t.Error("a process that was not started pretends to run")
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, p, "ready")
	if err := p.Start(); err == nil {
		t.Error("started twice")
	}
	first := p.PID()
	if err := p.Kill(); err != nil || p.Running() {
		t.Errorf("killed: %v, running %v", err, p.Running())
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, p, "start 2 of /bin/sh")
	// The text of the script stands in the log too, so the words are not written there in one piece.
	deadline := time.Now().Add(20 * time.Second)
	for strings.Count(p.Tail(1<<16), "ready\n") < 2 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if p.PID() == first {
		t.Error("the second life has the first one's id")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	waitForLog(t, p, "asked")
	if err := p.Wait(t.Context()); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestProcessThatFails(t *testing.T) {
	t.Parallel()
	p := shell(t, `echo broken >&2; exit 3`)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err == nil || err.Error() != "exit status 3" {
		t.Errorf("got %v, want exit status 3", err)
	}
	waitForLog(t, p, "broken")
	missing := &Process{Name: "missing", Path: filepath.Join(t.TempDir(), "none"), Log: filepath.Join(t.TempDir(), "log")}
	if err := missing.Start(); err == nil {
		t.Error("a program that is not there has started")
	}
}

func TestWhatIsLeftBehindIsFoundAndEnded(t *testing.T) {
	t.Parallel()
	// The child is in a session of its own, as a browser may be, and outlives its parent.
	p := shell(t, `setsid sleep 1000 & echo re""ady; wait`)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, p, "ready")
	deadline := time.Now().Add(20 * time.Second)
	for {
		pids, err := marked(p.mark)
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("marked: %v", pids)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	left, err := killMarked(p.mark)
	if err != nil || len(left) != 1 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
	for syscall.Kill(left[0], 0) == nil && time.Now().Before(deadline) {
		if zombie(filepath.Join("/proc", strconv.Itoa(left[0]))) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if pids, err := marked(p.mark); err != nil || len(pids) != 0 {
		t.Errorf("still there: %v, %v", pids, err)
	}
	if pids, err := marked("no such mark"); err != nil || len(pids) != 0 {
		t.Errorf("a mark that nobody has: %v, %v", pids, err)
	}
}

func TestWhatBecomesAnotherProgramIsFound(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "again")
	if err := os.WriteFile(script, []byte("exec /bin/sh "+script+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := shell(t, "exec /bin/sh "+script)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if pids, err := marked(p.mark); err != nil || len(pids) != 1 {
			t.Fatalf("look %d: %v, %v", i, pids, err)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	p := &Process{Log: filepath.Join(t.TempDir(), "log")}
	if err := os.WriteFile(p.Log, []byte("one\ntwo\nthree\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int64]string{100: "one\ntwo\nthree\n", 8: "three\n", 12: "two\nthree\n"} {
		if got := p.Tail(most); got != want {
			t.Errorf("Tail(%d): got %q, want %q", most, got, want)
		}
	}
}
