package portal

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/portal/access"
)

// allowing allows what begins so.
type allowing string

func (a allowing) May(_ context.Context, _ access.Person, right access.Right, namespace string) (bool, error) {
	return strings.HasPrefix(right.String()+" "+namespace, string(a)), nil
}

// knowing knows everybody.
type knowing struct{}

func (knowing) Review(_ context.Context, token string) (access.Person, bool, error) {
	return access.Person{Name: token}, true, nil
}

// gated is a portal that people need a token for.
func (f *fixture) gated(t testing.TB, rights access.Reviewer, policy access.Policy) {
	t.Helper()
	f.server.Gate = &access.Gate{
		Tokens: knowing{}, Rights: &access.Rights{Reviewer: rights}, Policy: policy,
		Sessions: &access.Sessions{Keys: access.RandomKeys()}, Logger: f.server.Logger,
	}
	handler, err := f.server.Handler()
	if err != nil {
		t.Fatal(err)
	}
	f.handler = handler
}

func TestRoutesStateWhatTheyNeed(t *testing.T) {
	t.Parallel()
	namespace := strings.Split(runPath, "/")[2]
	chunk := "/wacz/" + folder + "chunks/c0.wacz"
	for _, tc := range []struct {
		path string
		need string // the right and the namespace; empty for what everybody sees
	}{
		{"/crawls", "list snapshots.crawlfleet.dev " + namespace},
		{"/api/v1/runs", "list snapshots.crawlfleet.dev " + namespace},
		{runPath, "list snapshots.crawlfleet.dev " + namespace},
		{"/api/v1" + runPath, "list snapshots.crawlfleet.dev " + namespace},
		{"/snapshots/" + string(idOf("c0", "Bikes")), "get snapshots.crawlfleet.dev " + namespace},
		{"/snapshots/" + string(idOf("c0", "Bikes")) + "/replay", "get snapshots.crawlfleet.dev " + namespace},
		{chunk, access.Copy.String() + " " + namespace},
		{"/healthz", ""}, {"/readyz", ""}, {"/assets/portal.css", ""},
	} {
		f := newFixture(t)
		f.sealed(t)
		f.catch(t)
		f.gated(t, allowing("nothing"), access.Policy{})
		nobody, stranger := http.StatusUnauthorized, http.StatusForbidden
		if strings.HasPrefix(tc.path, "/snapshots/") {
			stranger = http.StatusNotFound // as if there were none
		}
		if tc.need == "" {
			nobody, stranger = http.StatusOK, http.StatusOK
		}
		if res := f.get(tc.path); res.StatusCode != nobody {
			t.Errorf("%s: nobody: %d", tc.path, res.StatusCode)
		}
		if res := f.get(tc.path, "Authorization", "Bearer ann"); res.StatusCode != stranger {
			t.Errorf("%s: somebody without the right: %d", tc.path, res.StatusCode)
		}
		f.gated(t, allowing(tc.need), access.Policy{})
		if res := f.get(tc.path, "Authorization", "Bearer ann"); res.StatusCode != http.StatusOK {
			t.Errorf("%s: somebody with the right: %d %s", tc.path, res.StatusCode, body(t, res))
		}
	}
}

func TestThePurposeIsAskedForWithAForm(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	f.gated(t, allowing("get"), access.Policy{AskPurpose: access.AskLook, Purposes: []string{"screening", "<b>"}, AskCase: true})
	path := "/snapshots/" + string(idOf("c0", "Bikes")) + "?a=b&c=d"
	res := f.get(path, "Authorization", "Bearer ann", "Accept", "text/html")
	text := body(t, res)
	if res.StatusCode != http.StatusPreconditionRequired {
		t.Errorf("status %d", res.StatusCode)
	}
	wantAll(t, "the form", text, `action="/purpose"`, `value="`+strings.ReplaceAll(path, "&", "&amp;")+`"`, "<option>screening", "&lt;b&gt;", `name="case" value="" required`)
	res = f.get(path, "Authorization", "Bearer ann", "Accept", "application/json")
	wantAll(t, "for a program", body(t, res), `"hint"`, access.PurposeHeader)
}

// told is a custody log.
type told struct {
	mu      sync.Mutex
	entries []custody.Entry
}

func (l *told) Append(_ context.Context, entries ...custody.Entry) (custody.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entries...)
	return custody.Receipt{}, nil
}
