package harness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestGateway(t *testing.T) {
	t.Parallel()
	var stored atomic.Int64
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && string(body) == "evidence" && r.Host == "signed.test" {
			stored.Add(1)
		}
		_, _ = io.WriteString(w, "stored")
	}))
	defer store.Close()
	g, err := NewGateway()
	if err != nil {
		t.Fatal(err)
	}
	put := func() (status int, body string, err error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.Endpoint()+"/bucket/key", strings.NewReader("evidence"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "signed.test"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		return res.StatusCode, string(b), err
	}
	if _, _, err := put(); err == nil {
		t.Error("a gateway without a store answers")
	}
	g.To(strings.TrimPrefix(store.URL, "http://"))
	for _, tc := range []struct {
		reason string
		fault  StoreFault
		status int // 0 is none
		body   string
		stored int64
	}{
		{"no fault", nil, 200, "stored", 1},
		{"slow down", SlowDown, 503, "<Code>SlowDown</Code>", 0},
		{"the answer is lost", AnswerLost, 0, "", 1},
		{"reset", HalfReceived, 0, "", 0},
		{"late", Late(50 * time.Millisecond), 200, "stored", 1},
		{"mended", nil, 200, "stored", 1},
	} {
		before := stored.Load()
		g.Fail(tc.fault)
		status, body, err := put()
		if status != tc.status || !strings.Contains(body, tc.body) || (err == nil) != (tc.status > 0) {
			t.Errorf("%s: %d %q %v", tc.reason, status, body, err)
		}
		if n := stored.Load() - before; n != tc.stored {
			t.Errorf("%s: the store has %d, want %d", tc.reason, n, tc.stored)
		}
		if n := g.Fail(nil); (n > 0) != (tc.fault != nil) {
			t.Errorf("%s: %d requests were answered so", tc.reason, n)
		}
	}
	store.Close()
	if status, _, err := put(); err == nil {
		t.Errorf("a store that is down: %d", status)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
