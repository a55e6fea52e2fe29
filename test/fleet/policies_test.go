package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// public is an address that is no special one, that nobody's sites are at, and that the node has for a while: one of the
	// servers for questions about private addresses (RFC 7534), which answers nothing else in the real Internet.
	public = "192.175.48.42"
	// nobodys is a port that pods listen at and no policy names.
	nobodys = "9999"
)

// components are the fleet's, by the label that policies go by.
var components = []string{"conductor", "browser", "gateway", "portal", "store-probe", "portal-local", "operator", "services"}

// Who reaches a place: lists of components; and those that no policy of the fleet is about, a pod in its namespace and one
// in another.
var (
	strangers = []string{"beside", "elsewhere"}
	// free are those whose policies say nothing of where they go, and strangers.
	free = append([]string{"portal-local", "operator"}, strangers...)
)

// reached says who reaches what, as docs/reference/crawlfleet.md does for the operator's policies, and the chart's for its own.
// A pod of the fleet is reached at these ports, and at no other.
func reached() map[string][]string {
	table := map[string][]string{
		"the store":      {"conductor", "browser", "portal", "store-probe", "portal-local", "operator"},
		"Temporal":       {"conductor", "browser", "portal", "portal-local", "operator"},
		"names":          append([]string{"conductor", "browser", "portal", "store-probe"}, free...),
		"the API server": append([]string{"portal"}, free...),
		"the site":       append([]string{"gateway"}, free...),
		"the Internet":   append([]string{"gateway", "portal"}, free...), // the portal by its port, 443
		"beside:8080":    free, "elsewhere:8080": free,
		"beside:" + nobodys: free, "elsewhere:" + nobodys: free,
	}
	for component, ports := range map[string][]string{
		"conductor": {"8081", "8082"}, "browser": {"8081", "8082"}, "gateway": {"8081", "8082"}, "portal": {"8080", "8090", "8082"}, "store-probe": nil,
		"portal-local": {"8082"}, "operator": {"8080", "8081"}, "services": nil,
	} {
		for _, port := range listening {
			table[component+":"+port] = nil
			if slices.Contains(ports, port) {
				table[component+":"+port] = free
			}
		}
	}
	table["gateway:3128"] = []string{"conductor", "browser"}
	return table
}

// listening are the ports that the pods of the table listen at.
var listening = []string{"3128", "8080", "8081", "8082", "8090", nobodys}

// policies tries, with pods that have the labels of the fleet's, every way from each of them, and from strangers.
func (b *bed) policies(t *testing.T) {
	b.lendPortal(t)
	b.goPublic(t)
	spaces := map[string]string{"elsewhere": siteSpace}
	serve := []string{"serve"}
	for _, port := range listening {
		serve = append(serve, ":"+port)
	}
	who := slices.Concat(components, strangers)
	for _, w := range who {
		if spaces[w] == "" {
			spaces[w] = fleetSpace
		}
		pod := neighbour("as-"+w, nil, serve...)
		// Never ready, it is behind no Service of what it looks like.
		pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "crawlfleet.test/never"}}
		if slices.Contains(components, w) {
			pod.Labels = b.labels(t, w)
		}
		b.create(t, spaces[w], pod)
		t.Cleanup(func() { b.remove(t, spaces[w], pod.Name) })
	}
	places := b.places(t)
	for _, w := range who {
		at := b.address(t, spaces[w], "as-"+w)
		for _, port := range listening {
			if place := w + ":" + port; slices.Contains(components, w) || port == "8080" || port == nobodys {
				places[place] = at + ":" + port
			}
		}
	}
	table := reached()
	if missing := slices.DeleteFunc(slices.Sorted(maps.Keys(places)), func(p string) bool { _, ok := table[p]; return ok }); len(missing) > 0 || len(places) != len(table) {
		t.Fatalf("the table has %d places, %d are tried; not in it: %q", len(table), len(places), missing)
	}
	var all sync.WaitGroup
	for _, w := range who {
		all.Go(func() { b.tryWays(t, w, spaces[w], places, table) })
	}
	all.Wait()
}

// tryWays tries the ways from one pod to all places. What is not as it should be is tried again until it is: rules follow
// policies within moments, and what is allowed may take long on a busy machine.
func (b *bed) tryWays(t *testing.T, from, namespace string, places map[string]string, table map[string][]string) {
	wrong := map[string]string{}
	for range 5 {
		args := []string{"-n", namespace, "exec", "as-" + from, "--", "/neighbour", "reach"}
		for place, address := range places {
			if own := strings.HasPrefix(place, from+":"); !own && (len(wrong) == 0 || wrong[place] != "") {
				args = append(args, address)
			}
		}
		out, err := b.tryKubectl(t.Context(), "", args...)
		became := map[string]string{}
		if err != nil || json.Unmarshal([]byte(out), &became) != nil {
			t.Errorf("%s tries nothing: %v %s", from, err, out)
			return
		}
		clear(wrong)
		for place, address := range places {
			why, tried := became[address]
			if want := slices.Contains(table[place], from); tried && want != (why == "") {
				wrong[place] = fmt.Sprintf("reached: %t, want %t %s", why == "", want, why)
			}
		}
		if len(wrong) == 0 {
			return
		}
	}
	for _, place := range slices.Sorted(maps.Keys(wrong)) {
		t.Errorf("from %s to %s: %s", from, place, wrong[place])
	}
}

// places are those that are not pods of this test.
func (b *bed) places(t *testing.T) map[string]string {
	t.Helper()
	service := func(namespace, name string) string {
		s, err := b.client.CoreV1().Services(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Spec.ClusterIP
	}
	services := service(fleetSpace, "crawlfleet-services")
	return map[string]string{
		"the store": services + ":7070", "Temporal": services + ":7233",
		"names": "dns:" + service("kube-system", "kube-dns") + ":53", "the API server": service("default", "kubernetes") + ":443",
		"the site": b.siteAddress(t) + ":80", "the Internet": public + ":443",
	}
}

// labels are those of a component's pods: of one that is there, or as the operator gives them.
func (b *bed) labels(t *testing.T, component string) map[string]string {
	t.Helper()
	labels := map[string]string{
		"app.kubernetes.io/name": "crawlfleet", "app.kubernetes.io/instance": fleetSpace,
		"app.kubernetes.io/managed-by": "crawlfleet-operator", "app.kubernetes.io/component": component,
	}
	running := b.pods(t.Context(), t, fleetSpace, "app.kubernetes.io/component="+component)
	if len(running) > 0 {
		labels = maps.Clone(running[0].Labels)
	}
	// These say to whom a pod belongs: somebody would remove it as one too many.
	maps.DeleteFunc(labels, func(key, _ string) bool {
		return key == "pod-template-hash" || key == "controller-revision-hash" || strings.Contains(key, "controller-uid") || strings.HasPrefix(key, "statefulset.kubernetes.io/") || key == "apps.kubernetes.io/pod-index"
	})
	return labels
}

// lendPortal has the operator make the policies of a portal for a team, without a pod of it.
func (b *bed) lendPortal(t *testing.T) {
	t.Helper()
	b.kubectl(t, "-n", fleetSpace, "patch", "crawlfleet/crawlfleet", "--type=merge", "-p", `{"spec": {"portal": {"replicas": 0,
		"externalURL": "https://portal.example", "replayURL": "https://replay.example", "oidc": {"issuer": "https://login.example", "clientID": "crawlfleet"}}}}`)
	t.Cleanup(func() {
		if _, err := b.tryKubectl(context.WithoutCancel(t.Context()), "", "-n", fleetSpace, "patch", "crawlfleet/crawlfleet", "--type=merge", "-p", `{"spec": {"portal": null}}`); err != nil {
			t.Error(err)
		}
	})
	await(t, "there is a policy of the portal", func(ctx context.Context) (bool, string) {
		_, err := b.client.NetworkingV1().NetworkPolicies(fleetSpace).Get(ctx, "crawlfleet-portal", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
}

// goPublic serves at a public address: the node has it, and a pod on the node's own network.
func (b *bed) goPublic(t *testing.T) {
	t.Helper()
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Fatalf("%v: install the package iproute2", err)
	}
	if out, err := b.cluster(t.Context(), "exec", "--", ip, "address", "replace", public+"/32", "dev", "lo"); err != nil {
		t.Fatalf("give the node a public address: %v\n%s", err, out)
	}
	pod := neighbour("public", nil, "serve", public+":443")
	pod.Spec.HostNetwork = true
	pod.Spec.SecurityContext = nil
	root := int64(0)
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{RunAsUser: &root}
	b.create(t, siteSpace, pod)
	t.Cleanup(func() { b.remove(t, siteSpace, pod.Name) })
	b.address(t, siteSpace, pod.Name)
}
