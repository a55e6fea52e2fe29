package custody

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestEntryEncodings: the bytes of entries, those of before there were runs in them, too. A log that
// lies in a store has them, and every proof that was handed over.
func TestEntryEncodings(t *testing.T) {
	t.Parallel()
	const sum = "abababababababababababababababababababababababababababababababab"
	const decision = `{"case":"17","event":"Held","id":"held/r/00000001.json","object":"ns/name/r/retention/00000001.json",`
	for name, tc := range map[string]struct{ reason, raw string }{
		"Stored":      {reason: "an entry about a chunk", raw: `{"event":"Stored","id":"s","object":"ns/name/r/chunks/a.wacz","sha256":"` + sum + `","when":"2030-01-02T03:04:05.006Z","who":"w"}`},
		"Written":     {reason: "no escapes but those that JSON must have", raw: decision + `"sha256":"` + sum + `","when":"2030-01-02T03:04:05Z","who":"<w&\"\\>","why":"\"é\" <b> & \\ 😀"}`},
		"OldDecision": {reason: "a decision without a run", raw: decision + `"sha256":"` + sum + `","when":"2030-01-02T03:04:05Z","who":"w","why":"decision 1"}`},
		"Decision":    {reason: "a decision about a run", raw: decision + `"run":"r","sha256":"` + sum + `","when":"2030-01-02T03:04:05Z","who":"w","why":"decision 1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := ParseEntry([]byte(tc.raw))
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if again, err := e.encode(); err != nil || string(again) != tc.raw {
				t.Errorf("%s: is encoded as %s, %v", tc.reason, again, err)
			}
		})
	}
}

// TestConcerns: an entry is about an object by its sum, or by the run that it belongs to.
func TestConcerns(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		in     Entry
		run    string
		want   bool
	}{
		"Own":         {reason: "it is about the object", in: Entry{SHA256: "aa"}, run: "r", want: true},
		"Other":       {reason: "it is about another object of the run", in: Entry{SHA256: "bb"}, run: "r"},
		"Run":         {reason: "it is about all of the run", in: Entry{SHA256: "bb", Run: "r"}, run: "r", want: true},
		"OtherRun":    {reason: "it is about all of another run", in: Entry{SHA256: "bb", Run: "s"}, run: "r"},
		"WithoutRun":  {reason: "an object that belongs to no run is not of every one", in: Entry{SHA256: "bb"}},
		"OwnAndOther": {reason: "the sum suffices", in: Entry{SHA256: "aa", Run: "s"}, run: "r", want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.in.Concerns("aa", tc.run); got != tc.want {
				t.Errorf("%s: %v", tc.reason, got)
			}
		})
	}
}

// TestHeaderEncoding: the first line of a batch.
func TestHeaderEncoding(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]header{
		`{"batch":0,"entries":1,"format":"crawlfleet-custody","peaks":[],"previous":"","start":0,"version":1}`: {Entries: 1, Format: format, Peaks: []tlog.Hash{}, Version: 1},
		`{"batch":999999999999,"entries":1000,"format":"crawlfleet-custody","peaks":["+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8="],"previous":"ab","start":9007199254740991,"version":2}`: {
			Batch: 999_999_999_999, Entries: maxBatchEntries, Format: format, Peaks: []tlog.Hash{tlog.Hash(bytes.Repeat([]byte{0xfb, 0xff, 0xbf}, 11)[:32])}, Previous: "ab", Start: 1<<53 - 1, Version: 2,
		},
	} {
		if raw, err := canonical(h); err != nil || string(raw) != want {
			t.Errorf("%s, %v\nwant %s", raw, err, want)
		}
		var again header
		if err := parseCanonical([]byte(want), &again); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestOneEncoding: the same entry in another encoding is none.
func TestOneEncoding(t *testing.T) {
	t.Parallel()
	const sum = "abababababababababababababababababababababababababababababababab"
	const good = `{"event":"Stored","id":"s","object":"k","sha256":"` + sum + `","when":"2030-01-02T03:04:05Z","who":"w<"}`
	if _, err := ParseEntry([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"Space": {`{"event"`, `{ "event"`}, "Order": {`"event":"Stored","id":"s"`, `"id":"s","event":"Stored"`}, "Twice": {`"id":"s"`, `"id":"r","id":"s"`},
		"Case": {`"id"`, `"ID"`}, "Unknown": {`"who"`, `"whom":"","who"`}, "Empty": {`"who"`, `"to":"","who"`}, "Escape": {`w<`, `w\u003c`}, "After": {`w<"}`, `w<"} `},
	} {
		raw := strings.Replace(good, change[0], change[1], 1)
		if _, err := ParseEntry([]byte(raw)); raw == good || err == nil || !strings.Contains(err.Error(), "is not in its one encoding") {
			t.Errorf("%s: %s: %v", name, raw, err)
		}
	}
}
