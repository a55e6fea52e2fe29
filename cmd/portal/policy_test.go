package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/portal/access"
)

// oneFleet is a cluster with a CrawlFleet.
type oneFleet struct {
	client.Reader
	mu     sync.Mutex
	policy v1alpha1.Policy
	err    error
	reads  int
}

func (f *oneFleet) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.err != nil || key.String() != "agency/crawlfleet" {
		return errors.Join(f.err, errors.New(key.String()))
	}
	object.(*v1alpha1.CrawlFleet).Spec.Policy = f.policy
	return nil
}

// set changes what there is.
func (f *oneFleet) set(err error, deed v1alpha1.Deed, need v1alpha1.Need) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.policy = v1alpha1.Policy{Purposes: []v1alpha1.Purpose{"Testing"}, Access: v1alpha1.AccessPolicy{PurposeFor: deed, Case: need}}
}

func TestFleetPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		said := &strings.Builder{}
		cluster := &oneFleet{}
		p := &fleetPolicy{
			reader: cluster, fleet: types.NamespacedName{Namespace: "agency", Name: v1alpha1.FleetName},
			floor: access.Policy{AskPurpose: access.AskExport}, log: slog.New(slog.NewTextHandler(said, nil)), err: errNotRead,
		}
		cluster.set(errors.New("no such CrawlFleet"), "", "")
		stop := keepCurrent(t.Context(), p)
		want := func(when string, want access.Policy) {
			t.Helper()
			got, err := p.Current()
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v %s", when, err, diff)
			}
		}
		if _, err := p.Current(); err == nil || !strings.Contains(err.Error(), "agency/crawlfleet: no such CrawlFleet") {
			t.Errorf("it was never read: %v", err)
		}
		testing := []string{"Testing"}
		after := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		cluster.set(nil, "", "")
		after(policyEvery)
		want("nothing of it is said", access.Policy{AskPurpose: access.AskExport, Purposes: testing})
		cluster.set(nil, v1alpha1.DeedLook, v1alpha1.NeedRequired)
		after(policyEvery)
		want("it was changed", access.Policy{AskPurpose: access.AskLook, Purposes: testing, AskCase: true})
		cluster.set(errors.New("the API server is away"), "", "")
		after(time.Hour)
		want("the last one counts", access.Policy{AskPurpose: access.AskLook, Purposes: testing, AskCase: true})
		if n := strings.Count(said.String(), "the API server is away"); n != 1 {
			t.Errorf("that it is away is said %d times", n)
		}
		cluster.set(nil, "Dream", "")
		after(policyEvery)
		want("of a newer kind", access.Policy{AskPurpose: access.AskLook, Purposes: testing, AskCase: true})
		cluster.set(nil, v1alpha1.DeedNever, v1alpha1.NeedOptional)
		after(policyEvery)
		want("it is back", access.Policy{AskPurpose: access.AskExport, Purposes: testing})
		stop()
		reads := cluster.reads
		after(time.Hour)
		if cluster.reads != reads {
			t.Error("it goes on after the end")
		}
	})
}

// TestFleetOfACluster reads the CrawlFleet as an API server serves it.
func TestFleetOfACluster(t *testing.T) {
	t.Parallel()
	const version = `"apiVersion":"crawlfleet.dev/v1alpha1"`
	answers := map[string]string{
		"/api":  `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis": `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"crawlfleet.dev","versions":[{"groupVersion":"crawlfleet.dev/v1alpha1","version":"v1alpha1"}],"preferredVersion":{"groupVersion":"crawlfleet.dev/v1alpha1","version":"v1alpha1"}}]}`,
		"/apis/crawlfleet.dev/v1alpha1": `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"crawlfleet.dev/v1alpha1","resources":[
			{"name":"crawlfleets","singularName":"crawlfleet","namespaced":true,"kind":"CrawlFleet","verbs":["get"]}]}`,
	}
	var mu sync.Mutex
	fleet := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer := answers[r.URL.Path]
		if r.URL.Path == "/apis/crawlfleet.dev/v1alpha1/namespaces/agency/crawlfleets/crawlfleet" {
			answer = fleet
		}
		w.Header().Set("Content-Type", "application/json")
		if answer == "" {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"no such object"}`
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	o := accessOptions{ask: "never", fleetNamespace: "agency"}
	policies, err := o.policies(&rest.Config{Host: server.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p := policies.(*fleetPolicy)
	p.look(t.Context())
	if _, err := p.Current(); !apierrors.IsNotFound(err) {
		t.Errorf("without a CrawlFleet: %v", err)
	}
	mu.Lock()
	fleet = `{` + version + `,"kind":"CrawlFleet","metadata":{"name":"crawlfleet","namespace":"agency"},"spec":{"policy":{"purposes":["Testing"],"access":{"purposeFor":"Copy","case":"Required"}}}}`
	mu.Unlock()
	p.look(t.Context())
	got, err := p.Current()
	if diff := cmp.Diff(access.Policy{AskPurpose: access.AskCopy, Purposes: []string{"Testing"}, AskCase: true}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestDeeds: each word of the API is one that the portal knows.
func TestDeeds(t *testing.T) {
	t.Parallel()
	for deed, want := range map[v1alpha1.Deed]access.Ask{
		"": access.AskNever, v1alpha1.DeedNever: access.AskNever, v1alpha1.DeedExport: access.AskExport,
		v1alpha1.DeedCopy: access.AskCopy, v1alpha1.DeedLook: access.AskLook,
	} {
		got, err := policyOf(v1alpha1.Policy{Access: v1alpha1.AccessPolicy{PurposeFor: deed}})
		if err != nil || got.AskPurpose != want {
			t.Errorf("%q: %q, %v", deed, got.AskPurpose, err)
		}
	}
	if _, err := policyOf(v1alpha1.Policy{Access: v1alpha1.AccessPolicy{PurposeFor: "Dream"}}); err == nil {
		t.Error("a word that nobody knows asks for nothing")
	}
}
