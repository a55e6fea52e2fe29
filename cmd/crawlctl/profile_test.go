package main

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/profile"
)

func stateOf(value string) []byte {
	return []byte(`{"cookies":[{"name":"session","value":"` + value + `","domain":"example.org","path":"/","expires":-1}],"origins":[]}`)
}

// TestSaveInCluster makes a profile, and renews it after somebody has changed it.
func TestSaveInCluster(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := &cluster{client: fake.NewClientBuilder().WithScheme(scheme).Build(), namespace: "research"}
	save := func(value string, flags profileFlags) (said string) {
		t.Helper()
		file := stateOf(value)
		p, err := profile.New("members", "", file, flags.hosts, flags.login)
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		if err := c.save(t.Context(), &profileJob{profileFlags: flags, name: "members"}, file, p, &stderr); err != nil {
			t.Fatal(err)
		}
		return stderr.String()
	}
	stored := func(secret string) (*v1alpha1.BrowserProfile, string) {
		t.Helper()
		var bp v1alpha1.BrowserProfile
		var s corev1.Secret
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "research", Name: "members"}, &bp); err != nil {
			t.Fatal(err)
		}
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "research", Name: secret}, &s); err != nil {
			t.Fatal(err)
		}
		return &bp, string(s.Data[profile.StateKey])
	}

	said := save("value-1", profileFlags{hosts: []string{"example.org"}, login: profile.LoginCheck{LoggedOutURL: "/login"}})
	bp, state := stored("browserprofile-members")
	if said != "browserprofile research/members created: 1 cookies, storage of 0 origins, in Secret browserprofile-members\n" {
		t.Errorf("said %q", said)
	}
	if state != string(stateOf("value-1")) || bp.Spec.SecretRef.Name != "browserprofile-members" || len(bp.Spec.Hosts) != 1 || bp.Spec.LoginCheck.LoggedOut.URLPattern != "/login" {
		t.Errorf("stored %+v", bp.Spec)
	}
	if bp.Annotations[stateAnnotation] != profile.Digest(stateOf("value-1")) {
		t.Errorf("annotations %v", bp.Annotations)
	}

	bp.Spec.SecretRef.Name = "elsewhere"
	if err := c.client.Update(t.Context(), bp); err != nil {
		t.Fatal(err)
	}
	if said := save("value-2", profileFlags{}); !strings.Contains(said, "renewed") || !strings.Contains(said, "Secret elsewhere") {
		t.Errorf("said %q", said)
	}
	bp, state = stored("elsewhere")
	if state != string(stateOf("value-2")) || len(bp.Spec.Hosts) != 1 || bp.Spec.LoginCheck.LoggedOut.URLPattern != "/login" {
		t.Errorf("renewing without flags changed %+v", bp.Spec)
	}
	if bp.Annotations[stateAnnotation] != profile.Digest(stateOf("value-2")) {
		t.Errorf("the operator is not told: %v", bp.Annotations)
	}
	save("value-3", profileFlags{login: profile.LoginCheck{LoggedInText: "Log out"}})
	if bp, _ := stored("elsewhere"); bp.Spec.LoginCheck.LoggedOut != nil || bp.Spec.LoginCheck.LoggedIn.Text != "Log out" || len(bp.Spec.Hosts) != 1 {
		t.Errorf("renewing with another check made %+v", bp.Spec)
	}
}

// TestReadState finds a state in what people have at hand.
func TestReadState(t *testing.T) {
	t.Parallel()
	state := string(stateOf("v"))
	for name, in := range map[string]string{
		"state.json":  state,
		"YAML":        "kind: BrowserProfile\n---\nkind: Secret\nstringData:\n  state.json: |-\n    " + state + "\n",
		"kubectlJSON": `{"apiVersion":"v1","kind":"Secret","stringData":{"state.json":` + "\"" + strings.ReplaceAll(state, `"`, `\"`) + "\"}}",
	} {
		got, err := readState(strings.NewReader(in), "-")
		if err != nil || string(got) != state {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := readState(strings.NewReader("kind: Secret\ndata: {other: dg==}"), "-"); err == nil || !strings.Contains(err.Error(), "state.json") {
		t.Errorf("another Secret: %v", err)
	}
}
