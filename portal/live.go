package portal

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// Board tells how crawls are doing; [live.Board] is one.
type Board interface {
	// Namespaces are those that have jobs, whoever may follow them.
	Namespaces(ctx context.Context) ([]string, error)
	List(ctx context.Context, namespaces []string) ([]live.Job, error)
	Job(ctx context.Context, namespaces []string, namespace, name string) (live.Job, error)
}

// errNoCluster means that the portal was given no cluster whose jobs it could follow.
var errNoCluster = errors.New("no cluster")

// stateWords are what people call the states of jobs.
var stateWords = map[string]string{
	string(live.Waiting): "waiting", string(live.Running): "running", string(live.Suspended): "suspended", string(live.Stalled): "stalled",
	string(live.Ending): "ending", string(live.Succeeded): "succeeded", string(live.Failed): "failed", string(live.Cancelled): "cancelled",
}

// liveWords are what else is said of a job.
var liveWords = []string{"Pages and hosts are shown to people who may find snapshots in this namespace."}

// stateClass is how a state looks.
func stateClass(s live.State) string {
	switch s {
	case live.Succeeded:
		return "good"
	case live.Stalled, live.Failed:
		return "bad"
	case live.Cancelled:
		return ""
	case live.Waiting, live.Running, live.Suspended, live.Ending:
	}
	return "busy"
}

// following are the namespaces whose jobs the person may follow.
func (h handlers) following(r *http.Request) ([]string, error) {
	if h.Board == nil {
		return nil, errNoCluster
	}
	all, err := h.Board.Namespaces(r.Context())
	if err != nil {
		return nil, err
	}
	return h.allowed(r, access.Follow, all)
}

func (h handlers) jobs(r *http.Request) ([]live.Job, error) {
	namespaces, err := h.following(r)
	if err != nil {
		return nil, err
	}
	return h.Board.List(r.Context(), namespaces)
}

func (h handlers) job(r *http.Request) (live.Job, error) {
	if h.Board == nil {
		return live.Job{}, errNoCluster
	}
	namespace := r.PathValue("namespace")
	job, err := h.Board.Job(r.Context(), []string{namespace}, namespace, r.PathValue("name"))
	if err != nil || job.Detail == nil {
		return job, err
	}
	// Who may follow a crawl need not see what it captures, nor which hosts it finds. Its seeds and its message are in
	// the CrawlJob, which they may read.
	finds, err := h.Gate.Rights.May(r.Context(), access.From(r.Context()), access.Find, namespace)
	if err != nil || finds {
		return job, err
	}
	job = job.WithoutHosts()
	job.Missing = append(job.Missing, liveWords[0])
	return job, nil
}

// live is the page of the jobs that are under way, and of those that ended last.
func (h handlers) live(w http.ResponseWriter, r *http.Request) {
	jobs, err := h.jobs(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	over := slices.IndexFunc(jobs, func(j live.Job) bool { return j.State.Over() })
	if over < 0 {
		over = len(jobs)
	}
	h.render(w, r, http.StatusOK, "live.html", words.Match(r).Text("Running"), map[string]any{"Jobs": jobs[:over], "Over": jobs[over:min(len(jobs), over+runsAtOnce)]})
}

// liveJob is the page of one job.
func (h handlers) liveJob(w http.ResponseWriter, r *http.Request) {
	job, err := h.job(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, "job.html", job.Name, job)
}

func (h handlers) apiLive(w http.ResponseWriter, r *http.Request) {
	jobs, err := h.jobs(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, jobsJSON{jobs})
}

func (h handlers) apiLiveJob(w http.ResponseWriter, r *http.Request) {
	job, err := h.job(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, job)
}

// jobsJSON is the list of jobs for programs.
type jobsJSON struct {
	Items []live.Job `json:"items"`
}
