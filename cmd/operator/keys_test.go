package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/payload"
)

// vault is an API server that knows nothing but how to create Secrets.
type vault map[string]*corev1.Secret

func (v vault) Create(_ context.Context, s *corev1.Secret, _ metav1.CreateOptions) (*corev1.Secret, error) {
	if v[s.Name] != nil {
		return nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: "secrets"}, s.Name)
	}
	v[s.Name] = s
	return s, nil
}

// TestKeysAreMadeOnce: what is missing is made, with its public half, and what is there stays.
func TestKeysAreMadeOnce(t *testing.T) {
	t.Parallel()
	o := keysOptions{namespace: "north", custodyLog: "north.example/custody", make: []string{
		"store=s3/credentials", "payloads=payload/keys", "signing=signing/key.pem", "custody=custody/custody.key",
		"random=portal/session-keys", "random=portal/replay-keys",
	}}
	v := vault{"s3": {Data: map[string][]byte{"credentials": []byte("mine")}}}
	create := func() string {
		t.Helper()
		secrets, err := o.secrets(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := createMissing(t.Context(), v, secrets, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	said := create()
	if got := string(v["s3"].Data["credentials"]); got != "mine" {
		t.Errorf("the Secret that was there has %q now", got)
	}
	before := map[string]map[string][]byte{}
	for name, s := range v {
		before[name] = s.Data
	}
	create()
	for name, s := range v {
		if diff := cmp.Diff(before[name], s.Data); diff != "" {
			t.Errorf("Secret %s was changed", name)
		}
	}

	key, err := evidence.ParseKey(v["signing"].Data["key.pem"], nil)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := evidence.Fingerprint(public)
	if got := string(v["signing"].Data["fingerprint"]); err != nil || got != fingerprint+"\n" {
		t.Errorf("the fingerprint is %q, want %q (%v)", got, fingerprint, err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(v["custody"].Data["custody.key"])))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(v["custody"].Data["custody.pub"])))
	if err != nil || verifier.KeyHash() != signer.KeyHash() || signer.Name() != "north.example/custody" {
		t.Errorf("the custody log's key and its public half differ, or are of another log: %v", err)
	}
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, v["payload"].Data["keys"], 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := payload.Open(payload.File{Path: file}, slog.New(slog.DiscardHandler))
	if err != nil || keys.Ready() != nil {
		t.Errorf("the payload keys do not serve: %v", err)
	}
	for _, name := range []string{"session-keys", "replay-keys"} {
		if got := v["portal"].Data[name]; len(bytes.TrimSpace(got)) < 32 {
			t.Errorf("%s has %d characters, want 32", name, len(got))
		}
	}
	if bytes.Equal(v["portal"].Data["session-keys"], v["portal"].Data["replay-keys"]) {
		t.Error("sessions and replays have the same secret")
	}
	want := []string{"secret/s3 is there and was left alone", "secret/signing created", "fingerprint: " + fingerprint}
	for _, w := range want {
		if !strings.Contains(said, w) {
			t.Errorf("it says %q, not %q", said, w)
		}
	}
	for _, secret := range slices.Concat(strings.Fields(string(v["custody"].Data["custody.key"])), strings.Fields(string(v["portal"].Data["session-keys"]))) {
		if strings.Contains(said, secret) {
			t.Error("it says a secret")
		}
	}
}

// TestKeysBadInput: what cannot be made is said before anything is.
func TestKeysBadInput(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"signing":               "must be KIND=SECRET/KEY",
		"signing=secret":        "must be KIND=SECRET/KEY",
		"signing=/key.pem":      "must be KIND=SECRET/KEY",
		"singing=secret/keyful": `there is no kind "singing"`,
	} {
		o := keysOptions{make: []string{"random=a/b", text}}
		if _, err := o.secrets(time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
