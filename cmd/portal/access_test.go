package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// apiServer answers reviews as the API server does, and keeps what it was asked.
func apiServer(t *testing.T, asked *authorizationv1.SubjectAccessReviewSpec, trouble *bool) *cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		raw, err := io.ReadAll(r.Body)
		if err != nil || *trouble {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var answer any
		switch r.Method + " " + r.URL.Path {
		case "POST /apis/authorization.k8s.io/v1/subjectaccessreviews":
			review := authorizationv1.SubjectAccessReview{}
			err = json.Unmarshal(raw, &review)
			*asked = review.Spec
			review.Status.Allowed = review.Spec.ResourceAttributes.Namespace == "zeden"
			review.Status.Denied = review.Spec.User == "denied"
			answer = review
		case "POST /apis/authentication.k8s.io/v1/tokenreviews":
			review := authenticationv1.TokenReview{}
			err = json.Unmarshal(raw, &review)
			review.Status.Authenticated = review.Spec.Token == "right"
			review.Status.User = authenticationv1.UserInfo{Username: "bot", UID: "7", Groups: []string{"g"}, Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}}}
			review.Spec.Token = ""
			answer = review
		default:
			t.Errorf("asked %s %s", r.Method, r.URL.Path)
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	c, err := clusterOf(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCluster(t *testing.T) {
	t.Parallel()
	var asked authorizationv1.SubjectAccessReviewSpec
	trouble := false
	c := apiServer(t, &asked, &trouble)
	ann := access.Person{Name: "idp:ann", Groups: []string{"idp:vice"}, UID: "7", Extra: map[string][]string{"k": {"v"}}}
	for namespace, want := range map[string]bool{"fraude": false, "zeden": true} {
		if may, err := c.May(t.Context(), ann, access.Copy, namespace); err != nil || may != want {
			t.Errorf("%s: %v %v", namespace, may, err)
		}
	}
	_, _ = c.May(t.Context(), ann, access.Copy, "zeden")
	want := authorizationv1.SubjectAccessReviewSpec{
		User: "idp:ann", Groups: []string{"idp:vice", "system:authenticated"}, UID: "7", Extra: map[string]authorizationv1.ExtraValue{"k": {"v"}},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "zeden", Verb: "get", Group: "crawlfleet.dev", Resource: "snapshots", Subresource: "file"},
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	if may, err := c.May(t.Context(), access.Person{Name: "denied"}, access.Look, "zeden"); err != nil || may {
		t.Errorf("denied: %v %v", may, err)
	}
	p, ok, err := c.Review(t.Context(), "right")
	bot := access.Person{Name: "bot", Shown: "bot", UID: "7", Groups: []string{"g"}, Extra: map[string][]string{"k": {"v"}}}
	if diff := cmp.Diff(bot, p); diff != "" || !ok || err != nil {
		t.Errorf("a token: %v %v %s", ok, err, diff)
	}
	if p, ok, err := c.Review(t.Context(), "wrong"); ok || err != nil || p.Name != "" {
		t.Errorf("another: %v %v %v", p, ok, err)
	}
	trouble = true
	if may, err := c.May(t.Context(), ann, access.Look, "zeden"); err == nil || may {
		t.Errorf("trouble: %v %v", may, err)
	}
	if _, ok, err := c.Review(t.Context(), "right"); err == nil || ok || strings.Contains(err.Error(), "right") {
		t.Errorf("trouble: %v %v", ok, err)
	}
}

// TestWhatAGateNeeds: what is missing or contradicts itself is said at the start, not to the first visitor.
func TestWhatAGateNeeds(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	in := func(change func(*accessOptions)) accessOptions {
		o := accessOptions{ask: "never", issuer: "https://idp.test", clientID: "portal", external: "https://portal.test", kubeconfig: kubeconfig}
		change(&o)
		return o
	}
	for reason, tc := range map[string]struct {
		o    accessOptions
		want string // part of the error; none if empty
	}{
		"in order":            {in(func(*accessOptions) {}), ""},
		"nobody logs in":      {accessOptions{ask: "look", purposes: []string{"screening"}, askCase: true}, ""},
		"no cluster":          {in(func(o *accessOptions) { o.kubeconfig = "" }), "--kubeconfig"},
		"no such cluster":     {in(func(o *accessOptions) { o.kubeconfig = dir + "/none" }), "--kubeconfig"},
		"no address":          {in(func(o *accessOptions) { o.external = "" }), "--external-url"},
		"an address of http":  {in(func(o *accessOptions) { o.external = "http://portal.test" }), "https"},
		"no client":           {in(func(o *accessOptions) { o.clientID = "" }), "client"},
		"no secret":           {in(func(o *accessOptions) { o.secretFile = dir + "/none" }), "secret"},
		"no certificates":     {in(func(o *accessOptions) { o.caFile = kubeconfig }), "--oidc-ca-file"},
		"no session keys":     {in(func(o *accessOptions) { o.sessionKeys = dir + "/none" }), "--session-key-file"},
		"no custody key":      {in(func(o *accessOptions) { o.custodyKey = dir + "/none" }), "--custody-key"},
		"verifiers alone":     {in(func(o *accessOptions) { o.custodyVerifiers = "x" }), "--custody-key"},
		"an odd word":         {in(func(o *accessOptions) { o.ask = "always" }), "--ask-purpose"},
		"asked for nothing":   {in(func(o *accessOptions) { o.purposes = []string{"screening"} }), "--ask-purpose"},
		"an odd purpose":      {in(func(o *accessOptions) { o.ask, o.purposes = "look", []string{"see //x"} }), "--purposes"},
		"a fleet's policy":    {in(func(o *accessOptions) { o.ask, o.askCase, o.fleetNamespace = "look", true, "agency" }), ""},
		"other purposes":      {in(func(o *accessOptions) { o.ask, o.purposes, o.fleetNamespace = "look", []string{"a"}, "agency" }), "--fleet-namespace"},
		"a purpose of spaces": {in(func(o *accessOptions) { o.ask, o.purposes = "look", []string{"a", " b"} }), "--purposes"},
	} {
		config, err := clusterConfig(tc.o.kubeconfig)
		var g *access.Gate
		if err == nil {
			g, err = tc.o.gate(nil, config, slog.New(slog.DiscardHandler))
		}
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", reason, err, tc.want)
		}
		if err == nil && (g.Local != (tc.o.issuer == "") || g.Sessions.Secure != (tc.o.issuer != "") || (g.Rights.Reviewer == nil) != (tc.o.kubeconfig == "")) {
			t.Errorf("%s: local %v, secure %v", reason, g.Local, g.Sessions.Secure)
		}
		if err != nil {
			continue
		}
		if _, fleet := g.Policy.(*fleetPolicy); fleet != (tc.o.fleetNamespace != "") {
			t.Errorf("%s: the policy is %T", reason, g.Policy)
		}
	}
}

// TestCertificatesAreRenewed: a certificate counts as soon as it is in its file, and one that is half written does not.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	o := options{certFile: filepath.Join(t.TempDir(), "tls.crt"), keyFile: filepath.Join(t.TempDir(), "tls.key")}
	if _, err := o.tlsConfig(); err == nil {
		t.Error("without files: no error")
	}
	writeCertificate(t, &o, 1)
	config, err := o.tlsConfig()
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		t.Helper()
		c, err := config.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("serial number %d", got)
	}
	if err := os.WriteFile(o.certFile, []byte("half of"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 1 {
		t.Errorf("half written: serial number %d", got)
	}
	writeCertificate(t, &o, 2)
	if got := serial(); got != 2 {
		t.Errorf("renewed: serial number %d", got)
	}
}

func writeCertificate(t *testing.T, o *options, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{o.certFile: {Type: "CERTIFICATE", Bytes: der}, o.keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}
