package netpol

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/knftables"
)

// running is an engine on a cluster and a kernel that are not real.
type running struct {
	*fake.Clientset
	nft    *knftables.Fake
	engine *Engine
	socket string
}

func run(t *testing.T, s State) running {
	t.Helper()
	r := running{
		Clientset: fake.NewClientset(), nft: knftables.NewFake(knftables.IPv4Family, table),
		socket: filepath.Join(t.TempDir(), "socket"),
	}
	r.engine = &Engine{Client: r, NFT: r.nft}
	for _, n := range s.Namespaces {
		must(t, r.Tracker().Add(n))
	}
	for _, p := range s.Pods {
		must(t, r.Tracker().Add(p))
	}
	for _, p := range s.Policies {
		must(t, r.Tracker().Add(p))
	}
	// What comes between a list and its watch, the stand-in never tells: nothing may come
	// until there are three watches.
	watches := make(chan struct{}, 16)
	r.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		w, err := r.Tracker().Watch(action.GetResource(), action.GetNamespace(), metav1.ListOptions{})
		watches <- struct{}{}
		return true, w, err
	})
	listener, err := net.Listen("unix", r.socket)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.engine.Run(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	for range 3 {
		<-watches
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// chain tells whether there are rules for what an address sends.
func (r running) chain(address string) bool {
	r.nft.RLock()
	defer r.nft.RUnlock()
	return r.nft.Table != nil && r.nft.Table.Chains["egress-"+address] != nil
}

func (r running) eventually(t *testing.T, address string, want bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); r.chain(address) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("rules for %s: want %v", address, want)
		}
	}
}

const denyAll = `{metadata: {namespace: a, name: nothing}, spec: {podSelector: {}, policyTypes: [Egress]}}`

// The plugin lets a pod start when its rules hold, and not before, though nobody but the
// plugin knows its address yet.
func TestRulesHoldBeforeAPodStarts(t *testing.T) {
	t.Parallel()
	s := testState(t, denyAll)
	r := run(t, s)
	const address = "10.244.0.9"
	pod := testPod("a", "new", "")
	asked := make(chan error, 1)
	go func() {
		asked <- Ask(r.socket, NewPod{Namespace: "a", Name: "new", UID: string(pod.UID), Address: address})
	}()
	// The engine may hear of the pod after the plugin.
	_, err := r.CoreV1().Pods("a").Create(t.Context(), pod, metav1.CreateOptions{})
	must(t, err)
	must(t, <-asked)
	if !r.chain(address) {
		t.Fatal("the pod may start, and there are no rules for it")
	}
	// Its rules end with it: the address will be another's.
	must(t, r.CoreV1().Pods("a").Delete(t.Context(), "new", metav1.DeleteOptions{}))
	r.eventually(t, address, false)
}

// After a restart of the node pods have other addresses than their status tells, and those
// that it tells may be others'.
func TestRulesHoldAfterARestart(t *testing.T) {
	t.Parallel()
	r := run(t, testState(t, `{metadata: {namespace: a, name: client}, spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}}`))
	r.eventually(t, "10.244.0.2", true)
	must(t, Ask(r.socket, NewPod{Namespace: "a", Name: "client", UID: "aclient", Address: "10.244.0.1"}))
	if !r.chain("10.244.0.1") {
		t.Error("the pod may start, and there are no rules for its new address")
	}
	if r.chain("10.244.0.2") {
		t.Error("the pod's rules hold for the address that it had")
	}
	// The status of "web" tells that of the client, which is not its own any more.
	must(t, Ask(r.socket, NewPod{Namespace: "a", Name: "web", UID: "aweb", Address: "10.244.0.2"}))
	if r.chain("10.244.0.2") {
		t.Error("a pod that no policy selects has the rules of another")
	}
	// And a third time: what was given to one is given to another.
	must(t, Ask(r.socket, NewPod{Namespace: "a", Name: "web", UID: "aweb", Address: "10.244.0.1"}))
	if r.chain("10.244.0.1") {
		t.Error("the pod has the rules of the one that had its address before")
	}
}

// One of the same name as a pod that is there is another pod.
func TestAnotherPodOfTheSameName(t *testing.T) {
	t.Parallel()
	r := run(t, testState(t, denyAll))
	must(t, Ask(r.socket, NewPod{Namespace: "a", Name: "web", UID: "aweb", Address: "10.244.0.1"}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := r.engine.admit(ctx, NewPod{Namespace: "a", Name: "web", UID: "of old", Address: "10.244.0.9"})
	if err == nil || !strings.Contains(err.Error(), "a/web is not known") {
		t.Errorf("got %v, want that the pod is not known", err)
	}
}

// Rules follow what changes.
func TestRulesFollow(t *testing.T) {
	t.Parallel()
	s := testState(t)
	r := run(t, s)
	policies := testState(t, denyAll).Policies
	created, err := r.NetworkingV1().NetworkPolicies("a").Create(t.Context(), policies[0], metav1.CreateOptions{})
	must(t, err)
	r.eventually(t, "10.244.0.1", true)
	created.Spec.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "client"}}
	_, err = r.NetworkingV1().NetworkPolicies("a").Update(t.Context(), created, metav1.UpdateOptions{})
	must(t, err)
	r.eventually(t, "10.244.0.1", false)
	r.eventually(t, "10.244.0.2", true)
	pod, err := r.CoreV1().Pods("a").Get(t.Context(), "client", metav1.GetOptions{})
	must(t, err)
	pod.Status.Phase = corev1.PodSucceeded
	_, err = r.CoreV1().Pods("a").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	must(t, err)
	r.eventually(t, "10.244.0.2", false)
}
