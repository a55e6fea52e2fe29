package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

func TestServesUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(users, []byte(`[{"name":"ann","fullName":"Ann Example","password":"one","groups":["vice"]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--users", users}, in, io.Discard) }()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var got running
	if err := json.Unmarshal(line, &got); err != nil || got.PID != os.Getpid() {
		t.Fatalf("the first line is %q: %v", line, err)
	}
	res, err := http.Get(got.Issuer + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var said struct{ Issuer string }
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil || said.Issuer != got.Issuer {
		t.Errorf("it says that it is %q: %v", said.Issuer, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{}, {"--users", users + "x"}, {"--users", users, "x"}, {"--users", users, "--listen", "0.0.0.0:0"}, {"--users", users, "--client-secret-file", "/nowhere"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: it serves", args)
		}
	}
}
