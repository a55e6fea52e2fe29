package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestListensOnLoopbackUnlessPeopleLogIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		listen, issuer string
		want           string // part of the error; none if empty
	}{
		{"127.0.0.1:8080", "", ""},
		{"127.1.2.3:0", "", ""},
		{"[::1]:8080", "", ""},
		{"localhost:8080", "", ""},
		{":8080", "", "loopback only"},
		{"0.0.0.0:8080", "", "loopback only"},
		{"[::]:8080", "", "loopback only"},
		{"192.0.2.1:8080", "", "loopback only"},
		{"portal.example.org:8080", "", "--oidc-issuer"},
		{"8080", "", "host:port"},
		{":8080", "https://idp.test", ""},
		{"0.0.0.0:8080", "https://idp.test", ""},
		{"8080", "https://idp.test", "host:port"},
	} {
		err := checkListen("--listen", tc.listen, tc.issuer != "")
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("--listen %q, --oidc-issuer %q: error %v, want %q", tc.listen, tc.issuer, err, tc.want)
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
		{[]string{"--tls-cert-file=x"}, "--tls-key-file"},
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
// TestFlagsAreDocumented: the reference has every flag, and no other.
func TestFlagsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/portal.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := command().Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(string(page), "`--"+f.Name+"`") {
			t.Errorf("docs/reference/portal.md does not have --%s", f.Name)
		}
	})
	for _, m := range regexp.MustCompile("`--([a-z0-9-]+)`").FindAllStringSubmatch(string(page), -1) {
		if flags.Lookup(m[1]) == nil {
			t.Errorf("docs/reference/portal.md has --%s, which there is not", m[1])
		}
	}
}

// replayFiles is a folder with what a portal wants of ReplayWeb.page.
func replayFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"ui.js", "sw.js", "LICENSE.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("// "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestServesWithoutStore(t *testing.T) {
	dir := replayFiles(t)
	t.Setenv("CRAWLFLEET_S3_CREDENTIALS_FILE", "")
	t.Setenv("CRAWLFLEET_S3_ACCESS_KEY", "key")
	t.Setenv("CRAWLFLEET_S3_SECRET_KEY", "secret")
	address, metrics := free(t), free(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		c := command()
		c.SetArgs([]string{"--listen", address, "--metrics-address", metrics, "--replay", dir, "--s3-endpoint", "http://127.0.0.1:1", "--log-level", "error"})
		ended <- c.ExecuteContext(ctx)
	}()
	status, text, err := ask("http://" + address + "/")
	if err != nil || status != http.StatusBadGateway || !strings.Contains(text, "The store does not answer") {
		t.Errorf("got %d %v, want 502 and what to do: %s", status, err, text)
	}
	if status, text, err = ask("http://" + address + "/readyz"); err != nil || status != http.StatusOK || !strings.Contains(text, `"known":0`) {
		t.Errorf("/readyz: %d %v, want 200: %s", status, err, text)
	}
	status, text, err = ask("http://" + metrics + "/metrics")
	for _, want := range []string{
		`crawlfleet_portal_requests_total{code="5xx",route="GET /{$}"} 1`, "crawlfleet_portal_catalog_chunks 0", "process_resident_memory_bytes ",
	} {
		if err != nil || status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("/metrics: %d %v, want 200 and %s", status, err, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the portal ended with %v", err)
	}
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
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
