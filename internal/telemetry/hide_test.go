package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestWithoutAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`the index says that the record is of "https://www.site.test/a?b=c", it is of "http://site.test/"`: `the index says that the record is of "…", it is of "…"`,
		`page https://site.test/it's-site: lost`:                                                           "page … lost",
		"urn:pageinfo:https://site.test/a: no such record":                                                 "… no such record",
		`JSON of key "test,site)/secret 20260314120000": EOF`:                                              `JSON of key "… 20260314120000": EOF`,
		"ns/job/uid/chunks/c0.wacz: not a sound WACZ file: zip: not a valid zip file":                      "ns/job/uid/chunks/c0.wacz: not a sound WACZ file: zip: not a valid zip file",
		`Get "http://127.0.0.1:1/b?list-type=2": dial tcp 127.0.0.1:1: connection refused`:                 `Get "…": dial tcp 127.0.0.1:1: connection refused`,
	} {
		var out bytes.Buffer
		log := WithoutAddresses(New(Options{Writer: &out, Format: JSON})).With("was", errors.New("https://site.test/before"))
		log.Error("broken", "route", "GET /", "error", fmt.Errorf("open: %w", errors.New(text)))
		got := out.String()
		if !strings.Contains(got, fmt.Sprintf(`"error":%q`, "open: "+want)) || strings.Contains(got, "site") || !strings.Contains(got, `"route":"GET /"`) {
			t.Errorf("%s is logged as %s", text, got)
		}
	}
}

// TestAddressesAtDebug: who asks for everything has everything, in a record of its own.
func TestAddressesAtDebug(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := WithoutAddresses(New(Options{Writer: &out, Format: JSON, Level: slog.LevelDebug})).WithGroup("g")
	log.Warn("broken", "error", errors.New("https://site.test/a"))
	log.Warn("sound", "error", errors.New("no address"))
	log.Debug("quiet", "error", errors.New("https://site.test/b"))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines: %s", len(lines), out.String())
	}
	for i, want := range []string{`"error":"…"`, `"level":"DEBUG","msg":"broken","g":{"error":"https://site.test/a"}`, `"error":"no address"`, `https://site.test/b`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %s, want %s", i, lines[i], want)
		}
	}
}
