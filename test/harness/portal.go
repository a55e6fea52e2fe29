package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"crawlfleet.dev/crawlfleet/internal/tsa"
)

// ReplayOf is the address that the portal of an address of [FreeAddress] replays from: the same port of another host, which
// is another site to a browser.
func ReplayOf(address string) string { return strings.Replace(address, listenHost, "127.0.0.3", 1) }

// Portal starts a portal on the fleet's store, with flags of its own, at an address of [FreeAddress], and returns when it
// answers. It trusts the fleet's signatures, signs as it does, and keeps its custody log.
func (f *Fleet) Portal(t testing.TB, name, address string, flags ...string) *Process {
	t.Helper()
	s := f.State().S3
	p := &Process{
		Name: name, Path: f.Binary(t, "portal"), Log: filepath.Join(f.Logs, name+".log"), mark: f.mark,
		Args: append([]string{
			"--listen", address, "--replay-listen", ReplayOf(address), "--replay-url", "http://" + ReplayOf(address),
			"--replay", filepath.Join(f.root, "build", "replay"), "--log-format", "json", "--dir", t.TempDir(),
			"--s3-endpoint", s.Endpoint, "--s3-region", s.Region, "--s3-credentials-file", s.CredentialsFile, "--archive-bucket", s.ArchiveBucket,
			"--custody-key", f.keys.file(custodyKey), "--organization", "An agency", "--dossier-sign-key", f.keys.file(signKey), "--timestamp-url", f.keys.stamps,
			"--temporal-address", f.State().Temporal.Address, "--temporal-namespace", f.State().Temporal.Namespace, "--payload-keys", f.PayloadKeys,
			"--frontier-bucket", s.FrontierBucket,
			"--trust-key", f.Trust(t).Keys[0].Fingerprint, "--timestamp-roots", filepath.Join(f.keys.file("tsa"), tsa.RootFile),
		}, flags...),
	}
	f.beside(t, p, "http://"+address+"/readyz")
	return p
}

// A Login is somebody who can log in at a [Fleet.Provider].
type Login struct {
	Name     string   `json:"name"`
	FullName string   `json:"fullName"`
	Password string   `json:"password"`
	Groups   []string `json:"groups,omitempty"`
}

// Provider starts an OpenID Connect provider that some people can log in at, and sends them back to the redirects. It
// returns its address.
func (f *Fleet) Provider(t testing.TB, client string, people []Login, redirects ...string) string {
	t.Helper()
	b, err := json.Marshal(people)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(f.Dir, "people.json")
	if err := os.WriteFile(users, b, 0o600); err != nil {
		t.Fatal(err)
	}
	address := FreeAddress(t)
	p := &Process{
		Name: "idp", Path: f.Binary(t, "idp"), Log: filepath.Join(f.Logs, "idp.log"), mark: f.mark,
		Args: []string{"--listen", address, "--client-id", client, "--users", users, "--token-for", "1h"},
	}
	for _, r := range redirects {
		p.Args = append(p.Args, "--redirect", r)
	}
	f.beside(t, p, "http://"+address+"/.well-known/openid-configuration")
	return "http://" + address
}

// ServiceAccount returns a kubeconfig by which a program is that service account and no more.
func (f *Fleet) ServiceAccount(t testing.TB, namespace, name string) string {
	t.Helper()
	token, err := f.Kubectl(t.Context(), "", "-n", namespace, "create", "token", name, "--duration=2h")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(f.State().Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for auth := range config.AuthInfos {
		config.AuthInfos[auth] = &clientcmdapi.AuthInfo{Token: token}
	}
	path := filepath.Join(f.Dir, namespace+"."+name+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// beside starts a process that ends with the test, before the fleet does, and waits until an address of it answers 200.
func (f *Fleet) beside(t testing.TB, p *Process, ready string) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of %s:\n%s", p.Log, p.Tail(4096))
		}
	})
	client := &http.Client{Timeout: 5 * time.Second}
	err := f.poll(t.Context(), readyTimeout, p, func() error {
		res, err := client.Get(ready)
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", ready, res.Status)
		}
		return errors.Join(err, res.Body.Close())
	})
	if err != nil {
		t.Fatalf("wait for %s: %v", p.Name, err)
	}
}
