package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"

	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/payload"
)

// keysOptions are the flags of "keys".
type keysOptions struct {
	kubeconfig, namespace, custodyLog string
	make                              []string
}

func newKeys() *cobra.Command {
	var o keysOptions
	cmd := &cobra.Command{
		Use:   "keys --namespace NAMESPACE --make KIND=SECRET/KEY...",
		Short: "Make the Secrets of a fleet that are missing",
		Long: `Make the Secrets of a fleet that are missing. One that is there is left alone, whatever is in it:
what was signed and encrypted with a key is lost with it. It takes the right to create Secrets, and
none to read or to change them. KIND is what is put under KEY:

  store      the keys of a store that is installed with the fleet, as an AWS credentials file
  payloads   the keys that encrypt what Temporal keeps
  signing    the key that captures are signed with; beside it, under fingerprint, what verifiers need
  custody    the key of the custody log; beside it, under custody.pub, its public half
  random     a secret of the portal, for sessions or replays

What has the same SECRET is made together.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "file that says how to reach the API server (default: $KUBECONFIG, else the pod's own)")
	f.StringVar(&o.namespace, "namespace", "", "namespace of the fleet (required)")
	f.StringVar(&o.custodyLog, "custody-log", "crawlfleet/custody", "name of the custody log, the same for all its keys")
	f.StringArrayVar(&o.make, "make", nil, "what to make, `KIND=SECRET/KEY` (repeatable, required)")
	for _, name := range []string{"namespace", "make"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was added above
		}
	}
	return cmd
}

func (o *keysOptions) run(ctx context.Context, out io.Writer) error {
	secrets, err := o.secrets(time.Now())
	if err != nil {
		return err
	}
	config, err := restConfig(o.kubeconfig)
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	client, err := coreclient.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	return createMissing(ctx, client.Secrets(o.namespace), secrets, out)
}

// secretCreator is what is asked to create a Secret.
type secretCreator interface {
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
}

// createMissing creates Secrets, leaves those alone that are there, and says which.
func createMissing(ctx context.Context, to secretCreator, secrets []*corev1.Secret, out io.Writer) error {
	for _, s := range secrets {
		_, err := to.Create(ctx, s, metav1.CreateOptions{FieldManager: "crawlfleet-keys"})
		switch {
		case apierrors.IsAlreadyExists(err):
			fmt.Fprintf(out, "secret/%s is there and was left alone\n", s.Name)
		case err != nil:
			return fmt.Errorf("create the Secret %s: %w", s.Name, err)
		default:
			fmt.Fprintf(out, "secret/%s created\n", s.Name)
			for _, public := range []string{fingerprintKey, custodyPublicKey} {
				if text := s.Data[public]; len(text) > 0 {
					fmt.Fprintf(out, "  %s: %s\n", public, strings.TrimSpace(string(text)))
				}
			}
		}
	}
	return nil
}

// Where in a Secret the public half of a private key is.
const (
	fingerprintKey   = "fingerprint"
	custodyPublicKey = "custody.pub"
)

// secrets makes what the flags ask for.
func (o *keysOptions) secrets(now time.Time) ([]*corev1.Secret, error) {
	all := map[string]*corev1.Secret{}
	for _, text := range o.make {
		kind, at, _ := strings.Cut(text, "=")
		name, key, ok := strings.Cut(at, "/")
		if !ok || name == "" || key == "" {
			return nil, fmt.Errorf("--make %q: must be KIND=SECRET/KEY, such as signing=crawlfleet-signing/key.pem", text)
		}
		if all[name] == nil {
			all[name] = &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: o.namespace, Labels: map[string]string{"app.kubernetes.io/name": "crawlfleet"}},
				Type:       corev1.SecretTypeOpaque, Data: map[string][]byte{},
			}
		}
		made, err := o.content(kind, key, now)
		if err != nil {
			return nil, fmt.Errorf("--make %q: %w", text, err)
		}
		maps.Copy(all[name].Data, made)
	}
	list := make([]*corev1.Secret, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[name])
	}
	return list, nil
}

// content makes what is put under a key, and what belongs to it.
func (o *keysOptions) content(kind, key string, now time.Time) (map[string][]byte, error) {
	switch kind {
	case "store":
		// rand.Text has 26 characters of 5 bits each.
		return map[string][]byte{key: fmt.Appendf(nil, "[default]\naws_access_key_id = CF%s\naws_secret_access_key = %s\n", rand.Text()[:18], rand.Text()+rand.Text())}, nil
	case "payloads":
		return map[string][]byte{key: payload.Generate(now)}, nil
	case "signing":
		return signingKey(key)
	case "custody":
		private, public, err := note.GenerateKey(nil, o.custodyLog)
		if err != nil {
			return nil, fmt.Errorf("make the key of the custody log: %w", err)
		}
		return map[string][]byte{key: []byte(private + "\n"), custodyPublicKey: []byte(public + "\n")}, nil
	case "random":
		return map[string][]byte{key: []byte(rand.Text() + rand.Text() + "\n")}, nil
	default:
		return nil, fmt.Errorf("there is no kind %q: use store, payloads, signing, custody or random", kind)
	}
}

// signingKey makes a key that captures are signed with, and its fingerprint.
func signingKey(name string) (map[string][]byte, error) {
	raw, err := evidence.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make the key that signs: %w", err)
	}
	key, err := evidence.ParseKey(raw, nil)
	if err != nil {
		return nil, err
	}
	public, err := key.Public()
	if err != nil {
		return nil, err
	}
	fingerprint, err := evidence.Fingerprint(public)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{name: raw, fingerprintKey: []byte(fingerprint + "\n")}, nil
}
