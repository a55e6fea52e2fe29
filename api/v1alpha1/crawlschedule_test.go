package v1alpha1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const scheduleFile = "../../config/crd/bases/crawlfleet.dev_crawlschedules.yaml"

const orderYAML = `
    spec:
      authorization: {reference: DPIA-1, purpose: Test, basis: consent, requestedBy: desk, notAfter: "2035-12-31T23:59:59Z"}
      seeds: {urls: ["https://example.org/"]}
`

// crawlSchedule writes a manifest with the given rest of spec, and a changed template.
func crawlSchedule(rest string, changes ...string) string {
	m := `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlSchedule
metadata: {name: nightly, namespace: default}
spec:
  schedule: {cron: ["30 3 * * MON-FRI"]}
  jobTemplate:` + orderYAML + indent(rest)
	return strings.NewReplacer(changes...).Replace(m)
}

func TestCrawlScheduleDefinitionIsValid(t *testing.T) {
	t.Parallel()
	if errs := crdvalidation.ValidateCustomResourceDefinition(t.Context(), loadDefinition(t, scheduleFile)); len(errs) > 0 {
		t.Fatalf("the API server would refuse the definition:\n%v", errs.ToAggregate())
	}
	var total uint64
	for _, r := range walkRules(t, newServer(t, scheduleFile).structural, nil) {
		if r.cost > crdvalidation.StaticEstimatedCostLimit*2/3 {
			t.Errorf("%s: rule %q costs %d, over two thirds of the limit of %d", r.path, r.rule, r.cost, crdvalidation.StaticEstimatedCostLimit)
		}
		total += r.cost
	}
	if total > crdvalidation.StaticEstimatedCRDCostLimit/2 {
		t.Errorf("all rules together cost %d, over half of the limit of %d", total, crdvalidation.StaticEstimatedCRDCostLimit)
	}
	info, err := os.Stat(scheduleFile)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(128 << 10); info.Size() > limit {
		t.Errorf("the definition is %d bytes; keep it under %d so that client-side apply works", info.Size(), limit)
	}
}

func TestCrawlScheduleRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, scheduleFile)
	const cron = `["30 3 * * MON-FRI"]`
	for name, tc := range map[string]struct{ reason, manifest, want string }{
		"NoTemplate":  {"Without a template there is nothing to order.", crawlSchedule("", "  jobTemplate:"+orderYAML, ""), "spec.jobTemplate: Required value"},
		"NoTimes":     {"A schedule without a time never fires.", crawlSchedule("", "schedule: {cron: "+cron+"}", "schedule: {}"), "schedule.cron or schedule.intervals"},
		"NoSchedule":  {"Nor does one that is left out.", crawlSchedule("", "schedule: {cron: "+cron+"}", ""), "spec.schedule"},
		"SixFields":   {"Other programs take seconds too.", crawlSchedule("", cron, `["0 30 3 * * *"]`), "must be five fields"},
		"Shorthand":   {"And shorthands.", crawlSchedule("", cron, `["@daily @daily"]`), "must be five fields"},
		"CronZone":    {"A time zone has a field of its own.", crawlSchedule("", cron, `["CRON_TZ=UTC 3 * * *"]`), "must be five fields"},
		"CronTwice":   {"The same time twice is a slip.", crawlSchedule("", cron, `["0 3 * * *", "0 3 * * *"]`), "Duplicate value"},
		"Often":       {"No site is to be visited every second.", crawlSchedule("", "{cron: "+cron+"}", "{intervals: [{everySeconds: 1}]}"), "greater than or equal to 5"},
		"Offset":      {"An offset of a whole interval is another offset.", crawlSchedule("", "{cron: "+cron+"}", "{intervals: [{everySeconds: 60, offsetSeconds: 60}]}"), "offsetSeconds must be less than everySeconds"},
		"Zone":        {"UTC+1 is no time zone.", crawlSchedule("timeZone: Central European Time"), "a name of the IANA time zone database"},
		"LocalZone":   {"Whose local time?", crawlSchedule("timeZone: Local"), "a name of the IANA time zone database"},
		"Order":       {"What ends before it begins never fires.", crawlSchedule("startingAt: \"2030-01-01T00:00:00Z\"\nendingAt: \"2029-01-01T00:00:00Z\""), "endingAt must be later than startingAt"},
		"Overlap":     {"A crawl is never ended without being sealed.", crawlSchedule("overlapPolicy: TerminateOther"), "Unsupported value"},
		"State":       {"A schedule is deleted, not cancelled.", crawlSchedule("state: Cancelled"), "Unsupported value"},
		"CatchUp":     {"Temporal would take ten seconds for less.", crawlSchedule("catchUpWindowSeconds: 1"), "greater than or equal to 10"},
		"Range":       {"A range has an order.", crawlSchedule("backfill: {name: gap, from: \"2026-01-02T00:00:00Z\", to: \"2026-01-01T00:00:00Z\"}"), "to must be later than from"},
		"NoName":      {"A request that has no name cannot be told from the last one.", crawlSchedule("backfill: {from: \"2026-01-01T00:00:00Z\", to: \"2026-01-02T00:00:00Z\"}"), "spec.backfill.name: Required value"},
		"Long":        {"The CrawlJobs need room for their time.", crawlSchedule("", "name: nightly", "name: "+strings.Repeat("n", 48)), "at most 47 characters and no dots"},
		"Dots":        {"Two schedules must not make the same name.", crawlSchedule("", "name: nightly", "name: a.b"), "at most 47 characters and no dots"},
		"JobState":    {"Each CrawlJob begins.", crawlSchedule("", "    spec:\n", "    spec:\n      state: Suspended\n"), "use spec.state of the CrawlSchedule for a pause"},
		"JobSeeds":    {"A template is held to the rules of a CrawlJob.", crawlSchedule("", `["https://example.org/"]`, `["ftp://example.org/"]`), "must be a whole web address"},
		"JobPurpose":  {"To all of them.", crawlSchedule("", "purpose: Test", "purpose: two words"), "purpose must be one word"},
		"JobScope":    {"Those between fields too.", crawlSchedule("", "    spec:\n", "    spec:\n      scope: {type: Custom}\n"), "scope.include"},
		"Label":       {"A label is found when the schedule is made, not at three in the morning.", crawlSchedule("", "    spec:\n", "    metadata: {labels: {case: \"two words\"}}\n    spec:\n"), "must be labels as Kubernetes knows them"},
		"OwnLabel":    {"Labels of the operator mean something.", crawlSchedule("", "    spec:\n", "    metadata: {labels: {crawlfleet.dev/schedule: other}}\n    spec:\n"), "none that begins with crawlfleet.dev/"},
		"Annotation":  {"Annotations likewise.", crawlSchedule("", "    spec:\n", "    metadata: {annotations: {crawlfleet.dev/scheduled-for: never}}\n    spec:\n"), "none that begins with crawlfleet.dev/"},
		"Unknown":     {"A field that does not exist is not passed over.", crawlSchedule("suspend: true"), "unknown field"},
		"HistoryLess": {"Fewer than none cannot be kept.", crawlSchedule("failedJobsHistoryLimit: -1"), "greater than or equal to 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := s.create(t, tc.manifest)
			if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\n got %v\nwant %s", tc.reason, err, tc.want)
			}
		})
	}
}

func TestCrawlScheduleAccepted(t *testing.T) {
	t.Parallel()
	s := newServer(t, scheduleFile)
	obj, errs := s.create(t, crawlSchedule(""))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	for path, want := range map[string]any{
		"timeZone": "UTC", "overlapPolicy": "Skip", "state": "Active", "catchUpWindowSeconds": int64(3600),
		"successfulJobsHistoryLimit": int64(10), "failedJobsHistoryLimit": int64(10),
	} {
		if got, _, _ := unstructured.NestedFieldNoCopy(obj.Object, "spec", path); got != want {
			t.Errorf("%s is %v by default, want %v", path, got, want)
		}
	}
	if got, _, _ := unstructured.NestedFieldNoCopy(obj.Object, "spec", "jobTemplate", "spec", "limits", "pages"); got != int64(10000) {
		t.Errorf("a template has the defaults of a CrawlJob: limits.pages is %v", got)
	}
	for _, m := range []string{
		crawlSchedule("timeZone: America/Argentina/Buenos_Aires\njitterSeconds: 600"),
		crawlSchedule("timeZone: Etc/GMT+5\noverlapPolicy: CancelOther\nstate: Suspended"),
		crawlSchedule("", `{cron: ["30 3 * * MON-FRI"]}`, "{intervals: [{everySeconds: 3600}, {everySeconds: 3600, offsetSeconds: 600}]}"),
		crawlSchedule("", `["30 3 * * MON-FRI"]`, `["*/15 8-18 1,15 JAN-JUN 1-5", "0 0 * * 0"]`),
		crawlSchedule("successfulJobsHistoryLimit: 0\nfailedJobsHistoryLimit: 0"),
		crawlSchedule("backfill: {name: gap, from: \"2026-01-01T00:00:00Z\", to: \"2026-01-02T00:00:00+01:00\"}"),
		crawlSchedule("", "    spec:\n", "    metadata: {labels: {example.org/case: \"7\", empty: \"\"}, annotations: {Example.org/Note: any text}}\n    spec:\n"),
		crawlSchedule("", "name: nightly", "name: "+strings.Repeat("n", 47)),
	} {
		if _, errs := s.create(t, m); len(errs) > 0 {
			t.Errorf("%v\n%s", errs.ToAggregate(), m)
		}
	}
}

// TestCrawlScheduleChanges asserts that, unlike an order, everything may be changed but the
// meaning of a name.
func TestCrawlScheduleChanges(t *testing.T) {
	t.Parallel()
	s := newServer(t, scheduleFile)
	const gap = "backfill: {name: gap, from: \"2026-01-01T00:00:00Z\", to: \"2026-01-02T00:00:00Z\"}"
	for _, after := range []string{
		crawlSchedule("", "https://example.org/", "https://example.net/"),
		crawlSchedule("", "DPIA-1", "DPIA-2"),
		crawlSchedule("", "    spec:\n", "    spec:\n      limits: {pages: 7}\n      scope: {type: Host}\n"),
		crawlSchedule("", "30 3 * * MON-FRI", "0 4 * * *"),
		crawlSchedule(gap),
	} {
		if errs := s.update(t, crawlSchedule(""), after); len(errs) > 0 {
			t.Errorf("a change is refused: %v\n%s", errs.ToAggregate(), after)
		}
	}
	if errs := s.update(t, crawlSchedule(gap), crawlSchedule(strings.Replace(gap, "gap", "wider", 1))); len(errs) > 0 {
		t.Errorf("another request is refused: %v", errs.ToAggregate())
	}
	errs := s.update(t, crawlSchedule(gap), crawlSchedule(strings.Replace(gap, "01-02", "01-03", 1)))
	if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), "give the new range another name") {
		t.Errorf("a range that changes under its name: %v", err)
	}
}

func TestCrawlScheduleSample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("../../config/samples", "schedule.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	obj, errs := newServer(t, scheduleFile).create(t, string(raw))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	// What a schedule orders, a CrawlJob of the same spec is.
	spec, _, err := unstructured.NestedMap(obj.Object, "spec", "jobTemplate", "spec")
	if err != nil {
		t.Fatal(err)
	}
	job := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "crawlfleet.dev/v1alpha1", "kind": "CrawlJob", "metadata": map[string]any{"name": "x"}, "spec": spec,
	}}
	manifest, err := job.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := newServer(t).create(t, string(manifest)); len(errs) > 0 {
		t.Error(errs.ToAggregate())
	}
}
