package portal

import (
	"context"
	"net/http"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/verdict"
)

// slowJudge takes long for any file, and has too much to do.
type slowJudge struct{}

func (slowJudge) Of(context.Context, blob.Key) (verdict.Verdict, error) {
	return verdict.Verdict{}, verdict.ErrBusy
}

func (slowJudge) Quick(context.Context, blob.Key) (verdict.Verdict, bool, error) {
	return verdict.Verdict{}, false, nil
}

// TestVerdictByItself: to look at a page verifies no large file, which a person asks for.
func TestVerdictByItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.capture(t, visit{Key: "c", URL: board, Text: "room", Hour: 1})
	of := "/snapshots/" + string(c.ID)
	wantAll(t, "the page", body(t, f.get(of)), `data-load="`+of+`/verify?quick=1"`, `<a href="`+of+`/verify">`)
	wantAll(t, "of a small file", want(t, "of a small file", http.StatusOK, f.get(of+"/verify?quick=1")), "verdict")
	f.server.Judge = slowJudge{}
	want(t, "of a large file", http.StatusNoContent, f.get(of+"/verify?quick=1"))
	wantAll(t, "asked for", want(t, "asked for", http.StatusServiceUnavailable, f.get(of+"/verify")), "Try again in a minute.")
}
