package portal

import (
	"encoding/json"
	"net/http"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/live"
)

func TestLive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wantAll(t, "the list", body(t, f.get("/live")), `href="/live/default/harbour"`, "stalled", "The store is full.", "5 of 10", `data-refresh="5"`)
	wantAll(t, "in Dutch", body(t, f.get("/live", "Accept-Language", "nl")), "staat stil", "5 van 10")
	page := body(t, f.get("/live/default/harbour"))
	wantAll(t, "the job", page, "What you can do", "make room", "no room in bucket a", "1 Timed out", "harbour.example", "Too many requests",
		"under-way", "Loading", "13:00:00.000", `href="/runs/default/harbour/h"`)
	for _, path := range []string{"/live/default/none", "/live/other/harbour"} {
		if res := f.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
	var job live.Job
	if err := json.Unmarshal([]byte(body(t, f.get("/api/v1/live/default/harbour"))), &job); err != nil || job.Reason != "StoreFull" || len(job.Hosts) != 2 {
		t.Errorf("the API answers %+v, %v", job, err)
	}
	f.gated(t, allowing("list crawljobs.crawlfleet.dev default"), access.Policy{})
	for _, path := range []string{"/live/default/harbour", "/api/v1/live/default/harbour"} {
		page = body(t, f.get(path, "Authorization", "Bearer ann"))
		// A seed is told: whoever may follow the crawl reads the order itself.
		wantAll(t, "for who may not see pages: "+path, page, "harbour.example", "hosts that cannot be reached.", "who may find snapshots")
		wantNone(t, "for who may not see pages: "+path, page, "under-way", "found.example", "oo many requests", "TooManyRequests")
	}
	f.server.Board = nil
	f.gated(t, allowing(""), access.Policy{})
	for _, path := range []string{"/live", "/live/default/harbour"} {
		wantAll(t, "without a cluster", body(t, f.get(path, "Authorization", "Bearer ann")), "--kubeconfig")
	}
}
