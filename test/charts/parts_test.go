package charts

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// as reads an object into its type; what the type does not have fails the test.
func as[T any](t *testing.T, o *unstructured.Unstructured) *T {
	t.Helper()
	if o == nil {
		t.Fatal("there is no such object")
	}
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &typed, true); err != nil {
		t.Fatalf("%s: %v", key(o), err)
	}
	return &typed
}

// nested is a part of an object that has to be there.
func nested(t *testing.T, o *unstructured.Unstructured, path ...string) any {
	t.Helper()
	if o == nil {
		t.Fatal("there is no such object")
	}
	v, ok, err := unstructured.NestedFieldCopy(o.Object, path...)
	if err != nil || !ok {
		t.Fatalf("%s has no %s: %v", key(o), strings.Join(path, "."), err)
	}
	return v
}

// podLabels are those of the pods of a workload.
func podLabels(t *testing.T, o *unstructured.Unstructured) labels.Set {
	t.Helper()
	set := labels.Set{}
	for name, value := range nested(t, o, "spec", "template", "metadata", "labels").(map[string]any) {
		set[name] = value.(string)
	}
	return set
}

// TestMonitoring: the rules are those of config/alerts, to the letter, and the monitor finds the pods' metrics.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	all := template(t, "crawlfleet", "north", append(profile("single-node"),
		"--set", "monitoring.rules=true,monitoring.podMonitor=true,monitoring.dashboards=true,monitoring.labels.release=prometheus")...)
	text, err := tool(t, "kustomize", "build", filepath.Join(root, "config", "alerts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range parse(t, text) {
		if want.GetKind() != "PrometheusRule" {
			continue
		}
		got := all["PrometheusRule/north/"+want.GetName()]
		if diff := cmp.Diff(nested(t, want, "spec"), nested(t, got, "spec")); diff != "" {
			t.Errorf("the rules differ: -config, +chart:\n%s", diff)
		}
		if got.GetLabels()["release"] != "prometheus" {
			t.Errorf("a Prometheus that selects by labels does not find the rules: %v", got.GetLabels())
		}
	}
	monitor := all["PodMonitor/north/crawlfleet"]
	selector := labels.Set{}
	for name, value := range nested(t, monitor, "spec", "selector", "matchLabels").(map[string]any) {
		selector[name] = value.(string)
	}
	for _, name := range []string{"Deployment/north/crawlfleet-operator", "Deployment/north/crawlfleet-portal-local"} {
		if !selector.AsSelector().Matches(podLabels(t, all[name])) {
			t.Errorf("the monitor does not find the pods of %s: %v", name, podLabels(t, all[name]))
		}
		ports := podOf(t, all[name]).Containers[0].Ports
		if !slices.ContainsFunc(ports, func(p corev1.ContainerPort) bool { return p.Name == "metrics" }) {
			t.Errorf("%s has no port called metrics", name)
		}
	}
	dashboards, err := filepath.Glob(filepath.Join(root, "config", "dashboards", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range dashboards {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(file)
		got := nested(t, all["ConfigMap/north/crawlfleet-dashboard-"+strings.TrimSuffix(base, ".json")], "data", base)
		if got != string(want) {
			t.Errorf("the dashboard %s is not what config has", base)
		}
	}
}

// TestIngress: each origin has its host, and leads to its port of the portal's Service.
func TestIngress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		portal, replay         string
		portalHost, replayHost string
	}{
		"Plain":    {"https://portal.example.org", "https://replay.example.org", "portal.example.org", "replay.example.org"},
		"Slash":    {"https://portal.example.org/", "https://replay.example.org/", "portal.example.org", "replay.example.org"},
		"Port":     {"https://portal.example.org:8443", "https://replay.example.org:8443", "portal.example.org", "replay.example.org"},
		"PortPath": {"http://portal.example.org:8080/", "https://replay.example.org:8443/", "portal.example.org", "replay.example.org"},
		"Wildcard": {"https://portal.example.org", "https://*.replay.example.org", "portal.example.org", "*.replay.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := template(t, "crawlfleet", "north", append(profile("production"), "--set", "ingress.className=nginx",
				"--set-string", "fleet.portal.externalURL="+c.portal, "--set-string", "fleet.portal.replayURL="+c.replay)...)
			for _, want := range []struct{ name, host, port, tls string }{
				{"crawlfleet-portal", c.portalHost, "portal", "portal-tls"},
				{"crawlfleet-replay", c.replayHost, "replay", "replay-tls"},
			} {
				in := as[networkingv1.Ingress](t, all["Ingress/north/"+want.name])
				rule := in.Spec.Rules[0]
				backend := rule.HTTP.Paths[0].Backend.Service
				if rule.Host != want.host || backend.Name != "crawlfleet-portal" || backend.Port.Name != want.port || *in.Spec.IngressClassName != "nginx" {
					t.Errorf("%s: %+v leads to %+v", want.name, rule, backend)
				}
				if tls := in.Spec.TLS[0]; tls.SecretName != want.tls || tls.Hosts[0] != want.host {
					t.Errorf("%s: certificate %+v", want.name, tls)
				}
			}
		})
	}
}

// TestServicesAreTheFleets: nobody but the fleet's own pods reaches Temporal and the store, which reach nothing, and the
// fleet is told where they are.
func TestServicesAreTheFleets(t *testing.T) {
	t.Parallel()
	all := template(t, "crawlfleet", "north", profile("single-node")...)
	policy := as[networkingv1.NetworkPolicy](t, all["NetworkPolicy/north/crawlfleet-services"])
	if len(policy.Spec.PolicyTypes) != 2 || len(policy.Spec.Egress) != 0 || len(policy.Spec.Ingress) != 1 || len(policy.Spec.Ingress[0].From) != 1 {
		t.Fatalf("the policy is %+v", policy.Spec)
	}
	if on := labels.Set(policy.Spec.PodSelector.MatchLabels).AsSelector(); !on.Matches(podLabels(t, all["StatefulSet/north/crawlfleet-services"])) {
		t.Errorf("the policy is not about the pod of the services: %v", on)
	}
	from := policy.Spec.Ingress[0].From[0]
	if from.NamespaceSelector != nil || from.IPBlock != nil {
		t.Errorf("pods of other namespaces reach them: %+v", from)
	}
	own := labels.Set(from.PodSelector.MatchLabels).AsSelector()
	for what, c := range map[string]struct {
		labels labels.Set
		want   bool
	}{
		"a browser":           {labels.Set{"app.kubernetes.io/name": "crawlfleet", "app.kubernetes.io/instance": "north", "app.kubernetes.io/component": "browser"}, true},
		"the operator":        {podLabels(t, all["Deployment/north/crawlfleet-operator"]), true},
		"the portal":          {podLabels(t, all["Deployment/north/crawlfleet-portal-local"]), true},
		"a pod of others":     {labels.Set{"app.kubernetes.io/name": "crawlfleet"}, false},
		"a pod without names": {labels.Set{}, false},
	} {
		if own.Matches(c.labels) != c.want {
			t.Errorf("%s: reaches them is %t, want %t", what, !c.want, c.want)
		}
	}
	fleet := all["CrawlFleet/north/crawlfleet"]
	for path, want := range map[string]string{
		"temporal.address": "crawlfleet-services.north.svc:7233", "store.endpoint": "http://crawlfleet-services.north.svc:7070", "store.credentialsSecret": "crawlfleet-s3",
	} {
		if got := nested(t, fleet, append([]string{"spec"}, strings.Split(path, ".")...)...); got != want {
			t.Errorf("%s is %v, want %s", path, got, want)
		}
	}
}

// TestUsersOfTheStore: on one node, too, browsers and the portal get into the store as users of their own, with the rights of
// config/store; their keys are made with the others, and where all use the same keys there are no users.
func TestUsersOfTheStore(t *testing.T) {
	t.Parallel()
	all := template(t, "crawlfleet", "north", profile("single-node")...)
	fleet := all["CrawlFleet/north/crawlfleet"]
	services := podOf(t, all["StatefulSet/north/crawlfleet-services"])
	keys := podOf(t, all["Job/north/crawlfleet-keys"]).Containers[0].Args
	policies := as[corev1.ConfigMap](t, all["ConfigMap/north/crawlfleet-store-policies"])
	for _, role := range []string{"browser", "portal"} {
		secret := "crawlfleet-s3-" + role
		if got := nested(t, fleet, "spec", "store", role+"CredentialsSecret"); got != secret {
			t.Errorf("the %s's credentials are those of %v", role, got)
		}
		if !slices.Contains(keys, "--make=store="+secret+"/credentials") {
			t.Errorf("nobody makes the keys of the %s: %v", role, keys)
		}
		user := fmt.Sprintf("--s3-user=/etc/crawlfleet/policies/%s.json=/etc/crawlfleet/s3-%s/credentials", role, role)
		if !slices.Contains(services.Containers[0].Args, user) {
			t.Errorf("the store knows no %s: %v", role, services.Containers[0].Args)
		}
		if !slices.ContainsFunc(services.Volumes, func(v corev1.Volume) bool {
			return v.Name == "s3-"+role && v.Secret != nil && v.Secret.SecretName == secret
		}) {
			t.Errorf("the store is not given the keys of the %s", role)
		}
		want, err := os.ReadFile(filepath.Join("..", "..", "config", "store", role+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(string(want)), strings.TrimSpace(policies.Data[role+".json"])); diff != "" {
			t.Errorf("what the %s may do (-want +got):\n%s", role, diff)
		}
	}
	all = template(t, "crawlfleet", "north", append(profile("single-node"),
		"--set", "fleet.store.browserCredentialsSecret=crawlfleet-s3,fleet.store.portalCredentialsSecret=crawlfleet-s3")...)
	services = podOf(t, all["StatefulSet/north/crawlfleet-services"])
	for _, arg := range services.Containers[0].Args {
		if strings.HasPrefix(arg, "--s3-user") {
			t.Errorf("all have the same keys, and the store has a user: %s", arg)
		}
	}
	if _, there := all["ConfigMap/north/crawlfleet-store-policies"]; there {
		t.Error("there are policies of nobody")
	}
}

// TestTemporalOfOthers: the operator connects as the CrawlFleet says, with what is in its Secrets.
func TestTemporalOfOthers(t *testing.T) {
	t.Parallel()
	all := template(t, "crawlfleet", "north", append(profile("production"),
		"--set", "fleet.temporal.tls.caSecret=temporal-ca,fleet.temporal.tls.secretName=temporal-client,fleet.temporal.tls.serverName=temporal.example",
		"--set", "fleet.temporal.apiKey.secretName=temporal-key,fleet.temporal.apiKey.key=api-key,fleet.payloads.encryption=Optional",
		"--set", "fleet.traces.endpoint=http://collector.example:4317,fleet.traces.protocol=GRPC,fleet.traces.sampledPercent=5",
		"--set", "telemetry.OTEL_RESOURCE_ATTRIBUTES=site=north,operator.logLevel=debug")...)
	pod := podOf(t, all["Deployment/north/crawlfleet-operator"])
	for name, want := range map[string]string{
		"TEMPORAL_TLS": "true", "TEMPORAL_TLS_SERVER_NAME": "temporal.example",
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/etc/crawlfleet/temporal-ca/ca.crt",
		"TEMPORAL_TLS_CLIENT_CERT_PATH":    "/etc/crawlfleet/temporal-tls/tls.crt", "TEMPORAL_TLS_CLIENT_KEY_PATH": "/etc/crawlfleet/temporal-tls/tls.key",
		"CRAWLFLEET_TEMPORAL_API_KEY_FILE": "/etc/crawlfleet/temporal-key/api-key", "CRAWLFLEET_PAYLOAD_KEYS_REQUIRED": "false",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.05", "OTEL_RESOURCE_ATTRIBUTES": "site=north",
	} {
		if got := env(pod, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	var secrets []string
	for _, v := range pod.Volumes {
		secrets = append(secrets, v.Secret.SecretName)
	}
	if diff := cmp.Diff([]string{"crawlfleet-payload-keys", "temporal-ca", "temporal-client", "temporal-key"}, secrets); diff != "" {
		t.Errorf("Secrets of the operator: -want, +got:\n%s", diff)
	}
	if len(pod.Volumes) != len(pod.Containers[0].VolumeMounts) || !slices.Contains(pod.Containers[0].Args, "--log-level=debug") {
		t.Errorf("the container: %+v", pod.Containers[0])
	}
}

// TestFlagsAreKnown: the programs know the flags that pods start them with.
func TestFlagsAreKnown(t *testing.T) {
	t.Parallel()
	all := template(t, "crawlfleet", "north", append(profile("single-node"), "--set", "namespaces={cases}")...)
	for program, workload := range map[string]string{
		"operator": "Deployment/north/crawlfleet-operator", "operator keys": "Job/north/crawlfleet-keys", "portal": "Deployment/north/crawlfleet-portal-local",
	} {
		words := strings.Fields(program)
		help, err := tool(t, words[0], append(words[1:], "--help")...)
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range podOf(t, all[workload]).Containers[0].Args {
			flag, _, _ := strings.Cut(arg, "=")
			if strings.HasPrefix(flag, "-") && !strings.Contains(help, " "+flag+" ") {
				t.Errorf("%s has no flag %s", program, flag)
			}
		}
	}
}
