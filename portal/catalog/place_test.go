package catalog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	run := Run{Namespace: "n", Job: "j", UID: "u"}
	for key, want := range map[blob.Key]Place{
		"n/j/u/chunks/a.wacz":                {run, "n/j/u/", "a.wacz"},
		"n/j/u/run.json":                     {run, "n/j/u/", ""},
		"a/b/n/j/u/chunks/a.wacz":            {run, "a/b/n/j/u/", "a.wacz"},
		"a/n/j/u/run.json":                   {run, "a/n/j/u/", ""},
		"chunks/chunks/chunks/chunks/c.wacz": {Run{"chunks", "chunks", "chunks"}, "chunks/chunks/chunks/", "c.wacz"},
		"x/u/chunks/n/j/u/chunks/a.wacz":     {run, "x/u/chunks/n/j/u/", "a.wacz"},
		"n/j/u/chunks/run.json":              {Run{"j", "u", "chunks"}, "n/j/u/chunks/", ""}, // a run of that UID
		"n/j/u/chunks/chunks/run.json":       {Run{"u", "chunks", "chunks"}, "n/j/u/chunks/chunks/", ""},

		"": {}, "/": {}, "//////": {}, ".wacz": {}, "run.json": {}, "/run.json": {}, "j/u/run.json": {}, "/j/u/run.json": {},
		"a.wacz": {}, "chunks/a.wacz": {}, "u/chunks/a.wacz": {}, "j/u/chunks/a.wacz": {}, "/j/u/chunks/a.wacz": {},
		"n//u/chunks/a.wacz": {}, "n/j//chunks/a.wacz": {}, "/n/j/u/chunks/a.wacz": {}, "n/j/u/chunks/": {}, "n/j/u/chunks": {},
		"n/j/u/chunks/.wacz": {}, "n/j/u/chunks/a.WACZ": {}, "n/j/u/chunks/a.wacz/": {}, "n/j/u/chunks/a.wacz.json": {}, "n/j/u/chunks/a.wacz.d/b": {},
		"n/j/u/chunks/x/a.wacz": {}, "n/j/u/xchunks/a.wacz": {}, "n/j/u/a.wacz": {}, "n/j/u/run.json.json": {}, "n/j/u/arun.json": {},
		"../../../chunks/a.wacz": {}, "n/./u/chunks/a.wacz": {}, "n/j/u/chunks/../a.wacz": {}, "n/j/u/chunks/a b.wacz": {}, "n/j/u/chunks/a\x00.wacz": {},
		"n/j/u/chunks/\u202e.wacz": {}, `n\j\u\chunks\a.wacz`: {}, "<n>/j/u/run.json": {}, blob.Key(strings.Repeat("n/", 600) + "run.json"): {},
		blob.Key("n/j/u/chunks/" + strings.Repeat("a", 300) + ".wacz"): {},
	} {
		got, ok := ParseKey(key)
		if diff := cmp.Diff(want, got); diff != "" || ok != (want != Place{}) {
			t.Errorf("%q: %v (-want +got):\n%s", key, ok, diff)
		}
		of, file, ok := ParseChunk(key)
		if ok != (want.File != "") || ok && (of != want.Run || file != want.File) {
			t.Errorf("chunk %q: %v %q %v", key, of, file, ok)
		}
		if ok && got.Chunks()+file != string(key) || got.File == "" && got.Folder != "" && got.Statement() != key {
			t.Errorf("%q: what is put together of its parts is another: %q %q", key, got.Chunks()+file, got.Statement())
		}
	}
}
