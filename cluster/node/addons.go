package node

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// manifests are what every cluster has: DNS and a StorageClass.
//
//go:embed addons.yaml
var manifests []byte

// fieldManager is who applies them.
const fieldManager = "crawlfleet-cluster"

func (n *node) apiReady(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(n.client)
	if err != nil {
		return err
	}
	// Every post-start hook, so that namespaces, roles and priority classes are there.
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// nodeReady asks for a word of the kubelet that runs now: what one of earlier said is
// still there.
func (n *node) nodeReady(ctx context.Context) error {
	found, err := n.typed().CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	ready, why, said := nodeCondition(found)
	if !ready {
		return errors.New("the node is not ready: " + why)
	}
	if said.Before(n.began) {
		return errors.New("the kubelet has not said yet")
	}
	return nil
}

func (n *node) typed() kubernetes.Interface { return kubernetes.NewForConfigOrDie(n.client) }

// addons applies the manifests and waits until DNS answers at its Service.
func (n *node) addons(ctx context.Context) error {
	if err := apply(ctx, n.client, manifests); err != nil {
		return err
	}
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort(DNS, "53"))
	}}
	return n.await(ctx, "kubelet", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local."); err != nil {
			return fmt.Errorf("%w (%s)", err, n.podsOfDNS(ctx))
		}
		return nil
	})
}

// podsOfDNS says how the pods are that answer for DNS.
func (n *node) podsOfDNS(ctx context.Context) string {
	pods, err := n.typed().CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil {
		return err.Error()
	}
	said := fmt.Sprintf("%d pods", len(pods.Items))
	for _, p := range pods.Items {
		said += ", " + string(p.Status.Phase)
		for _, c := range p.Status.ContainerStatuses {
			if c.State.Waiting != nil {
				said += ": " + c.State.Waiting.Reason + " " + c.State.Waiting.Message
			}
		}
	}
	return said
}

// apply applies YAML documents on the server's side.
func apply(ctx context.Context, config *rest.Config, documents []byte) error {
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	groups, err := restmapper.GetAPIGroupResources(typed.Discovery())
	if err != nil {
		return err
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(documents), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := applyOne(ctx, untyped, mapper, &object); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
}

func applyOne(ctx context.Context, client dynamic.Interface, mapper meta.RESTMapper, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	_, err = client.Resource(mapping.Resource).Namespace(object.GetNamespace()).
		Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	return err
}
