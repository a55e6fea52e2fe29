package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// kubectl runs the real one against the stack.
type kubectl struct {
	path   string
	config string
}

func (k kubectl) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, k.path, append([]string{"--kubeconfig", k.config}, args...)...)
}

func (k kubectl) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	cmd := k.command(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl %s: %s", strings.Join(args[:min(2, len(args))], " "), strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// install makes the resource kinds known, and the policy by which the API server takes orders.
func (k kubectl) install(ctx context.Context, config string) error {
	crd := func(kinds ...string) (args []string) {
		for _, kind := range kinds {
			args = append(args, "crd/"+kind+".crawlfleet.dev")
		}
		return args
	}
	apply := []string{"apply", "--server-side", "--force-conflicts"}
	for _, args := range [][]string{
		append(apply, "-f", filepath.Join(config, "crd", "bases")),
		append([]string{"wait", "--for=condition=Established", "--timeout=60s"},
			crd("crawljobs", "browserprofiles", "crawlschedules", "crawlfleets", "crawlapprovals")...),
		append(apply, "-f", filepath.Join(config, "default", "namespace.yaml"), "-f", filepath.Join(config, "default", "fleet.yaml")),
		append(apply, "-k", filepath.Join(config, "policy")),
	} {
		if _, err := k.run(ctx, nil, args...); err != nil {
			return err
		}
	}
	return k.judges(ctx)
}

// anOrder is a CrawlJob that is never created.
const anOrder = `{"apiVersion": "crawlfleet.dev/v1alpha1", "kind": "CrawlJob", "metadata": {"generateName": "probe-", "namespace": "default"}, "spec": {
  "authorization": {"reference": "none", "purpose": "Demonstration", "basis": "none", "requestedBy": "none", "notAfter": "2100-01-01T00:00:00Z"},
  "seeds": {"urls": ["https://example.org/"]}}}`

// judges waits until the API server judges orders. One that has just started, and knows the policy
// from an earlier run, refuses all until it has found the kind of what the policy reads.
func (k kubectl) judges(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := k.run(ctx, []byte(anOrder), "create", "--dry-run=server", "-f", "-")
		if err == nil || !strings.Contains(err.Error(), "failed to configure policy") {
			return nil // what else is wrong the real order is told
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// job is what of a CrawlJob is shown.
type job struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		UID       string `json:"uid"`
	} `json:"metadata"`
	Status struct {
		Conditions []condition `json:"conditions"`
		Counters   struct {
			Discovered, Queued, InProgress, Archived, Failed, Skipped, Bytes, Chunks int64
		} `json:"counters"`
		FailedByReason  []reasonCount `json:"failedByReason"`
		SkippedByReason []reasonCount `json:"skippedByReason"`
		PagesPerMinute  int64         `json:"pagesPerMinute"`
		SecondsLeft     *int64        `json:"secondsLeft"`
		StartedAt       *time.Time    `json:"startedAt"`
		FinishedAt      *time.Time    `json:"finishedAt"`
		Archive         struct {
			Bucket, Prefix, Statement string
		} `json:"archive"`
		Run struct {
			ScreeningSeconds int64 `json:"screeningSeconds"`
		} `json:"run"`
	} `json:"status"`
}

type condition struct {
	Type, Status, Reason, Message string
}

type reasonCount struct {
	Reason string
	Count  int64
}

func (j job) condition(kind string) condition {
	for _, c := range j.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return condition{Type: kind, Status: "Unknown"}
}

// tellUnfinished names the crawls that earlier runs with the same folder left: they go
// on beside the new one.
func (o Options) tellUnfinished(ctx context.Context, k kubectl) {
	ends := fmt.Sprintf("%s --kubeconfig %s delete crawl NAME", k.path, k.config)
	out, err := k.run(ctx, nil, "get", "crawljob", "-A", "-o", "json")
	var list struct {
		Items []job `json:"items"`
	}
	if err != nil || json.Unmarshal(out, &list) != nil {
		return // the run itself does not depend on it
	}
	for _, j := range list.Items {
		if j.condition("Finished").Status != "True" {
			fmt.Fprintf(o.Out, "         goes on  %s/%s, which an earlier run began (%s ends it, its archive stays)\n", j.Metadata.Namespace, j.Metadata.Name, ends)
		}
	}
}

// apply creates the CrawlJob of a URL or of the demo, or applies the file, and
// returns the jobs that came of it.
func (o Options) apply(ctx context.Context, f *fleet) ([]job, error) {
	args := []string{"create", "-o", "json", "-f", "-"}
	var manifest []byte
	if o.File != "" {
		args = []string{"apply", "-o", "json", "-f", o.File}
	} else {
		var err error
		if manifest, err = o.manifest(f); err != nil {
			return nil, err
		}
	}
	out, err := f.kubectl.run(ctx, manifest, args...)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []job `json:"items"`
	}
	var one job
	if err := json.Unmarshal(out, &one); err != nil {
		return nil, fmt.Errorf("read kubectl's answer: %w", err)
	}
	if one.Kind != "List" {
		list.Items = []job{one}
	} else if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("read kubectl's answer: %w", err)
	}
	var jobs []job
	for _, j := range list.Items {
		if j.Kind == "CrawlJob" {
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("%s was applied, but there is no CrawlJob in it to follow", o.File)
	}
	return jobs, nil
}

// manifest is the CrawlJob for a URL. kubectl reads JSON as it reads YAML.
func (o Options) manifest(f *fleet) ([]byte, error) {
	name, url, delay, pages := "site-", o.URL, 2, 500
	reference, basis := "LOCAL-RUN", "started by hand with make run on this machine"
	if f.siteURL != "" {
		name, url, delay, pages = "demo-", f.siteURL+"/", 0, 2000
		reference, basis = "DEMO", "the bundled demo site, whose data is made up"
	}
	return json.Marshal(map[string]any{
		"apiVersion": "crawlfleet.dev/v1alpha1",
		"kind":       "CrawlJob",
		"metadata":   map[string]any{"generateName": name, "namespace": "default"},
		"spec": map[string]any{
			"seeds":      map[string]any{"urls": []string{url}},
			"scope":      map[string]any{"type": "Host"},
			"limits":     map[string]any{"pages": pages},
			"politeness": map[string]any{"delaySeconds": delay},
			"authorization": map[string]any{
				"reference": reference, "purpose": "Testing", "basis": basis, "requestedBy": "make run",
				"notAfter": time.Now().UTC().Add(24 * time.Hour).Format(time.RFC3339),
			},
		},
	})
}

// follow shows a job until it is finished. A part that ends by itself is told of,
// and the crawl watched on: it may well come back.
func follow(ctx context.Context, k kubectl, j job, d *display, procs *processes) (job, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.begin(j)
	defer d.leave()
	cmd := k.command(ctx, "get", "crawljob", j.Metadata.Name, "-n", j.Metadata.Namespace, "-o", "json", "--watch")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return job{}, err
	}
	if err := cmd.Start(); err != nil {
		return job{}, fmt.Errorf("watch the job: %w", err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it ends by being cancelled
	}()
	updates := make(chan job)
	ended := make(chan error, 1)
	go func() {
		decoder := json.NewDecoder(out)
		for {
			var next job
			if err := decoder.Decode(&next); err != nil {
				ended <- err
				return
			}
			select {
			case updates <- next:
			case <-ctx.Done():
				ended <- context.Cause(ctx)
				return
			}
		}
	}()
	for {
		select {
		case next := <-updates:
			d.show(next)
			if next.condition("Finished").Status == "True" {
				d.end(next)
				return next, nil
			}
		case err := <-ended:
			return job{}, fmt.Errorf("watch the job: %w", err)
		case name := <-procs.restarted:
			d.note(procs.restartNote(name))
		case name := <-procs.failed:
			return job{}, procs.endedError(name)
		}
	}
}
