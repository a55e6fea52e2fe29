package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// ended is a job that has ended, with so many pages archived.
func ended(archived int64) (j job) {
	j.Metadata.Namespace, j.Metadata.Name, j.Metadata.UID = "default", "demo", "uid-1"
	j.Status.Counters.Archived = archived
	j.Status.FailedByReason = []reasonCount{{"TimedOut", 2}}
	j.Status.SkippedByReason = []reasonCount{{"RobotsDisallowed", 1}}
	return j
}

// standIn answers as a portal does whose catalog gains a capture each time it is asked, up to all.
func standIn(t *testing.T, files string, all int) portal {
	t.Helper()
	asked := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/runs/default/demo/uid-1", func(w http.ResponseWriter, r *http.Request) {
		if files == "" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"chunks": [%s]}`, files)
	})
	mux.HandleFunc("GET /api/v1/snapshots", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("run") != "uid-1" || q.Get("order") != "oldest" || q.Get("limit") != fmt.Sprint(maxRows) {
			t.Errorf("the portal is asked for %v", q)
		}
		asked++
		var items []string
		for i := range min(asked, all) {
			items = append(items, fmt.Sprintf(`{"id": "%d", "url": "http://site.test/%[1]d", "title": "Page\u001b[31m %[1]d", "status": 200, "time": "2026-03-14T12:00:0%[1]dZ"}`, i))
		}
		fmt.Fprintf(w, `{"items": [%s], "count": %d}`, strings.Join(items, ","), len(items))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return portal(server.URL + "/")
}

func TestTable(t *testing.T) {
	t.Parallel()
	const files = `{"size": 1000000}, {"size": 500000}, {"size": 9000000, "uncommitted": true}`
	for _, tc := range []struct {
		reason     string
		files      string
		job        job
		want, none []string
	}{
		{
			"all is waited for", files, ended(3),
			[]string{"TIME", "  200     Page [31m 0", "http://site.test/2\n", "\n3 pages in 2 WACZ files, 1.5 MB\n", "2 failed: TimedOut\n", "1 not visited: RobotsDisallowed\n"},
			[]string{"\x1b", "more", "so far"},
		},
		{"a run that the archive has nothing of", "", ended(0), []string{"Nothing was archived.\n2 failed: TimedOut\n"}, []string{"TIME"}},
		{"a run of which nothing was committed", `{"size": 9, "uncommitted": true}`, ended(0), []string{"Nothing was archived.\n"}, []string{"TIME"}},
	} {
		var out bytes.Buffer
		if err := newDisplay(&out).table(t.Context(), standIn(t, tc.files, 3), tc.job); err != nil {
			t.Errorf("%s: %v", tc.reason, err)
		}
		for _, want := range tc.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is missing in:\n%s", tc.reason, want, out.String())
			}
		}
		for _, none := range tc.none {
			if strings.Contains(out.String(), none) {
				t.Errorf("%s: %q is in:\n%s", tc.reason, none, out.String())
			}
		}
	}
}

// TestTableIsInterrupted: the portal may never know all, and the person has waited long enough.
func TestTableIsInterrupted(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), catchUpPause+100*time.Millisecond, enough)
	defer cancel()
	err := newDisplay(&bytes.Buffer{}).table(ctx, standIn(t, `{"size": 1}`, 1), ended(3))
	if !errors.Is(err, enough) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
