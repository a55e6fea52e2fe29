// Package volumes makes the volumes of a cluster of one node: folders that pods of any user
// may write to.
package volumes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Provisioner is the name by which StorageClasses know it.
const Provisioner = "crawlfleet.dev/folder"

// Run makes and removes volumes below a folder of a node until the context is done.
func Run(ctx context.Context, client kubernetes.Interface, node, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	controller.NewProvisionController(ctx, client, Provisioner, &folders{node: node, dir: dir},
		controller.LeaderElection(false)).Run(ctx)
	return nil
}

type folders struct{ node, dir string }

// Provision makes a volume of the kind "local": as such, not as a hostPath, the kubelet
// hands it to the group of the pod (fsGroup).
func (f *folders) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if o.PVC.Spec.VolumeMode != nil && *o.PVC.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, fmt.Errorf("volumes of the class %s are file systems", o.StorageClass.Name)
	}
	path := filepath.Join(f.dir, o.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Whatever the umask is.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{f.node},
				}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes what is in a volume.
func (f *folders) Delete(_ context.Context, v *corev1.PersistentVolume) error {
	return os.RemoveAll(filepath.Join(f.dir, filepath.Base(v.Name)))
}
