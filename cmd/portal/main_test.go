package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		listen      string
		allowRemote bool
		want        string // part of the error; none if empty
	}{
		{"127.0.0.1:8080", false, ""},
		{"127.1.2.3:0", false, ""},
		{"[::1]:8080", false, ""},
		{"localhost:8080", false, ""},
		{":8080", false, "loopback only"},
		{"0.0.0.0:8080", false, "loopback only"},
		{"[::]:8080", false, "loopback only"},
		{"192.0.2.1:8080", false, "loopback only"},
		{"portal.example.org:8080", false, "--allow-remote"},
		{"8080", false, "host:port"},
		{":8080", true, ""},
		{"0.0.0.0:8080", true, ""},
		{"8080", true, "host:port"},
	} {
		err := options{listen: tc.listen, allowRemote: tc.allowRemote}.checkListen()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("--listen %q, --allow-remote=%v: error %v, want %q", tc.listen, tc.allowRemote, err, tc.want)
		}
	}
}

func TestFlags(t *testing.T) {
	for name, value := range map[string]string{"CRAWLFLEET_S3_ENDPOINT": "", "CRAWLFLEET_S3_CREDENTIALS_FILE": "", "CRAWLFLEET_S3_ACCESS_KEY": "", "CRAWLFLEET_S3_SECRET_KEY": ""} {
		t.Setenv(name, value)
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--log-format=xml"}, "--log-format"},
		{[]string{"--log-level=loud"}, "--log-level"},
		{[]string{"--listen=0.0.0.0:0"}, "--listen"},
		{[]string{"--listen=127.0.0.1:0"}, "endpoint"},
		{[]string{"stray"}, "stray"},
	} {
		c := command()
		c.SetArgs(tc.args)
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: error %v, want one that names %s", tc.args, err, tc.want)
		}
	}
}

// TestServesWithoutStore starts the portal as a user does, with a store that is not there, and ends it.
func TestServesWithoutStore(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ui.js", "sw.js", "LICENSE.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("// "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CRAWLFLEET_S3_CREDENTIALS_FILE", "")
	t.Setenv("CRAWLFLEET_S3_ACCESS_KEY", "key")
	t.Setenv("CRAWLFLEET_S3_SECRET_KEY", "secret")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		c := command()
		c.SetArgs([]string{"--listen", address, "--replay", dir, "--s3-endpoint", "http://127.0.0.1:1", "--log-level", "error"})
		ended <- c.ExecuteContext(ctx)
	}()
	status, text, err := ask("http://" + address + "/")
	if err != nil || status != http.StatusBadGateway || !strings.Contains(text, "The store does not answer") {
		t.Errorf("got %d %v, want 502 and what to do: %s", status, err, text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the portal ended with %v", err)
	}
}

// ask waits until somebody listens.
func ask(url string) (status int, text string, err error) {
	for range 100 {
		res, err := http.Get(url)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, string(b), err
	}
	return 0, "", fmt.Errorf("nobody listens at %s", url)
}
