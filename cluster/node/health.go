package node

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Health is what a cluster says of itself.
type Health struct {
	Ready bool
	// Why the node is not ready.
	Why  string
	Pods int
	// Waiting are the pods, by namespace and name, that are neither ready nor done.
	Waiting []string
}

// Ask asks the cluster of a folder how it is.
func Ask(ctx context.Context, d Dir) (Health, error) {
	config, err := clientcmd.BuildConfigFromFlags("", d.Kubeconfig())
	if err != nil {
		return Health{}, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Health{}, err
	}
	found, err := client.CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
	if err != nil {
		return Health{}, err
	}
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return Health{}, err
	}
	h := Health{Pods: len(pods.Items)}
	h.Ready, h.Why, _ = nodeCondition(found)
	for _, p := range pods.Items {
		if !settled(&p) {
			h.Waiting = append(h.Waiting, p.Namespace+"/"+p.Name)
		}
	}
	return h, nil
}

func settled(p *corev1.Pod) bool {
	if p.Status.Phase == corev1.PodSucceeded {
		return true
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
