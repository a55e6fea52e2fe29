package portal

import (
	"fmt"
	"net/http"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

func TestRanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	content := make([]byte, 700_000) // more than the portal asks the store for at once
	for i := range content {
		content[i] = byte(i*7 + i/251)
	}
	f.put(t, f.bucket, folder+"chunks/c0.wacz", content)
	path, size := "/wacz/"+folder+"chunks/c0.wacz", len(content)
	for _, tc := range []struct {
		reason, method, ask string
		status              int
		contentRange        string
		from, to            int
	}{
		{"all of it", "GET", "", 200, "", 0, size},
		{"the start", "GET", "bytes=0-99", 206, fmt.Sprintf("bytes 0-99/%d", size), 0, 100},
		{"one byte", "GET", "bytes=0-0", 206, fmt.Sprintf("bytes 0-0/%d", size), 0, 1},
		{"the middle", "GET", "bytes=300000-620000", 206, fmt.Sprintf("bytes 300000-620000/%d", size), 300_000, 620_001},
		{"the end", "GET", "bytes=-1000", 206, fmt.Sprintf("bytes 699000-699999/%d", size), size - 1000, size},
		{"from somewhere on", "GET", "bytes=699990-", 206, fmt.Sprintf("bytes 699990-699999/%d", size), size - 10, size},
		{"to beyond the end", "GET", "bytes=699990-800000", 206, fmt.Sprintf("bytes 699990-699999/%d", size), size - 10, size},
		{"beyond the end", "GET", "bytes=700000-", 416, fmt.Sprintf("bytes */%d", size), -1, 0},
		{"no range at all", "GET", "bytes=x", 416, "", -1, 0},
		{"a suffix of more than there is", "GET", "bytes=-999999", 206, fmt.Sprintf("bytes 0-699999/%d", size), 0, size},
		{"the facts", "HEAD", "", 200, "", 0, 0},
		{"the facts of a range", "HEAD", "bytes=0-99", 206, fmt.Sprintf("bytes 0-99/%d", size), 0, 0},
	} {
		var header []string
		if tc.ask != "" {
			header = []string{"Range", tc.ask}
		}
		res := f.do(tc.method, path, header...)
		got := body(t, res)
		if res.StatusCode != tc.status || res.Header.Get("Content-Range") != tc.contentRange {
			t.Errorf("%s: %d %q, want %d %q", tc.reason, res.StatusCode, res.Header.Get("Content-Range"), tc.status, tc.contentRange)
		}
		if tc.from >= 0 && got != string(content[tc.from:tc.to]) {
			t.Errorf("%s: %d bytes that are not the ones asked for", tc.reason, len(got))
		}
	}
	res := f.do(http.MethodHead, path)
	if res.Header.Get("Content-Length") != fmt.Sprint(size) || res.Header.Get("Accept-Ranges") != "bytes" || res.Header.Get("Content-Type") != "application/wacz" {
		t.Errorf("the facts are %v", res.Header)
	}
	wantAll(t, "the file's name", res.Header.Get("Content-Disposition"), "attachment", "c0.wacz")
	if res := f.get(path, "If-None-Match", res.Header.Get("ETag")); res.StatusCode != http.StatusNotModified {
		t.Errorf("what is known already: status %d", res.StatusCode)
	}
}

// TestTricksWithPaths asks for what is not a file of a run.
func TestTricksWithPaths(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.put(t, f.bucket, "secret.wacz", []byte("top secret"))
	f.put(t, f.bucket, folder+"chunks/secret.txt", []byte("top secret"))
	other := otherBucket(t, f)
	f.put(t, other, folder+"chunks/secret.wacz", []byte("top secret"))
	for _, path := range []string{
		"/wacz/secret.wacz", "/wacz/" + folder + "run.json", "/wacz/" + folder + "chunks/secret.txt", "/wacz/" + folder + "chunks/secret.wacz",
		"/wacz/../frontier/" + folder + "chunks/secret.wacz", "/wacz/%2e%2e/frontier/" + folder + "chunks/secret.wacz",
		"/wacz/..%2ffrontier%2f" + folder + "chunks/secret.wacz", "/wacz/frontier/" + folder + "chunks/secret.wacz",
		"/wacz//" + folder + "chunks/c0.wacz", "/wacz/%2f" + folder + "chunks/c0.wacz", "/wacz/" + folder + "chunks/..%2fchunks%2fc0.wacz",
		"/wacz/" + folder + "chunks/./c0.wacz", "/wacz/" + folder + "chunks/c0.wacz%00", "/wacz/" + folder + "chunks/c0.wacz%0a",
		"/wacz/http:%2f%2f127.0.0.1%2fa/b/c/chunks/c0.wacz", "/wacz/",
		"/assets/..%2fportal.go", "/assets/../portal.go", "/replay/..%2fprivate.txt", "/replay/2.5.3",
	} {
		res := f.get(path)
		text := body(t, res)
		if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusPartialContent {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
		if to := res.Header.Get("Location"); to != "" { // a path with dots is led to the one that it means, here
			if next := f.get(to); next.StatusCode == http.StatusOK && to != "/wacz/"+folder+"chunks/c0.wacz" {
				t.Errorf("%s leads to %s, status %d", path, to, next.StatusCode)
			}
		}
		wantNone(t, path, text, "top secret", "package portal")
	}
}

func otherBucket(t *testing.T, f *fixture) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: f.store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("frontier")
}
