package browser

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestAdmit: no document that a page leads to is asked for before it is allowed, and the page
// that is there stays.
func TestAdmit(t *testing.T) {
	t.Parallel()
	to := func(path string) http.HandlerFunc { return http.RedirectHandler(path, http.StatusFound).ServeHTTP }
	var mu sync.Mutex
	var hits []string
	site := serve(t, map[string]any{
		"/to-secret": to("/secret"), "/to-step": to("/to-secret"), "/to-open": to("/open"),
		"/script": `<h1>Stays</h1><script>location.href = '/secret'</script>`,
		"/later":  `<h1>Stays</h1><script>onload = () => setTimeout(() => location.assign('/secret'), 50)</script>`,
		"/meta":   `<h1>Stays</h1><meta http-equiv=refresh content="0;url=/secret">`,
		"/frame":  `<h1>Stays</h1><iframe src="/secret"></iframe>`,
		"/open":   `<h1>Open</h1>`,
		"/secret": func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			hits = append(hits, r.Referer())
		},
	})
	stay := newStay(t, newPool(t), StayOptions{})
	admit := func(_ context.Context, address string) *Refusal {
		if strings.HasSuffix(address, "/secret") {
			return &Refusal{Reason: "NotHere", Detail: "made for a test"}
		}
		return nil
	}
	for path, tc := range map[string]struct {
		reason, title string
		hit           bool
	}{
		"/to-secret": {reason: "NotHere"}, "/to-step": {reason: "NotHere"}, "/to-open": {title: "Open"}, "/open": {title: "Open"},
		"/script": {title: "Stays"}, "/later": {title: "Stays"}, "/meta": {title: "Stays"},
		"/frame": {title: "Stays", hit: true}, // what a page embeds is part of it
	} {
		hits = nil
		p := visit(t, stay, site.URL+path, func(v *Visit) { v.Admit = admit })
		if p.Outcome.Reason != tc.reason || (p.Outcome.State == Archived) != (tc.reason == "") {
			t.Errorf("%s: the outcome is %+v, want reason %q", path, p.Outcome, tc.reason)
		}
		if tc.title != "" && !strings.Contains(read(t, p.TextFile), tc.title) {
			t.Errorf("%s: the text lacks %q", path, tc.title)
		}
		if (len(hits) > 0) != tc.hit {
			t.Errorf("%s: the secret page was asked for %d times", path, len(hits))
		}
		if tc.title == "Stays" && (p.FinalURL != site.URL+path || len(p.Redirects) > 0 || p.Status != http.StatusOK) {
			t.Errorf("%s: it ends with %d at %s by way of %v", path, p.Status, p.FinalURL, p.Redirects)
		}
		if tc.reason != "" && (len(p.Exchanges) == 0 || p.Exchanges[0].Response == nil) {
			t.Errorf("%s: the redirect is not recorded: %+v", path, p.Exchanges)
		}
		told := slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Name == "refused" })
		if told != (tc.reason != "" || (tc.title == "Stays" && !tc.hit)) {
			t.Errorf("%s: the actions are %+v", path, p.Actions)
		}
	}
	// The tab goes on as ever.
	if p := visit(t, stay, site.URL+"/to-secret"); p.Outcome.State != Archived {
		t.Errorf("without a gate: %+v", p.Outcome)
	}
}
