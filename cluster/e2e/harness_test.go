package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	"crawlfleet.dev/crawlfleet/cluster/images"
)

const peerImage = "crawlfleet.test/peer:1"

// cluster is one that the cluster program runs.
type cluster struct {
	program, dir string
	config       *rest.Config
	client       kubernetes.Interface
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	program, err := filepath.Abs(*programFlag)
	if err != nil {
		t.Fatal(err)
	}
	// (A path with a space, longer than the name of a socket may be.)
	dir := filepath.Join(t.TempDir(), "a folder "+strings.Repeat("x", 100))
	c := &cluster{program: program, dir: dir}
	t.Cleanup(func() {
		if out, err := c.run(t, "down"); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
		c.keepLogs(t)
	})
	return c
}

func (c *cluster) path(names ...string) string {
	return filepath.Join(append([]string{c.dir}, names...)...)
}

// run runs the cluster program and returns all it says. It goes on when the test is over.
func (c *cluster) run(t *testing.T, command string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, c.program, append([]string{command, "--dir", c.dir}, args...)...).CombinedOutput()
	return string(out), err
}

func (c *cluster) up(t *testing.T) {
	t.Helper()
	began := time.Now()
	out, err := c.run(t, "up")
	if err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	t.Logf("up in %v", time.Since(began).Round(time.Millisecond))
	if want := "export KUBECONFIG='" + c.path("kubeconfig") + "'\n"; !strings.Contains(out, want) {
		t.Errorf("up says %q, want %q in it", out, want)
	}
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.path("kubeconfig")); err != nil {
		t.Fatal(err)
	}
	// No more patience than the tests have.
	c.config.QPS, c.config.Burst = 100, 200
	if c.client, err = kubernetes.NewForConfig(c.config); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) down(t *testing.T) {
	t.Helper()
	began := time.Now()
	if out, err := c.run(t, "down"); err != nil {
		t.Fatalf("down: %v\n%s", err, out)
	}
	t.Logf("down in %v", time.Since(began).Round(time.Millisecond))
}

// keepLogs keeps the logs of a test that failed where CLUSTER_LOGS says.
func (c *cluster) keepLogs(t *testing.T) {
	to := os.Getenv("CLUSTER_LOGS")
	if !t.Failed() || to == "" {
		return
	}
	if err := os.CopyFS(filepath.Join(to, time.Now().Format("150405")), os.DirFS(c.path("logs"))); err != nil {
		t.Logf("keep the logs: %v", err)
	}
}

// loadPeer packs the image of the tests' pods and loads it from a file.
func (c *cluster) loadPeer(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "peer.tar")
	archive, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(c.program), "..", "build", "cluster", "peer")
	if err := (images.Program{Ref: peerImage, Path: program, User: "1000:1000"}).Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := c.run(t, "load", file)
	if err != nil || out != "loaded "+peerImage+"\n" {
		t.Fatalf("load: %v\n%s", err, out)
	}
	if out, err := c.run(t, "load", c.program); err == nil || !strings.Contains(out, "cluster: load "+c.program) {
		t.Errorf("load what is no image: got %v and %q", err, out)
	}
	if out, err := c.run(t, "exec", "--", "/bin/sh", "-c", "hostname; exit 3"); out != "crawlfleet\n" || fmt.Sprint(err) != "exit status 3" {
		t.Errorf("exec: got %v and %q", err, out)
	}
}

// space is a namespace of one test.
type space struct {
	*cluster
	name string
}

func (c *cluster) namespace(t *testing.T, labels ...string) space {
	t.Helper()
	set := map[string]string{"pod-security.kubernetes.io/enforce": "baseline"}
	for i := 0; i < len(labels); i += 2 {
		set[labels[i]] = labels[i+1]
	}
	ns, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-", Labels: set},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// (The account is made by the controller manager, and pods need one.)
	eventually(t, "the default service account", func(ctx context.Context) bool {
		_, err := c.client.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	return space{cluster: c, name: ns.Name}
}

// peer is a pod that runs the peer program, as confined as crawlfleet's are.
func peer(name string, args ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  new(bool),
			TerminationGracePeriodSeconds: ptr(int64(1)),
			Containers: []corev1.Container{{
				Name: "peer", Image: peerImage, ImagePullPolicy: corev1.PullNever, Args: args,
				SecurityContext: &corev1.SecurityContext{
					RunAsNonRoot: ptr(true), ReadOnlyRootFilesystem: ptr(true), AllowPrivilegeEscalation: new(bool),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// server is a pod that answers a text at port 8080, called http.
func server(name, text string) *corev1.Pod {
	pod := peer(name, "serve", ":8080", text)
	main := &pod.Spec.Containers[0]
	main.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}
	main.ReadinessProbe = httpProbe()
	return pod
}

func httpProbe() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromString("http")}},
		PeriodSeconds:    1,
		TimeoutSeconds:   5,
		FailureThreshold: 2,
	}
}

func (s space) create(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	if _, err := s.client.CoreV1().Pods(s.name).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// run creates pods and waits until all are ready.
func (s space) run(t *testing.T, pods ...*corev1.Pod) {
	t.Helper()
	for _, p := range pods {
		s.create(t, p)
	}
	for _, p := range pods {
		eventually(t, "pod "+p.Name+" to be ready", func(ctx context.Context) bool { return isReady(s.get(ctx, t, p.Name)) })
	}
}

func (s space) get(ctx context.Context, t *testing.T, pod string) *corev1.Pod {
	t.Helper()
	p, err := s.client.CoreV1().Pods(s.name).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ends waits until a pod ends as it should.
func (s space) ends(t *testing.T, pod string, want corev1.PodPhase) {
	t.Helper()
	var phase corev1.PodPhase
	eventually(t, "pod "+pod+" to end", func(ctx context.Context) bool {
		phase = s.get(ctx, t, pod).Status.Phase
		return phase == corev1.PodSucceeded || phase == corev1.PodFailed
	})
	if phase != want {
		t.Errorf("pod %s: got %s, want %s; its log:\n%s", pod, phase, want, s.log(t.Context(), pod))
	}
}

func (s space) log(ctx context.Context, pod string) string {
	log, err := s.client.CoreV1().Pods(s.name).GetLogs(pod, &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

func (s space) service(t *testing.T, name string) {
	t.Helper()
	_, err := s.client.CoreV1().Services(s.name).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// exec runs the peer program in a pod and returns all it says.
func (s space) exec(t *testing.T, pod string, args ...string) (string, error) {
	t.Helper()
	request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.name).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: append([]string{"/peer"}, args...), Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(s.config, "GET", request.URL().String())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: &out})
	return out.String(), err
}

// eventuallyGets waits until a pod gets an answer at an address: names and rules take a
// moment to reach all.
func (s space) eventuallyGets(t *testing.T, pod, url, want string) {
	t.Helper()
	var last string
	eventually(t, fmt.Sprintf("%s to get %q from %s", pod, want, url), func(context.Context) bool {
		out, err := s.exec(t, pod, "get", url)
		last = fmt.Sprint(out, err)
		return err == nil && strings.TrimSpace(out) == want
	})
	_ = last
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
