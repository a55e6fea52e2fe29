package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// TestJSONLeavesOutNothing: the list has what could not be opened, between what could.
func TestJSONLeavesOutNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, sealed, missing, empty := filepath.Join(dir, "a.wacz"), filepath.Join(dir, "d.zip.age"), filepath.Join(dir, "none.wacz"), filepath.Join(dir, "empty")
	for name, content := range map[string][]byte{good: verifytest.NewSample(1).Pack(t), sealed: []byte("sealed")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := New("verify")
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--json", missing, good, sealed, empty})
	cmd.SetOut(&out)
	cmd.SetErr(new(bytes.Buffer))
	var exit *cli.Error
	if err := cmd.ExecuteContext(t.Context()); !errors.As(err, &exit) || exit.Code != cli.ExitFailed {
		t.Errorf("error %v", err)
	}
	var reports []verify.Report
	if err := json.Unmarshal(out.Bytes(), &reports); err != nil {
		t.Fatal(err)
	}
	subjects := []string{missing, good, sealed, empty}
	if len(reports) != len(subjects) {
		t.Fatalf("%d reports, want %d: %s", len(reports), len(subjects), out.String())
	}
	for i, r := range reports {
		if r.Subject != subjects[i] || (r.Verdict == verify.Fails) != (r.Subject != good) {
			t.Errorf("%s: %s, %s", subjects[i], r.Subject, r.Verdict)
		}
		if r.Subject != good && (len(r.Checks) != 1 || r.Checks[0].Name != verify.CheckOpen || r.Checks[0].Reason == "") {
			t.Errorf("%s: checks %+v", r.Subject, r.Checks)
		}
	}
}
