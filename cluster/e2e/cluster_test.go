// Package e2e_test starts a cluster with bin/cluster, as a person would, and tries on it
// what crawlfleet needs of a Kubernetes. It fails where the machine lacks something, and
// says what.
package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/portforward"
)

var programFlag = flag.String("cluster", "../../bin/cluster", "the cluster program")

// TestCluster is one test, since a cluster takes a while to start: what it does, then what
// is left of it when it is killed, that it goes on from there, and what is left when it
// ends in order.
func TestCluster(t *testing.T) {
	before := files(t)
	c := newCluster(t)
	c.up(t)

	t.Run("while it runs", func(t *testing.T) {
		c.loadPeer(t)
		t.Run("a component that ends is started again", c.kept)
		t.Run("the node is ready", c.nodeReady)
		t.Run("a second one is refused", c.secondUp)
		t.Run("a pod's log is read", c.podLog)
		t.Run("services have names", c.serviceByName)
		t.Run("a port is forwarded", c.portForward)
		t.Run("a deployment scales and rolls", c.deployment)
		t.Run("a failed probe restarts", c.probe)
		t.Run("a pod is confined", c.confined)
		t.Run("memory is limited", c.memory)
		t.Run("a volume is made, written and removed", c.volume)
		t.Run("network policies hold", c.policies)
		t.Run("a policy holds from the first packet on", c.firstPacket)
	})
	kept := c.keepSomething(t)

	inside := c.inside(t)
	c.kill(t)
	inside.gone(t)
	if out, err := c.run(t, "status"); err == nil {
		t.Errorf("status of a cluster that was killed: got no error and %q", out)
	}
	c.down(t)
	c.nothingLeft(t, before)

	c.up(t)
	c.stillThere(t, kept)
	inside = c.inside(t)
	c.down(t)
	inside.gone(t)
	c.nothingLeft(t, before)
	c.down(t) // nothing to do
}

func (c *cluster) nodeReady(t *testing.T) {
	t.Parallel()
	nodes, err := c.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 1 {
		t.Fatalf("got %d nodes, want 1", len(nodes.Items))
	}
	info := nodes.Items[0].Status.NodeInfo
	if !strings.HasPrefix(info.KubeletVersion, "v1.37.") || !strings.HasPrefix(info.ContainerRuntimeVersion, "containerd://2.") {
		t.Errorf("got kubelet %s and %s, want 1.37 and containerd 2", info.KubeletVersion, info.ContainerRuntimeVersion)
	}
	out, err := c.run(t, "status")
	if err != nil || !strings.Contains(out, "node        ready") {
		t.Errorf("status: got %v and %q", err, out)
	}
}

func (c *cluster) secondUp(t *testing.T) {
	t.Parallel()
	out, err := c.run(t, "up")
	if err == nil || !strings.Contains(out, "cluster down --dir") {
		t.Errorf("got %v and %q, want an error that says what to do", err, out)
	}
}

func (c *cluster) podLog(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	ns.run(t, server("web", "hello"))
	eventually(t, "the log to say hello", func(ctx context.Context) bool {
		return strings.Contains(ns.log(ctx, "web"), "serving hello")
	})
	// The same log is in the folder, for whoever has no cluster any more.
	found, err := filepath.Glob(c.path("logs", "pods", ns.name+"_web_*", "peer", "0.log"))
	if err != nil || len(found) != 1 {
		t.Errorf("got logs %q, %v; want one", found, err)
	}
}

func (c *cluster) serviceByName(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	ns.run(t, server("web", "by name"), server("client", ""))
	ns.service(t, "web")
	for _, host := range []string{"web", "web." + ns.name, "web." + ns.name + ".svc.cluster.local"} {
		ns.eventuallyGets(t, "client", "http://"+host+"/", "by name")
	}
	// The API server is a Service, too: the certificate of its name holds there.
	if out, err := ns.exec(t, "client", "dial", "kubernetes.default.svc:443"); err != nil {
		t.Errorf("dial the API server: %v %s", err, out)
	}
}

// portForward is the way from this machine to a pod.
func (c *cluster) portForward(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	ns.run(t, server("web", "from outside"))
	url := c.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(ns.name).Name("web").SubResource("portforward").URL()
	dialer, err := portforward.NewSPDYOverWebsocketDialer(url, c.config)
	if err != nil {
		t.Fatal(err)
	}
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.New(dialer, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- forwarder.ForwardPorts() }()
	defer func() {
		close(stop)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatal("no port is forwarded")
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "from outside\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func (c *cluster) probe(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	pod := server("web", "well")
	pod.Spec.Containers[0].LivenessProbe = httpProbe()
	ns.run(t, pod)
	if out, err := ns.exec(t, "web", "get", "http://127.0.0.1:8080/break"); err != nil {
		t.Fatalf("break it: %v %s", err, out)
	}
	eventually(t, "the container to be started again", func(ctx context.Context) bool {
		p := ns.get(ctx, t, "web")
		return p.Status.ContainerStatuses[0].RestartCount > 0 && isReady(p)
	})
}

// kept kills components of which the first is needed for a pod to run, the second for it to be
// isolated.
func (c *cluster) kept(t *testing.T) {
	for _, component := range []string{"kube-scheduler", "netpol"} {
		c.killComponent(t, component)
	}
	ns := c.namespace(t)
	ns.policy(t, `{metadata: {name: nothing}, spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}}`)
	ns.run(t, server("web", "web"), server("client", "client"))
	ns.settle(t, "client", ns.address(t, "web")+":8080", false)
}

// TestUpSaysWhatFailed starts a cluster with a component that is missing, and with one that
// does not work. The others do nothing.
func TestUpSaysWhatFailed(t *testing.T) {
	c := newCluster(t)
	programs := t.TempDir()
	script := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	built, err := os.ReadDir(filepath.Join(filepath.Dir(c.program), "..", "build", "cluster"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range built {
		if e.Name() != "etcd" {
			script(e.Name(), "exec sleep 1000")
		}
	}
	out, err := c.run(t, "up", "--programs", programs)
	if want := "etcd is missing in " + programs + ": build it (make cluster)"; err == nil || !strings.Contains(out, want) {
		t.Errorf("up without etcd: got %v and %q, want %q", err, out, want)
	}
	script("etcd", "echo no such luck; exit 7")
	out, err = c.run(t, "up", "--programs", programs)
	if want := "etcd ended (exit status 7); the end of its log:\nno such luck"; err == nil || !strings.Contains(out, want) {
		t.Errorf("up with a broken etcd: got %v and %q, want %q", err, out, want)
	}
	if out, err := c.run(t, "status"); err == nil || !strings.Contains(out, "no cluster runs here") {
		t.Errorf("status: got %v and %q", err, out)
	}
}

// profile allows all but making folders.
const profile = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}`

func (c *cluster) confined(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	path := c.path("lib", "kubelet", "seccomp", "no-folders.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(profile), 0o644); err != nil {
		t.Fatal(err)
	}
	pod := peer("self", "self")
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod.Spec.HostUsers = new(bool)
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{
		Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr("no-folders.json"),
	}}
	ns.create(t, pod)
	ns.ends(t, "self", corev1.PodSucceeded)
	said := ns.log(t.Context(), "self")
	for _, want := range []string{"uid 1000\n", "seccomp 2\n", "mkdir operation not permitted\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("the pod says %q, want %q in it", said, want)
		}
	}
	if strings.Contains(said, "uid_map 0 0 4294967295") {
		t.Errorf("the pod says %q: it has no user namespace of its own", said)
	}
}

func (c *cluster) memory(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	for name, limit := range map[string]string{"little": "48Mi", "much": "256Mi"} {
		pod := peer(name, "eat", "128")
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)}
		ns.create(t, pod)
	}
	ns.ends(t, "much", corev1.PodSucceeded)
	ns.ends(t, "little", corev1.PodFailed)
	ended := ns.get(t.Context(), t, "little").Status.ContainerStatuses[0].State.Terminated
	if ended == nil || ended.Reason != "OOMKilled" {
		t.Errorf("got %+v, want that it was killed for its memory", ended)
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func ptr[T any](v T) *T { return &v }
