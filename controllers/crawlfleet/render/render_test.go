package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// read gives an Input with the fleet of a case.
func read(t testing.TB, name string) Input {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name, "fleet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Fleet: &v1alpha1.CrawlFleet{}, Worker: "crawlfleet/worker:1", Portal: "crawlfleet/portal:1", Replicas: map[string]int32{}, Stamps: map[v1alpha1.SecretName]string{}}
	if err := yaml.UnmarshalStrict(raw, in.Fleet); err != nil {
		t.Fatal(err)
	}
	if image := in.Fleet.Spec.Images.Worker; image != "" {
		in.Worker = string(image)
	}
	if image := in.Fleet.Spec.Images.Portal; image != "" {
		in.Portal = string(image)
	}
	in.Build = BuildOf(in.Worker)
	for i := range in.Fleet.Spec.Pools {
		if p := &in.Fleet.Spec.Pools[i]; !p.Scaling.External() {
			in.Replicas[p.Name], _ = p.Scaling.Bounds()
		}
	}
	for _, s := range Secrets(&in.Fleet.Spec) {
		in.Stamps[s] = "1"
	}
	return in
}

var cases = []string{"smallest", "agency", "whole"}

// TestPortalOfNamespaces: a portal is told which jobs it may see, where that is not all.
func TestPortalOfNamespaces(t *testing.T) {
	t.Parallel()
	for _, namespaces := range [][]string{nil, {"north", "south"}} {
		in := read(t, "agency")
		in.Namespaces = namespaces
		told := strings.Contains(string(manifest(t, Fleet(in))), "--namespaces=north,south\n")
		if told != (namespaces != nil) {
			t.Errorf("%v: the portal is told of them: %t", namespaces, told)
		}
	}
}

// TestGolden compares what is rendered with files that can be read as manifests.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := read(t, name)
			in.Versioned = name == "whole"
			got := manifest(t, append(Fleet(in), StoreProbe(in)))
			file := filepath.Join("testdata", name, "objects.yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("run go test ./controllers/crawlfleet/render -update and read what changed (-want +got):\n%s", diff)
			}
		})
	}
}

func manifest(t testing.TB, objects Objects) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, o := range objects {
		raw, err := yaml.Marshal(o.Configuration)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n")
		all.Write(raw)
	}
	return all.Bytes()
}

// typed decodes an object as the API server does with strict field validation.
func typed(t testing.TB, o Object) any {
	t.Helper()
	kinds := map[string]any{
		"Deployment": &appsv1.Deployment{}, "Job": &batchv1.Job{}, "NetworkPolicy": &networkingv1.NetworkPolicy{}, "PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
		"Service": &corev1.Service{}, "ServiceAccount": &corev1.ServiceAccount{}, "PersistentVolumeClaim": &corev1.PersistentVolumeClaim{},
	}
	into, ok := kinds[o.Kind]
	if !ok {
		t.Fatalf("%s is a kind that this test does not know", o.Kind)
	}
	raw, err := yaml.Marshal(o.Configuration)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(raw, into); err != nil {
		t.Fatalf("%s %s: %v", o.Kind, o.Name, err)
	}
	return into
}

// pods are the templates of all pods, by the name of what makes them.
func pods(t testing.TB, objects Objects) map[string]corev1.PodTemplateSpec {
	t.Helper()
	all := map[string]corev1.PodTemplateSpec{}
	for _, o := range objects {
		switch o := typed(t, o).(type) {
		case *appsv1.Deployment:
			all[o.Name] = o.Spec.Template
		case *batchv1.Job:
			all[o.Name] = o.Spec.Template
		}
	}
	return all
}

// TestPodSecurity holds pods to what https://kubernetes.io/docs/concepts/security/pod-security-standards/
// calls restricted, but for the seccomp profile of those with browsers, and to what is stricter.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	for _, name := range cases {
		in := read(t, name)
		for pod, template := range pods(t, append(Fleet(in), StoreProbe(in))) {
			spec := template.Spec
			browser := template.Labels[LabelComponent] == Browser
			if spec.HostNetwork || spec.HostPID || spec.HostIPC {
				t.Errorf("%s: it is let into the node", pod)
			}
			security := spec.SecurityContext
			if security == nil || security.RunAsNonRoot == nil || !*security.RunAsNonRoot || *security.RunAsUser == 0 {
				t.Errorf("%s: it may run as root", pod)
			}
			if kind := security.SeccompProfile.Type; kind != corev1.SeccompProfileTypeRuntimeDefault && !browser ||
				browser && kind == corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("%s: its seccomp profile is %s", pod, kind)
			}
			token := spec.AutomountServiceAccountToken
			if token == nil || *token != (template.Labels[LabelComponent] == Portal) {
				t.Errorf("%s: whether it has a token is %v", pod, token)
			}
			for _, v := range spec.Volumes {
				if v.HostPath != nil {
					t.Errorf("%s: volume %s is the node's", pod, v.Name)
				}
			}
			for _, c := range spec.Containers {
				s := c.SecurityContext
				if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
					t.Errorf("%s: container %s may do more than it needs: %+v", pod, c.Name, s)
				}
				if c.Resources.Limits.Memory().IsZero() {
					t.Errorf("%s: container %s has no limit of memory", pod, c.Name)
				}
			}
		}
	}
}

// TestNames: objects are called what the API server takes, each but once.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range cases {
		in := read(t, name)
		seen := map[string]bool{}
		for _, o := range append(Fleet(in), StoreProbe(in)) {
			if seen[o.Kind+o.Name] || len(o.Name) > 63 {
				t.Errorf("%s: %s %s is there twice, or too long", name, o.Kind, o.Name)
			}
			seen[o.Kind+o.Name] = true
		}
	}
}

// TestVolumes: whatever an argument or a variable names is mounted.
func TestVolumes(t *testing.T) {
	t.Parallel()
	for _, name := range cases {
		in := read(t, name)
		for pod, template := range pods(t, append(Fleet(in), StoreProbe(in))) {
			for _, c := range template.Spec.Containers {
				words := slices.Clone(c.Args)
				for _, e := range c.Env {
					words = append(words, e.Name+"="+e.Value)
				}
				for _, w := range words {
					_, path, _ := strings.Cut(w, "=")
					if strings.HasPrefix(path, secrets) && !mounted(template.Spec.Volumes, c.VolumeMounts, path) {
						t.Errorf("%s: %s is not mounted", pod, w)
					}
				}
			}
		}
	}
}

func mounted(volumes []corev1.Volume, mounts []corev1.VolumeMount, path string) bool {
	return slices.ContainsFunc(mounts, func(m corev1.VolumeMount) bool {
		return strings.HasPrefix(path, m.MountPath+"/") && slices.ContainsFunc(volumes, func(v corev1.Volume) bool {
			return v.Name == m.Name && v.PersistentVolumeClaim != nil || v.Name == m.Name && v.Secret != nil && slices.ContainsFunc(v.Secret.Items, func(k corev1.KeyToPath) bool { return m.MountPath+"/"+k.Path == path })
		})
	})
}

// TestReplaced: pods are replaced when a Secret changes that they read only when they start, and not
// for others.
func TestReplaced(t *testing.T) {
	t.Parallel()
	in := read(t, "whole")
	before := pods(t, Fleet(in))
	conductor := ConductorName(in.Build)
	for secret, want := range map[v1alpha1.SecretName][]string{
		"s3-conductors": nil, "s3-browsers": nil, "payload-keys": nil, "custody": nil, "identity": nil, "temporal-client": nil, "temporal-key": nil, "portal-tls": nil, "dossiers": nil,
		"proxy-ca":   {PoolName("spot"), PoolName("steady"), conductor},
		"proxy-user": {PoolName("spot"), PoolName("steady"), conductor},
		"login-ca":   {PortalName},
		"portal":     {PortalName},
		"trust":      {PortalName},
	} {
		in.Stamps[secret] = "2"
		var got []string
		for name, template := range pods(t, Fleet(in)) {
			if cmp.Diff(before[name], template) != "" {
				got = append(got, name)
			}
		}
		in.Stamps[secret] = "1"
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s changes (-want +got):\n%s", secret, diff)
		}
	}
}

func TestNoPods(t *testing.T) {
	t.Parallel()
	in := read(t, "agency")
	in.Fleet.Spec = v1alpha1.CrawlFleetSpec{Policy: in.Fleet.Spec.Policy, Temporal: in.Fleet.Spec.Temporal}
	if got := Fleet(in); len(got) > 0 {
		t.Errorf("%d objects without a store", len(got))
	}
	if got := Secrets(&in.Fleet.Spec); len(got) > 0 {
		t.Errorf("Secrets %v are waited for without pods", got)
	}
}

// TestBrowsersHoldNoKeyOfTheLog: beside a browser there is neither the key of the custody log nor the store's credentials of
// others: who breaks out of one can store captures, and add nothing to the record of what was done with them.
func TestBrowsersHoldNoKeyOfTheLog(t *testing.T) {
	t.Parallel()
	in := read(t, "whole")
	mounted := func(template corev1.PodTemplateSpec) (secrets []string) {
		for _, v := range template.Spec.Volumes {
			if v.Secret != nil {
				secrets = append(secrets, v.Secret.SecretName)
			}
		}
		return secrets
	}
	all := pods(t, Fleet(in))
	for _, pool := range in.Fleet.Spec.Pools {
		secrets := mounted(all[PoolName(pool.Name)])
		if slices.Contains(secrets, "custody") || slices.Contains(secrets, "s3-conductors") || !slices.Contains(secrets, "s3-browsers") {
			t.Errorf("pool %s has %v", pool.Name, secrets)
		}
	}
	if secrets := mounted(all[ConductorName(in.Build)]); !slices.Contains(secrets, "custody") || !slices.Contains(secrets, "s3-conductors") {
		t.Errorf("conductors have %v", secrets)
	}
}
