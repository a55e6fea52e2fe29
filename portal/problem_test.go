package portal

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// TestWhoCanHelp: a hint about flags, buckets and clocks says first whom an analyst has to tell.
func TestWhoCanHelp(t *testing.T) {
	t.Parallel()
	for _, p := range problems {
		operator := false
		for _, word := range []string{"--", "bucket", "clocks", "kubeconfig"} {
			operator = operator || strings.Contains(p.Hint, word)
		}
		if dutch := words.Dutch.Text(p.Hint); operator && (!strings.HasPrefix(p.Hint, "Tell whoever runs the portal: ") || !strings.HasPrefix(dutch, "Meld het aan wie de portal beheert: ")) {
			t.Errorf("%q: an analyst can do nothing with %q, or %q", p.Text, p.Hint, dutch)
		}
	}
}

// TestRefusalsAreNoFaults: what is wrong with what somebody asks for is no error of the portal.
func TestRefusalsAreNoFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, p := range problems {
		var log bytes.Buffer
		server := *f.server
		h := handlers{Server: &server}
		h.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r := httptest.NewRequest(http.MethodGet, "/api/v1/snapshots/x", nil)
		w := httptest.NewRecorder()
		h.fail(w, r, fmt.Errorf("open: %w", p.err))
		if w.Code != p.Status {
			t.Errorf("%v: %d", p.err, w.Code)
		}
		if fault := strings.Contains(log.String(), "level=ERROR"); fault != (p.Status >= http.StatusInternalServerError) {
			t.Errorf("%v, which is answered %d, is logged as %q", p.err, p.Status, log.String())
		}
		if warns := strings.Contains(log.String(), "level=WARN"); warns != (p.err == snapshot.ErrBroken || p.err == snapshot.ErrPicture) { //nolint:errorlint // they are themselves
			t.Errorf("%v is logged as %q", p.err, log.String())
		}
	}
}
