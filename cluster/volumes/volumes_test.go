package volumes

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func options() controller.ProvisionOptions {
	policy := corev1.PersistentVolumeReclaimDelete
	return controller.ProvisionOptions{
		PVName:       "pvc-1",
		StorageClass: &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "standard"}, ReclaimPolicy: &policy},
		PVC:          &corev1.PersistentVolumeClaim{},
	}
}

// A volume is a folder that anybody may write to, on the node that has it, as long as it is
// wanted.
func TestVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := &folders{node: "one", dir: dir}
	v, _, err := f.Provision(t.Context(), options())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "pvc-1")
	if v.Spec.Local == nil || v.Spec.Local.Path != path {
		t.Errorf("got %+v, want it at %s", v.Spec.PersistentVolumeSource, path)
	}
	if stat, err := os.Stat(path); err != nil || stat.Mode().Perm() != 0o777 {
		t.Errorf("got %v, %v", stat, err)
	}
	if got := v.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values; len(got) != 1 || got[0] != "one" {
		t.Errorf("got nodes %q", got)
	}
	for range 2 { // what is gone is no error
		if err := f.Delete(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("got %v after the volume was deleted", err)
	}
}

func TestNoBlockDevices(t *testing.T) {
	t.Parallel()
	o := options()
	block := corev1.PersistentVolumeBlock
	o.PVC.Spec.VolumeMode = &block
	if _, _, err := (&folders{node: "one", dir: t.TempDir()}).Provision(t.Context(), o); err == nil {
		t.Error("got no error for a block device")
	}
}
