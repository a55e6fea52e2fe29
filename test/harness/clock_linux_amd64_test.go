package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// printClock has the test's own program tell the time again and again, instead of its tests.
const printClock = "CRAWLFLEET_HARNESS_PRINT_CLOCK"

func TestMain(m *testing.M) {
	if os.Getenv(printClock) != "" {
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			fmt.Println("clock", time.Now().Unix(), int(time.Since(began).Seconds()))
		}
	}
	os.Exit(m.Run())
}

// The clock of one process is set off and right again, and no monotonic one with it.
func TestShiftClock(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{Name: "clock", Path: self, Env: []string{printClock + "=1"}, Log: filepath.Join(t.TempDir(), "log"), mark: newMark()}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	off := func(want time.Duration) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			lines := strings.Split(strings.TrimSpace(p.Tail(200)), "\n")
			if f := strings.Fields(lines[len(lines)-1]); len(f) == 3 && f[0] == "clock" {
				seconds, err := strconv.ParseInt(f[1], 10, 64)
				if got := time.Unix(seconds, 0).Sub(time.Now().Add(want)).Abs(); err == nil && got < 3*time.Second {
					if elapsed, err := strconv.Atoi(f[2]); err != nil || elapsed < 0 || elapsed > 60 {
						t.Errorf("its monotonic clock jumped: %s", f[2])
					}
					return
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("its clock is not %v off: %s", want, p.Tail(200))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	off(0)
	for _, by := range []time.Duration{20 * time.Minute, -20 * time.Minute} {
		right, err := ShiftClock(p.PID(), by)
		if err != nil {
			t.Fatal(err)
		}
		off(by)
		if err := right(); err != nil {
			t.Fatal(err)
		}
		off(0)
	}
}
