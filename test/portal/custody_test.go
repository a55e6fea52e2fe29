package portal

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/custody"
)

// deed is what the custody log says of somebody.
type deed struct {
	Event          custody.Event
	Who, Why, Case string
	Object         string
	Page           string // the beginning of the entry's identifier
}

// deeds are what the custody log says that people did, in its order: what the workers did is left out.
func (w *world) deeds(t *testing.T) (all []deed) {
	t.Helper()
	log := w.fleet.Custody(t)
	if _, err := log.Verify(t.Context()); err != nil {
		t.Errorf("the custody log: %v", err)
	}
	err := log.Entries(t.Context(), 0, func(_ int64, e custody.Entry) bool {
		if e.Event == custody.Read || e.Event == custody.Copied || e.Event == custody.Exported {
			parts := strings.Split(e.ID, "/")
			all = append(all, deed{e.Event, e.Who, e.Why, e.Case, string(e.Object), parts[1]})
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// custody looks for a purpose and a case, and finds itself in the log: each snapshot that was looked at, each file that was
// copied, and no search.
func (w *world) custody(t *testing.T) {
	before := len(w.deeds(t))
	p := w.login(t, w.asking, ann)
	for _, query := range []string{number, quiet, rooms} {
		p.open(searchPath(query))
	}
	p.open("/timeline?url=" + rooms + "/room/12")
	p.open("/crawls")
	if all := w.deeds(t)[before:]; len(all) > 0 {
		t.Errorf("searches are in the log: %v", all)
	}
	p.opens(bright, "job", theNorth+"/summer")
	p.sees("What are you looking for?")
	p.seesNone("520 euros", bright)
	where := look[string](p, `location.pathname`)
	p.fill("main [name=purpose]", "screening")
	p.fill("main [name=case]", "2026-17")
	p.follow("main form button")
	if now := look[string](p, `location.pathname`); now != where {
		t.Errorf("the person wanted %s and is led to %s", where, now)
	}
	p.sees(bright, "520 euros", rooms+"/room/12")
	p.await("the verdict", `document.querySelector("[data-load] .verdict") !== null`)
	p.do(reload)
	p.open(where + "/text")
	id := strings.TrimPrefix(where, "/snapshots/")
	var at struct{ Capture struct{ Chunk, Page string } }
	program := []string{"Authorization", bearer(w.token(t, "export")), "Crawlfleet-Purpose", "investigation", "Crawlfleet-Case", "2026-18"}
	w.getJSON(t, w.asking+"/api/v1/snapshots/"+id, &at, program...)
	res := w.send(t, http.MethodGet, w.asking+"/api/v1/snapshots/"+id+"/wacz", nil, program...)
	n, err := io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK || n == 0 {
		t.Errorf("the file: %d, %d bytes, %v", res.StatusCode, n, err)
	}
	service := "system:serviceaccount:" + theNorth + ":export"
	want := []deed{
		{custody.Read, "idp:" + ann, "screening", "2026-17", at.Capture.Chunk, at.Capture.Page},
		{custody.Read, service, "investigation", "2026-18", at.Capture.Chunk, at.Capture.Page},
		{custody.Copied, service, "investigation", "2026-18", at.Capture.Chunk, at.Capture.Page},
	}
	if diff := cmp.Diff(want, w.deeds(t)[before:]); diff != "" {
		t.Errorf("in the custody log (-want +got):\n%s", diff)
	}
	w.refused(t, id)
	if all := w.deeds(t)[before:]; len(all) != len(want) {
		t.Errorf("what was refused is in the log: %v", all[len(want):])
	}
}

// refused asks without a purpose, for none that there is, and without a right.
func (w *world) refused(t *testing.T, id string) {
	t.Helper()
	auth := []string{"Authorization", bearer(w.token(t, "export"))}
	for _, tc := range []struct {
		reason  string
		headers []string
	}{
		{"no purpose", nil},
		{"another purpose", []string{"Crawlfleet-Purpose", "curiosity", "Crawlfleet-Case", "2026-18"}},
		{"no case", []string{"Crawlfleet-Purpose", "screening"}},
	} {
		status, body := w.ask(t, w.asking+"/api/v1/snapshots/"+id, slices.Concat(auth, tc.headers)...)
		if status != http.StatusPreconditionRequired || !strings.Contains(string(body), "Crawlfleet-Purpose") || strings.Contains(string(body), rooms) {
			t.Errorf("%s: %d %s", tc.reason, status, body)
		}
	}
}
