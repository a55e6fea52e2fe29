package portal

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/follow"
)

// TestReady: the portal is ready with and without the store, and says no more of the archive than how
// much of it is known.
func TestReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	listed := follow.Progress{Known: 7, Read: 5, Waiting: 2, Problems: 1, Newest: noon, Listed: noon}
	failing := func(err error) follow.Progress {
		p := listed
		p.Error, p.Cause, p.Since = err.Error(), err, noon
		return p
	}
	const at, counts = `"2026-03-14T12:00:00Z"`, `{"known":7,"waiting":2,"problems":1,"listed":"2026-03-14T12:00:00Z"`
	for name, tc := range map[string]struct {
		is   follow.Progress
		want string
	}{
		"begun":        {follow.Progress{}, `{"known":0,"waiting":0,"problems":0}`},
		"listed":       {listed, counts + `}`},
		"away":         {failing(fmt.Errorf("list %q: %w", folder, blob.ErrUnreachable)), counts + `,"error":"The store does not answer.","since":` + at + `}`},
		"refused":      {failing(errors.Join(errors.New(folder), blob.ErrDenied)), counts + `,"error":"The store refuses the portal's credentials.","since":` + at + `}`},
		"another word": {failing(errors.New("JSON of " + folder)), counts + `,"error":"` + notFollowed + `","since":` + at + `}`},
	} {
		f.server.Follow = asOf{tc.is}
		res := f.get("/readyz")
		if diff := cmp.Diff(tc.want, strings.TrimSpace(body(t, res))); diff != "" || res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", name, res.StatusCode, res.Header, diff)
		}
	}
}
