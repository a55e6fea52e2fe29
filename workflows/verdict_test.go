package workflows

import (
	"strings"
	"testing"
)

func TestStoreVerdict(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]StoreVerdict{
		"Usable": {As: "conductor"},
		"Denied": {As: "browser", Reason: ReasonStoreDenied, Bucket: "archive", Step: "put", Message: "store denied access", ClockAheadSeconds: -3},
	} {
		line := v.Line()
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("%s: not one line: %q", name, line)
		}
		if got, err := ParseStoreVerdict(line); err != nil || got != v {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	long := StoreVerdict{As: "conductor", Reason: ReasonStoreFull, Message: strings.Repeat("\"\x01", 4000)}.Line()
	if v, err := ParseStoreVerdict(long); err != nil || v.Reason != ReasonStoreFull || len(long) > 4096 {
		t.Errorf("%d bytes: %v", len(long), err)
	}
	for _, message := range []string{"", "worker: no such bucket", "{}", long[:100]} {
		if v, err := ParseStoreVerdict(message); err == nil {
			t.Errorf("%q is a verdict: %+v", message, v)
		}
	}
}
