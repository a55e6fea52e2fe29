package stack

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStateRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := &State{
		PID: 7, PIDs: map[string]int{Kube: 7, S3: 8}, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		APIServer: "https://127.0.0.1:1", Kubeconfig: "/k",
		Temporal: TemporalState{Address: "127.0.0.1:2", Namespace: "n"},
		S3:       S3State{Endpoint: "http://127.0.0.1:3", Region: "r", AccessKey: "a", SecretKey: "s"},
	}
	if err := WriteState(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ReadState: -want, +got:\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(dir, StateFile))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("stack.json has mode %o, want %o: it holds keys", got, want)
	}
	if err := errors.Join(RemoveState(dir), RemoveState(dir)); err != nil {
		t.Errorf("RemoveState: %v", err)
	}
	if _, err := ReadState(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("ReadState after RemoveState: got %v, want ErrNotRunning", err)
	}
}

func TestReadStateRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, content string }{
		"Garbage":   {"not JSON", "\x00\xff{"},
		"Empty":     {"a crash may leave an empty file", ""},
		"OtherJSON": {"JSON of something else", `{"name": "left-pad"}`},
		"TooLong":   {"a log by mistake", strings.Repeat(" ", maxStateSize+1)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, StateFile), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadState(dir)
			if err == nil || errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), StateFile) {
				t.Errorf("%s: got %+v, %v; want an error that names the file", c.reason, got, err)
			}
		})
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if h, held, err := FindHolder(dir); held || err != nil {
		t.Fatalf("FindHolder before: got %+v, %v, %v", h, held, err)
	}
	lock, err := AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	h, held, err := FindHolder(dir)
	if err != nil || !held || h.PID != os.Getpid() {
		t.Errorf("FindHolder: got %+v, %v, %v; want this process", h, held, err)
	}
	_, err = AcquireLock(t.Context(), dir)
	var heldErr *HeldError
	if !errors.As(err, &heldErr) || heldErr.Holder.PID != os.Getpid() {
		t.Errorf("second AcquireLock: got %v, want a HeldError that names this process", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if lock, err = AcquireLock(t.Context(), dir); err != nil {
		t.Fatalf("AcquireLock after Release: %v", err)
	}
	lock.Release()
}

// TestLockWaitsForChildren has a lock whose recorded holder is dead.
func TestLockWaitsForChildren(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	// No process has this id: it is above the kernel's limit of 2^22.
	if err := os.WriteFile(filepath.Join(dir, LockFile), []byte(`{"pid": 2147483646}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockPoll)
	defer cancel()
	var held *HeldError
	if _, err := AcquireLock(ctx, dir); !errors.As(err, &held) {
		t.Errorf("AcquireLock while a child lives: got %v, want a HeldError after a wait", err)
	}
	time.AfterFunc(2*lockPoll, func() { lock.Release() })
	again, err := AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatalf("AcquireLock when the last child ends: %v", err)
	}
	again.Release()
}

func TestChoosePorts(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", Loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	free, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	names := []string{Kube, S3}
	cases := map[string]struct {
		reason     string
		remembered string
		keeps      int
	}{
		"First":   {"nothing is remembered", "", 0},
		"Garbage": {"a garbled file is as good as none", "{", 0},
		"Silly":   {"ports that no part can have", `{"kube": -1, "s3": 22}`, 0},
		"Kept":    {"a free port stays", `{"kube": ` + strconv.Itoa(free) + `}`, free},
		"Taken":   {"a taken port is given up", `{"kube": ` + strconv.Itoa(busy.Addr().(*net.TCPAddr).Port) + `}`, 0},
		"Twice":   {"two parts cannot have one port", `{"kube": ` + strconv.Itoa(free) + `, "s3": ` + strconv.Itoa(free) + `}`, free},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.remembered != "" {
				if err := os.WriteFile(filepath.Join(dir, PortsFile), []byte(c.remembered), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := ChoosePorts(dir, names, log)
			if err != nil {
				t.Fatal(err)
			}
			if c.keeps != 0 && got[Kube] != c.keeps {
				t.Errorf("%s: got %v, want kube on %d", c.reason, got, c.keeps)
			}
			if got[Kube] == got[S3] || got[Kube] < 1024 || got[S3] < 1024 || got[Kube] == busy.Addr().(*net.TCPAddr).Port {
				t.Errorf("%s: got %v", c.reason, got)
			}
			again, err := ChoosePorts(dir, names, log)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("%s: the second start has other ports: -first, +second:\n%s", c.reason, diff)
			}
		})
	}
}
