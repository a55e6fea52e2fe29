package alerts

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// world is what Prometheus has seen, with a value each minute ("0+2x60" is 0, 2, 4 … 120).
type world struct {
	series string
	// at is when it is looked at, in minutes.
	at int
}

// fires has for each alert what it fires for, and what looks like that and is none.
var fires = map[string]struct{ fires, quiet []world }{
	"CrawlfleetRequestsNotRecorded": {
		[]world{{"crawlfleet_requests_missing_total 0x60 1x5", 65}},
		[]world{{"crawlfleet_requests_missing_total 3x65", 65}},
	},
	"CrawlfleetPagesIncomplete": {
		[]world{{"crawlfleet_pages_incomplete_total 0+1x90\ncrawlfleet_pages_total{outcome=\"Archived\",reason=\"\"} 0+10x90", 90}},
		[]world{{"crawlfleet_pages_incomplete_total 0+1x90\ncrawlfleet_pages_total{outcome=\"Archived\",reason=\"\"} 0+200x90", 90}},
	},
	"CrawlfleetBrowsersDie": {
		[]world{{"crawlfleet_browser_replacements_total{cause=\"Stuck\"} 0+1x30", 30}},
		[]world{{"crawlfleet_browser_replacements_total{cause=\"Pages\"} 0+5x30", 30}},
	},
	"CrawlfleetNothingArchived": {
		[]world{{"crawlfleet_pages_total{namespace=\"a\",outcome=\"Failed\",reason=\"DNSFailed\"} 0+1x60\ncrawlfleet_pages_total{namespace=\"b\",outcome=\"Archived\",reason=\"\"} 0+1x60", 60},
			{"crawlfleet_pages_total{outcome=\"Failed\",reason=\"DNSFailed\"} 0+1x60\ncrawlfleet_pages_total{outcome=\"Archived\",reason=\"\"} 7x60", 60}},
		[]world{
			{"crawlfleet_pages_total{outcome=\"Failed\",reason=\"DNSFailed\"} 0+9x60\ncrawlfleet_pages_total{outcome=\"Archived\",reason=\"\"} 0+1x60", 60},
			{"crawlfleet_pages_total{outcome=\"Failed\",reason=\"DNSFailed\"} 9x60", 60}, // nothing is visited
		},
	},
	"CrawlfleetRetentionDrift": {
		[]world{{"crawlfleet_retention_looks_total{reason=\"RetentionDrift\"} 0x60 1x60", 120}},
		[]world{{"crawlfleet_retention_looks_total{reason=\"Kept\"} 0+1x120", 120}},
	},
	"CrawlfleetErasureBlocked": {
		[]world{{"crawlfleet_retention_looks_total{reason=\"ErasureBlocked\"} 0x60 1x60", 120}, {"crawlfleet_retention_looks_total{reason=\"ClocksDiffer\"} 0x60 1x60", 120}},
		[]world{{"crawlfleet_retention_looks_total{reason=\"Erased\"} 0+1x120", 120}},
	},
	"CrawlfleetNotSigned": {
		[]world{{"crawlfleet_signing_failures_total{reason=\"KeyUnusable\"} 0+1x30", 30}},
		[]world{{"crawlfleet_signing_failures_total{reason=\"KeyUnusable\"} 0x20 1x10", 30}},
	},
	"CrawlfleetCustodyLogFails": {
		[]world{{"crawlfleet_custody_failures_total 0+1x30", 30}},
		[]world{{"crawlfleet_custody_failures_total 0x20 2x10", 30}},
	},
	"CrawlfleetNoTimeStamps": {
		[]world{{"crawlfleet_time_stamps_total{outcome=\"Owed\"} 0+1x180\ncrawlfleet_time_stamps_total{outcome=\"Stamped\"} 3x180", 180}},
		[]world{{"crawlfleet_time_stamps_total{outcome=\"Owed\"} 0+1x180\ncrawlfleet_time_stamps_total{outcome=\"Stamped\"} 0+1x180", 180}},
	},
	"CrawlfleetPortalBehind": {
		[]world{
			{"crawlfleet_portal_catalog_listed_age_seconds 0+60x60\ncrawlfleet_portal_catalog_waiting_chunks 5x60", 60},
			{"crawlfleet_portal_catalog_failing_seconds 0+60x60", 60},
		},
		[]world{{"crawlfleet_portal_catalog_listed_age_seconds 0+60x60\ncrawlfleet_portal_catalog_waiting_chunks 1000-10x60", 60}},
	},
	"CrawlfleetPortalCustodyLogFails": {
		[]world{{"crawlfleet_portal_custody_failures_total 0+1x30", 30}, {"crawlfleet_portal_refusals_total{reason=\"CustodyUnavailable\"} 0+1x30", 30}},
		[]world{{"crawlfleet_portal_refusals_total{reason=\"NotAllowed\"} 0+1x30", 30}},
	},
	"CrawlfleetPortalProblemFiles": {
		[]world{{"crawlfleet_portal_catalog_problems 2x30", 30}},
		[]world{{"crawlfleet_portal_catalog_problems 0x30", 30}, {"crawlfleet_portal_catalog_problems 0x20 1x10", 30}},
	},
	"CrawlfleetPortalErrors": {
		[]world{{"crawlfleet_portal_requests_total{code=\"5xx\",route=\"a\"} 0+1x60\ncrawlfleet_portal_requests_total{code=\"2xx\",route=\"a\"} 0+9x60", 60}},
		[]world{{"crawlfleet_portal_requests_total{code=\"4xx\",route=\"a\"} 0+9x60\ncrawlfleet_portal_requests_total{code=\"5xx\",route=\"a\"} 0x60", 60}},
	},
	"CrawlfleetCrawlStalled": {
		[]world{{"crawlfleet_crawljob_stalled_seconds{reason=\"StoreFull\"} 0+60x20", 20}},
		[]world{{"crawlfleet_crawljob_stalled_seconds{reason=\"HostBusy\"} 0+60x60", 60}, {"crawlfleet_crawljob_stalled_seconds{reason=\"StoreFull\"} 0+60x10", 10}},
	},
	"CrawlfleetSitesUnreachable": {
		[]world{{"crawlfleet_crawljob_stalled_seconds{reason=\"HostUnreachable\"} 0+60x180", 180}},
		[]world{{"crawlfleet_crawljob_stalled_seconds{reason=\"HostUnreachable\"} 0+60x60", 60}},
	},
	"CrawlfleetScheduleNotReady": {
		[]world{{"crawlfleet_crawlschedules{ready=\"False\",reason=\"FiringFailed\"} 1x30", 30}},
		[]world{{"crawlfleet_crawlschedules{ready=\"False\",reason=\"AuthorizationExpired\"} 1x30", 30}, {"crawlfleet_crawlschedules{ready=\"True\",reason=\"Scheduled\"} 1x30", 30}},
	},
	"CrawlfleetTimesMissed": {
		[]world{{"crawlfleet_crawlschedule_firings{outcome=\"Missed\"} 1x80 2x10", 85}},
		[]world{{"crawlfleet_crawlschedule_firings{outcome=\"Missed\"} 4x90", 90}, {"crawlfleet_crawlschedule_firings{outcome=\"Missed\"} 4x80 2x10", 85}}, // one was deleted
	},
	"CrawlfleetRunLost": {
		[]world{
			{"crawlfleet_crawljobs{finished=\"true\",reason=\"RunLost\"} 1x90 2x20", 100},
			{"crawlfleet_crawljobs{finished=\"true\",reason=\"BooksUnbalanced\"} _x60 1x20", 70}, // the first
		},
		[]world{{"crawlfleet_crawljobs{finished=\"true\",reason=\"RunLost\"} 2x150", 150}, {"crawlfleet_crawljobs{finished=\"true\",reason=\"Completed\"} 0+1x150", 150}},
	},
	"CrawlfleetPagesFail": {
		[]world{{"crawlfleet_pages_total{outcome=\"Failed\",reason=\"DNSFailed\"} 0+5x90\ncrawlfleet_pages_total{outcome=\"Archived\",reason=\"\"} 0+1x90", 90}},
		[]world{
			{"crawlfleet_pages_total{outcome=\"Failed\",reason=\"DNSFailed\"} 0+1x90\ncrawlfleet_pages_total{outcome=\"Archived\",reason=\"\"} 0+5x90", 90},
			{"crawlfleet_pages_total{outcome=\"Failed\",reason=\"DNSFailed\"} 0+1x90", 90}, // too few to say
		},
	},
	"CrawlfleetKnownIllegalImage": {
		[]world{{"crawlfleet_pictures_withheld_total{reason=\"KnownIllegalImage\"} 0x60 1x5", 65}},
		[]world{{"crawlfleet_pictures_withheld_total{reason=\"ImageNotJudged\"} 0+1x65", 65}},
	},
	"CrawlfleetOperatorDown": {
		[]world{{"up{job=\"worker\"} 1x60", 60}, {"crawlfleet_tabs{namespace=\"a\"} 4x60\ncrawlfleet_temporal_up{namespace=\"b\"} 1x60", 60}},
		[]world{{"crawlfleet_temporal_up 1x60", 60}, {"crawlfleet_temporal_up 0x60", 60}},
	},
	"CrawlfleetTemporalDown": {
		[]world{{"crawlfleet_temporal_up 1x20 0x40", 60}, {"crawlfleet_temporal_up{namespace=\"a\"} 0x60\ncrawlfleet_temporal_up{namespace=\"b\"} 1x60", 60}}, // of two fleets
		[]world{{"crawlfleet_temporal_up{pod=\"a\"} 0x60\ncrawlfleet_temporal_up{pod=\"b\"} 1x60", 60}, {"crawlfleet_temporal_up 1x57 0x3", 60}},
	},
	"CrawlfleetNoWorkers": {
		[]world{{"crawlfleet_queue_pollers{queue=\"q\"} 0x60\ncrawlfleet_queue_backlog{queue=\"q\"} 3x60", 60}},
		[]world{ // there are none because there is nothing to do
			{"crawlfleet_queue_pollers{queue=\"q\"} 0x60\ncrawlfleet_queue_backlog{queue=\"q\"} 0x60\ncrawlfleet_queue_pollers{queue=\"r\"} 1x60\ncrawlfleet_queue_backlog{queue=\"r\"} 9x60", 60},
		},
	},
	"CrawlfleetQueueOld": {
		[]world{{"crawlfleet_queue_backlog_age_seconds{queue=\"q\"} 0+60x60", 60}},
		[]world{{"crawlfleet_queue_backlog_age_seconds{queue=\"q\"} 300x60", 60}},
	},
	"CrawlfleetTooFewTabs": {
		[]world{{"crawlfleet_ready_host_wait_seconds_bucket{le=\"300\"} 0+1x120\ncrawlfleet_ready_host_wait_seconds_bucket{le=\"900\"} 0+10x120\ncrawlfleet_ready_host_wait_seconds_bucket{le=\"+Inf\"} 0+10x120", 120}},
		[]world{{"crawlfleet_ready_host_wait_seconds_bucket{le=\"1\"} 0+10x120\ncrawlfleet_ready_host_wait_seconds_bucket{le=\"+Inf\"} 0+10x120", 120}},
	},
	"CrawlfleetReconcileErrors": {
		[]world{{"controller_runtime_reconcile_errors_total{controller=\"crawljob\"} 0+30x60", 60}},
		[]world{{"controller_runtime_reconcile_errors_total{controller=\"crawljob\"} 0+1x60", 60}},
	},
	"CrawlfleetWorkflowTasksFail": {
		[]world{{"temporal_workflow_task_execution_failed_total{workflow_type=\"CrawlRun\",failure_reason=\"NonDeterminismError\"} 0+1x30", 30}},
		[]world{{"temporal_workflow_task_execution_failed_total{workflow_type=\"CrawlRun\",failure_reason=\"NonDeterminismError\"} 0x20 1x10", 30}},
	},
	"CrawlfleetTemporalErrors": {
		[]world{{"temporal_request_failure_total{operation=\"o\",status_code=\"UNAVAILABLE\"} 0+2x60\ntemporal_request_total{operation=\"o\"} 0+10x60", 60}},
		[]world{{"temporal_request_failure_total{operation=\"o\",status_code=\"NOT_FOUND\"} 0+5x60\ntemporal_request_total{operation=\"o\"} 0+10x60", 60}},
	},
	"CrawlfleetStoreFails": {
		[]world{{"crawlfleet_store_requests_total{operation=\"PutObject\",outcome=\"Unreachable\"} 0+1x60\ncrawlfleet_store_requests_total{operation=\"PutObject\",outcome=\"Done\"} 0+9x60", 60}},
		[]world{{"crawlfleet_store_requests_total{operation=\"HeadObject\",outcome=\"NotFound\"} 0+9x60\ncrawlfleet_store_requests_total{operation=\"PutObject\",outcome=\"Busy\"} 0x60", 60}},
	},
	"CrawlfleetGatewayForbids": {
		[]world{{"crawlfleet_gateway_requests_total{outcome=\"Forbidden\"} 0x60 1x5", 65}, {"crawlfleet_gateway_requests_total{outcome=\"Malformed\"} 0x60 1x5", 65}},
		[]world{{"crawlfleet_gateway_requests_total{outcome=\"Tunnel\"} 0+9x65\ncrawlfleet_gateway_requests_total{outcome=\"Unreachable\"} 0+9x65\ncrawlfleet_gateway_requests_total{outcome=\"Forbidden\"} 3x65", 65}},
	},
	"CrawlfleetGatewayFull": {
		[]world{{"crawlfleet_gateway_requests_total{outcome=\"Full\"} 0x60 1x5", 65}},
		[]world{{"crawlfleet_gateway_requests_total{outcome=\"Tunnel\"} 0+9x65\ncrawlfleet_gateway_requests_total{outcome=\"Full\"} 3x65", 65}},
	},
	"CrawlfleetStoreFull": {
		[]world{{"crawlfleet_store_requests_total{operation=\"PutObject\",outcome=\"Full\"} 0x60 1x5", 65}},
		[]world{{"crawlfleet_store_requests_total{operation=\"PutObject\",outcome=\"Done\"} 0+1x65", 65}},
	},
	"CrawlfleetStoreSlow": {
		[]world{{"crawlfleet_store_request_seconds_bucket{operation=\"PutObject\",le=\"10\"} 0+1x60\ncrawlfleet_store_request_seconds_bucket{operation=\"PutObject\",le=\"30\"} 0+10x60\ncrawlfleet_store_request_seconds_bucket{operation=\"PutObject\",le=\"+Inf\"} 0+10x60", 60}},
		[]world{{"crawlfleet_store_request_seconds_bucket{operation=\"GetObject\",le=\"10\"} 0+1x60\ncrawlfleet_store_request_seconds_bucket{operation=\"GetObject\",le=\"30\"} 0+10x60\ncrawlfleet_store_request_seconds_bucket{operation=\"GetObject\",le=\"+Inf\"} 0+10x60", 60}},
	},
}

// TestAlertsFire evaluates each alert, with the engine of Prometheus, over what it is for and over what looks like it.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	all := rules(t)
	for name := range fires {
		if _, ok := all[name]; !ok {
			t.Errorf("there is no alert %s", name)
		}
	}
	for name, r := range all {
		cases := fires[name]
		if len(cases.fires) == 0 || len(cases.quiet) == 0 {
			t.Errorf("%s is not tried: say what it fires for, and what not", name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, w := range cases.fires {
				if !firing(t, r, w) {
					t.Errorf("it does not fire for\n%s", w.series)
				}
			}
			for _, w := range cases.quiet {
				if firing(t, r, w) {
					t.Errorf("it fires for\n%s", w.series)
				}
			}
		})
	}
}

// firing reports whether an alert fires: its condition has held at each minute for as long as it has to.
func firing(t *testing.T, r rule, w world) bool {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m\n"+w.series)
	engine := promqltest.NewTestEngine(t, false, 0, 100000)
	for at := time.Duration(w.at)*time.Minute - r.pending(t); at <= time.Duration(w.at)*time.Minute; at += time.Minute {
		query, err := engine.NewInstantQuery(t.Context(), storage, nil, r.Expr, time.Unix(0, 0).Add(at))
		if err != nil {
			t.Fatal(err)
		}
		result := query.Exec(t.Context())
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		found, err := result.Vector()
		if err != nil {
			t.Fatal(err)
		}
		if query.Close(); len(found) == 0 {
			return false
		}
	}
	return true
}
