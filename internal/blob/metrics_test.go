package blob

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// TestRequestsAreCounted: what a store answers is told by operation and outcome, and that none answers is, too. Trouble
// is told from 0 on.
func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	client, err := NewClient(Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	b := client.Bucket("bucket")
	if _, err := b.Put(t.Context(), "before", content("not counted")); err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewRegistry()
	client.Observe(NewMetrics(r))
	if _, err := b.Put(t.Context(), "a/b", content("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "a/b", content("y")); err == nil {
		t.Fatal("it was overwritten")
	}
	if _, err := b.Head(t.Context(), "none"); err == nil {
		t.Fatal("it is there")
	}
	if err := b.List(t.Context(), "a", func(Info) bool { return true }); err != nil {
		t.Fatal(err)
	}
	err = testutil.GatherAndCompare(r, strings.NewReader(`
# HELP crawlfleet_store_requests_total Requests to the store, each try of one, by what came of it.
# TYPE crawlfleet_store_requests_total counter
crawlfleet_store_requests_total{operation="GetObject",outcome="Busy"} 0
crawlfleet_store_requests_total{operation="GetObject",outcome="Denied"} 0
crawlfleet_store_requests_total{operation="GetObject",outcome="Failed"} 0
crawlfleet_store_requests_total{operation="GetObject",outcome="Full"} 0
crawlfleet_store_requests_total{operation="GetObject",outcome="Unreachable"} 0
crawlfleet_store_requests_total{operation="HeadObject",outcome="Busy"} 0
crawlfleet_store_requests_total{operation="HeadObject",outcome="Denied"} 0
crawlfleet_store_requests_total{operation="HeadObject",outcome="Done"} 1
crawlfleet_store_requests_total{operation="HeadObject",outcome="Failed"} 0
crawlfleet_store_requests_total{operation="HeadObject",outcome="Full"} 0
crawlfleet_store_requests_total{operation="HeadObject",outcome="NotFound"} 1
crawlfleet_store_requests_total{operation="HeadObject",outcome="Unreachable"} 0
crawlfleet_store_requests_total{operation="ListObjects",outcome="Busy"} 0
crawlfleet_store_requests_total{operation="ListObjects",outcome="Denied"} 0
crawlfleet_store_requests_total{operation="ListObjects",outcome="Done"} 1
crawlfleet_store_requests_total{operation="ListObjects",outcome="Failed"} 0
crawlfleet_store_requests_total{operation="ListObjects",outcome="Full"} 0
crawlfleet_store_requests_total{operation="ListObjects",outcome="Unreachable"} 0
crawlfleet_store_requests_total{operation="PutObject",outcome="Busy"} 0
crawlfleet_store_requests_total{operation="PutObject",outcome="Denied"} 0
crawlfleet_store_requests_total{operation="PutObject",outcome="Done"} 1
crawlfleet_store_requests_total{operation="PutObject",outcome="Exists"} 1
crawlfleet_store_requests_total{operation="PutObject",outcome="Failed"} 0
crawlfleet_store_requests_total{operation="PutObject",outcome="Full"} 0
crawlfleet_store_requests_total{operation="PutObject",outcome="Unreachable"} 0
`), "crawlfleet_store_requests_total")
	if err != nil {
		t.Error(err)
	}
}

func TestUnreachableIsCounted(t *testing.T) {
	t.Parallel()
	client, err := NewClient(Config{Endpoint: "http://127.0.0.1:1", Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics(prometheus.NewRegistry())
	client.Observe(m)
	if err := client.Bucket("bucket").Check(t.Context()); err == nil {
		t.Fatal("it answers")
	}
	if n := testutil.ToFloat64(m.requests.WithLabelValues("HeadBucket", "Unreachable")); n < 1 {
		t.Errorf("%v requests are counted", n)
	}
}

// TestFullIsCounted: a store without room, and one whose quota is used up, are told of in the words of each, and the
// caller still learns what the store said.
func TestFullIsCounted(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{
		"XMinioStorageFull": http.StatusInsufficientStorage, "QuotaExceeded": http.StatusForbidden, "XMinioAdminBucketQuotaExceeded": http.StatusBadRequest,
	} {
		server := &blobtest.Server{Answer: func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			blobtest.Fail(w, status, code)
			return true
		}}
		client, err := NewClient(Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		m := NewMetrics(prometheus.NewRegistry())
		client.Observe(m)
		if _, err := client.Bucket("bucket").Put(t.Context(), "a", content("x")); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", code, err)
		}
		if n := testutil.ToFloat64(m.requests.WithLabelValues("PutObject", "Full")); n < 1 {
			t.Errorf("%s: %v requests are counted", code, n)
		}
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	for want, request := range map[string]string{
		"GetObject": "GET /b/k", "GetBucket": "GET /b/", "ListObjects": "GET /b/?list-type=2&prefix=x", "ListVersions": "GET /b?versions=", "PutObject": "PUT /b/k/l",
		"HeadObject": "HEAD /b/k", "HeadBucket": "HEAD /b/", "DeleteObject": "DELETE /b/k?versionId=1", "PutRetention": "PUT /b/k?retention=&versionId=1",
		"GetLegalHold": "GET /b/k?legal-hold=", "GetObjectLockConfiguration": "GET /b/?object-lock=", "GetLocation": "GET /b/?location=", "PostObjects": "POST /b/?delete=",
		"Other": "PATCH /b/k",
	} {
		method, address, _ := strings.Cut(request, " ")
		u, err := url.Parse("http://store.test" + address)
		if err != nil {
			t.Fatal(err)
		}
		if got := operationOf(method, u); got != want {
			t.Errorf("%s is %s, want %s", request, got, want)
		}
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		200: "Done", 206: "Done", 404: "NotFound", 409: "Exists", 412: "Exists", 401: "Denied", 403: "Denied", 429: "Busy", 503: "Busy", 500: "Failed", 507: "Full", 400: "Refused",
	} {
		if got := outcomeOf(&http.Response{StatusCode: code}, nil); got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
}
