// Package devstack_test runs the devstack binary and talks to it as crawlfleet and
// kubectl do.
package devstack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// TestKillAndStartAgain is the promise of the stack: what was stored is there after
// kill -9, at the same addresses.
func TestKillAndStartAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a folder with 100% odd?characters#")
	search := []string{"--search-attribute", searchName + "=Keyword"}

	first := start(t, dir, search...)
	before := first.state()
	connect(t, before).put(t)
	if err := connect(t, before).find(t); err != nil {
		t.Fatalf("before the kill: %v", err)
	}

	t.Run("a second start says who holds the folder", func(t *testing.T) {
		_, stderr, code := run(t, "start", "--dir", dir)
		want := fmt.Sprintf("process %d", before.PID)
		if code == 0 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "devstack stop --dir") {
			t.Errorf("got exit status %d and %q, want %q and what to do", code, stderr, want)
		}
	})
	t.Run("env is for the shell", func(t *testing.T) {
		stdout, stderr, code := run(t, "env", "--dir", dir)
		if want := "export KUBECONFIG='" + before.Kubeconfig + "'\n"; code != 0 || !strings.HasPrefix(stdout, want) {
			t.Errorf("got exit status %d, %q, %q; want %q first", code, stdout, stderr, want)
		}
	})

	first.kill()
	if _, stderr, code := run(t, "status", "--dir", dir); code == 0 {
		t.Errorf("status of a killed stack: got exit status 0 and %q", stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, stack.StateFile), []byte("{\"pid\": garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := run(t, "env", "--dir", dir); code == 0 || !strings.Contains(stderr, stack.StateFile) {
		t.Errorf("env with a garbled state: got exit status %d and %q, want the file's name", code, stderr)
	}
	taken := occupy(t, before.S3.Endpoint)

	second := start(t, dir, search...)
	after := second.state()
	if err := connect(t, after).find(t); err != nil {
		t.Errorf("after the kill: %v", err)
	}
	if after.APIServer != before.APIServer || after.Temporal.Address != before.Temporal.Address {
		t.Errorf("the ports changed: before %+v, after %+v", before, after)
	}
	if after.S3.Endpoint == before.S3.Endpoint {
		t.Errorf("S3 is on %s, which was taken", after.S3.Endpoint)
	}
	if want := fmt.Sprintf("taken=%d", taken); !strings.Contains(second.out.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, second.out)
	}

	second.stop()
	if _, err := stack.ReadState(dir); err == nil {
		t.Error("stack.json is still there after a clean stop")
	}
	if code := second.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("a clean stop ended with exit status %d\n%s", code, second.out)
	}
}

// occupy listens where a stack did and returns the port.
func occupy(t *testing.T, endpoint string) int {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	eventually(t, "the old port is free", func() error {
		l, err = net.Listen("tcp", u.Host)
		return err
	})
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestSplit kills the parts of a split stack one by one, each while it is being
// written to, and then their parent.
func TestSplit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := start(t, dir, "--split", "--fast", "--search-attribute", searchName+"=Keyword")
	first := d.state()
	connect(t, first).put(t)

	for _, part := range []string{stack.Kube, stack.Temporal, stack.S3} {
		pid := first.PIDs[part]
		if pid == d.cmd.Process.Pid {
			t.Fatalf("%s has no process of its own", part)
		}
		written := writeUntil(t, connect(t, first).writer(part), func() {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatalf("kill %s: %v", part, err)
			}
		})
		eventually(t, part+" is back", func() error {
			if now := d.state().PIDs[part]; now == pid {
				return fmt.Errorf("process %d is dead", now)
			}
			return nil
		})
		reader := connect(t, d.state()).reader(part)
		for i := range written {
			if err := reader(t.Context(), i); err != nil {
				t.Fatalf("%s had confirmed %d writes when it was killed; the one with number %d is lost: %v", part, written, i, err)
			}
		}
		t.Logf("%s: %d confirmed writes survived", part, written)
	}
	stdout, stderr, code := run(t, "status", "--dir", dir, "-o", "json")
	var st struct {
		Running bool
		Parts   []struct{ Healthy bool }
	}
	if err := json.Unmarshal([]byte(stdout), &st); err != nil || code != 0 || !st.Running || len(st.Parts) != 3 {
		t.Errorf("status: got exit status %d, %v, %q, %q; want three healthy parts", code, err, stdout, stderr)
	}
	last := d.state()
	if err := connect(t, last).find(t); err != nil {
		t.Errorf("after the parts were killed: %v", err)
	}

	d.kill()
	eventually(t, "the parts die with their parent", func() error {
		for part, pid := range last.PIDs {
			if syscall.Kill(pid, 0) == nil {
				return fmt.Errorf("%s, process %d, lives", part, pid)
			}
		}
		return nil
	})
}

// writeUntil writes one thing after the other, has kill called when a few hundred
// milliseconds are over, and returns how many writes were confirmed.
func writeUntil(t *testing.T, write func(ctx context.Context, i int) error, kill func()) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	confirmed := make(chan int)
	go func() {
		i := 0
		for write(ctx, i) == nil {
			i++
		}
		confirmed <- i
	}()
	time.Sleep(400 * time.Millisecond)
	kill()
	// A client may go on trying for long: what it has not got by now does not count.
	time.AfterFunc(100*time.Millisecond, cancel)
	n := <-confirmed
	if n == 0 {
		t.Fatal("nothing was written before the kill: the test shows nothing")
	}
	return n
}

// TestCluster checks what crawlfleet needs of the API server beyond storing things.
func TestCluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := start(t, dir, "--fast")
	c := connect(t, d.state())
	ctx := t.Context()

	t.Run("a service account's token is good, and is allowed nothing", func(t *testing.T) {
		sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "visitor"}}
		if _, err := c.kube.CoreV1().ServiceAccounts("default").Create(ctx, sa, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		token, err := c.kube.CoreV1().ServiceAccounts("default").CreateToken(ctx, sa.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		config, err := clientcmd.BuildConfigFromFlags("", d.state().Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		config.CertData, config.KeyData, config.BearerToken = nil, nil, token.Status.Token
		visitor, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		review, err := visitor.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := review.Status.UserInfo.Username, "system:serviceaccount:default:visitor"; got != want {
			t.Errorf("the token's user is %q, want %q", got, want)
		}
		_, err = visitor.CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
		wantForbidden(t, "list secrets as a visitor", err)
	})

	t.Run("roles are there", func(t *testing.T) {
		role, err := c.kube.RbacV1().ClusterRoles().Get(ctx, "admin", metav1.GetOptions{})
		if err != nil || role.AggregationRule == nil {
			t.Errorf("the role admin: got %v, %v; want an aggregated role", role, err)
		}
	})

	t.Run("admission policies are enforced", func(t *testing.T) {
		policy := &admissionv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "no-secrets-in-names"},
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
					RuleWithOperations: admissionv1.RuleWithOperations{
						Operations: []admissionv1.OperationType{admissionv1.Create},
						Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
					},
				}}},
				Validations: []admissionv1.Validation{{Expression: "!object.metadata.name.contains('secret')", Message: "choose another name"}},
			},
		}
		binding := &admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: policy.ObjectMeta,
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			},
		}
		if _, err := c.kube.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.kube.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the policy holds", func() error {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "secret"}}
			_, err := c.kube.CoreV1().ConfigMaps("default").Create(ctx, cm, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err == nil || !strings.Contains(err.Error(), "choose another name") {
				return fmt.Errorf("got %w", err)
			}
			return nil
		})
	})

	t.Run("stop ends it, and has nothing to do the second time", func(t *testing.T) {
		for range 2 {
			if _, stderr, code := run(t, "stop", "--dir", dir); code != 0 {
				t.Errorf("got exit status %d and %q", code, stderr)
			}
		}
		d.wait()
	})
}

// TestInterruptedStart calls a start off while its parts are still coming up.
func TestInterruptedStart(t *testing.T) {
	t.Parallel()
	for _, mode := range [][]string{nil, {"--split"}} {
		dir := t.TempDir()
		d := launch(t, dir, append(mode, "--fast")...)
		eventually(t, "the first part is up", func() error {
			if !strings.Contains(d.out.String(), "ready in") {
				return errors.New("not yet")
			}
			return nil
		})
		d.stop()
		out := d.out.String()
		if code := d.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(out, "stopped before the stack was up") || strings.Contains(out, "goroutine") {
			t.Errorf("%v: got exit status %d, want 1, one line and no stack traces:\n%s", mode, code, out)
		}
		if _, _, code := run(t, "status", "--dir", dir); code == 0 {
			t.Errorf("%v: something is still running", mode)
		}
	}
}

// TestBadInput checks that what cannot be is said, with what to do about it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	cases := map[string]struct {
		reason string
		args   []string
		want   []string
	}{
		"NoDir":          {"there is no default folder to pollute", []string{"start"}, []string{`"dir" not set`}},
		"EmptyDir":       {"an unset variable must not mean the working directory", []string{"start", "--dir", ""}, []string{"use --dir DIR"}},
		"Unwritable":     {"a folder below a file cannot be made", []string{"start", "--dir", filepath.Join(file, "x")}, []string{file, "not a directory", "choose a --dir"}},
		"BadAttribute":   {"a search attribute needs a type", []string{"start", "--dir", empty, "--search-attribute", "Name"}, []string{`"Name"`, "Name=Type"}},
		"BadType":        {"the type must be one of Temporal's", []string{"start", "--dir", empty, "--search-attribute", "Name=Wort"}, []string{`"Name=Wort"`, "KeywordList"}},
		"StatusOfNone":   {"nothing runs there", []string{"status", "--dir", empty}, []string{"no stack is running", "devstack start --dir " + empty}},
		"EnvOfNone":      {"nothing runs there", []string{"env", "--dir", empty}, []string{"no stack is running", "devstack start --dir " + empty}},
		"StatusFormat":   {"the formats are named", []string{"status", "--dir", empty, "-o", "xml"}, []string{`"xml"`, "table or json"}},
		"PartByHand":     {"a part alone would share the folder with a running stack", []string{"kube", "--dir", empty}, []string{"devstack start"}},
		"UnknownCommand": {"what there is not is not taken for something else", []string{"begin"}, []string{`"begin"`}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stderr, code := run(t, c.args...)
			if code == 0 {
				t.Errorf("%s: got exit status 0", c.reason)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%s: got %q, want it to contain %q", c.reason, stderr, want)
				}
			}
		})
	}
}
