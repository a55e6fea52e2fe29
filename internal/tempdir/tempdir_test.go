package tempdir

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestMain is also the process that the tests kill: it makes a folder, says where, and
// waits.
func TestMain(m *testing.M) {
	parent := os.Getenv("TEMPDIR_TEST_PARENT")
	if parent == "" {
		os.Exit(m.Run())
	}
	f, err := Make(parent, "work-")
	if err == nil {
		err = os.WriteFile(filepath.Join(f.Path, "file"), []byte("left"), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(f.Path)
	time.Sleep(time.Hour)
}

// process starts another process with a folder in parent.
func process(t *testing.T, parent string) (kill func(), path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEMPDIR_TEST_PARENT="+parent)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(kill)
	line := bufio.NewScanner(out)
	if !line.Scan() {
		t.Fatal("the other process did not make its folder")
	}
	return kill, line.Text()
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestSweep(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	killDead, dead := process(t, parent)
	_, alive := process(t, parent)
	own, err := Make(parent, "work-")
	if err != nil {
		t.Fatal(err)
	}
	other, err := Make(parent, "other-")
	if err != nil {
		t.Fatal(err)
	}
	if swept, err := Sweep(parent, "work-", nil); len(swept) > 0 || err != nil {
		t.Errorf("swept %v, %v while all are alive", swept, err)
	}
	killDead()
	// A process that was killed before it had made its folder leaves the lock alone.
	if err := os.WriteFile(filepath.Join(parent, "work-early.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var asked []string
	swept, err := Sweep(parent, "work-", func(path string) { asked = append(asked, path) })
	want := []string{dead, filepath.Join(parent, "work-early")}
	slices.Sort(swept)
	slices.Sort(asked)
	slices.Sort(want)
	if err != nil || !slices.Equal(swept, want) || !slices.Equal(asked, want) {
		t.Errorf("swept %v and asked about %v (%v), want %v", swept, asked, err, want)
	}
	want = nil
	for _, path := range []string{alive, own.Path, other.Path} {
		want = append(want, filepath.Base(path), filepath.Base(path)+".lock")
	}
	slices.Sort(want)
	if got := names(t, parent); !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	for _, f := range []*Folder{own, other} {
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, parent); len(got) != 2 {
		t.Errorf("left %v", got)
	}
}

// TestSweepWhileMaking: a sweep never takes a folder that is being made.
func TestSweepWhileMaking(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	stop := make(chan struct{})
	var sweeps sync.WaitGroup
	sweeps.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := Sweep(parent, "", nil); err != nil {
				t.Error(err)
			}
		}
	})
	for range 300 {
		f, err := Make(parent, "work-")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(f.Path); err != nil {
			t.Error(err)
		}
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	sweeps.Wait()
	if got := names(t, parent); len(got) > 0 {
		t.Errorf("left %v", got)
	}
}

func TestNoParent(t *testing.T) {
	t.Parallel()
	if swept, err := Sweep(filepath.Join(t.TempDir(), "none"), "x", nil); swept != nil || err != nil {
		t.Errorf("got %v, %v", swept, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(file, "x"); err == nil {
		t.Error("a folder was made in a file")
	}
}
