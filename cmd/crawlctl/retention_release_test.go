package main

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/retention"
)

// TestReleaseOfNothing: a release would be there for good, so that one which ends no hold, such
// as that of a misspelt case, is refused and not stored.
func TestReleaseOfNothing(t *testing.T) {
	a := newShelf(t)
	said := func(name string, args ...string) []string {
		return append(args, "--case", name, "--why", "evidence", "--by", "desk")
	}
	refused := func(want string, args ...string) {
		t.Helper()
		code, out, errs := a.run(args...)
		if code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, want 1 and %q: %s%s", args, code, want, out, errs)
		}
	}
	refused("17/2026 holds nothing here; no case does", said("17/2026", "release", archived)...)
	a.must(said("17/2026", "hold", archived)...)
	a.must(said("19/2026", "hold", archived, "--chunk", "1.wacz")...)
	refused("18/2026 holds nothing here; held by 17/2026, 19/2026", said("18/2026", "release", archived)...)
	refused("chunks/2.wacz: 19/2026 holds nothing here; held by 17/2026", said("19/2026", "release", archived, "--chunk", "1.wacz", "--chunk", "2.wacz")...)
	a.must(said("17/2026", "release", archived, "--chunk", "1.wacz", "--chunk", "2.wacz")...)
	a.must(said("17/2026", "release", archived)...) // what comes yet was held, too
	refused("17/2026 holds nothing here; held by 19/2026", said("17/2026", "release", archived)...)
	l, err := retention.Read(t.Context(), a.bucket, archived)
	if err != nil || len(l.Decisions) != 4 {
		t.Errorf("there are decisions %+v, %v; want the four that were not refused", l, err)
	}
}
