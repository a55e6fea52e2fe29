package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet"
	"crawlfleet.dev/crawlfleet/internal/temporalconn"
)

func ownFleet() *v1alpha1.CrawlFleet {
	f := &v1alpha1.CrawlFleet{ObjectMeta: metav1.ObjectMeta{Namespace: "agency", Name: v1alpha1.FleetName, UID: "u"}}
	f.Spec.Policy.Purposes = []v1alpha1.Purpose{"Testing"}
	f.Spec.Temporal = v1alpha1.FleetTemporal{Address: "temporal.example:7233", Namespace: "agency"}
	f.Spec.Profiles.Recipients = []v1alpha1.AgeRecipient{"age1a", "age1b"}
	return f
}

// TestSettings: what flags and the environment say goes before what the CrawlFleet says.
func TestSettings(t *testing.T) {
	t.Parallel()
	other := settings{"flags.example:7233", "flags", "age1f"}
	for name, tc := range map[string]struct {
		said  []string
		fleet *v1alpha1.CrawlFleet
		want  settings
	}{
		"Nothing":  {nil, &v1alpha1.CrawlFleet{}, other},
		"Fleet":    {nil, ownFleet(), settings{"temporal.example:7233", "agency", "age1a,age1b"}},
		"Flag":     {[]string{"temporal-address"}, ownFleet(), settings{"flags.example:7233", "agency", "age1a,age1b"}},
		"Variable": {[]string{"TEMPORAL_NAMESPACE", "CRAWLFLEET_PROFILE_RECIPIENTS"}, ownFleet(), settings{"temporal.example:7233", "flags", "age1f"}},
	} {
		o := options{temporal: temporalconn.Config{Address: other.temporalAddress, Namespace: other.temporalNamespace}, recipients: other.recipients}
		o.fleet.said = func(flag, variable string) bool {
			return slices.Contains(tc.said, flag) || slices.Contains(tc.said, variable)
		}
		if got := o.settingsOf(tc.fleet); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// TestBegin: the operator begins with what its CrawlFleet says, also where there is none and where
// the kind is not known yet, and ends when it says something else.
func TestBegin(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		known, there bool
		want         string
	}{
		"Unknown": {false, false, "127.0.0.1:7233"}, "None": {true, false, "127.0.0.1:7233"}, "There": {true, true, "temporal.example:7233"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			const version = `{"groupVersion":"crawlfleet.dev/v1alpha1","version":"v1alpha1"}`
			switch {
			case r.URL.Path == "/api":
				_, _ = w.Write([]byte(`{"kind":"APIVersions","versions":["v1"]}`))
			case tc.known && r.URL.Path == "/apis":
				_, _ = w.Write([]byte(`{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"crawlfleet.dev","versions":[` + version + `],"preferredVersion":` + version + `}]}`))
			case tc.known && r.URL.Path == "/apis/crawlfleet.dev/v1alpha1":
				_, _ = w.Write([]byte(`{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"crawlfleet.dev/v1alpha1","resources":[` +
					`{"name":"crawlfleets","singularName":"crawlfleet","namespaced":true,"kind":"CrawlFleet","verbs":["get"]}]}`))
			case tc.there && r.URL.Path == "/apis/crawlfleet.dev/v1alpha1/namespaces/agency/crawlfleets/crawlfleet":
				f := ownFleet()
				f.APIVersion, f.Kind = "crawlfleet.dev/v1alpha1", "CrawlFleet"
				_ = json.NewEncoder(w).Encode(f)
			default:
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
			}
		}))
		defer server.Close()
		o := options{fleetNamespace: "agency", temporal: temporalconn.Config{Address: "127.0.0.1:7233", Namespace: "crawlfleet"}}
		o.fleet.said = func(string, string) bool { return false }
		changed, err := o.begin(t.Context(), &rest.Config{Host: server.URL})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o.temporal.Address != tc.want {
			t.Errorf("%s: begins with %s, want %s", name, o.temporal.Address, tc.want)
		}
		if got := changed(ownFleet()); got == tc.there {
			t.Errorf("%s: changed: %v", name, got)
		}
	}
}

// TestWatchFleet: the operator ends when its own CrawlFleet names another Temporal, and not for others.
func TestWatchFleet(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	from := &informertest.FakeInformers{Scheme: scheme}
	informer, err := from.FakeInformerFor(t.Context(), &v1alpha1.CrawlFleet{})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ends := 0
	o := options{fleetNamespace: "agency"}
	changed := func(f *v1alpha1.CrawlFleet) bool { return f.Spec.Temporal.Address != "temporal.example:7233" }
	if err := o.watchFleet(t.Context(), from, changed, func() { ends++ }, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	before, foreign, now := ownFleet(), ownFleet(), ownFleet()
	foreign.Namespace, foreign.Spec.Temporal.Address = "agency-b", "other.example:7233"
	now.Spec.Temporal.Address = "moved.example:7233"
	informer.Add(before)
	informer.Add(foreign)
	if ends != 0 {
		t.Error("it ends although nothing has changed")
	}
	informer.Update(before, now)
	if ends != 1 || !strings.Contains(log.String(), "names another Temporal") {
		t.Errorf("ended %d times; the log says %s", ends, log.String())
	}
}

// TestCache: what the operator makes is looked for in its own namespace alone, orders where it takes
// them from.
func TestCache(t *testing.T) {
	t.Parallel()
	o := options{fleetNamespace: "agency"}
	if got := o.cacheOptions(); got.DefaultNamespaces != nil {
		t.Errorf("orders are taken from %v alone", got.DefaultNamespaces)
	}
	o.fleet.namespaces = []string{"research", "team-b"}
	got := o.cacheOptions()
	if diff := cmp.Diff([]string{"agency", "research", "team-b"}, slices.Sorted(maps.Keys(got.DefaultNamespaces))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.ByObject) != len(crawlfleet.Made())+1 {
		t.Errorf("%d kinds are kept apart", len(got.ByObject))
	}
	for object, by := range got.ByObject {
		if diff := cmp.Diff([]string{"agency"}, slices.Sorted(maps.Keys(by.Namespaces))); diff != "" {
			t.Errorf("%T (-want +got):\n%s", object, diff)
		}
	}
}

func TestNamespacesOfTheEnvironment(t *testing.T) {
	t.Setenv("CRAWLFLEET_NAMESPACES", "research, team-b")
	t.Setenv("CRAWLFLEET_IMAGE_WORKER", "registry.example/worker:1")
	c := command()
	if got := c.Flag("namespaces").DefValue; got != "[research,team-b]" {
		t.Errorf("--namespaces defaults to %q", got)
	}
	if got := c.Flag("worker-image").DefValue; got != "registry.example/worker:1" {
		t.Errorf("--worker-image defaults to %q", got)
	}
}
