package charts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"crawlfleet.dev/crawlfleet/test/harness"
)

// cluster is a real API server that charts are installed into. It has no controllers: what is asked for is judged and
// kept, and nothing runs.
type cluster struct {
	*testing.T
	*harness.Fleet
}

// startCluster starts one with the kinds and with namespaces that take restricted pods alone.
func startCluster(t *testing.T, namespaces ...string) *cluster {
	t.Helper()
	c := &cluster{t, harness.StartBare(t)}
	for _, n := range namespaces {
		c.kubectl("create", "namespace", n)
		c.kubectl("label", "namespace", n, "pod-security.kubernetes.io/enforce=restricted")
	}
	if _, err := c.helm("install", "early", chart("crawlfleet"), "--namespace", "default"); err == nil || !strings.Contains(err.Error(), "install the chart crawlfleet-crds first") {
		t.Errorf("a fleet before its kind: got %v, want what to do first", err)
	}
	c.mustHelm("install", "crawlfleet-crds", chart("crawlfleet-crds"), "--namespace", "crawlfleet-crds", "--create-namespace")
	c.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	return c
}

func (c *cluster) kubectl(args ...string) string {
	c.Helper()
	out, err := c.Kubectl(c.Context(), "", args...)
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// helm runs helm against the cluster. Nobody runs the Jobs of hooks here.
func (c *cluster) helm(command string, args ...string) (string, error) {
	c.Helper()
	args = append([]string{command, "--kubeconfig", c.State().Kubeconfig}, args...)
	if command != "uninstall" {
		args = append(args, "--no-hooks")
	}
	return tool(c.T, "helm", args...)
}

func (c *cluster) mustHelm(command string, args ...string) string {
	c.Helper()
	out, err := c.helm(command, args...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// take has the API server judge manifests as strictly as it can, as server-side apply does, without keeping them.
func (c *cluster) take(what, manifests string) {
	c.Helper()
	if _, err := c.Kubectl(c.Context(), manifests, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"); err != nil {
		c.Errorf("%s: %v", what, err)
	}
}

// restricted has the API server judge the pods of workloads in a namespace that takes restricted ones alone.
func (c *cluster) restricted(namespace string, all objects) {
	c.Helper()
	for _, o := range all {
		if _, ok, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec"); !ok {
			continue
		}
		pod := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pod"}, Spec: podOf(c.T, o)}
		for _, claim := range claimsOf(o) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		}
		text, err := json.Marshal(pod)
		if err != nil {
			c.Fatal(err)
		}
		c.take("the pod of "+key(o), string(text))
	}
}

// claimsOf are the volumes that a StatefulSet gives its pods.
func claimsOf(o *unstructured.Unstructured) (names []string) {
	claims, _, _ := unstructured.NestedSlice(o.Object, "spec", "volumeClaimTemplates")
	for _, claim := range claims {
		name, _, _ := unstructured.NestedString(claim.(map[string]any), "metadata", "name")
		names = append(names, name)
	}
	return names
}

// TestAPIServerTakesTheCharts: every object of both profiles, of a fleet for all namespaces and of one for some, and of
// config/default, in a namespace of restricted pods.
func TestAPIServerTakesTheCharts(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "north", "cases", system)
	for _, name := range []string{"single-node", "production"} {
		for scope, more := range map[string][]string{"all namespaces": nil, "one": {"--set", "namespaces={cases}"}} {
			args := append([]string{"template", "north", chart("crawlfleet"), "--namespace", "north"}, profile(name)...)
			text, err := tool(t, "helm", append(args, more...)...)
			if err != nil {
				t.Fatal(err)
			}
			c.take(name+", "+scope, text)
			c.restricted("north", parse(t, text))
		}
	}
	text, err := tool(t, "kustomize", "build", filepath.Join(root, "config", "default"))
	if err != nil {
		t.Fatal(err)
	}
	// (The release owns the definitions and roles.)
	kustomized := parse(t, text)
	for k, o := range kustomized {
		if o.GetKind() == "CustomResourceDefinition" || o.GetKind() == "Namespace" || template(t, "crawlfleet-crds", system)[k] != nil {
			delete(kustomized, k)
		}
	}
	for k, o := range kustomized {
		one, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		c.take(k, string(one))
	}
	c.restricted(system, kustomized)
}

// TestTwoFleets installs two fleets into one cluster: neither touches what is the other's, each judges the orders of its
// own namespaces, and a third that would do the same is refused. What is uninstalled leaves the orders and the keys.
func TestTwoFleets(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "north", "south", "east", "north-cases", "south-cases")
	notes := c.mustHelm("install", append(profile("single-node"), "north", chart("crawlfleet"), "--namespace", "north",
		"--set", "namespaces={north-cases}", "--set", "fleet.policy.purposes={NorthernCases,Testing}")...)
	if strings.Contains(notes, "MISSING") || !strings.Contains(notes, "get secret crawlfleet-s3 crawlfleet-s3-browser crawlfleet-s3-portal crawlfleet-payload-keys crawlfleet-signing crawlfleet-custody -o yaml") {
		t.Errorf("the notes want what the Job makes, or do not say how it is kept:\n%s", notes)
	}
	c.kubectl("--namespace", "south", "create", "secret", "generic", "crawlfleet-s3", "--from-literal=credentials=none")
	notes = c.mustHelm("install", append(profile("production"), "south", chart("crawlfleet"), "--namespace", "south",
		"--set", "namespaces={south-cases}", "--set", "fleet.policy.purposes={SouthernCases}",
		"--set", "fleet.portal.trust.stampRoots.secretName=stamp-roots", "--set", "fleet.portal.trust.stampRoots.key=roots.pem")...)
	for _, want := range []string{
		"takes orders from south-cases, for SouthernCases.",
		"MISSING. Pods wait for these Secrets in namespace south: crawlfleet-s3-browser, crawlfleet-s3-portal, crawlfleet-signing, crawlfleet-custody, crawlfleet-payload-keys, crawlfleet-oidc, crawlfleet-portal-keys, stamp-roots, portal-tls, replay-tls\n",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}

	t.Run("each judges its own orders", func(t *testing.T) {
		c := &cluster{t, c.Fleet}
		c.refuses("north-cases", "CrawlFleet north/crawlfleet")
		c.refuses("south-cases", "CrawlFleet south/crawlfleet")
	})
	t.Run("each has rights in its own namespaces alone", func(t *testing.T) {
		c := &cluster{t, c.Fleet}
		for _, right := range []struct {
			account, verb, what, namespace string
			want                           string
		}{
			{"north:crawlfleet-operator", "patch", "crawljobs.crawlfleet.dev", "north-cases", "yes"},
			{"north:crawlfleet-operator", "list", "crawljobs.crawlfleet.dev", "south-cases", "no"},
			{"north:crawlfleet-operator", "get", "crawlfleets.crawlfleet.dev", "north", "yes"},
			{"north:crawlfleet-operator", "get", "crawlfleets.crawlfleet.dev", "south", "no"},
			{"north:crawlfleet-operator", "list", "crawljobs.crawlfleet.dev", "default", "no"},
			{"south:crawlfleet-portal", "list", "crawljobs.crawlfleet.dev", "south-cases", "yes"},
			{"south:crawlfleet-portal", "list", "crawljobs.crawlfleet.dev", "north-cases", "no"},
			{"south:crawlfleet-portal", "get", "secrets", "south", "no"},
		} {
			// (kubectl says no by its exit status, too.)
			got, _ := c.Kubectl(t.Context(), "", "auth", "can-i", right.verb, right.what, "--namespace", right.namespace, "--as", "system:serviceaccount:"+right.account)
			if strings.TrimSpace(got) != right.want {
				t.Errorf("%s may %s %s in %s: %s, want %s", right.account, right.verb, right.what, right.namespace, got, right.want)
			}
		}
	})
	t.Run("a third must not serve what another does", func(t *testing.T) {
		c := &cluster{t, c.Fleet}
		for args, want := range map[string]string{
			"namespaces={north-cases}": "north-cases",
			"operator.replicas=1":      "say in namespaces which ones this fleet serves",
		} {
			_, err := c.helm("install", "east", chart("crawlfleet"), "--namespace", "east", "--set", args)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("with %s: got %v, want %q", args, err, want)
			}
		}
	})
	t.Run("keys are made once", func(t *testing.T) { keysAreMadeOnce(&cluster{t, c.Fleet}) })
	t.Run("an upgrade changes what it says", func(t *testing.T) {
		c := &cluster{t, c.Fleet}
		c.mustHelm("upgrade", append(profile("production"), "south", chart("crawlfleet"), "--namespace", "south",
			"--set", "namespaces={south-cases}", "--set", "fleet.policy.approvals=2")...)
		if got := c.kubectl("--namespace", "south", "get", "crawlfleet", "crawlfleet", "-o", "jsonpath={.spec.policy.approvals}"); got != "2" {
			t.Errorf("the CrawlFleet wants %s approvals, not 2", got)
		}
	})
	t.Run("what is uninstalled leaves orders and keys", func(t *testing.T) {
		c := &cluster{t, c.Fleet}
		job := harness.NewJob("kept", "https://example.org/")
		job.Namespace = "north-cases"
		if err := c.TryApply(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		c.mustHelm("uninstall", "north", "--namespace", "north")
		c.mustHelm("uninstall", "crawlfleet-crds", "--namespace", "crawlfleet-crds")
		c.kubectl("--namespace", "north-cases", "get", "crawljob", "kept")
		c.kubectl("--namespace", "north", "get", "secret", "crawlfleet-signing", "crawlfleet-custody", "crawlfleet-payload-keys", "crawlfleet-s3")
		if left := c.kubectl("get", "validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles", "-o", "name"); strings.Contains(left, "-north") {
			t.Errorf("of the fleet is left:\n%s", left)
		}
	})
}

// refuses waits until the API server judges an order in a namespace by a fleet.
func (c *cluster) refuses(namespace, fleet string) {
	c.Helper()
	job := harness.NewJob("refused", "https://example.org/")
	job.Namespace, job.Spec.Authorization.Purpose = namespace, "Curiosity"
	deadline := time.Now().Add(time.Minute)
	for {
		err := c.TryApply(c.Context(), job, "--dry-run=server")
		if err != nil && strings.Contains(err.Error(), fleet) {
			return
		}
		if time.Now().After(deadline) {
			c.Errorf("an order in %s is not judged by %s: %v", namespace, fleet, err)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// keysAreMadeOnce runs what the Job of the single-node profile runs, with the rights that it has.
func keysAreMadeOnce(c *cluster) {
	args := append([]string{"template", "north", chart("crawlfleet"), "--namespace", "north", "--show-only", "templates/keys.yaml"}, profile("single-node")...)
	text, err := tool(c.T, "helm", args...)
	if err != nil {
		c.Fatal(err)
	}
	all := parse(c.T, text)
	for k, o := range all {
		if o.GetKind() == "Job" {
			continue
		}
		one, err := o.MarshalJSON()
		if err != nil {
			c.Fatal(err)
		}
		if _, err := c.Kubectl(c.Context(), string(one), "apply", "-f", "-"); err != nil {
			c.Fatalf("%s: %v", k, err)
		}
	}
	kubeconfig := c.as("north", "crawlfleet-keys")
	command := append(podOf(c.T, all["Job/north/crawlfleet-keys"]).Containers[0].Args, "--kubeconfig", kubeconfig)
	run := func() string {
		out, err := exec.CommandContext(c.Context(), c.Binary(c.T, "operator"), command...).CombinedOutput()
		if err != nil {
			c.Fatalf("operator %s: %v\n%s", strings.Join(command, " "), err, out)
		}
		return string(out)
	}
	names := []string{"crawlfleet-s3", "crawlfleet-s3-browser", "crawlfleet-s3-portal", "crawlfleet-payload-keys", "crawlfleet-signing", "crawlfleet-custody"}
	look := append([]string{"--namespace", "north", "get", "secret", "-o", "jsonpath={.items[*].data}"}, names...)
	said := run()
	before := c.kubectl(look...)
	again := run()
	for _, name := range names {
		if !strings.Contains(said, "secret/"+name+" created") || !strings.Contains(again, "secret/"+name+" is there and was left alone") {
			c.Errorf("%s: it says first\n%s\nthen\n%s", name, said, again)
		}
	}
	if c.kubectl(look...) != before {
		c.Error("keys were replaced")
	}
	for _, verb := range []string{"get", "list", "watch", "update", "patch", "delete"} {
		if got, _ := c.Kubectl(c.Context(), "", "auth", "can-i", verb, "secrets", "--namespace", "north", "--as", "system:serviceaccount:north:crawlfleet-keys"); strings.TrimSpace(got) != "no" {
			c.Errorf("may the Job %s Secrets? %s", verb, got)
		}
	}
}

// as is a kubeconfig of a ServiceAccount.
func (c *cluster) as(namespace, account string) string {
	c.Helper()
	token := c.kubectl("--namespace", namespace, "create", "token", account)
	config, err := clientcmd.LoadFromFile(c.State().Kubeconfig)
	if err != nil {
		c.Fatal(err)
	}
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	}
	file := filepath.Join(c.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		c.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		c.Fatal(err)
	}
	return file
}
