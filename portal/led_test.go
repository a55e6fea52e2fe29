package portal

import (
	"net/http"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// TestWhoFindsNothingIsLedOn: who comes in and may see crawls or cases alone is led there; who asks for something, or may see
// nothing, is told so.
func TestWhoFindsNothingIsLedOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.twoVisits(t)
	for _, tc := range []struct {
		what   string
		rights access.Reviewer
		who    string
		path   string
		accept string
		to     string // empty for a refusal
	}{
		{"who follows crawls", readRoles(t), "crawls", "/", "text/html", "/live"},
		{"who reads cases", allowing("get cases.crawlfleet.dev default"), "ann", "/", "text/html", "/cases"},
		{"who looks for something", readRoles(t), "crawls", "/?q=rooms", "text/html", ""},
		{"a program", readRoles(t), "crawls", "/", "application/json", ""},
		{"who may see nothing", readRoles(t), "no role", "/", "text/html", ""},
	} {
		f.gated(t, tc.rights, access.Policy{})
		res := f.get(tc.path, "Authorization", "Bearer "+tc.who, "Accept", tc.accept)
		status := http.StatusForbidden
		if tc.to != "" {
			status = http.StatusSeeOther
		}
		if res.StatusCode != status || res.Header.Get("Location") != tc.to {
			t.Errorf("%s: %d to %q, want %d to %q", tc.what, res.StatusCode, res.Header.Get("Location"), status, tc.to)
		}
		if tc.to != "" && f.get(tc.to, "Authorization", "Bearer "+tc.who, "Accept", tc.accept).StatusCode != http.StatusOK {
			t.Errorf("%s: is led to a refusal", tc.what)
		}
	}
}
