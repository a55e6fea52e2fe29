package portal

import (
	"net/http"
	"strconv"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// TestAnswersOfCasesAreAsDescribed asks one thing after the other of a case, from its opening to its erasure.
func TestAnswersOfCasesAreAsDescribed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.found(t, folder+"chunks/c0.wacz")
	capture := string(catalog.NewID(blob.Key(folder+"chunks/c0.wacz"), "id-Start"))
	const list, open, one, events = "/api/v1/cases", "/api/v1/cases/{namespace}", "/api/v1/cases/{namespace}/{name}", "/api/v1/cases/{namespace}/{name}/events"
	const of, dossier = "/api/v1/cases/default/c-1", "/api/v1/cases/{namespace}/{name}/dossier.zip"
	ask := func(method, path, content, described string, status int) {
		t.Helper()
		res := f.send(method, path, "application/json", content, "Accept", "application/json")
		text := body(t, res)
		if res.StatusCode != status {
			t.Errorf("%s: %d, want %d: %s", path, res.StatusCode, status, text)
			return
		}
		name := map[string]string{http.MethodGet: "get", http.MethodPost: "post"}[method]
		if err := validate(t, name, described, strconv.Itoa(status), []byte(text)); err != nil {
			t.Errorf("%s: %v\n%s", path, err, text)
		}
	}
	get := func(path, described string, status int) { t.Helper(); ask(http.MethodGet, path, "", described, status) }
	do := func(content string, status int) {
		t.Helper()
		ask(http.MethodPost, of+"/events", content, events, status)
	}

	get(list, list, 200)
	ask(http.MethodPost, "/api/v1/cases/default", `{"name":"c-1","title":"Harbour","description":"What is seen there."}`, open, 201)
	ask(http.MethodPost, "/api/v1/cases/default", `{"name":"c-1","title":"Harbour"}`, open, 409)
	ask(http.MethodPost, "/api/v1/cases/default", `{"name":"No Name","title":"Harbour"}`, open, 422)
	do(`{"kind":"Added","captures":["`+capture+`"]}`, 200)
	do(`{"kind":"Noted","text":"look again"}`, 200)
	do(`{"kind":"Tagged","capture":"`+capture+`","tags":["boats"]}`, 200)
	do(`{"kind":"Decided","capture":"`+capture+`","decision":"Relevant","reason":"as noted"}`, 200)
	do(`{"kind":"Closed","reason":"done","seen":1}`, 409)   // others did more
	do(`{"kind":"Closed","reason":"done","seen":100}`, 409) // there is no such version
	do(`{"kind":"Reopened","reason":"more"}`, 409)
	do(`{"kind":"Burned"}`, 422)
	do(`{}}`, 400)
	get(of, one, 200)
	get(of+"/dossier.zip?to=desk", dossier, 404)
	get(of+"/selection.wacz", "/api/v1/cases/{namespace}/{name}/selection.wacz", 422)
	do(`{"kind":"Closed","reason":"done","seen":5}`, 200)
	get(of, one, 200)
	get(list, list, 200)
	if _, err := f.server.Cases.Erase(t.Context(), "default", "c-1", "ann", "it is over"); err != nil {
		t.Fatal(err)
	}
	get(of, one, 200)
	get(list, list, 200)
	do(`{"kind":"Noted","text":"too late"}`, 410)
	f.put(t, f.bucket, cases.Root+"default/torn/00000001.json", []byte("torn"))
	get(list, list, 200)
	get("/api/v1/cases/default/torn", one, 500)
}
