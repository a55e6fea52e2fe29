package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

// TestGatewayIsTheOneWay crawls through a gateway and takes it away in the middle of a page: the crawl says that it waits, and
// for what. When the gateway is back each page is archived, none has failed, and the gateway is named as the way that it came.
func TestGatewayIsTheOneWay(t *testing.T) {
	t.Parallel()
	const pages, before = 16, 8
	var asked atomic.Int64
	reached, taken := make(chan struct{}), make(chan struct{})
	site := board.New(board.Options{})
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == before { // this one gets no answer while there is a gateway
			close(reached)
			select {
			case <-taken:
			case <-t.Context().Done():
			}
		}
		site.ServeHTTP(w, r)
	}))
	fleet := harness.Start(t, harness.Options{Workers: -1})
	gateway, proxy, metrics := fleet.EgressGateway(t)
	fleet.AddWorker(t, "--proxy", proxy, "--tabs", "2")
	job := harness.NewJob("one-way", srv.URL+"/")
	job.Spec.Limits.Pages = pages
	fleet.Apply(t, job)
	select {
	case <-reached:
	case <-t.Context().Done():
		t.Fatal("the site is not visited")
	}
	if err := gateway.Kill(); err != nil {
		t.Fatal(err)
	}
	close(taken)
	stalled(t, fleet, "one-way", "EgressUnreachable")
	if m := harness.Condition(fleet.Job(t, "one-way"), "Stalled").Message; !strings.Contains(m, strings.TrimPrefix(proxy, "http://")) {
		t.Errorf("the message does not name the gateway's address: %q", m)
	}
	fleet.StartAgain(t, gateway)
	succeeded(t, fleet, "one-way")
	holds(t, fleet, "one-way")
	done := fleet.Job(t, "one-way")
	if n := *done.Status.Counters.Archived; n != pages || len(done.Status.FailedByReason) != 0 {
		t.Errorf("%d pages are archived of %d; failed %v", n, pages, done.Status.FailedByReason)
	}
	run := fleet.ReadRun(t, "one-way")
	for _, c := range run.Chunks {
		var says struct {
			Egress []struct{ Local, Proxy string }
		}
		if err := json.Unmarshal(c.Provenance, &says); err != nil {
			t.Fatal(err)
		}
		if len(says.Egress) != 1 || says.Egress[0].Proxy != strings.TrimPrefix(proxy, "http://") {
			t.Errorf("%s came by %+v, want the gateway alone", c.Key, says.Egress)
		}
	}
	if text := scrape(t, metrics); !strings.Contains(text, `crawlfleet_gateway_requests_total{outcome="Forbidden"} 0`) || strings.Contains(text, `crawlfleet_gateway_requests_total{outcome="Tunnel"} 0`) {
		t.Errorf("the gateway tells: %s", text)
	}
}
