package harness

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// TestReadAndList: what an API server answers comes out in its types, and what it refuses as an error that says of what.
func TestReadAndList(t *testing.T) {
	const prefix = "/apis/crawlfleet.dev/v1alpha1/namespaces/default/"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		job := `{"apiVersion":"crawlfleet.dev/v1alpha1","kind":"CrawlJob","metadata":{"name":"one","namespace":"default"},"status":{"counters":{"archived":7}}}`
		switch r.URL.String() {
		case prefix + "crawljobs/one":
			_, _ = w.Write([]byte(job))
		case prefix + "crawljobs?labelSelector=case%3D7":
			_, _ = w.Write([]byte(`{"apiVersion":"crawlfleet.dev/v1alpha1","kind":"CrawlJobList","metadata":{},"items":[` + job + `]}`))
		default:
			http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"it is not there"}`, http.StatusNotFound)
		}
	}))
	defer server.Close()
	f := &Fleet{}
	f.state.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	config := "apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: x}}]\nclusters: [{name: x, cluster: {server: " + server.URL + "}}]\n"
	if err := os.WriteFile(f.state.Kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	jobs := v1alpha1.GroupVersion.WithResource("crawljobs")

	job, err := f.ReadJob(t.Context(), "one")
	if err != nil || job.Name != "one" || *job.Status.Counters.Archived != 7 {
		t.Errorf("read: %+v, %v", job, err)
	}
	var list v1alpha1.CrawlJobList
	if err := f.List(t.Context(), jobs, "default", "case=7", &list); err != nil || len(list.Items) != 1 || *list.Items[0].Status.Counters.Archived != 7 {
		t.Errorf("list: %+v, %v", list, err)
	}
	if _, err := f.ReadJob(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), "crawljobs none") {
		t.Errorf("what is not there: got %v, want its name", err)
	}
}
