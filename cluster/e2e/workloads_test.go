package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func (c *cluster) deployment(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	deployments := c.client.AppsV1().Deployments(ns.name)
	pod := server("web", "one")
	_, err := deployments.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr(int32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: pod.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ns.service(t, "web")
	ns.run(t, server("client", ""))
	ns.rolledOut(t, 1)
	ns.eventuallyGets(t, "client", "http://web/", "one")

	patch := func(body string) {
		t.Helper()
		if _, err := deployments.Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"spec": {"replicas": 3}}`)
	ns.rolledOut(t, 3)
	patch(`{"spec": {"template": {"spec": {"containers": [{"name": "peer", "args": ["serve", ":8080", "two"]}]}}}}`)
	ns.rolledOut(t, 3)
	ns.eventuallyGets(t, "client", "http://web/", "two")
	patch(`{"spec": {"replicas": 0}}`)
	ns.rolledOut(t, 0)
}

// rolledOut waits until so many pods of the newest kind are there, and no other.
func (s space) rolledOut(t *testing.T, want int32) {
	t.Helper()
	eventually(t, "the deployment to be rolled out", func(ctx context.Context) bool {
		d, err := s.client.AppsV1().Deployments(s.name).Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		st := d.Status
		return st.ObservedGeneration == d.Generation && st.Replicas == want && st.UpdatedReplicas == want && st.AvailableReplicas == want
	})
}

// writer is a pod that writes a text into a volume and ends.
func writer(name, claim, text string) *corev1.Pod {
	pod := peer(name, "write", "/data/"+name, text)
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	return pod
}

func (s space) claim(t *testing.T, name string) {
	t.Helper()
	_, err := s.client.CoreV1().PersistentVolumeClaims(s.name).Create(t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Mi")}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// folder is that of a claim's volume on this machine.
func (s space) folder(t *testing.T, claim string) string {
	t.Helper()
	pvc, err := s.client.CoreV1().PersistentVolumeClaims(s.name).Get(t.Context(), claim, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pvc.Status.Phase != corev1.ClaimBound {
		t.Fatalf("the claim is %s, want it bound", pvc.Status.Phase)
	}
	return s.path("lib", "volumes", pvc.Spec.VolumeName)
}

func (c *cluster) volume(t *testing.T) {
	t.Parallel()
	ns := c.namespace(t)
	ns.claim(t, "data")
	pod := writer("first", "data", "a text")
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: ptr(int64(2000))}
	ns.create(t, pod)
	ns.ends(t, "first", corev1.PodSucceeded)
	folder := ns.folder(t, "data")
	if got, err := os.ReadFile(filepath.Join(folder, "first")); err != nil || string(got) != "a text" {
		t.Errorf("got %q, %v in the volume's folder", got, err)
	}
	if err := c.client.CoreV1().Pods(ns.name).Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.client.CoreV1().PersistentVolumeClaims(ns.name).Delete(t.Context(), "data", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the volume's folder to be removed", func(context.Context) bool {
		_, err := os.Stat(folder)
		return os.IsNotExist(err)
	})
}

// keepSomething leaves a volume with a text, which a restart must not touch.
func (c *cluster) keepSomething(t *testing.T) space {
	t.Helper()
	ns := c.namespace(t)
	ns.claim(t, "kept")
	ns.create(t, writer("before", "kept", "still there"))
	ns.ends(t, "before", corev1.PodSucceeded)
	ns.run(t, server("web", "goes on"))
	return ns
}

// stillThere says whether what was kept is, and pods that ran do again.
func (c *cluster) stillThere(t *testing.T, kept space) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(kept.folder(t, "kept"), "before")); err != nil || string(got) != "still there" {
		t.Errorf("got %q, %v in the volume's folder", got, err)
	}
	eventually(t, "the pod to run again", func(ctx context.Context) bool {
		p := kept.get(ctx, t, "web")
		if len(p.Status.ContainerStatuses) != 1 || p.Status.ContainerStatuses[0].RestartCount == 0 || !isReady(p) {
			return false
		}
		out, err := kept.exec(t, "web", "get", "http://127.0.0.1:8080/")
		return err == nil && strings.TrimSpace(out) == "goes on"
	})
}
