package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// TestCaptureIsTheCatalogs: what is known here of a capture is what the catalog writes.
func TestCaptureIsTheCatalogs(t *testing.T) {
	t.Parallel()
	page := snapshot.Page{
		Chunk: "a/b/c/chunks/d.wacz", ID: "p", URL: "https://example.org/", FinalURL: "https://example.org/a", Time: time.Date(2026, 3, 31, 1, 2, 3, 4, time.UTC),
		Title: "T", Status: 200, MIME: "text/html", Language: "nl", Kind: snapshot.Web, Partial: true, Reason: "Timeout", Digest: "sha256:a", TextDigest: "sha256:b", Picture: true,
	}
	raw, err := json.Marshal(catalog.Capture{ID: catalog.ID(fakeID(1)), Run: catalog.Run{Namespace: "a", Job: "b", UID: "c"}, Page: page})
	if err != nil {
		t.Fatal(err)
	}
	var got capture
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := capture{ID: fakeID(1), Namespace: "a", Job: "b", UID: "c", Page: page}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestTableFits: on a terminal no line is longer than it is wide, and what has no room is left out.
func TestTableFits(t *testing.T) {
	t.Parallel()
	all := []capture{{
		ID: fakeID(1), Namespace: "research", Job: "a-job-with-a-long-name", UID: "u",
		Page: snapshot.Page{URL: "https://example.org/" + strings.Repeat("long/", 20), Title: "東京の部屋を貸します " + strings.Repeat("long ", 20), Status: 200},
	}}
	tests := map[string]struct {
		reason string
		width  int
		heads  string
	}{
		"Wide":    {"All columns, cut.", 140, "TIME STATUS TITLE URL JOB ID"},
		"Middle":  {"The job has no room.", 100, "TIME STATUS TITLE URL ID"},
		"Narrow":  {"Nor has the title.", 80, "TIME STATUS URL ID"},
		"Unbound": {"No terminal, nothing is cut.", 0, "TIME STATUS TITLE URL JOB ID"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			table := newTable(&b, output{format: "table"})
			table.width = tc.width
			if err := table.add(all); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			if got := strings.Join(strings.Fields(lines[0]), " "); got != tc.heads {
				t.Errorf("%s: columns %q, want %q", tc.reason, got, tc.heads)
			}
			if strings.Contains(b.String(), "…") != (tc.width > 0) || !strings.HasSuffix(lines[1], fakeID(1)) {
				t.Errorf("%s: %s", tc.reason, b.String())
			}
			for _, line := range lines {
				if tc.width > 0 && shownWidth(line) > tc.width {
					t.Errorf("%s: a line of %d columns: %s", tc.reason, shownWidth(line), line)
				}
			}
		})
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 5, time.UTC)
	tests := map[string]struct {
		reason, in string
		end        bool
		want, err  string
	}{
		"Day":       {"A day begins in UTC.", "2026-03-31", false, "2026-03-31T00:00:00Z", ""},
		"EndOfDay":  {"The end of a day is that of the whole day.", "2026-03-31", true, "2026-04-01T00:00:00Z", ""},
		"Time":      {"A time of any zone.", "2026-03-31T10:00:00+02:00", true, "2026-03-31T08:00:00Z", ""},
		"Hours":     {"How long ago.", "24h", false, "2026-03-30T12:00:00Z", ""},
		"Days":      {"Days have 24 hours.", "7d", false, "2026-03-24T12:00:00Z", ""},
		"Weeks":     {"Weeks have seven days.", "2w", false, "2026-03-17T12:00:00Z", ""},
		"None":      {"Nothing is no bound.", "", false, "", ""},
		"Bad":       {"No guesses.", "31-03-2026", false, "", "want a date"},
		"BadDate":   {"There is no such day.", "2026-02-30", false, "", "want a date"},
		"LongSince": {"What would overflow is refused.", "999999w", false, "", "longer ago"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := moment("--from", tc.in, now, tc.end)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("%s: error %v, want %q", tc.reason, err, tc.err)
				}
				return
			}
			if err != nil || written(got) != tc.want {
				t.Errorf("%s: %s, %v, want %s", tc.reason, written(got), err, tc.want)
			}
		})
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"plain": "plain", "": "''", "a b": "'a b'", "it's $x": `'it'\''s $x'`, "https://example.org/?a": "'https://example.org/?a'"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// TestGoOnWith: what goes on with a list asks for the same, also of a query with words that must not be there.
func TestGoOnWith(t *testing.T) {
	t.Parallel()
	for _, typed := range [][]string{{"blue door", "--limit=5"}, {"--limit=5", "--", "-boat", "door", "--all"}, {"--no-headers"}} {
		cmd := newSnapshotsList(&portalFlags{})
		if err := cmd.ParseFlags(typed); err != nil {
			t.Fatal(err)
		}
		args, limit := cmd.Flags().Args(), cmd.Flag("limit").Value.String()
		line := again(cmd, args, url.Values{})("next-1")
		words := strings.Fields(strings.ReplaceAll(line, "'blue door'", "blue_door"))
		cmd = newSnapshotsList(&portalFlags{})
		if err := cmd.ParseFlags(words[1:]); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got := strings.ReplaceAll(strings.Join(cmd.Flags().Args(), "|"), "blue_door", "blue door")
		if got != strings.Join(args, "|") || cmd.Flag("limit").Value.String() != limit || cmd.Flag("cursor").Value.String() != "next-1" {
			t.Errorf("%s asks for %q, limit %s, cursor %s", line, got, cmd.Flag("limit").Value, cmd.Flag("cursor").Value)
		}
	}
}

func TestReprDigest(t *testing.T) {
	t.Parallel()
	const sum = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="
	for in, want := range map[string]bool{
		"sha-256=:" + sum + ":":                    true,
		"sha-512=:YWJj:, sha-256=:" + sum + ":":    true,
		"sha-256=:YWJj:":                           false, // too short
		"sha-256=" + sum[:10]:                      false,
		"sha-512=:" + strings.Repeat(sum, 2) + ":": false,
		"": false,
	} {
		if got := reprDigest(http.Header{"Repr-Digest": {in}}); (got != nil) != want {
			t.Errorf("%q: %x", in, got)
		}
	}
}

// TestUnreachableKeepsSecrets: what is looked for is in no error.
func TestUnreachableKeepsSecrets(t *testing.T) {
	t.Parallel()
	client, err := (&portalFlags{portal: "http://127.0.0.1:1", kubeconfig: ""}).connect()
	if err != nil {
		t.Fatal(err)
	}
	err = client.json(t.Context(), "/api/v1/snapshots", url.Values{"q": {"020-1234567"}}, nil)
	if err == nil || strings.Contains(err.Error(), "1234567") {
		t.Errorf("error %v", err)
	}
}
