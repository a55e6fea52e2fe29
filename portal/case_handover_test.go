package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

const exporter = "eve-read-export"

// signed is a portal with a case of two signed captures, whose custody log is a real one.
type signed struct {
	*caseFixture
	ids    []string
	office *verifytest.Office
	ledger *custody.Log
	keys   dossier.CustodyKeys
}

// oneKey is a key that stays.
type oneKey struct{ key *evidence.Key }

// Key implements evidence.Keys.
func (k oneKey) Key() (*evidence.Key, error) { return k.key, nil }

func newSigned(t *testing.T) *signed {
	t.Helper()
	f := &signed{caseFixture: newCaseFixture(t), office: verifytest.NewOffice(t)}
	for name, file := range verifytest.NewSignedRun(t, f.office, 2) {
		f.put(t, f.bucket, folder+name, file.Data)
	}
	for i, page := range []string{"urn:uuid:p1", "urn:uuid:p2"} {
		chunk := catalog.Chunk{Key: blob.Key(fmt.Sprintf("%schunks/b%d.wacz", folder, i)), Size: 1, Modified: noon, Run: catalog.Run{Namespace: "default", Job: "ads", UID: uid}}
		entry := catalog.Entry{Page: snapshot.Page{Chunk: chunk.Key, ID: page, URL: "https://site.example/" + page, Title: page, Time: noon, Status: 200, Kind: snapshot.Web}}
		if err := f.server.Catalog.(*catalog.Catalog).Add(t.Context(), chunk, []catalog.Entry{entry}, nil); err != nil {
			t.Fatal(err)
		}
		f.ids = append(f.ids, string(cases.NewCapture(chunk.Key, page).ID))
	}
	private, public, err := note.GenerateKey(nil, "fleet.example/custody")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	f.keys = dossier.CustodyKeys{Origin: "fleet.example/custody", Verifiers: note.VerifierList(verifier)}
	f.ledger, err = custody.New(custody.Config{Store: f.bucket, Prefix: "custody", Origin: f.keys.Origin, Verifiers: f.keys.Verifiers, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "verify")
	if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.office.Now = time.Now()
	authority := httptest.NewServer(f.office.Authority)
	t.Cleanup(authority.Close)
	authorities, err := evidence.ParseAuthorities([]string{authority.URL})
	if err != nil {
		t.Fatal(err)
	}
	f.server.Gate.Custody.Log = f.ledger
	f.server.Dossiers = &Dossiers{
		Organization: "An office", Programs: []string{program}, Verifier: &verify.Verifier{Trust: f.office.Trust(t)},
		Keys: oneKey{f.office.Key}, Log: f.ledger, Software: "test", Authorities: authorities,
		Stamper: func(a evidence.Authority) evidence.Stamper {
			return &tsa.Client{URL: a.URL, Roots: f.office.Trust(t).Authorities}
		},
	}
	f.rewire(t)
	f.open(t, "c-17", f.ids...)
	event := cases.Event{Kind: cases.Decided, Decision: cases.HandOver, Capture: catalog.ID(f.ids[1])}
	if _, err := f.server.Cases.Append(t.Context(), "default", "c-17", cases.Draft{By: "ann"}, event); err != nil {
		t.Fatal(err)
	}
	return f
}

// logged are the events of the log.
func (f *signed) logged(t *testing.T) (all []string) {
	t.Helper()
	err := f.ledger.Entries(t.Context(), 0, func(_ int64, e custody.Entry) bool {
		all = append(all, strings.Join([]string{string(e.Event), e.Who, e.Case, e.To, filepath.Base(string(e.Object))}, " "))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSelectionIsHandedOver(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	const one = "/cases/default/c-17"
	page := want(t, "the page", 200, f.as(exporter, one+"/handover", nil))
	wantAll(t, "the page", page, "2 captures", one+"/dossier.zip", `href="/wacz/`+folder+`chunks/b0.wacz"`, `value="`+exporter+`"`)
	wantNone(t, "the page", page, "This portal has no key", "makes no dossiers")
	form := url.Values{"to": {"police-3"}, "decision": {"HandOver"}}
	res := f.as(exporter, one+"/selection.wacz", form)
	raw := want(t, "the file", 200, res)
	if res.Header.Get("Content-Type") != "application/wacz" || res.Header.Get("Content-Disposition") != "attachment; filename=c-17.wacz" {
		t.Errorf("%v", res.Header)
	}
	findings, err := wacz.Validate(t.Context(), strings.NewReader(raw), int64(len(raw)), nil)
	if err != nil || len(findings) > 0 {
		t.Errorf("%v %v", findings, err)
	}
	tied := []string{"TiedToCase " + analyst + " c-17  b0.wacz", "TiedToCase " + analyst + " c-17  b1.wacz"}
	if got := f.logged(t); !slices.Equal(got, append(tied, "Exported "+exporter+" c-17 police-3 b1.wacz")) {
		t.Errorf("the log has %q", got)
	}
	want(t, "for a program", 200, f.as(exporter, "/api/v1"+one+"/selection.wacz?to=police-3", nil, "Accept", "application/json"))
	if got := f.logged(t); len(got) != 5 {
		t.Errorf("the log has %q", got)
	}
	for what, form := range map[string]url.Values{
		"Say to whom":        {"decision": {"HandOver"}},
		"no capture to hand": {"to": {"police-3"}, "decision": {"NeedsReview"}},
		"one of Relevant":    {"to": {"police-3"}, "decision": {"handover"}},
		"at most 200 charac": {"to": {strings.Repeat("x", 201)}},
	} {
		res := f.as(exporter, one+"/selection.wacz", form)
		wantAll(t, what, body(t, res), what)
		if res.StatusCode != http.StatusUnprocessableEntity && res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", what, res.StatusCode)
		}
	}
	f.store.Remove("/archive/" + folder + "chunks/b0.wacz")
	form = url.Values{"to": {"police-3"}}
	wantAll(t, "erased", want(t, "erased", http.StatusConflict, f.as(exporter, one+"/selection.wacz", form)), "not in the archive any more", `value="police-3"`)
	form.Set("present", "yes")
	want(t, "without what is erased", 200, f.as(exporter, one+"/selection.wacz", form))
	f.store.Remove("/archive/" + folder + "chunks/b1.wacz")
	f.put(t, f.bucket, folder+"chunks/b1.wacz", []byte("PK no more"))
	before := len(f.logged(t))
	res = f.as(exporter, one+"/selection.wacz", form)
	want(t, "damaged", res.StatusCode, res)
	if res.StatusCode == http.StatusOK || len(f.logged(t)) != before {
		t.Errorf("damaged: %d, %v", res.StatusCode, f.logged(t))
	}
}

// TestNothingIsHandedOverInSecret: not a byte leaves when the log cannot be told.
func TestNothingIsHandedOverInSecret(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	f.server.Gate.Custody.Log = &logbook{trouble: errors.New("the store is full")}
	for _, path := range []string{"selection.wacz", "dossier.zip"} {
		page := want(t, path, http.StatusServiceUnavailable, f.as(exporter, "/cases/default/c-17/"+path, url.Values{"to": {"police-3"}}))
		wantAll(t, path, page, "custody log cannot be written", `value="police-3"`)
		wantNone(t, path, page, "PK\x03\x04")
		page = want(t, path, http.StatusServiceUnavailable, f.as(exporter, "/api/v1/cases/default/c-17/"+path+"?to=police-3", nil, "Accept", "application/json"))
		wantAll(t, path, page, `"reason":"CustodyUnavailable"`)
	}
	if left, err := os.ReadDir(f.server.Temp); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}

// TestNothingDamagedIsHandedOver: a file that rotted in the store is told as that.
func TestNothingDamagedIsHandedOver(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	chunks := f.store.Keys("/archive/")
	f.store.Damage(chunks[slices.IndexFunc(chunks, func(k string) bool { return strings.HasSuffix(k, ".wacz") })])
	before := len(f.logged(t))
	for _, path := range []string{"selection.wacz", "dossier.zip"} {
		form := url.Values{"to": {"police-3"}}
		if path == "dossier.zip" {
			form.Set("by", "An analyst")
		}
		page := want(t, path, http.StatusConflict, f.as(exporter, "/cases/default/c-17/"+path, form))
		wantAll(t, path, page, "A file of the archive is damaged", `value="police-3"`)
	}
	if told := f.logged(t); len(told) != before {
		t.Errorf("told as handed over: %v", told[before:])
	}
}

func TestDossierIsHandedOver(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	const path = "/cases/default/c-17/dossier.zip"
	form := url.Values{"to": {"police-3"}, "by": {"An analyst"}}
	res := f.as(exporter, path, form)
	f.checkDossier(t, []byte(want(t, "the dossier", 200, res)))
	if res.Header.Get("Content-Disposition") != "attachment; filename=c-17.zip" {
		t.Errorf("%v", res.Header)
	}
	form.Set("recipient", id.Recipient().String()+"\r\n")
	res = f.as(exporter, path, form)
	sealed := want(t, "encrypted", 200, res)
	r, err := age.Decrypt(strings.NewReader(sealed), id)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil || res.Header.Get("Content-Disposition") != "attachment; filename=c-17.zip.age" {
		t.Errorf("%v %v", err, res.Header)
	}
	f.checkDossier(t, plain)
	for what, change := range map[string]string{"not an age recipient": "recipient", "64 hexadecimal": "supersedes"} {
		form := url.Values{"to": {"police-3"}, change: {"age1<b>"}}
		page := want(t, what, 422, f.as(exporter, path, form))
		wantAll(t, what, page, what, "age1&lt;b&gt;")
	}
	f.server.Dossiers.Programs = []string{"/none"}
	wantAll(t, "a program that is not there", want(t, "no program", 500, f.as(exporter, path, url.Values{"to": {"police-3"}})), "could not be made")
	f.server.Dossiers.Keys = nil
	wantAll(t, "without a key", want(t, "page", 200, f.as(exporter, "/cases/default/c-17/handover", nil)), "the dossier is not signed")
	f.server.Dossiers = nil
	f.rewire(t)
	wantAll(t, "no dossiers", want(t, "page", 200, f.as(exporter, "/cases/default/c-17/handover", nil)), "crawlctl dossier create")
	want(t, "no dossiers", 404, f.as(exporter, path, form))
}

// checkDossier verifies a dossier as who receives it does.
func (f *signed) checkDossier(t *testing.T, raw []byte) {
	t.Helper()
	dir := t.TempDir()
	wrong, err := dossier.Unpack(bytes.NewReader(raw), int64(len(raw)), dir)
	if err != nil || len(wrong) > 0 {
		t.Fatal(wrong, err)
	}
	checker := &dossier.Checker{Verifier: &verify.Verifier{Trust: f.office.Trust(t)}, Custody: f.keys}
	report, err := checker.Check(t.Context(), os.DirFS(dir), "c-17.zip")
	if err != nil || report.Verdict != verify.Holds {
		t.Errorf("%s %v", report.Verdict, err)
		for _, c := range report.Checks {
			if c.Verdict != verify.Holds {
				t.Errorf("%s %s %s", c.Name, c.Verdict, c.Reason)
			}
		}
	}
	proofs, err := filepath.Glob(filepath.Join(dir, "data/exhibits/E02/custody/*-exported.proof"))
	if err != nil || len(proofs) == 0 {
		t.Errorf("no proof of this export: %v %v", proofs, err)
	}
	ties, err := filepath.Glob(filepath.Join(dir, "data/exhibits/E02/custody/*-tiedtocase.proof"))
	if err != nil || len(ties) != 1 {
		t.Errorf("proofs that it belongs to the case: %v %v", ties, err)
	}
}

func TestCaseAPI(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms", "Bikes")
	elsewhere := f.archive(t, "other", "c9", "Elsewhere")
	const one = "/api/v1/cases/default/c-1"
	send := func(what, path, content string, status int, into any) {
		t.Helper()
		res := f.post(path, content, "Authorization", "Bearer "+analyst, "Content-Type", "application/json", "Accept", "application/json")
		text := body(t, res)
		if res.StatusCode != status || res.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s", what, res.StatusCode, text)
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(what, err)
		}
	}
	var p struct {
		Status  int
		Error   string
		Hint    string
		Version int64
		Since   []cases.Entry
	}
	var s cases.Summary
	for range 2 {
		send("open", "/api/v1/cases/default", `{"name":"c-1","title":"Harbour","id":"a"}`, 201, &s)
	}
	for range 2 {
		send("add", one+"/events", `{"kind":"Added","captures":["`+strings.Join(ids, `","`)+`"],"id":"b"}`, 200, &s)
	}
	send("decide", one+"/events", `{"kind":"Decided","capture":"`+ids[0]+`","decision":"Relevant","seen":2}`, 200, &s)
	if s.Version != 3 || s.Captures != 2 || s.Decided[cases.Relevant] != 1 {
		t.Errorf("%+v", s)
	}
	send("close, unseen", one+"/events", `{"kind":"Closed","reason":"done","seen":2}`, 409, &p)
	if len(p.Since) != 1 || p.Since[0].Event.Decision != cases.Relevant || p.Version != 3 || p.Hint == "" {
		t.Errorf("%+v", p)
	}
	send("close, a version that there is not", one+"/events", `{"kind":"Closed","reason":"done","seen":9}`, 409, &p)
	if p.Since == nil || len(p.Since) != 0 || p.Version != 3 {
		t.Errorf("%+v", p)
	}
	for range 2 {
		send("remove", one+"/events", `{"kind":"Removed","captures":["`+ids[1]+`"],"reason":"a mistake","id":"c"}`, 200, &s)
	}
	for what, tc := range map[string]struct {
		content string
		status  int
	}{
		"no JSON": {"x", 400}, "more than one": {`{"kind":"Noted","text":"a"} {}`, 400}, "a member that nobody knows": {`{"kind":"Noted","txt":"a"}`, 400},
		"no such kind": {`{"kind":"Burned"}`, 422}, "opened": {`{"kind":"Opened"}`, 400}, "nothing to add": {`{"kind":"Added"}`, 422},
		"what is not there": {`{"kind":"Added","captures":["none"]}`, 404}, "of another namespace": {`{"kind":"Added","captures":["` + elsewhere[0] + `"]}`, 404},
		"what is not in it": {`{"kind":"Removed","captures":["none"],"reason":"r"}`, 404}, "captures of a note": {`{"kind":"Noted","text":"a","captures":["x"]}`, 400},
		"closed unseen": {`{"kind":"Closed","reason":"r"}`, 422}, "not closed": {`{"kind":"Reopened","reason":"r"}`, 409}, "a title": {`{"kind":"Noted","text":"a","title":"t"}`, 400},
	} {
		send(what, one+"/events", tc.content, tc.status, &p)
		if p.Status != tc.status || p.Error == "" || p.Hint == "" {
			t.Errorf("%s: %+v", what, p)
		}
	}
	send("a case that is not there", "/api/v1/cases/default/none/events", `{"kind":"Noted","text":"a"}`, 404, &p)
	send("a name that is none", "/api/v1/cases/default", `{"name":"No Name","title":"T"}`, 422, &p)
	send("a name that is taken", "/api/v1/cases/default", `{"name":"c-1","title":"T"}`, 409, &p)
	var c cases.Case
	if err := json.Unmarshal([]byte(want(t, "the case", 200, f.as(analyst, one, nil, "Accept", "application/json"))), &c); err != nil || c.Version != 4 || len(c.Captures) != 1 || len(c.History) != 4 {
		t.Errorf("%+v %v", c, err)
	}
	var list struct{ Items []cases.Summary }
	if err := json.Unmarshal([]byte(want(t, "the list", 200, f.as(analyst, "/api/v1/cases", nil))), &list); err != nil || len(list.Items) != 1 {
		t.Errorf("%+v %v", list, err)
	}
	if got := f.log.events(); len(got) != 2 {
		t.Errorf("the custody log has %v", got)
	}
	if err := f.server.Catalog.(*catalog.Catalog).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBrokenOff: an answer that cannot come to its end is no whole one.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	r := httptest.NewRequest(http.MethodGet, "/api/v1/cases/default/c-17/selection.wacz?to=police-3", nil)
	r.Host = "127.0.0.1"
	r.Header.Set("Authorization", "Bearer "+exporter)
	defer func() {
		if recover() != http.ErrAbortHandler { //nolint:errorlint // it is panicked with as it is
			t.Error("the answer ends as if it were whole")
		}
	}()
	f.handler.ServeHTTP(&full{ResponseRecorder: httptest.NewRecorder()}, r)
}

// full takes a few bytes.
type full struct {
	*httptest.ResponseRecorder
	taken int
}

func (f *full) Write(b []byte) (int, error) {
	if f.taken += len(b); f.taken > 100 {
		return 0, errors.New("nobody listens any more")
	}
	return len(b), nil
}

var _ access.Log = (*logbook)(nil)
