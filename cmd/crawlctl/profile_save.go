package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/profile"
)

// stateAnnotation is the checksum of the newest state. Its change tells the operator, who
// may not watch Secrets.
const stateAnnotation = "crawlfleet.dev/state-sha256"

// resources are the BrowserProfile that the flags describe, and its Secret.
func (j *profileJob) resources(file []byte, p *profile.Profile) (*v1alpha1.BrowserProfile, *corev1.Secret) {
	bp := &v1alpha1.BrowserProfile{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "BrowserProfile"},
		ObjectMeta: metav1.ObjectMeta{
			Name: j.name, Namespace: j.namespace, Annotations: map[string]string{stateAnnotation: p.SHA256},
		},
		Spec: v1alpha1.BrowserProfileSpec{SecretRef: v1alpha1.ProfileSecret{Name: "browserprofile-" + j.name}},
	}
	j.describe(bp)
	secret := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: bp.Spec.SecretRef.Name, Namespace: j.namespace},
		Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{profile.StateKey: file},
	}
	return bp, secret
}

// describe writes what the flags say into a BrowserProfile, and leaves the rest.
func (j *profileJob) describe(bp *v1alpha1.BrowserProfile) {
	if len(j.hosts) > 0 {
		bp.Spec.Hosts = nil
		for _, h := range j.hosts {
			bp.Spec.Hosts = append(bp.Spec.Hosts, v1alpha1.HostName(h))
		}
	}
	l := j.login
	if l == (profile.LoginCheck{}) {
		return
	}
	bp.Spec.LoginCheck = &v1alpha1.LoginCheck{}
	if l.LoggedOutURL+l.LoggedOutSelector+l.LoggedOutText != "" {
		bp.Spec.LoginCheck.LoggedOut = &v1alpha1.LoggedOut{URLPattern: v1alpha1.Pattern(l.LoggedOutURL), Selector: l.LoggedOutSelector, Text: l.LoggedOutText}
	}
	if l.LoggedInSelector+l.LoggedInText != "" {
		bp.Spec.LoginCheck.LoggedIn = &v1alpha1.LoggedIn{Selector: l.LoggedInSelector, Text: l.LoggedInText}
	}
}

// write writes the resources as YAML.
func (j *profileJob) write(file []byte, p *profile.Profile, stdout, stderr io.Writer) error {
	bp, secret := j.resources(file, p)
	var b bytes.Buffer
	for i, o := range []any{bp, secret} {
		raw, err := yaml.Marshal(o)
		if err != nil {
			return fmt.Errorf("encode the profile: %w", err)
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(raw)
	}
	if j.out == "-" {
		_, err := stdout.Write(b.Bytes())
		return err
	}
	if err := replace(j.out, b.Bytes()); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	fmt.Fprintf(stderr, "%s: %v saved; whoever can read the file is logged in\n", j.out, p.State)
	return nil
}

// replace writes a file that nobody else can read, whole or not at all.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".crawlctl-") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // what counts has been renamed
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// cluster is where profiles are kept.
type cluster struct {
	client    client.Client
	namespace string
}

// newCluster connects to the cluster of the kubeconfig, and asks it for the profile: what
// cannot work is found before somebody logs in.
func newCluster(ctx context.Context, j *profileJob) (*cluster, error) {
	c, namespace, err := reach(j.kubeconfig, j.context, j.namespace)
	if err != nil {
		return nil, fmt.Errorf("%w, or write a file with --out", err)
	}
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: j.name}, &v1alpha1.BrowserProfile{})
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reach the cluster: %w; write a file with --out instead", err)
	}
	return &cluster{client: c, namespace: namespace}, nil
}

// save creates the profile, or gives the one that is there its new state. The Secret comes
// first: the profile's annotation tells of it.
func (c *cluster) save(ctx context.Context, j *profileJob, file []byte, p *profile.Profile, stderr io.Writer) error {
	j.namespace = c.namespace
	want, secret := j.resources(file, p)
	bp := want.DeepCopy()
	err := c.client.Get(ctx, client.ObjectKeyFromObject(want), bp)
	isNew := apierrors.IsNotFound(err)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	if !isNew {
		secret.Name = bp.Spec.SecretRef.Name
	}
	if err := c.saveSecret(ctx, secret); err != nil {
		return fmt.Errorf("save the Secret %s: %w", secret.Name, err)
	}
	did := "created"
	if isNew {
		err = c.client.Create(ctx, want)
	} else {
		did = "renewed"
		before := bp.DeepCopy()
		metav1.SetMetaDataAnnotation(&bp.ObjectMeta, stateAnnotation, p.SHA256)
		j.describe(bp)
		err = c.client.Patch(ctx, bp, client.MergeFrom(before))
	}
	if err != nil {
		return fmt.Errorf("save the profile: %w", err)
	}
	fmt.Fprintf(stderr, "browserprofile %s/%s %s: %v, in Secret %s\n", c.namespace, j.name, did, p.State, secret.Name)
	return nil
}

func (c *cluster) saveSecret(ctx context.Context, secret *corev1.Secret) error {
	var known corev1.Secret
	err := c.client.Get(ctx, client.ObjectKeyFromObject(secret), &known)
	if apierrors.IsNotFound(err) {
		return c.client.Create(ctx, secret)
	}
	if err != nil {
		return err
	}
	before := known.DeepCopy()
	if known.Data == nil {
		known.Data = map[string][]byte{}
	}
	known.Data[profile.StateKey] = secret.Data[profile.StateKey]
	return c.client.Patch(ctx, &known, client.MergeFrom(before))
}
