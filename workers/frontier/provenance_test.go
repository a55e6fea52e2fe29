package frontier

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestChunksSayWhy: under which order and authorisation a chunk was made, by which attempt, and how
// each of its pages came to be visited.
func TestChunksSayWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(4, "a.test"))
	r.job.Schedule, r.job.Generation = "daily", 3
	a := &r.job.Spec.Authorization
	a.Reference, a.Purpose, a.Basis, a.RequestedBy = "case 17", "Testing", "its own site", "an office"
	a.NotAfter = time.Now().Add(time.Hour)
	approved := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	a.Approvals = []workflows.Approval{{UID: "approval-1", Approver: "bob", At: approved, Digest: "sha256:of-the-order"}}
	clock := NewClock()
	clock.hear(time.Now().Add(-time.Minute))
	r.crawler.Clock = clock
	r.crawler.Provenance = archive.Provenance{Software: archive.Software{Name: "crawlfleet", Version: "v0"}}
	r.seed("http://a.test/0")
	r.run(1)
	fp := func(u string) string { return string(frontier.FingerprintOf(u)) }
	why := map[string]browser.Why{}
	for _, key := range r.store.Keys("/archive/ns/name/uid/chunks/") {
		raw := r.store.Object(key)
		z, err := wacz.Open(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := z.OpenFile(archive.CapturePath)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			archive.Provenance
			Pages []struct {
				URL string
				Why browser.Why
			}
		}
		if err := json.NewDecoder(f).Decode(&got); err != nil {
			t.Fatal(err)
		}
		until := a.NotAfter.UTC()
		want := archive.Provenance{
			Software: r.crawler.Provenance.Software,
			Order: &archive.Order{Namespace: "ns", Name: "name", UID: "uid", Generation: 3, Schedule: "daily", Workflow: "w", WorkflowRun: "r",
				Bundle: got.Order.Bundle, Attempt: 1},
			Authorization: &archive.Authorization{
				Reference: "case 17", Purpose: "Testing", Basis: "its own site", NotAfter: &until, RequestedBy: "an office",
				Approvals: []archive.Approval{{UID: "approval-1", Approver: "bob", At: approved, Digest: "sha256:of-the-order"}},
			},
			Clock: got.Clock,
		}
		if diff := cmp.Diff(want, got.Provenance); diff != "" || got.Order.Bundle == "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
		if c := got.Clock; c == nil || c.AheadMs < 59_000 || c.AheadMs > 120_000 || time.Since(c.At) > time.Minute {
			t.Errorf("%s: the clock is a minute ahead, and said to be so: %+v", key, c)
		}
		for _, p := range got.Pages {
			why[p.URL] = p.Why
		}
	}
	seed := "http://a.test/0"
	want := map[string]browser.Why{
		seed:              {Seed: seed},
		"http://a.test/1": {Seed: seed, Depth: 1, Via: fp(seed)},
		"http://a.test/2": {Seed: seed, Depth: 1, Via: fp(seed)},
		"http://a.test/3": {Seed: seed, Depth: 2, Via: fp("http://a.test/1")},
	}
	if diff := cmp.Diff(want, why); diff != "" {
		t.Errorf("why pages were visited (-want +got):\n%s", diff)
	}
}
