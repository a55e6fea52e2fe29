package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
)

const (
	// keep is how long what was told holds.
	keep = 3 * time.Second
	// patience bounds one look-up.
	patience = 10 * time.Second
	// maxJobs bounds a list, maxDetails how many details are kept.
	maxJobs, maxDetails = 500, 64
)

// ErrNoJob means that there is no such job, or not for who asks.
var ErrNoJob = errors.New("no such job")

// Board tells how jobs are doing. It is safe for concurrent use.
type Board struct {
	Jobs Jobs
	// Details and Captures may be nil: then what they would tell is said to be missing.
	Details  Details
	Captures Captures
	Now      func() time.Time
	Logger   *slog.Logger

	mu      sync.Mutex // held while jobs are listed: who comes meanwhile waits for that
	jobs    []Job
	listed  time.Time
	seen    map[string]series
	details map[string]*looked
}

// looked is a detail that is kept, or is being looked up.
type looked struct {
	once   sync.Once
	at     time.Time
	detail Detail
}

// Namespaces are those that have jobs, sorted, whoever may follow them.
func (b *Board) Namespaces(ctx context.Context) ([]string, error) {
	all, err := b.list(ctx)
	names := make([]string, 0, len(all))
	for _, j := range all {
		names = append(names, j.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// List are the jobs of namespaces, those under way first, then the newest. Without namespaces
// there are none.
func (b *Board) List(ctx context.Context, namespaces []string) ([]Job, error) {
	all, err := b.list(ctx)
	if err != nil {
		return nil, err
	}
	jobs := []Job{}
	for _, j := range all {
		if slices.Contains(namespaces, j.Namespace) {
			jobs = append(jobs, j)
		}
	}
	return jobs[:min(len(jobs), maxJobs)], nil
}

// Job is one job with its details.
func (b *Board) Job(ctx context.Context, namespaces []string, namespace, name string) (Job, error) {
	if !slices.Contains(namespaces, namespace) {
		return Job{}, fmt.Errorf("%s/%s: %w", namespace, name, ErrNoJob)
	}
	all, err := b.list(ctx)
	if err != nil {
		return Job{}, err
	}
	i := slices.IndexFunc(all, func(j Job) bool { return j.Namespace == namespace && j.Name == name })
	if i < 0 {
		return Job{}, fmt.Errorf("%s/%s: %w", namespace, name, ErrNoJob)
	}
	job := all[i]
	detail := b.detail(ctx, job)
	job.Detail = &detail
	job.Problems = append(slices.Clone(job.Problems), hostProblems(detail.Hosts)...)
	return job, nil
}

// list asks for the jobs, unless that was done just now.
func (b *Board) list(ctx context.Context) ([]Job, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	if b.jobs != nil && now.Sub(b.listed) < keep {
		return b.jobs, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	jobs, err := b.Jobs.Jobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the jobs: %w", err)
	}
	seen := make(map[string]series, len(jobs)) // jobs that are gone are forgotten
	for i := range jobs {
		j := &jobs[i]
		j.Problems = problemsOf(*j)
		if j.State.Over() {
			j.PagesPerMinute, j.SecondsLeft = nil, nil
			continue
		}
		s := b.seen[j.UID].add(now, j.Counters.Archived+j.Counters.Failed)
		seen[j.UID] = s
		if rate, known := s.perMinute(); known {
			j.PagesPerMinute = &rate
		}
	}
	slices.SortFunc(jobs, func(a, b Job) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), b.Created.Compare(a.Created), strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
	b.jobs, b.listed, b.seen = jobs, now, seen
	return jobs, nil
}

// order is 0 for jobs under way.
func order(j Job) int {
	if j.State.Over() {
		return 1
	}
	return 0
}

// detail looks a job up, unless that was done just now. Who comes meanwhile waits for that.
func (b *Board) detail(ctx context.Context, job Job) Detail {
	now := b.Now()
	b.mu.Lock()
	if b.details == nil {
		b.details = map[string]*looked{}
	}
	l := b.details[job.UID]
	if l == nil || now.Sub(l.at) >= keep {
		l = &looked{at: now}
		b.details[job.UID] = l
		b.forget(now)
	}
	b.mu.Unlock()
	l.once.Do(func() {
		// Others wait for it, too, so that it does not end with who asked first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		l.detail = b.look(ctx, job)
	})
	return l.detail
}

// forget drops details that are not fresh any more once there are many.
func (b *Board) forget(now time.Time) {
	if len(b.details) <= maxDetails {
		return
	}
	for uid, l := range b.details {
		if now.Sub(l.at) >= keep {
			delete(b.details, uid)
		}
	}
}

func (b *Board) look(ctx context.Context, job Job) Detail {
	var d Detail
	switch {
	case job.State.Over():
	case b.Details == nil:
		d.Missing = append(d.Missing, "How its hosts stand is not told: the portal was not given the frontier bucket and Temporal.")
	default:
		d = b.Details.Detail(ctx, job)
	}
	d.Waiting = waitsOf(d.Hosts, b.Now())
	d.HostCount = len(d.Hosts)
	d.Hosts = busiest(d.Hosts)
	if b.Captures == nil {
		return d
	}
	recent, err := b.Captures.Recent(ctx, catalog.Run{Namespace: job.Namespace, Job: job.Name, UID: job.UID}, MaxRecent)
	if err != nil {
		b.Logger.Warn("recent captures cannot be told", "namespace", job.Namespace, "job", job.Name, "error", err)
		d.Missing = append(d.Missing, "What was captured last cannot be told just now.")
	}
	d.Recent = recent
	return d
}
