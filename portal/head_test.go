package portal

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestHeadTellsNothing: an answer without content shows nothing and hands nothing over, so that the custody log is not told
// that somebody looked, took a copy or handed over.
func TestHeadTellsNothing(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	const who, one = "eve-read-export-find-look-copy", "/api/v1/cases/default/c-17"
	head := func(path string) *http.Response {
		t.Helper()
		before := f.logged(t)
		res := f.do(http.MethodHead, path, "Authorization", "Bearer "+who, "Accept", "application/json")
		if after := f.logged(t); len(after) != len(before) {
			t.Errorf("HEAD %s: the log is told %q", path, after[len(before):])
		}
		return res
	}
	a, b := f.ids[0], f.ids[1]
	told := 0
	for _, path := range []string{
		"/snapshots/" + a, "/snapshots/" + a + "/thumbnail/clear", "/snapshots/" + a + "/picture", "/snapshots/" + a + "/text", "/snapshots/" + a + "/verify",
		"/snapshots/" + a + "/replay", "/snapshots/" + a + "/replay/link", "/snapshots/" + a + "/wacz", "/snapshots/" + a + "/evidence.zip",
		"/wacz/" + folder + "chunks/b0.wacz", "/compare?a=" + a + "&b=" + b, "/compare/picture?a=" + a + "&b=" + b,
		"/api/v1/snapshots/" + a, "/api/v1/snapshots/" + a + "/picture", "/api/v1/snapshots/" + a + "/text", "/api/v1/snapshots/" + a + "/verification",
		"/api/v1/snapshots/" + a + "/wacz", "/api/v1/snapshots/" + a + "/evidence.zip", "/api/v1/compare?a=" + a + "&b=" + b, "/api/v1/compare/picture?a=" + a + "&b=" + b,
	} {
		status := head(path).StatusCode
		before := len(f.logged(t))
		if res := f.do(http.MethodGet, path, "Authorization", "Bearer "+who, "Accept", "application/json"); res.StatusCode != status {
			t.Errorf("%s: HEAD is answered %d, GET %d", path, status, res.StatusCode)
		}
		told += len(f.logged(t)) - before
	}
	if told < 4 {
		t.Errorf("the log is told of %d looks and copies by GET", told)
	}
	for _, path := range []string{one + "/selection.wacz?to=x", one + "/dossier.zip?to=x"} {
		if res := head(path); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET" {
			t.Errorf("HEAD %s: %d, Allow %q", path, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	if slices.ContainsFunc(f.logged(t), func(s string) bool { return strings.HasPrefix(s, "Exported") }) {
		t.Errorf("the log has %q", f.logged(t))
	}
	// Who may not learns no more by HEAD than by GET.
	if res := f.do(http.MethodHead, "/snapshots/"+a+"/wacz", "Authorization", "Bearer ann-read-find-look"); res.StatusCode != http.StatusForbidden {
		t.Errorf("who may not copy is answered %d", res.StatusCode)
	}
}
