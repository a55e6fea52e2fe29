package fleet

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/test/sites"
)

const (
	// neighbourImage is what pods run that are not the fleet's.
	neighbourImage = "crawlfleet.test/neighbour:1"
	hosts, pages   = 4, 8
)

// neighbour is a pod that runs the neighbour program, and passes where restricted ones alone do.
func neighbour(name string, labels map[string]string, args ...string) *corev1.Pod {
	yes, no, user, soon := true, false, int64(1000), int64(1)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no, TerminationGracePeriodSeconds: &soon,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				// (So that who is not root may serve at port 80.)
				Sysctls: []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}},
			},
			Containers: []corev1.Container{{
				Name: "neighbour", Image: neighbourImage, ImagePullPolicy: corev1.PullNever, Args: args,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

func (b *bed) create(t *testing.T, namespace string, pod *corev1.Pod) {
	t.Helper()
	// (Pods need an account, which the cluster makes a moment after the namespace.)
	await(t, "pod "+pod.Name+" is created", func(ctx context.Context) (bool, string) {
		_, err := b.client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
		if err != nil && strings.Contains(err.Error(), "serviceaccount") {
			return false, err.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		return true, ""
	})
}

// remove removes a pod, whatever became of the test.
func (b *bed) remove(t *testing.T, namespace, pod string) {
	t.Helper()
	if _, err := b.tryKubectl(context.WithoutCancel(t.Context()), "", "-n", namespace, "delete", "pod", pod, "--timeout=5m"); err != nil {
		t.Error(err)
	}
}

// address waits until a pod runs, and returns its address.
func (b *bed) address(t *testing.T, namespace, pod string) (address string) {
	t.Helper()
	await(t, "pod "+pod+" runs", func(ctx context.Context) (bool, string) {
		p, err := b.client.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		address = p.Status.PodIP
		return p.Status.Phase == corev1.PodRunning && address != "", string(p.Status.Phase)
	})
	return address
}

// openSites starts the sites that are crawled, and the name server that knows theirs: one pod. (Names of Services will not
// do: all below cluster.local are one site to the fleet, which is visited one page at a time.)
func (b *bed) openSites(t *testing.T) {
	t.Helper()
	pod := neighbour("sites", nil, "sites", itoa(hosts), itoa(pages), "$(ADDRESS)")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "ADDRESS", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}}
	b.create(t, siteSpace, pod)
}

func (b *bed) siteAddress(t *testing.T) string {
	t.Helper()
	return b.address(t, siteSpace, "sites")
}

// requests are what the sites were asked for so far.
func (b *bed) requests(ctx context.Context, t *testing.T) []sites.Entry {
	t.Helper()
	log, err := b.client.CoreV1().Pods(siteSpace).GetLogs("sites", &corev1.PodLogOptions{}).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	entries, err := sites.ParseLog(log)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
