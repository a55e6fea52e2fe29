package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/google/go-cmp/cmp"
)

func TestJSONWhereNobodyWatches(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	New(Options{Writer: &b}).Info("page archived", "page", "p1", "bytes", 12)
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("not JSON: %v: %s", err, b.String())
	}
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "page archived", "page": "p1", "bytes": 12.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	l := New(Options{Writer: &b, Format: Text}).With("worker", "w 1").WithGroup("page")
	l.Warn("a line\nand no other", "error", errors.New(`say "no"`), slog.Group("size", "bytes", 3))
	l.Debug("not written")
	_, got, _ := strings.Cut(b.String(), " ")
	want := `WARN  a line and no other worker="w 1" page.error="say \"no\"" page.size.bytes=3` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReadableKeepsSlogsRules(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	h := New(Options{Writer: &b, Format: Text}).Handler()
	err := slogtest.TestHandler(h, func() []map[string]any {
		var all []map[string]any
		for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
			all = append(all, parseLine(line))
		}
		return all
	})
	if err != nil {
		t.Error(err)
	}
}

// parseLine reads a readable line back, for slogtest.
func parseLine(line string) map[string]any {
	out := make(map[string]any)
	words := strings.Fields(line)
	if len(words) > 0 && strings.Contains(words[0], ":") {
		out[slog.TimeKey] = words[0]
		words = words[1:]
	}
	out[slog.LevelKey] = words[0]
	for i, w := range words[1:] {
		key, v, ok := strings.Cut(w, "=")
		if !ok {
			if i == 0 {
				out[slog.MessageKey] = w
			}
			continue
		}
		at := out
		path := strings.Split(key, ".")
		for _, group := range path[:len(path)-1] {
			next, ok := at[group].(map[string]any)
			if !ok {
				next = make(map[string]any)
				at[group] = next
			}
			at = next
		}
		at[path[len(path)-1]] = v
	}
	return out
}

func TestBridges(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	l := New(Options{Writer: &b, Format: JSON, Level: slog.LevelDebug})
	Temporal(l).Info("started", "WorkflowID", "w", "ID", 1, "TLSName", "x", "already", true)
	Logr(l).V(3).Info("detail", "key", "v")
	Logr(l).Error(errors.New("broken"), "it failed")
	var got []map[string]any
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "time")
		got = append(got, m)
	}
	want := []map[string]any{
		{"level": "INFO", "msg": "started", "workflowID": "w", "id": 1.0, "tlsName": "x", "already": true},
		{"level": "DEBUG", "msg": "detail", "key": "v"},
		{"level": "ERROR", "msg": "it failed", "err": "broken"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Format{"": Auto, "auto": Auto, "JSON": JSON, "text": Text} {
		if got, err := ParseFormat(in); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "use auto, json or text") {
		t.Errorf("error %v does not say what to do", err)
	}
}
