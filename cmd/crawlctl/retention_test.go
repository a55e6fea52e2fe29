package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
)

const archived = "research/board/uid/"

// shelf is a store with one sealed run of two chunks.
type shelf struct {
	t        *testing.T
	bucket   *blob.Bucket
	endpoint string
	ahead    time.Duration // the store's clock
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	// Not parallel: the credentials are in the environment.
	t.Setenv("CRAWLFLEET_S3_ACCESS_KEY", "key")
	t.Setenv("CRAWLFLEET_S3_SECRET_KEY", "secret")
	t.Setenv("TEMPORAL_ADDRESS", "")
	a := &shelf{t: t}
	a.endpoint = (&blobtest.Server{Now: func() time.Time { return time.Now().Add(a.ahead) }}).Start(t)
	client, err := blob.NewClient(blob.Config{Endpoint: a.endpoint, Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	a.bucket = client.Bucket("crawlfleet-archive")
	a.put("chunks/1.wacz", "one")
	a.put("chunks/2.wacz", "two")
	a.put("run.json", `{"format":"crawlfleet-run","sealedAt":"2026-05-04T12:00:00Z","retention":{"screeningSeconds":259200},
		"chunks":[{"key":"research/board/uid/chunks/1.wacz","size":3,"pages":2},{"key":"research/board/uid/chunks/2.wacz","size":3,"pages":1}]}`)
	return a
}

func (a *shelf) put(name, content string) {
	a.t.Helper()
	sum := sha256.Sum256([]byte(content))
	_, err := a.bucket.Put(a.t.Context(), blob.Key(archived+name), blob.Content{Body: strings.NewReader(content), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *shelf) run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(append([]string{"retention", "--s3-endpoint", a.endpoint}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func (a *shelf) must(args ...string) string {
	a.t.Helper()
	code, out, errs := a.run(args...)
	if code != 0 {
		a.t.Fatalf("%v: exit code %d: %s", args, code, errs)
	}
	return out
}

func (a *shelf) states() map[string]string {
	a.t.Helper()
	var k kept
	if err := json.Unmarshal([]byte(a.must("list", "-o", "json", archived)), &k); err != nil {
		a.t.Fatal(err)
	}
	states := map[string]string{}
	for _, c := range k.Chunks {
		states[c.Name] = c.State
	}
	return states
}

func TestRetentionDecides(t *testing.T) {
	a := newShelf(t)
	until := time.Now().AddDate(1, 0, 0).UTC().Format(time.DateOnly)
	said := []string{"--case", "17/2026", "--why", "evidence", "--by", "desk"}
	keep := append([]string{"keep", archived, "--chunk", "1.wacz", "--chunk", "chunks/1.wacz", "--until", until}, said...)
	if out := a.must(keep...); !strings.HasPrefix(out, "research/board/uid/: decision 1, Keep for 17/2026 until ") || !strings.HasSuffix(out, ": chunks/1.wacz\n") {
		t.Errorf("keep said %q", out)
	}
	a.must(append([]string{"hold", strings.TrimSuffix(archived, "/"), "--chunk", "chunks/2.wacz"}, said...)...)
	if diff := cmp.Diff(map[string]string{"chunks/1.wacz": "Kept", "chunks/2.wacz": "Held"}, a.states()); diff != "" {
		t.Errorf("decided (-want +got):\n%s", diff)
	}
	a.must(append([]string{"release", archived}, said...)...)
	out := a.must("list", archived)
	for _, want := range []string{"screening until ", "chunks/1.wacz", "2 pages", "Kept", "Screening", "decision 1", "decision 2", "decision 3", "by desk", "17/2026 evidence"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list has no %q:\n%s", want, out)
		}
	}
}

func TestRetentionComesTooLate(t *testing.T) {
	a := newShelf(t)
	a.ahead = 73 * time.Hour // the period is over
	_, err := retention.Decide(t.Context(), a.bucket, archived, retention.Decision{
		Action: retention.Erase, By: "worker", Why: "due", At: time.Now().Add(a.ahead), Erasing: []retention.Erasing{{Name: "chunks/1.wacz", Due: time.Now(), For: retention.ScreeningEnded}},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := []string{"--case", "A", "--why", "evidence", "--by", "desk"}
	code, _, errs := a.run(append([]string{"hold", archived, "--chunk", "1.wacz"}, said...)...)
	if code != 1 || !strings.Contains(errs, "chunks/1.wacz: it is being erased or erased already, as decided in retention/00000001.json") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	code, out, errs := a.run(append([]string{"hold", archived, "-o", "json"}, said...)...)
	if code != 0 || !strings.Contains(errs, "too late for 1 of its 2 chunks") || !strings.Contains(out, `"erased":["chunks/1.wacz"]`) {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if diff := cmp.Diff(map[string]string{"chunks/1.wacz": "Erasing", "chunks/2.wacz": "Held"}, a.states()); diff != "" {
		t.Errorf("decided (-want +got):\n%s", diff)
	}
}

// TestRetentionVoids: an erasure that was written before its time does not stand in the way, of what
// is kept by name or with all that the run has.
func TestRetentionVoids(t *testing.T) {
	for _, chunk := range [][]string{{"--chunk", "1.wacz"}, nil} {
		a := newShelf(t)
		said := []string{"--case", "A", "--why", "evidence", "--by", "desk"}
		a.must(append([]string{"keep", archived, "--chunk", "1.wacz", "--until", "2999-12-31"}, said...)...)
		_, err := retention.Decide(t.Context(), a.bucket, archived, retention.Decision{
			Action: retention.Erase, By: "worker", Why: "forged", At: time.Now(), Erasing: []retention.Erasing{{Name: "chunks/1.wacz", Due: time.Now(), For: retention.ScreeningEnded}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.states()["chunks/1.wacz"]; got != "Kept" {
			t.Errorf("%v: listed as %s, and no worker erases it", chunk, got)
		}
		code, _, errs := a.run(append(append([]string{"hold", archived}, chunk...), said...)...)
		if code != 0 || !strings.Contains(errs, "note: decision 2, an erasure, is void") || strings.Contains(errs, "too late") {
			t.Errorf("%v: exit code %d: %s", chunk, code, errs)
		}
		if out := a.must("list", archived); !strings.Contains(out, "Void   decision 2") || a.states()["chunks/1.wacz"] != "Held" {
			t.Errorf("%v: the list says:\n%s", chunk, out)
		}
	}
}

func TestRetentionRefuses(t *testing.T) {
	a := newShelf(t)
	said := func(args ...string) []string {
		return append(args, "--case", "A", "--why", "evidence", "--by", "desk")
	}
	cases := map[string]struct {
		args []string
		code int
		want string
	}{
		"NoRun":      {[]string{"hold"}, 2, "at least one RUN"},
		"NotARun":    {said("hold", "board"), 2, "status.archive.prefix"},
		"NoCase":     {[]string{"hold", archived, "--why", "x"}, 2, "--case"},
		"NoReason":   {[]string{"hold", archived, "--case", "x"}, 2, "--why"},
		"NoDate":     {said("keep", archived), 2, "--until"},
		"OddDate":    {said("keep", archived, "--until", "soon"), 2, "want a date"},
		"PastDate":   {said("keep", archived, "--until", "2020-01-01"), 2, "has passed"},
		"DateOfHold": {said("hold", archived, "--until", "2040-01-01"), 2, "unknown flag"},
		"OtherRun":   {said("hold", "research/board/other"), 1, "nothing lies there"},
		"OtherChunk": {said("hold", archived, "--chunk", "3.wacz"), 1, "no chunk chunks/3.wacz"},
		"TwoRuns":    {said("hold", archived, archived, "--chunk", "1.wacz"), 2, "there are 2"},
		"OddFormat":  {said("hold", archived, "-o", "yaml"), 2, "want text or json"},
		"OddList":    {[]string{"list", archived, "-o", "yaml"}, 2, "want text or json"},
		"TwoLines":   {[]string{"hold", archived, "--case", "A\nB", "--why", "x", "--by", "desk"}, 2, "one line"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, out, errs := a.run(tc.args...)
			if code != tc.code || !strings.Contains(errs, tc.want) {
				t.Errorf("exit code %d, want %d and %q: %s%s", code, tc.code, tc.want, out, errs)
			}
		})
	}
	if states := a.states(); states["chunks/1.wacz"] != "Screening" && states["chunks/1.wacz"] != "Due" {
		t.Errorf("something was decided all the same: %v", states)
	}
}

// TestRetentionByWhoIsLoggedIn: who decides is known from the system, unless it is said.
func TestRetentionByWhoIsLoggedIn(t *testing.T) {
	a := newShelf(t)
	a.must("hold", archived, "--case", "A", "--why", "evidence")
	l, err := retention.Read(t.Context(), a.bucket, archived)
	if err != nil || len(l.Decisions) != 1 || l.Decisions[0].By == "" {
		t.Errorf("decided is %+v, %v", l, err)
	}
}
