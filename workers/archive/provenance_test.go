package archive

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// captureSchema is the published schema of capture.json, which lets nothing else pass: a member
// that it does not describe is an error of the test.
func captureSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("../../docs/reference/capture.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	seal(schema)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("capture.json", schema); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("capture.json")
}

// seal forbids further members wherever a schema names some.
func seal(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, v := range s {
			seal(v)
		}
	case map[string]any:
		if _, names := s["properties"].(map[string]any); names {
			s["additionalProperties"] = false
		}
		for _, v := range s {
			seal(v)
		}
	}
}

// captureOf reads capture.json, which has to keep to its schema.
func captureOf(t *testing.T, r *wacz.Reader) capture {
	t.Helper()
	f, err := r.OpenFile(CapturePath)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := captureSchema(t).Validate(value); err != nil {
		t.Errorf("%s: %v\n%s", CapturePath, err, raw)
	}
	var c capture
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCaptureSaysHowItCameToBe: what the chunk's maker knows, and of the pages what happened.
func TestCaptureSaysHowItCameToBe(t *testing.T) {
	t.Parallel()
	until := testTime.Add(time.Hour)
	known := Provenance{
		Software: Software{Name: "crawlfleet", Version: "v0", Commit: "abc", Executable: "sha256:" + strings.Repeat("0", 64)},
		Machine:  Machine{Hostname: "worker-1", Sandbox: "on"},
		Order: &Order{Namespace: "ns", Name: "job", UID: "uid", Generation: 2, Schedule: "daily", Workflow: "crawl-uid", WorkflowRun: "run",
			Bundle: "b1", Attempt: 3},
		Authorization: &Authorization{Reference: "case 17", Purpose: "Testing", Basis: "its own site", NotAfter: &until, RequestedBy: "office",
			Approvals: []Approval{{UID: "approval-1", Approver: "bob", At: testTime, Digest: "sha256:" + strings.Repeat("0a", 32)}}},
		Clock: &ClockCheck{With: "the Temporal server", At: testTime, AheadMs: 4},
	}
	chunk, err := NewChunk(Options{Dir: t.TempDir(), Provenance: known, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	local := &recorder.Connection{ID: 1, Remote: netip.MustParseAddrPort("192.0.2.1:80"), Local: netip.MustParseAddrPort("192.0.2.9:4000"), Opened: testTime}
	again := &recorder.Connection{ID: 2, Remote: netip.MustParseAddrPort("192.0.2.1:80"), Local: netip.MustParseAddrPort("192.0.2.9:4001"), Opened: testTime}
	proxied := &recorder.Connection{ID: 3, Proxy: "proxy.example:3128", Local: netip.MustParseAddrPort("[2001:db8::9]:4002"), Opened: testTime}
	seed := newPage(t, "0123456789abcdef0123456789abcdef", "http://a.example/").over(local).get("http://a.example/", "Document", "200 OK", "", "one").over(again).get("http://a.example/x", "Image", "200 OK", "", "two")
	seed.page.Why = browser.Why{Seed: "http://a.example/"}
	seed.page.Browser, seed.page.BrowserFlags, seed.page.UserAgent = "HeadlessChrome/1", []string{"--x"}, "agent"
	seed.page.Environment = browser.Environment{UserAgent: "agent", Languages: []string{"nl", "en"}, Locale: "nl", TimeZone: "Europe/Amsterdam"}
	linked := newPage(t, "fedcba9876543210fedcba9876543210", "http://a.example/b").over(local).get("http://a.example/b", "Document", "200 OK", "", "three").over(proxied).get("http://b.example/", "Image", "200 OK", "", "four")
	linked.page.Why = browser.Why{Seed: "http://a.example/", Depth: 1, Via: seed.page.ID, Tries: 1}
	linked.page.Browser, linked.page.BrowserFlags, linked.page.UserAgent, linked.page.Environment = seed.page.Browser, seed.page.BrowserFlags, seed.page.UserAgent, seed.page.Environment
	linked.page.Profile = &browser.ProfileUse{Name: "login", SHA256: "00"}
	other := newPage(t, "00000000000000000000000000000000", "http://c.example/")
	other.page.Outcome, other.page.Superseded = browser.Outcome{State: browser.Failed, Reason: browser.ReasonConnectFailed}, true
	add(t, chunk, seed, linked, other)
	file, r := closed(t, chunk)
	got := captureOf(t, r)
	if diff := cmp.Diff(known, got.Provenance); diff != "" {
		t.Errorf("what was known (-want +got):\n%s", diff)
	}
	if got.Records != file.Records || !got.Begun.Equal(testTime) || !got.Sealed.Equal(testTime) {
		t.Errorf("%d records of %d, begun %s, sealed %s", got.Records, file.Records, got.Begun, got.Sealed)
	}
	if diff := cmp.Diff([]egress{{"192.0.2.9", "", 2}, {"2001:db8::9", "proxy.example:3128", 1}}, got.Egress); diff != "" {
		t.Errorf("egress (-want +got):\n%s", diff)
	}
	if len(got.Browsers) != 2 || !got.Browsers[0].equal(browserUsed{"HeadlessChrome/1", []string{"--x"}, browser.DefaultViewport, "agent", seed.page.Environment}) {
		t.Errorf("browsers: %+v", got.Browsers)
	}
	byURI := map[string]string{}
	for _, rec := range records(t, r) {
		byURI[rec.URI] = rec.ID
	}
	for i, want := range []pageCapture{
		{Visit: seed.page.ID, URL: "http://a.example/", Outcome: browser.Archived, Browser: 0, Why: seed.page.Why, Main: got.Pages[0].Main},
		{Visit: linked.page.ID, URL: "http://a.example/b", Outcome: browser.Archived, Browser: 0, Why: linked.page.Why, Profile: linked.page.Profile, Main: got.Pages[1].Main},
		{Visit: other.page.ID, URL: "http://c.example/", Outcome: browser.Failed, Reason: browser.ReasonConnectFailed, Browser: 1, Superseded: true},
	} {
		p := got.Pages[i]
		want.ID, want.FinalURL, want.Recorder, want.Started, want.Ended = p.ID, want.URL, "Wire", testTime, testTime.Add(time.Second)
		want.Info = byURI["urn:pageinfo:"+want.URL]
		if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("page %d (-want +got):\n%s", i, diff)
		}
		if want.Info == "" || (p.Main == "") != (i == 2) {
			t.Errorf("page %d: info %q, main %q", i, want.Info, p.Main)
		}
	}
}

// TestCaptureOfNothing: a chunk without a page, of robots.txt alone, has one too.
func TestCaptureOfNothing(t *testing.T) {
	t.Parallel()
	c := newChunk(t)
	_, r := closed(t, c)
	if got := captureOf(t, r); len(got.Pages) != 0 || got.Order != nil {
		t.Errorf("%+v", got)
	}
}
