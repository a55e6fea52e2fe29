package main

import (
	"testing"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// TestAuditListOfNothing: that nothing is listed has a reason, which is told.
func TestAuditListOfNothing(t *testing.T) {
	t.Parallel()
	a := newAuditCase(t)
	_, stderr := a.run(cli.ExitFailed, a.on("list")...)
	expectText(t, stderr, "the log is empty")
	a.write(a.folder(), "a", 3)
	_, stderr = a.run(cli.ExitUsage, a.on("list", "--event", "exported")...)
	expectText(t, stderr, `--event "exported": want one of Captured, Copied, Erased, Exported, `)
	for _, none := range [][]string{{"--event", "Exported"}, {"--case", "18/2030"}, {"--object", "a"}, {"--from", "3"}, {"--from", "99", "-o", "json"}} {
		stdout, stderr := a.run(cli.ExitOK, a.on(append([]string{"list"}, none...)...)...)
		if stdout != "" || stderr != "0 of 3 entries match\n" {
			t.Errorf("%v: %q, %q", none, stdout, stderr)
		}
	}
	if _, stderr = a.run(cli.ExitOK, a.on("list", "--event", "Stored")...); stderr != "" {
		t.Errorf("an entry matched, and yet: %s", stderr)
	}
}
