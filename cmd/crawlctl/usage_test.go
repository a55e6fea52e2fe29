package main

import (
	"bytes"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// TestUnknownWords: a word that no command takes is a usage error, and the help of the command
// that it was given to is named.
func TestUnknownWords(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"foo", "audit foo", "audit keys foo", "keys foo", "tsa foo", "dossier foo", "wacz foo", "profile foo", "retention foo",
		"audit list foo", "export foo", "runs foo", "snapshots foo", "version foo", "keys create a b", "dossier create --foo",
	} {
		var out, errs bytes.Buffer
		args := strings.Fields(line)
		code := run(args, nil, &out, &errs)
		path := strings.TrimSpace(line[:strings.LastIndex(line, " ")+1])
		if line == "keys create a b" {
			path = "keys create"
		}
		want := "Run '" + strings.TrimSpace("crawlctl "+path) + " --help'"
		if code != cli.ExitUsage || !strings.HasPrefix(errs.String(), "crawlctl: ") || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d, want %d and %q: %s", line, code, cli.ExitUsage, want, &errs)
		}
	}
}
