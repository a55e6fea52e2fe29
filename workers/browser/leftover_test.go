package browser

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// killedEnv makes the test binary a process that runs a pool until it is killed.
const killedEnv = "BROWSER_TEST_KILLED"

// toBeKilled runs a pool in the middle of a page, tells its folder, and waits.
func toBeKilled(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	rec, err := recorder.New(recorder.Options{Dir: dir})
	fail(err)
	p, err := New(context.Background(), Options{Dir: dir, Recorder: rec, Tabs: 2, StaysPerBrowser: 1})
	fail(err)
	for range 2 {
		_, err := p.Stay(context.Background(), StayOptions{})
		fail(err)
	}
	fmt.Println(p.folder.Path)
	time.Sleep(10 * time.Minute)
	os.Exit(1)
}

// killable starts such a process. kill kills it, as the machine would.
func killable(t *testing.T, dir string) (folder string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should the test itself be killed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // it was killed
		}
	}
	t.Cleanup(func() {
		kill()
		killBelow(folder)
	})
	line := bufio.NewScanner(out)
	if !line.Scan() {
		t.Fatal("the other process did not start its pool")
	}
	return line.Text(), kill
}

// chromesBelow lists the processes of Chromes whose profile is below a folder, by their
// process groups.
func chromesBelow(t *testing.T, folder string) []procStat {
	t.Helper()
	profiles, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []procStat
	for _, profile := range profiles {
		for _, main := range family(-1, profile) {
			all = append(all, family(main.pgid, profile)...)
		}
	}
	return all
}

// gone waits until the processes have ended. Zombies of others are reaped by their
// parents, which is not up to us.
func gone(t *testing.T, list []procStat) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, was := range list {
		for {
			st, ok := readStat(was.pid)
			if !ok || st.state == 'Z' || st.pgid != was.pgid {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("a process is left: %+v", st)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// removed waits for a folder to be removed, as the profile of a Chrome is when it has ended.
func removed(t *testing.T, folder string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(folder); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is left", folder)
		}
	}
}

// TestKilledProcessLeavesNothing: of a process that is killed in the middle of its work
// every Chrome ends, and the next pool removes its folders, but not those of one that
// lives.
func TestKilledProcessLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	victim, kill := killable(t, dir)
	neighbour, _ := killable(t, dir)
	chromes := chromesBelow(t, victim)
	if len(chromes) < 6 {
		t.Fatalf("the process has %d processes of Chrome, want those of two: %+v", len(chromes), chromes)
	}
	// A renderer that is stopped does not notice that the rest is gone.
	stopped := renderers(chromes)
	if len(stopped) == 0 {
		t.Fatal("it has no renderer")
	}
	if err := syscall.Kill(stopped[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	kill()
	gone(t, chromes)
	if _, err := os.Stat(victim); err != nil {
		t.Fatalf("the killed process left no folder, so that this test shows nothing: %v", err)
	}
	p, err := New(t.Context(), Options{Dir: dir, Recorder: newRecorder(t), Tabs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	var want []string
	for _, path := range []string{neighbour, p.folder.Path} {
		want = append(want, filepath.Base(path), filepath.Base(path)+".lock")
	}
	slices.Sort(want)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	if n := len(chromesBelow(t, neighbour)); n < 6 {
		t.Errorf("the neighbour has %d processes of Chrome left", n)
	}
}

// renderers picks the renderers.
func renderers(list []procStat) []int { return ofType(list, "renderer") }

func ofType(list []procStat, kind string) []int {
	var out []int
	for _, st := range list {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.pid))
		if err == nil && containsArg(cmdline, []byte("--type="+kind)) {
			out = append(out, st.pid)
		}
	}
	return out
}

// TestHelperProcessesDie: a page survives the death of Chrome's helpers, or fails in
// time; the stay goes on, and nothing is left.
func TestHelperProcessesDie(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"zygote", "gpu-process", "utility"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{}, 1)
			site := serve(t, map[string]any{
				"/": `<title>Here</title><p>Here</p><img src="/wait">`,
				"/wait": func(_ http.ResponseWriter, r *http.Request) {
					asked <- struct{}{}
					select {
					case <-r.Context().Done():
					case <-time.After(2 * time.Second):
					}
				},
				"/after": `<p>All is well</p>`,
			})
			s := newStay(t, newPool(t), StayOptions{})
			proc := s.chrome.proc
			helpers := ofType(family(proc.cmd.Process.Pid, proc.profile), kind)
			if len(helpers) == 0 {
				t.Fatalf("there is no %s", kind)
			}
			go func() {
				<-asked
				for _, pid := range helpers {
					_ = syscall.Kill(pid, syscall.SIGKILL) // with one zygote its children go
				}
			}()
			began := time.Now()
			p := visit(t, s, site.URL+"/", func(v *Visit) { v.LoadTimeout, v.Timeout = 8*time.Second, 15*time.Second })
			if took := time.Since(began); took > 25*time.Second {
				t.Errorf("the page took %s", took)
			}
			t.Logf("%+v after %s", p.Outcome, time.Since(began).Round(time.Millisecond))
			if len(p.Exchanges) != 2 {
				t.Errorf("%d exchanges were kept, want 2", len(p.Exchanges))
			}
			for n := range 3 {
				if p := visit(t, s, site.URL+"/after"); p.Outcome.State != Archived || len(p.Exchanges) != 1 {
					t.Errorf("page %d after it: %+v with %d exchanges", n, p.Outcome, len(p.Exchanges))
				}
			}
		})
	}
}

// TestHelperDiesBetweenPages: pages so quick that no look at Chrome's helpers falls into
// them are captured in a Chrome that has them all.
func TestHelperDiesBetweenPages(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"zygote", "utility"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			site := serve(t, map[string]any{"/": `<p>All is well</p>`})
			s := newStay(t, newPool(t), StayOptions{})
			visit(t, s, site.URL)
			proc := s.chrome.proc
			for _, pid := range ofType(family(proc.cmd.Process.Pid, proc.profile), kind) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
					t.Fatal(err) // with one zygote its children go
				}
				for st, ok := readStat(pid); ok && st.state != 'Z'; st, ok = readStat(pid) {
					time.Sleep(time.Millisecond)
				}
			}
			for n := range 3 {
				if p := visit(t, s, site.URL); p.Outcome.State != Archived || len(p.Exchanges) != 1 {
					t.Errorf("page %d: %+v with %d exchanges", n, p.Outcome, len(p.Exchanges))
				}
			}
		})
	}
}

// TestLongPath: what Chrome would die of is said before it starts.
func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(scratch(t), strings.Repeat("long", 25))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Options{Engine: EngineChromium, Dir: dir, Recorder: newRecorder(t)})
	if err == nil || !strings.Contains(err.Error(), "shorter path") {
		t.Errorf("got %v", err)
	}
}
