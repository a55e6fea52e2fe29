package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/internal/kube/admit"
)

// apiServer is as much of an API server as approve and export ask for: it holds what it is given, and
// takes everybody for bob.
type apiServer struct {
	mu      sync.Mutex
	objects map[string]map[string]any // by path
	made    int
}

// apply puts the resources of FILE into the API server of a script, where $KUBECONFIG leads: apply
// FILE.
func apply(ts *testscript.TestScript, _ bool, args []string) {
	s, ok := ts.Value("cluster").(*apiServer)
	if !ok {
		ts.Fatalf("there is no API server")
	}
	ts.Check(admit.Documents(strings.NewReader(ts.ReadFile(args[0])), func(_ int, document map[string]any) error {
		s.put(document)
		return nil
	}))
}

// serveCluster starts an empty API server for a script.
func serveCluster(env *testscript.Env) error {
	s := &apiServer{objects: map[string]map[string]any{}}
	server := httptest.NewServer(s.handler())
	env.Defer(server.Close)
	env.Values["cluster"] = s
	config := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
"clusters": [{"name": "c", "cluster": {"server": %q}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "bob", "namespace": "research"}}], "users": [{"name": "bob", "user": {}}]}`, server.URL)
	path := env.Getenv("WORK") + "/kubeconfig"
	env.Setenv("KUBECONFIG", path)
	return os.WriteFile(path, []byte(config), 0o600)
}

// plurals are the resources of the kinds that it holds.
var plurals = map[string]string{"CrawlJob": "crawljobs", "CrawlApproval": "crawlapprovals", "ConfigMap": "configmaps",
	"CrawlSchedule": "crawlschedules", "BrowserProfile": "browserprofiles"}

// put stores an object as it is.
func (s *apiServer) put(o map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	meta, _ := o["metadata"].(map[string]any)
	root := "/apis/"
	if o["apiVersion"] == "v1" {
		root = "/api/"
	}
	kind, _ := o["kind"].(string)
	s.objects[fmt.Sprintf("%s%s/namespaces/%s/%s/%s", root, o["apiVersion"], meta["namespace"], plurals[kind], meta["name"])] = o
}

func (s *apiServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, metav1.APIVersions{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIVersions"}, Versions: []string{"v1"}})
	})
	mux.HandleFunc("GET /apis", func(w http.ResponseWriter, _ *http.Request) {
		groups := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroupList"}}
		for group, version := range map[string]string{"authentication.k8s.io": "v1", "crawlfleet.dev": "v1alpha1"} {
			served := metav1.GroupVersionForDiscovery{GroupVersion: group + "/" + version, Version: version}
			groups.Groups = append(groups.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{served}, PreferredVersion: served})
		}
		answer(w, http.StatusOK, groups)
	})
	resources := func(version string, list ...metav1.APIResource) {
		root := "/apis/"
		if version == "v1" {
			root = "/api/"
		}
		mux.HandleFunc("GET "+root+version, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"}, GroupVersion: version, APIResources: list})
		})
	}
	resources("v1", metav1.APIResource{Name: "configmaps", Kind: "ConfigMap", Namespaced: true})
	resources("authentication.k8s.io/v1", metav1.APIResource{Name: "selfsubjectreviews", Kind: "SelfSubjectReview"})
	resources("crawlfleet.dev/v1alpha1", metav1.APIResource{Name: "crawljobs", Kind: "CrawlJob", Namespaced: true},
		metav1.APIResource{Name: "crawlapprovals", Kind: "CrawlApproval", Namespaced: true},
		metav1.APIResource{Name: "crawlschedules", Kind: "CrawlSchedule", Namespaced: true}, metav1.APIResource{Name: "browserprofiles", Kind: "BrowserProfile", Namespaced: true})
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/selfsubjectreviews", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusCreated, map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
			"status": map[string]any{"userInfo": map[string]any{"username": "bob"}}})
	})
	const namespaced = "/apis/crawlfleet.dev/v1alpha1/namespaces/{namespace}/"
	for kind, plural := range plurals {
		if kind == "ConfigMap" {
			continue
		}
		mux.HandleFunc("GET "+namespaced+plural, s.list(kind))
		mux.HandleFunc("GET /apis/crawlfleet.dev/v1alpha1/"+plural, s.list(kind))
	}
	mux.HandleFunc("POST "+namespaced+"crawlapprovals", s.create)
	mux.HandleFunc("GET /", s.get)
	return mux
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // who asks notices
}

func (s *apiServer) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.objects[r.URL.Path]; ok {
		answer(w, http.StatusOK, o)
		return
	}
	answer(w, http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: r.URL.Path + " not found"})
}

// list answers with the objects of a kind, sorted by path, in one namespace or in all, of which it gives
// two at a time.
func (s *apiServer) list(kind string) http.HandlerFunc {
	const most = 2
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		all := []any{}
		for _, path := range slices.Sorted(maps.Keys(s.objects)) {
			if o := s.objects[path]; o["kind"] == kind && (!strings.Contains(r.URL.Path, "/namespaces/") || strings.HasPrefix(path, r.URL.Path+"/")) {
				all = append(all, o)
			}
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("continue")) // none is the beginning
		page, next := all[from:], ""
		if r.URL.Query().Get("limit") != "" && len(page) > most {
			page, next = page[:most], strconv.Itoa(from+most)
		}
		answer(w, http.StatusOK, map[string]any{"apiVersion": "crawlfleet.dev/v1alpha1", "kind": kind + "List", "metadata": map[string]any{"continue": next}, "items": page})
	}
}

func (s *apiServer) create(w http.ResponseWriter, r *http.Request) {
	var o map[string]any
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	meta, _ := o["metadata"].(map[string]any)
	s.mu.Lock()
	s.made++
	meta["name"] = fmt.Sprintf("%sm%d", meta["generateName"], s.made)
	s.mu.Unlock()
	s.put(o)
	answer(w, http.StatusCreated, o)
}
