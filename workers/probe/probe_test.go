package probe

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/workflows"
)

// on tries two buckets of a server.
func on(t *testing.T, server *blobtest.Server, role Role) workflows.StoreVerdict {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{Buckets: []Bucket{client.Bucket("archive"), client.Bucket("frontier")}, Role: role, Now: time.Now}
	return s.Run(t.Context())
}

// refuse answers requests of some methods with an error.
func refuse(status int, code string, methods ...string) func(http.ResponseWriter, *http.Request, func()) bool {
	return func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		method := r.Method
		if r.URL.Query().Has("list-type") {
			method = "LIST"
		}
		for _, m := range methods {
			if bucket, at, named := strings.Cut(m, " "); named && bucket == method && strings.HasPrefix(r.URL.Path, at) || m == method {
				blobtest.Fail(w, status, code)
				return true
			}
		}
		return false
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	const denied = http.StatusForbidden
	for name, tc := range map[string]struct {
		reason string
		server *blobtest.Server
		role   Role
		want   workflows.StoreVerdict
		left   []string
	}{
		"Usable": {reason: "Nothing is left behind.", server: &blobtest.Server{}, role: Conductor},
		"NoPut": {
			reason: "A worker stores.", server: &blobtest.Server{Answer: refuse(denied, "AccessDenied", "PUT /frontier")}, role: Conductor,
			want: workflows.StoreVerdict{Reason: workflows.ReasonStoreDenied, Bucket: "frontier", Step: "put"},
		},
		"NoRemove": {
			reason: "Conductors erase what is due.", server: &blobtest.Server{Answer: refuse(denied, "AccessDenied", "DELETE")}, role: Conductor,
			want: workflows.StoreVerdict{Reason: workflows.ReasonStoreDenied, Bucket: "archive", Step: "remove"},
		},
		"NoList": {
			reason: "They count what there is.", server: &blobtest.Server{Answer: refuse(denied, "AccessDenied", "LIST")}, role: Conductor,
			want: workflows.StoreVerdict{Reason: workflows.ReasonStoreDenied, Bucket: "archive", Step: "list"}, left: []string{"/archive/" + Prefix + "conductor"},
		},
		"NoBucket": {
			reason: "It has to be made first.", server: &blobtest.Server{Answer: refuse(http.StatusNotFound, "NoSuchBucket", "HEAD", "LIST")}, role: Conductor,
			want: workflows.StoreVerdict{Reason: workflows.ReasonBucketMissing, Bucket: "archive", Step: "look"},
		},
		"Full": {
			reason: "There is no room.", server: &blobtest.Server{Answer: refuse(http.StatusInsufficientStorage, "StorageFull", "PUT")}, role: Conductor,
			want: workflows.StoreVerdict{Reason: workflows.ReasonStoreFull, Bucket: "archive", Step: "put"},
		},
		"Clock": {
			reason: "Signatures and time stamps go by it.", server: &blobtest.Server{Now: func() time.Time { return time.Now().Add(-10 * time.Minute) }}, role: Conductor,
			want: workflows.StoreVerdict{Reason: workflows.ReasonClocksDiffer, Bucket: "archive", Step: "clock", ClockAheadSeconds: 599},
		},
		"Browser": {
			reason: "One that may only put is as it should be; the object stays.", role: Browser,
			server: &blobtest.Server{Answer: refuse(denied, "AccessDenied", "DELETE", "LIST", "GET")}, left: []string{"/archive/" + Prefix + "browser", "/frontier/" + Prefix + "browser"},
		},
		"BrowserMayAll": {reason: "So is one that may everything.", server: &blobtest.Server{}, role: Browser},
		"BrowserNoPut": {
			reason: "One that may not put is of no use.", server: &blobtest.Server{Answer: refuse(denied, "AccessDenied", "PUT")}, role: Browser,
			want: workflows.StoreVerdict{Reason: workflows.ReasonStoreDenied, Bucket: "archive", Step: "put"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := on(t, tc.server, tc.role)
			if (got.Message == "") != (tc.want.Reason == "") {
				t.Errorf("%s: message %q", tc.reason, got.Message)
			}
			got.Message, tc.want.As = "", string(tc.role)
			if diff := cmp.Diff(tc.want, got); diff != "" && !near(got, tc.want) {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.left, tc.server.Keys("/")); diff != "" && len(tc.left)+len(tc.server.Keys("/")) > 0 {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

// near tells whether two verdicts differ by a second alone.
func near(a, b workflows.StoreVerdict) bool {
	d := a.ClockAheadSeconds - b.ClockAheadSeconds
	a.ClockAheadSeconds = b.ClockAheadSeconds
	return a == b && d >= -2 && d <= 2
}

// TestAgain: what a probe that could not remove it has left is no fault of the next.
func TestAgain(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{Answer: refuse(http.StatusForbidden, "AccessDenied", "DELETE", "LIST", "GET")}
	for range 2 {
		if got := on(t, server, Browser); got.Reason != "" {
			t.Errorf("%+v", got)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	client, err := blob.NewClient(blob.Config{Endpoint: "http://127.0.0.1:1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	got := (&Store{Buckets: []Bucket{client.Bucket("archive")}, Role: Conductor, Now: time.Now}).Run(t.Context())
	if got.Reason != workflows.ReasonStoreUnreachable || got.Step != "look" {
		t.Errorf("%+v", got)
	}
}
