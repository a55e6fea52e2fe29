package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// alsoFinding lets people find in one more namespace, beside what their tokens say.
type alsoFinding string

func (n alsoFinding) May(ctx context.Context, p access.Person, right access.Right, namespace string) (bool, error) {
	if right == access.Find && namespace == string(n) {
		return true, nil
	}
	return tokenRights{}.May(ctx, p, right, namespace)
}

// event does something in the case c-1 as a program does, and returns the answer.
func (f *caseFixture) event(t *testing.T, content string) (status int, text string) {
	t.Helper()
	res := f.post("/api/v1/cases/default/c-1/events", content, "Authorization", "Bearer "+analyst, "Content-Type", "application/json", "Accept", "application/json")
	return res.StatusCode, body(t, res)
}

// TestAddingTellsOfNoCaptureElsewhere: who adds a capture that they may not find is told what they are told of one that is
// not there.
func TestAddingTellsOfNoCaptureElsewhere(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	f.open(t, "c-1", f.archive(t, "default", "c0", "Rooms")...)
	hidden := f.archive(t, "other", "c9", "Elsewhere")[0]
	none, textOfNone := f.event(t, `{"kind":"Added","captures":["`+strings.Repeat("0", 32)+`"]}`)
	status, text := f.event(t, `{"kind":"Added","captures":["`+hidden+`"]}`)
	if status != http.StatusNotFound || status != none || text != textOfNone {
		t.Errorf("what may not be found: %d %s; what is not there: %d %s", status, text, none, textOfNone)
	}
	f.server.Gate.Rights = &access.Rights{Reviewer: alsoFinding("other")}
	f.rewire(t)
	status, text = f.event(t, `{"kind":"Added","captures":["`+hidden+`"]}`)
	if status != http.StatusUnprocessableEntity || !strings.Contains(text, "of its own namespace only") {
		t.Errorf("what may be found: %d %s", status, text)
	}
}

// TestTiesAreToldWhereTheyAreMade: the custody log does not say of captures that they belong to a case which they were not
// put into, as others had changed it or the event was there already.
func TestTiesAreToldWhereTheyAreMade(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms", "Bikes", "Boats")
	f.open(t, "c-1")
	before := f.log.events()
	if status, text := f.event(t, `{"kind":"Added","captures":["`+ids[0]+`"],"id":"a"}`); status != http.StatusOK {
		t.Fatal(status, text)
	}
	tied := f.log.events()
	if len(tied) != len(before)+1 {
		t.Fatalf("the log has %v", tied)
	}
	if status, text := f.event(t, `{"kind":"Added","captures":["`+ids[1]+`"],"seen":1}`); status != http.StatusConflict {
		t.Errorf("unseen: %d %s", status, text)
	}
	if status, text := f.event(t, `{"kind":"Added","captures":["`+ids[2]+`"],"id":"a"}`); status != http.StatusOK || !strings.Contains(text, `"captures":1`) {
		t.Errorf("an event that is there: %d %s", status, text)
	}
	if got := f.log.events(); !slices.Equal(got, tied) {
		t.Errorf("the log has %v, the case has the first alone", got)
	}
}

// TestBytesAreToldAsBytes: what has fewer characters than bytes, and is too long, is told how it is counted.
func TestBytesAreToldAsBytes(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	f.open(t, "c-1")
	page := want(t, "a title", http.StatusUnprocessableEntity, f.as(analyst, "/cases", map[string][]string{"namespace": {"default"}, "name": {"c-2"}, "title": {strings.Repeat("я", 200)}}))
	wantAll(t, "a title", page, "Title: at most 256 bytes", "one of another script up to four", strings.Repeat("я", 200))
	wantAll(t, "a reason to erase", want(t, "a reason to erase", http.StatusUnprocessableEntity, f.as(analyst, "/cases/default/c-1/erase",
		map[string][]string{"name": {"c-1"}, "seen": {"1"}, "why": {strings.Repeat("я", 200)}})), "Why it is erased: at most 256 bytes")
	wantAll(t, "a reason to keep", want(t, "a reason to keep", http.StatusUnprocessableEntity, f.as(analyst, "/cases/default/c-1/keep",
		map[string][]string{"until": {"2199-01-01"}, "why": {strings.Repeat("я", 200)}})), "at most 256 bytes")
}
