package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// kubectlTimeout bounds each call but those that wait.
const kubectlTimeout = 2 * time.Minute

// Kubectl runs kubectl against the stack, with stdin if it is not empty, and returns what it printed. The error holds
// what it printed to standard error, as a user would see it.
func (f *Fleet) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, kubectlTimeout)
	defer cancel()
	return f.kubectl(ctx, stdin, args...)
}

func (f *Fleet) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(f.bin, "kubectl"), append([]string{"--kubeconfig", f.State().Kubeconfig}, args...)...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}

// Install applies the resource definitions, the roles, the fleet's policy and what the API server judges orders by, and waits
// until it does so.
func (f *Fleet) Install(t testing.TB) {
	t.Helper()
	f.Binary(t, "kubectl")
	config := func(path string) string { return filepath.Join(f.root, "config", path) }
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", config("crd/bases")},
		{"wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"},
		// A test that starts again on a folder finds the policy that it had.
		{"apply", "-f", config("default/namespace.yaml"), "-f", config("default/fleet.yaml")},
		{"apply", "--server-side", "-k", config("rbac")},
		{"apply", "--server-side", "-k", config("policy")},
	} {
		if _, err := f.Kubectl(t.Context(), "", args...); err != nil {
			t.Fatal(err)
		}
	}
	job := NewJob("not-to-be-ordered", "https://example.org/")
	job.Spec.Authorization.Purpose = "None"
	deadline := time.Now().Add(readyTimeout)
	for {
		err := f.TryApply(t.Context(), job, "--dry-run=server")
		if err != nil && strings.Contains(err.Error(), "is none that this fleet crawls for") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server does not judge orders: an order for nothing that the fleet crawls for was answered with: %v", err)
		}
		time.Sleep(pollEvery)
	}
}

// TryApply applies a resource with more flags, and returns why it is refused.
func (f *Fleet) TryApply(ctx context.Context, resource any, flags ...string) error {
	b, err := json.Marshal(resource)
	if err != nil {
		return err
	}
	_, err = f.Kubectl(ctx, string(b), append([]string{"apply", "-f", "-"}, flags...)...)
	return err
}

// NewJob returns a crawl of the sites of its seeds, with nothing left to do but to apply it: authorised, without a pause between
// pages (the sites are the test's own), and otherwise with the defaults.
func NewJob(name string, seeds ...string) *v1alpha1.CrawlJob {
	none := int32(0)
	job := &v1alpha1.CrawlJob{
		TypeMeta:   metav1.TypeMeta{APIVersion: "crawlfleet.dev/v1alpha1", Kind: "CrawlJob"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
	}
	job.Spec.Authorization = v1alpha1.Authorization{
		Reference: "TEST-1", Purpose: "Testing", Basis: "the sites are the project's own", RequestedBy: "integration tests",
		NotAfter: metav1.NewTime(time.Now().Add(24 * time.Hour)),
	}
	for _, s := range seeds {
		job.Spec.Seeds.URLs = append(job.Spec.Seeds.URLs, v1alpha1.SeedURL(s))
	}
	job.Spec.Scope.Type = v1alpha1.ScopeHost
	job.Spec.Politeness.DelaySeconds = &none
	return job
}

// Apply applies a resource, as kubectl apply -f does.
func (f *Fleet) Apply(t testing.TB, resource any) {
	t.Helper()
	judged(t, func() error { return f.TryApply(t.Context(), resource) })
}

// judged repeats what an API server refuses that has just been started: for half a minute at most it
// cannot judge orders.
func judged(t testing.TB, apply func() error) {
	t.Helper()
	deadline := time.Now().Add(readyTimeout)
	for {
		err := apply()
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "failed to configure policy") || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(pollEvery)
	}
}

// ApplyYAML applies resources as they are written.
func (f *Fleet) ApplyYAML(t testing.TB, yaml string) {
	t.Helper()
	judged(t, func() error {
		_, err := f.Kubectl(t.Context(), yaml, "apply", "-f", "-")
		return err
	})
}

// SetState changes a job's state, as a user does with kubectl patch.
func (f *Fleet) SetState(t testing.TB, name string, state v1alpha1.State) {
	t.Helper()
	if _, err := f.Kubectl(t.Context(), "", "patch", "crawl/"+name, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"state":%q}}`, state)); err != nil {
		t.Fatal(err)
	}
}

// Job reads a job.
func (f *Fleet) Job(t testing.TB, name string) *v1alpha1.CrawlJob {
	t.Helper()
	job, err := f.ReadJob(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// ReadJob reads a job; unlike [Fleet.Job] it may be called from any goroutine.
func (f *Fleet) ReadJob(ctx context.Context, name string) (*v1alpha1.CrawlJob, error) {
	job := &v1alpha1.CrawlJob{}
	if err := f.Read(ctx, v1alpha1.GroupVersion.WithResource("crawljobs"), "default", name, job); err != nil {
		return nil, err
	}
	return job, nil
}

// Read reads a resource into an object of its type. It is no call of kubectl, for who waits reads again and again: that
// would take a tenth of a small machine.
func (f *Fleet) Read(ctx context.Context, of schema.GroupVersionResource, namespace, name string, into any) error {
	err := f.read(ctx, of, namespace, into, func(ctx context.Context, c dynamic.ResourceInterface) (runtime.Unstructured, error) {
		return c.Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return fmt.Errorf("read %s %s: %w", of.Resource, name, err)
	}
	return nil
}

// List reads the resources with a label into a list of their type, as [Fleet.Read] does one.
func (f *Fleet) List(ctx context.Context, of schema.GroupVersionResource, namespace, selector string, into any) error {
	err := f.read(ctx, of, namespace, into, func(ctx context.Context, c dynamic.ResourceInterface) (runtime.Unstructured, error) {
		return c.List(ctx, metav1.ListOptions{LabelSelector: selector})
	})
	if err != nil {
		return fmt.Errorf("list %s with %s: %w", of.Resource, selector, err)
	}
	return nil
}

func (f *Fleet) read(ctx context.Context, of schema.GroupVersionResource, namespace string, into any,
	ask func(context.Context, dynamic.ResourceInterface) (runtime.Unstructured, error),
) error {
	ctx, cancel := context.WithTimeout(ctx, kubectlTimeout)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", f.State().Kubeconfig)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	found, err := ask(ctx, client.Resource(of).Namespace(namespace))
	if err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(found.UnstructuredContent(), into)
}

// WaitFor waits with kubectl wait until a condition of a resource ("crawl/board") is true.
func (f *Fleet) WaitFor(t testing.TB, resource, condition string, timeout time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout+kubectlTimeout)
	defer cancel()
	if _, err := f.kubectl(ctx, "", "wait", "--for=condition="+condition, "--timeout="+timeout.String(), resource); err != nil {
		status, _ := f.Kubectl(t.Context(), "", "get", resource, "-o", "jsonpath={.status}")
		t.Fatalf("%v\nstatus: %s", err, status)
	}
}

// WaitUntil polls a job until ok says so, and returns it as it was then.
func (f *Fleet) WaitUntil(t testing.TB, name, what string, timeout time.Duration, ok func(*v1alpha1.CrawlJob) bool) *v1alpha1.CrawlJob {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		job, err := f.ReadJob(t.Context(), name)
		if err == nil && ok(job) {
			return job
		}
		if time.Now().After(deadline) {
			if err != nil {
				t.Fatalf("wait until %s: %v", what, err)
			}
			status, _ := json.MarshalIndent(job.Status, "", "  ")
			t.Fatalf("wait until %s: not after %v; status:\n%s", what, timeout, status)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Condition returns a condition of a job; the zero value if it has none of this type.
func Condition(job *v1alpha1.CrawlJob, kind string) metav1.Condition {
	for _, c := range job.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}
