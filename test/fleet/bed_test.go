package fleet

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/test/guide"
)

// Where things are: the namespaces are those of docs/install.md, but for that of the sites.
const (
	root       = "../.."
	fleetSpace = "crawlfleet-system"
	orderSpace = "research"
	siteSpace  = "sites"
)

// patience bounds each wait, on a machine of two processors that has other things to do, too.
const patience = 10 * time.Minute

var useFlag = flag.String("use", "", "the `folder` of a cluster that runs, and is left running, for steps that -run names: those before have been done in it")

// bed is a cluster of one node, and what is installed in it.
type bed struct {
	// dir is the cluster's folder, work the one that commands of the guide are run in.
	dir, work string
	guide     map[string]string
	client    kubernetes.Interface
	objects   dynamic.Interface
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{
		dir: filepath.Join(t.TempDir(), "cluster"), work: t.TempDir(),
	}
	var err error
	if b.guide, err = guide.Commands(filepath.Join(root, "docs", "install.md")); err != nil {
		t.Fatal(err)
	}
	b.furnish(t)
	if *useFlag != "" {
		if b.dir, err = filepath.Abs(*useFlag); err != nil {
			t.Fatal(err)
		}
		b.connect(t)
		return b
	}
	t.Cleanup(func() { b.down(t) })
	return b
}

// furnish puts into the folder of the guide's commands what they expect in the repository. Helm is given the test's own
// values, too: the guide's are for a node with more room, and know nothing of the test's sites.
func (b *bed) furnish(t *testing.T) {
	t.Helper()
	bin := filepath.Join(b.work, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"charts": "charts", "config": "config", "bin/kubectl": "bin/kubectl", "bin/crawlctl": "bin/crawlctl"} {
		if err := os.Symlink(inRepository(t, to), filepath.Join(b.work, link)); err != nil {
			t.Fatal(err)
		}
	}
	helm := fmt.Sprintf("#!/bin/sh\ncase \"$1 $2\" in 'install crawlfleet'|'upgrade crawlfleet') exec %[1]s \"$@\" --values %[2]s;; esac\nexec %[1]s \"$@\"\n",
		inRepository(t, "bin/helm"), b.valuesFile())
	if err := os.WriteFile(filepath.Join(bin, "helm"), []byte(helm), 0o755); err != nil {
		t.Fatal(err)
	}
}

// inRepository is where something is that make has built, or that is kept there.
func inRepository(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: make e2e builds it", err)
	}
	return path
}

// start starts the cluster, and gives it what its nodes are to have: the images, and the browsers' seccomp profile.
func (b *bed) start(t *testing.T) {
	if *useFlag == "" {
		if out, err := b.cluster(t.Context(), "up"); err != nil {
			t.Fatalf("start the cluster: %v\n%s", err, out)
		}
		b.connect(t)
	}
	profile, err := os.ReadFile(inRepository(t, "config/seccomp/chromium.json"))
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(b.dir, "lib", "kubelet", "seccomp", "crawlfleet", "chromium.json")
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, profile, 0o644); err != nil {
		t.Fatal(err)
	}
	files := []string{b.pack(t)}
	for _, name := range []string{"operator", "portal", "worker", "services"} {
		files = append(files, inRepository(t, "build/images/"+name+".tar"))
	}
	out, err := b.cluster(t.Context(), "load", files...)
	if err != nil {
		t.Fatalf("load the images: %v\n%s", err, out)
	}
	t.Log(out)
}

// connect makes the clients of the cluster.
func (b *bed) connect(t *testing.T) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(b.dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	if b.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if b.objects, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
}

// pack makes the image of the pods that are not the fleet's.
func (b *bed) pack(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), inRepository(t, "bin/cluster"), "pack", neighbourImage, inRepository(t, "build/neighbour"))
	var problems bytes.Buffer
	cmd.Stderr = &problems
	image, err := cmd.Output()
	if err != nil {
		t.Fatalf("pack the neighbours' image: %v: %s", err, problems.String())
	}
	file := filepath.Join(b.work, "neighbour.tar")
	if err := os.WriteFile(file, image, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// cluster runs the cluster program.
func (b *bed) cluster(ctx context.Context, command string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(root, "bin", "cluster"), slices.Concat([]string{command, "--dir", b.dir}, args)...).CombinedOutput()
	return string(out), err
}

// down ends the cluster, whatever became of the test, and keeps its logs where CLUSTER_LOGS says if that failed.
func (b *bed) down(t *testing.T) {
	if out, err := b.cluster(context.Background(), "down"); err != nil {
		t.Errorf("end the cluster: %v\n%s", err, out)
	}
	to := os.Getenv("CLUSTER_LOGS")
	if !t.Failed() || to == "" {
		return
	}
	if err := os.CopyFS(filepath.Join(to, "fleet-"+time.Now().Format("150405")), os.DirFS(filepath.Join(b.dir, "logs"))); err != nil {
		t.Logf("keep the logs: %v", err)
	}
}

// follow runs what the guide says under a heading, as somebody does who has the cluster's kubeconfig.
func (b *bed) follow(t *testing.T, heading string, replacements ...string) string {
	t.Helper()
	commands := b.guide[heading]
	if commands == "" {
		t.Fatalf("docs/install.md has no commands under %q", heading)
	}
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(commands, replacements[i]) {
			t.Fatalf("docs/install.md does not say %q under %q any more", replacements[i], heading)
		}
		commands = strings.ReplaceAll(commands, replacements[i], replacements[i+1])
	}
	out, err := b.shell(t.Context(), commands)
	if err != nil {
		t.Fatalf("%s: %v\n%s", heading, err, out)
	}
	return out
}

// shown runs a command that the guide shows with what it prints.
func (b *bed) shown(t *testing.T, command string) string {
	t.Helper()
	b.says(t, command)
	out, err := b.shell(t.Context(), command)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// says fails the test where the guide does not show a command.
func (b *bed) says(t *testing.T, command string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n$ "+command+"\n") {
		t.Fatalf("docs/install.md does not show %q any more", command)
	}
}

func (b *bed) shell(ctx context.Context, commands string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience) // what the guide waits for it bounds itself
	defer cancel()
	cmd := b.command(ctx, "bash", "-eux", "-o", "pipefail", "-c", commands)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// command is a program that is run as the guide's are.
func (b *bed) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.work
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(b.work, "bin")+":"+os.Getenv("PATH"), "KUBECONFIG="+filepath.Join(b.dir, "kubeconfig"),
		"HELM_CONFIG_HOME="+b.work, "HELM_CACHE_HOME="+b.work, "HELM_DATA_HOME="+b.work)
	return cmd
}

// kubectl returns what kubectl prints, and fails the test where it fails.
func (b *bed) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := b.tryKubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (b *bed) tryKubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := b.command(ctx, filepath.Join(b.work, "bin", "kubectl"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}

// await waits until something holds. What is said last is why it did not.
func await(t *testing.T, what string, holds func(context.Context) (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	for {
		ok, why := holds(ctx)
		if ok {
			t.Logf("%s: after %.1f s", what, time.Since(began).Seconds())
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %s", what, patience, why)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// pods are those of a namespace that have labels.
func (b *bed) pods(ctx context.Context, t *testing.T, namespace, labels string) []corev1.Pod {
	t.Helper()
	list, err := b.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func ready(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// explain prints how the cluster stands, for who reads of a failure.
func (b *bed) explain(t *testing.T) {
	t.Helper()
	if b.client == nil {
		return
	}
	for _, command := range []string{
		"kubectl get pods,jobs,pvc -A -o wide",
		"kubectl get events -A --sort-by=.metadata.creationTimestamp | tail -n 60",
		"kubectl get crawlfleet,crawl -A -o yaml",
		"for p in $(kubectl get pods -A -o jsonpath='{range .items[?(@.status.containerStatuses[0].ready==false)]}{.metadata.namespace}/{.metadata.name} {end}'); do kubectl -n ${p%/*} describe pod ${p#*/}; done",
		"for p in $(kubectl -n " + fleetSpace + " get pods -o name); do echo \"== $p\"; kubectl -n " + fleetSpace + " logs --tail=40 $p; done",
	} {
		out, _ := b.shell(context.WithoutCancel(t.Context()), "set +ex; "+command)
		t.Logf("%s\n%s", command, out)
	}
}
