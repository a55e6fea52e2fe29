package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// TestAuditKeysShow: a public key that got lost is had again of the private one.
func TestAuditKeysShow(t *testing.T) {
	t.Parallel()
	a := newAuditCase(t)
	for name, more := range map[string][]string{"log": nil, "witness": {"--witness"}} {
		private := filepath.Join(t.TempDir(), name+".key")
		create := append([]string{"audit", "keys", "create", "police.example/" + name, "--out", private}, more...)
		public, _ := a.run(cli.ExitOK, create...)
		_, stderr := a.run(cli.ExitUsage, create...)
		expectText(t, stderr, private+" exists and was left alone; crawlctl audit keys show prints its public key\n")
		if shown, _ := a.run(cli.ExitOK, "audit", "keys", "show", private); shown != public || strings.Count(shown, "\n") != 1 {
			t.Errorf("%s: shown is %q, created %q", name, shown, public)
		}
	}
	odd := filepath.Join(t.TempDir(), "odd")
	if err := os.WriteFile(odd, []byte("PRIVATE+KEY+a+00000000+AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{odd: "is no private key", a.public: "is no private key", odd + "x": "no such file"} {
		_, stderr := a.run(cli.ExitUsage, "audit", "keys", "show", path)
		expectText(t, stderr, want)
	}
}
