package charts

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"crawlfleet.dev/crawlfleet/test/harness"
)

// TestOperatorsRights runs the operator as the ServiceAccount of its chart, with the flags of its Deployment: what it may is
// what it needs, for all namespaces and for one. It takes an order, makes the pods that the CrawlFleet asks for, and tells
// of both.
func TestOperatorsRights(t *testing.T) {
	t.Parallel()
	for name, namespaces := range map[string][]string{"all namespaces": nil, "one": {"--set", "namespaces={cases}"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, "north", "cases")
			install := append(append(profile("single-node"), "north", chart("crawlfleet"), "--namespace", "north"), namespaces...)
			c.mustHelm("install", install...)
			deployment := template(t, "crawlfleet", "north", append(profile("single-node"), namespaces...)...)["Deployment/north/crawlfleet-operator"]
			operator := c.AddOperator(t, c.here(podOf(t, deployment))...)

			job := harness.NewJob("ordered", "https://example.org/")
			job.Namespace = "cases"
			c.until("the order is taken", func() error { return c.TryApply(t.Context(), job) })
			c.until("the operator takes it", func() error {
				return c.condition("cases", "crawljob/ordered", "Accepted", "True")
			})
			c.until("the pods are made", func() error {
				_, err := c.Kubectl(t.Context(), "", "--namespace", "north", "get", "deployment/crawlfleet-browser-browsers", "networkpolicy/crawlfleet-deny")
				return err
			})
			c.until("the fleet tells of Temporal", func() error {
				return c.condition("north", "crawlfleet/crawlfleet", "TemporalReachable", "True")
			})
			c.until("events are recorded", func() error {
				events, err := c.Kubectl(t.Context(), "", "--namespace", "cases", "get", "events.events.k8s.io", "-o", "name")
				if err == nil && events == "" {
					err = fmt.Errorf("there are none")
				}
				return err
			})
			if err := operator.Stop(); err != nil {
				t.Error(err)
			}
			log, err := os.ReadFile(operator.Log)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(log)) {
				if strings.Contains(line, "forbidden") || strings.Contains(line, "Forbidden") {
					t.Errorf("the operator lacks a right: %s", line)
				}
			}
		})
	}
}

// here are the flags of a pod, changed to what there is outside of one: what they say of namespaces and images is as it was.
func (c *cluster) here(pod corev1.PodSpec) []string {
	c.Helper()
	kept := []string{
		"--kubeconfig", c.as("north", "crawlfleet-operator"), "--leader-election-namespace=north",
		"--worker-image=" + env(pod, "CRAWLFLEET_IMAGE_WORKER"), "--portal-image=" + env(pod, "CRAWLFLEET_IMAGE_PORTAL"),
	}
	for _, a := range pod.Containers[0].Args {
		switch flag, _, _ := strings.Cut(a, "="); flag {
		case "--health-probe-bind-address", "--metrics-bind-address", "--payload-keys":
		default:
			kept = append(kept, a)
		}
	}
	return kept
}

// until tries again and again until there is no error any more.
func (c *cluster) until(what string, try func() error) {
	c.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("waited for a minute until %s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// condition tells whether an object has a condition.
func (c *cluster) condition(namespace, object, kind, want string) error {
	path := fmt.Sprintf(`jsonpath={.status.conditions[?(@.type==%q)]['status','reason','message']}`, kind)
	got, err := c.Kubectl(c.Context(), "", "--namespace", namespace, "get", object, "-o", path)
	if err == nil && !strings.HasPrefix(got, want) {
		err = fmt.Errorf("%s of %s is %q", kind, object, got)
	}
	return err
}
