package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/temporalconn"
	"crawlfleet.dev/crawlfleet/portal"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/workflows"
)

// liveOptions are the flags of following jobs.
type liveOptions struct {
	fleet          temporalconn.Config
	frontierBucket string
	namespaces     []string
	payloadKeys    payload.File
}

func (o *liveOptions) add(f *pflag.FlagSet) {
	o.fleet.Add(f, "", workflows.Namespace)
	f.Lookup("temporal-address").Usage = "Temporal, host:port, to tell which pages of running jobs are under way; empty leaves that out [$TEMPORAL_ADDRESS]"
	f.StringVar(&o.frontierBucket, "frontier-bucket", "", "bucket of the workers' --frontier-bucket, to tell how the hosts of running jobs stand; empty leaves that out")
	f.StringSliceVar(&o.namespaces, "namespaces", namespacesOf(os.Getenv("CRAWLFLEET_NAMESPACES")),
		"namespaces whose CrawlJobs are shown, divided by commas, where the portal may not see all [$CRAWLFLEET_NAMESPACES]")
	o.payloadKeys.Add(f)
}

// namespacesOf are the words of a list with commas; none of an empty one.
func namespacesOf(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// board follows the jobs of a cluster; t may be nil.
func (o *liveOptions) board(config *rest.Config, store *blob.Client, t *fleetTemporal, captures live.Captures, log *slog.Logger) (*live.Board, error) {
	reader, err := clusterReader(config)
	if err != nil {
		return nil, err
	}
	d := &details{log: log, converter: converter.GetDefaultDataConverter()}
	if o.frontierBucket != "" {
		d.frontier = &frontiers{store: store.Bucket(o.frontierBucket)}
	}
	if t != nil {
		d.temporal, d.converter = t.Client, t.converter
	}
	return &live.Board{Jobs: jobs{reader, o.namespaces}, Details: d, Captures: captures, Now: time.Now, Logger: log}, nil
}

// fleetTemporal is the fleet's Temporal, and how its payloads are read.
type fleetTemporal struct {
	temporal.Client
	converter converter.DataConverter
}

// dial names the fleet's Temporal, without asking it; nil where none is named.
func (o *liveOptions) dial(log *slog.Logger) (*fleetTemporal, error) {
	if o.fleet.Address == "" {
		return nil, nil
	}
	options, err := o.fleet.Options(log)
	if err != nil {
		return nil, err
	}
	options.Logger = telemetry.Temporal(log)
	if _, err := o.payloadKeys.Apply(&options, log); err != nil {
		return nil, err
	}
	t, err := temporal.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("set up the Temporal client for %s: %w", o.fleet.Address, err)
	}
	if options.DataConverter == nil {
		options.DataConverter = converter.GetDefaultDataConverter()
	}
	return &fleetTemporal{t, options.DataConverter}, nil
}

// decided tells who looks after a run that something was decided about its captures. A run that
// nobody looks after any more needs not be told.
func (t *fleetTemporal) decided(ctx context.Context, uid string) error {
	err := t.SignalWorkflow(ctx, workflows.RetainWorkflowID(uid), "", workflows.SignalDecided, nil)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil
	}
	return err
}

// board follows the jobs of a cluster; nil without one.
func (o *options) board(config *rest.Config, store *blob.Client, t *fleetTemporal, known *catalog.Catalog, log *slog.Logger) (portal.Board, error) {
	if config == nil {
		return nil, nil
	}
	return o.live.board(config, store, t, captures{known}, log)
}

// captures finds what was captured last in the catalog.
type captures struct{ known *catalog.Catalog }

// Recent implements live.Captures.
func (c captures) Recent(ctx context.Context, run catalog.Run, limit int) (list []catalog.Capture, err error) {
	found, err := c.known.Search(ctx, catalog.Query{Run: run.UID, Namespaces: []string{run.Namespace}, Limit: limit})
	for _, hit := range found.Hits {
		list = append(list, hit.Capture)
	}
	return list, err
}

// jobs reads CrawlJobs. Their status says most of what people want to know.
type jobs struct {
	reader client.Reader
	// namespaces are those that are read; all without any.
	namespaces []string
}

// pageOfJobs is how many jobs the API server is asked for at once.
const pageOfJobs = 500

// Jobs implements live.Jobs.
func (k jobs) Jobs(ctx context.Context) ([]live.Job, error) {
	if len(k.namespaces) == 0 {
		return k.in(ctx, metav1.NamespaceAll)
	}
	all := []live.Job{}
	for _, namespace := range k.namespaces {
		some, err := k.in(ctx, namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// in reads the jobs of a namespace.
func (k jobs) in(ctx context.Context, namespace string) ([]live.Job, error) {
	all := []live.Job{}
	for next := ""; ; {
		var list v1alpha1.CrawlJobList
		if err := k.reader.List(ctx, &list, client.InNamespace(namespace), client.Limit(pageOfJobs), client.Continue(next)); err != nil {
			return nil, err
		}
		for i := range list.Items {
			all = append(all, jobOf(&list.Items[i]))
		}
		if next = list.Continue; next == "" {
			return all, nil
		}
	}
}

func jobOf(j *v1alpha1.CrawlJob) live.Job {
	job := live.Job{
		Namespace: j.Namespace, Name: j.Name, UID: string(j.RunUID()), Created: j.CreationTimestamp.UTC(),
		FailedByReason: countsOf(j.Status.FailedByReason), SkippedByReason: countsOf(j.Status.SkippedByReason), SecondsLeft: j.Status.SecondsLeft,
	}
	job.State, job.Reason, job.Message = standing(j)
	if c := j.Status.Counters; c != nil {
		job.Counters = live.Counters{
			Discovered: value(c.Discovered), Queued: value(c.Queued), InProgress: value(c.InProgress), Archived: value(c.Archived),
			Failed: value(c.Failed), Skipped: value(c.Skipped), Bytes: value(c.Bytes),
		}
	}
	if p := j.Status.PagesPerMinute; p != nil {
		rate := float64(*p)
		job.PagesPerMinute = &rate
	}
	if at := j.Status.StartedAt; at != nil {
		job.Started = at.UTC()
	}
	if at := j.Status.FinishedAt; at != nil {
		job.Finished = at.UTC()
	}
	for _, seed := range slices.Concat(j.Spec.Seeds.URLs, j.Spec.Seeds.Sitemaps) {
		job.SeedCount++
		if len(job.Seeds) < live.MaxSeeds {
			job.Seeds = append(job.Seeds, string(seed))
		}
	}
	return job
}

// standing says where a job is by its conditions, as docs/reference/crawljob.md has them.
func standing(j *v1alpha1.CrawlJob) (state live.State, reason, message string) {
	conditions := j.Status.Conditions
	verdict := meta.FindStatusCondition(conditions, v1alpha1.ConditionSucceeded)
	if verdict == nil {
		return live.Waiting, "", "the operator has not looked at it yet"
	}
	reason, message = verdict.Reason, verdict.Message
	switch {
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionFinished):
		return ended(verdict), reason, message
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled):
		stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled)
		return live.Stalled, stalled.Reason, stalled.Message
	case reason == string(workflows.ReasonSuspended):
		return live.Suspended, reason, message
	case reason == string(workflows.ReasonSealing):
		return live.Ending, reason, message
	case !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAccepted):
		return live.Waiting, reason, message
	}
	return live.Running, reason, message
}

func ended(verdict *metav1.Condition) live.State {
	switch {
	case verdict.Status == metav1.ConditionTrue:
		return live.Succeeded
	case verdict.Reason == string(workflows.ReasonCancelled):
		return live.Cancelled
	}
	return live.Failed
}

func countsOf(reasons []v1alpha1.ReasonCount) []live.Count {
	var counts []live.Count
	for _, r := range reasons {
		counts = append(counts, live.Count{Reason: r.Reason, Count: r.Count})
	}
	return counts
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// describer is the part of the Temporal client that is needed. Describing asks the server alone;
// a query would have a worker replay the history.
type describer interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// details looks a job up where that costs the fleet least: hosts in the manifests of the frontier
// bucket, pages under way in the heartbeats that Temporal keeps.
type details struct {
	frontier  *frontiers
	temporal  describer
	converter converter.DataConverter
	log       *slog.Logger
}

// Detail implements live.Details.
func (d *details) Detail(ctx context.Context, job live.Job) live.Detail {
	var out live.Detail
	if d.frontier == nil {
		out.Missing = append(out.Missing, "How its hosts stand is not told: the portal was not given the frontier bucket.")
		return out
	}
	hosts, shards, err := d.frontier.hosts(ctx, job)
	out.Hosts = hosts
	switch {
	case errors.Is(err, blob.ErrNotFound): // it has not begun
	case errors.Is(err, errLarge):
		out.Missing = append(out.Missing, "How its hosts stand is not told: there are too many to read them all.")
	case err != nil:
		d.log.Warn("the hosts of a job cannot be read", "namespace", job.Namespace, "job", job.Name, "error", err)
		out.Missing = append(out.Missing, "How its hosts stand cannot be told just now: the frontier bucket cannot be read.")
	}
	if d.temporal == nil {
		out.Missing = append(out.Missing, "Which pages are under way is not told: the portal was not given Temporal.")
		return out
	}
	for shard := range shards {
		pages, err := d.underWay(ctx, job, shard)
		out.UnderWay = append(out.UnderWay, pages...)
		if err != nil {
			d.log.Warn("the pages of a job that are under way cannot be told", "namespace", job.Namespace, "job", job.Name, "shard", shard, "error", err)
			out.Missing = append(out.Missing, "Which pages are under way cannot be told just now.")
			break
		}
	}
	slices.SortFunc(out.UnderWay, func(a, b live.Page) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.URL, b.URL)) })
	return out
}

// underWay are the pages of a shard that workers are busy with, by their last heartbeats.
func (d *details) underWay(ctx context.Context, job live.Job, shard int) ([]live.Page, error) {
	description, err := d.temporal.DescribeWorkflowExecution(ctx, workflows.ShardWorkflowID(job.UID, shard), "")
	if err != nil {
		return nil, err
	}
	var pages []live.Page
	for _, a := range description.GetPendingActivities() {
		if a.GetActivityType().GetName() != workflows.ActivityCrawlBundle || a.GetHeartbeatDetails() == nil {
			continue
		}
		var p workflows.BundleProgress
		if err := d.converter.FromPayloads(a.GetHeartbeatDetails(), &p); err != nil {
			return pages, fmt.Errorf("read a heartbeat: %w", err)
		}
		if p.Bundle == "" || len(p.Pages) == 0 {
			continue // of a worker that does not name it yet, or between two pages
		}
		addresses, err := d.frontier.bundle(ctx, job, p.Bundle)
		if err != nil {
			return pages, err
		}
		for _, at := range p.Pages {
			if at.Index >= 0 && at.Index < len(addresses) {
				pages = append(pages, live.Page{URL: addresses[at.Index], Phase: at.Phase, Since: at.Since.UTC(), Attempt: int(a.GetAttempt())})
			}
		}
	}
	return pages, nil
}
