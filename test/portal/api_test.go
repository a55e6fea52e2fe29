package portal

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// api asks as programs do, with a token of the cluster.
func (w *world) api(t *testing.T) {
	auth := []string{"Authorization", w.service}
	var found struct {
		Items []struct {
			ID, URL, Title, Namespace, Job string
			Chunk                          string
			Snippet                        []struct {
				Text string
				Hit  bool
			}
		}
		Count int
		Meant []struct{ As, Value string }
	}
	w.getJSON(t, w.open+"/api/v1/snapshots"+searchPath(number)[1:], &found, auth...)
	if found.Count != 5 || len(found.Items) != 5 || len(found.Meant) != 1 || found.Meant[0].As != "Phone" || found.Meant[0].Value != "+442079460123" {
		t.Errorf("found is %+v", found)
	}
	for _, item := range found.Items {
		if item.Namespace != theNorth || !strings.HasPrefix(item.URL, rooms) {
			t.Errorf("found is %+v", item)
		}
	}
	id := found.Items[0].ID
	var one struct {
		Capture struct{ ID, Title string }
		Facts   map[string]any
	}
	w.getJSON(t, w.open+"/api/v1/snapshots/"+id, &one, auth...)
	if one.Capture.ID != id || one.Capture.Title == "" {
		t.Errorf("the snapshot is %+v", one)
	}
	for _, tc := range []struct{ path, kind, begin string }{
		{"text", "text/plain; charset=utf-8", ""}, {"picture", "image/png", "\x89PNG"}, {"wacz", "application/wacz", "PK"}, {"verification", "application/json", "{"},
	} {
		res := w.send(t, http.MethodGet, w.open+"/api/v1/snapshots/"+id+"/"+tc.path, nil, auth...)
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != tc.kind || !strings.HasPrefix(string(b), tc.begin) || len(b) == 0 {
			t.Errorf("%s: %d %s, %d bytes, %v", tc.path, res.StatusCode, res.Header.Get("Content-Type"), len(b), err)
		}
	}
	var line struct{ Items []struct{ Change string } }
	w.getJSON(t, w.open+"/api/v1/timeline?url="+rooms+"/room/12", &line, auth...)
	if fmt.Sprint(line.Items) != "[{Changed} {First}]" {
		t.Errorf("over time: %v", line.Items)
	}
	var runs struct {
		Runs []struct{ Namespace, Name string }
	}
	w.getJSON(t, w.open+"/api/v1/runs", &runs, auth...)
	if fmt.Sprint(runs.Runs) != fmt.Sprintf("[{%s summer} {%[1]s spring}]", theNorth) {
		t.Errorf("the runs are %v", runs.Runs)
	}
	for _, tc := range []struct {
		reason, token string
		status        int
	}{{"nobody", "", 401}, {"a wrong token", w.service + "x", 401}, {"another scheme", "Basic YTpi", 401}} {
		if status, body := w.ask(t, w.open+"/api/v1/snapshots", "Authorization", tc.token); status != tc.status || !strings.Contains(string(body), `"hint"`) {
			t.Errorf("%s is told %d %s", tc.reason, status, body)
		}
	}
}

// crawlctl does the same from the command line, as a program that has a token of the cluster.
func (w *world) crawlctl(t *testing.T) {
	run := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), w.fleet.Binary(t, "crawlctl"), args...)
		cmd.Env = append(os.Environ(), "CRAWLFLEET_PORTAL="+w.open, "CRAWLFLEET_TOKEN="+strings.TrimPrefix(w.service, "Bearer "))
		out, err := cmd.CombinedOutput()
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) || cmd.ProcessState.ExitCode() != want {
			t.Errorf("crawlctl %q: %v, want exit code %d\n%s", args, err, want, out)
		}
		return string(out)
	}
	found := strings.Fields(run(0, "snapshots", "list", number, "-o", "name"))
	if len(found) != 5 {
		t.Errorf("found are %q", found)
	}
	run(0, "snapshots", "list", "kingfisher")
	file := filepath.Join(t.TempDir(), "room.wacz")
	told := run(0, "snapshots", "get", w.summer.ID, "--wacz", file)
	if !strings.Contains(told, "SHA-256") {
		t.Errorf("get says %q", told)
	}
	// The file alone has no sidecar with its time stamp, so that much stays open (exit code 3), and nothing fails.
	verdict := run(3, slices.Concat([]string{"verify", file}, w.fleet.TrustFlags(t))...)
	if !strings.Contains(verdict, "unchecked  Stamp") || strings.Contains(verdict, "fails") {
		t.Errorf("the file: %s", verdict)
	}
	packed := filepath.Join(t.TempDir(), "room.zip")
	run(0, "snapshots", "get", w.summer.ID, "--evidence", packed)
	if verdict := run(0, slices.Concat([]string{"verify", "--all", packed}, w.fleet.TrustFlags(t))...); !strings.Contains(verdict, "Stamp") || strings.Contains(verdict, "unchecked") {
		t.Errorf("with its evidence: %s", verdict)
	}
	if text := run(0, "snapshots", "get", w.summer.ID, "--text"); !strings.Contains(text, "520 euros, heating included") {
		t.Errorf("the text is %q", text)
	}
	if diff := run(1, "snapshots", "diff", w.spring.ID, w.summer.ID); !strings.Contains(diff, "450 euros") || !strings.Contains(diff, "520 euros") {
		t.Errorf("the difference is %s", diff)
	}
	if line := run(0, "snapshots", "timeline", w.spring.URL); !strings.Contains(line, "Changed") || !strings.Contains(line, "First") {
		t.Errorf("over time: %s", line)
	}
}
