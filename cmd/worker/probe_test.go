package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestProbe: the verdict is told twice, and by the exit code.
func TestProbe(t *testing.T) {
	t.Setenv("CRAWLFLEET_S3_ACCESS_KEY", "key")
	t.Setenv("CRAWLFLEET_S3_SECRET_KEY", "secret")
	endpoint := (&blobtest.Server{}).Start(t)
	for name, tc := range map[string]struct {
		args   []string
		reason workflows.Reason
		wrong  string
	}{
		"Usable":      {args: []string{"--s3-endpoint=" + endpoint}},
		"Unreachable": {args: []string{"--s3-endpoint=http://127.0.0.1:1"}, reason: workflows.ReasonStoreUnreachable},
		"As":          {args: []string{"--s3-endpoint=" + endpoint, "--as=root"}, wrong: "--as"},
		"Endpoint":    {args: []string{"--s3-endpoint=store"}, wrong: "store endpoint"},
	} {
		file := filepath.Join(t.TempDir(), "verdict")
		var out bytes.Buffer
		c := command()
		c.SetOut(&out)
		c.SetArgs(append([]string{"probe", "--verdict=" + file}, tc.args...))
		err := c.ExecuteContext(t.Context())
		if tc.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if errors.Is(err, errUnusable) != (tc.reason != "") {
			t.Errorf("%s: %v", name, err)
		}
		left, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(left, out.Bytes()) {
			t.Errorf("%s: left %q, said %q: %v", name, left, out.String(), err)
		}
		if v, err := workflows.ParseStoreVerdict(string(left)); err != nil || v.Reason != tc.reason || v.As != "conductor" {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}
