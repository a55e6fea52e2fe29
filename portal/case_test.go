package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// logbook is a custody log that may fail.
type logbook struct {
	mu      sync.Mutex
	entries []custody.Entry
	trouble error
}

func (l *logbook) Append(_ context.Context, entries ...custody.Entry) (custody.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble != nil {
		return custody.Receipt{}, l.trouble
	}
	l.entries = append(l.entries, entries...)
	return custody.Receipt{}, nil
}

// events are the log's events with the case and to whom.
func (l *logbook) events() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Event, e.Who, e.Case, e.To)))
	}
	return all
}

// caseFixture is a portal with cases, in which people have the rights that their token names.
type caseFixture struct {
	*fixture
	log *logbook
}

// tokenRights allows what the name of a person says: words of read, write, find, look, copy and export, with
// dashes between, each in the namespace default; nobody has one elsewhere.
type tokenRights struct{}

var rightNames = map[string]access.Right{
	"read": access.ReadCases, "write": access.WriteCases, "find": access.Find, "look": access.Look, "copy": access.Copy, "export": access.Export,
}

func (tokenRights) May(_ context.Context, p access.Person, right access.Right, namespace string) (bool, error) {
	for word := range strings.SplitSeq(p.Name, "-") {
		if rightNames[word] == right && namespace == "default" {
			return true, nil
		}
	}
	return false, nil
}

const analyst, other = "ann-read-write-find", "bob-read-write-find"

func newCaseFixture(t *testing.T) *caseFixture {
	t.Helper()
	f := &caseFixture{fixture: newFixture(t), log: &logbook{}}
	f.server.Cases = cases.New(f.bucket, nil)
	f.server.Keeper = &cases.Retention{Store: f.bucket, Now: time.Now}
	f.server.Temp = t.TempDir()
	f.server.Gate = &access.Gate{
		Tokens: knowing{}, Rights: &access.Rights{Reviewer: tokenRights{}}, Sessions: &access.Sessions{Keys: access.RandomKeys()},
		Custody: &access.Custody{Log: f.log, Chunks: f.bucket}, Logger: f.server.Logger,
	}
	f.rewire(t)
	return f
}

func (f *caseFixture) rewire(t *testing.T) {
	t.Helper()
	var err error
	if f.handler, err = f.server.Handler(); err != nil {
		t.Fatal(err)
	}
}

// archive puts captures into the catalog, and a file for them into the store, and returns their IDs.
func (f *caseFixture) archive(t *testing.T, namespace, file string, titles ...string) []string {
	t.Helper()
	key := namespace + "/ads/" + uid + "/chunks/" + file + ".wacz"
	f.put(t, f.bucket, key, []byte("the file of "+strings.Join(titles, " ")))
	var entries []catalog.Entry
	var ids []string
	for i, title := range titles {
		page := "p" + fmt.Sprint(i)
		entries = append(entries, catalog.Entry{Page: snapshot.Page{
			Chunk: blob.Key(key), ID: page, URL: fmt.Sprintf("https://www.example.org/%s/%d", file, i), Title: title, Time: noon.Add(time.Duration(i) * time.Minute),
			Status: 200, Kind: snapshot.Web, Picture: true,
		}})
		ids = append(ids, string(cases.NewCapture(blob.Key(key), page).ID))
	}
	known := f.server.Catalog.(*catalog.Catalog)
	chunk := catalog.Chunk{Key: blob.Key(key), Size: 1, Modified: noon, Run: catalog.Run{Namespace: namespace, Job: "ads", UID: uid}}
	if err := known.Add(t.Context(), chunk, entries, []string{"org,example"}); err != nil {
		t.Fatal(err)
	}
	return ids
}

// as asks as a person does; with a body it posts a form.
func (f *caseFixture) as(who, path string, form url.Values, header ...string) *http.Response {
	if form == nil {
		return f.get(path, append([]string{"Authorization", "Bearer " + who}, header...)...)
	}
	return f.post(path, form.Encode(), append([]string{"Authorization", "Bearer " + who, "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

func (f *caseFixture) post(path, content string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(content))
	r.Host = "127.0.0.1:8080"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w.Result()
}

// want checks a status, and returns the body.
func want(t *testing.T, what string, status int, res *http.Response) string {
	t.Helper()
	text := body(t, res)
	if res.StatusCode != status {
		t.Fatalf("%s: status %d, want %d:\n%s", what, res.StatusCode, status, text)
	}
	return text
}

// open opens a case and adds captures to it.
func (f *caseFixture) open(t *testing.T, name string, ids ...string) {
	t.Helper()
	form := url.Values{"namespace": {"default"}, "name": {name}, "title": {"Harbour"}, "do": {"open"}}
	path := "/cases"
	if len(ids) > 0 {
		form["id"], path = ids, "/cases/add"
	}
	res := f.as(analyst, path, form)
	want(t, "open a case", http.StatusSeeOther, res)
	if to := res.Header.Get("Location"); to != "/cases/default/"+name {
		t.Errorf("leads to %q", to)
	}
}

func (f *caseFixture) read(t *testing.T, name string) *cases.Case {
	t.Helper()
	c, err := f.server.Cases.Get(t.Context(), "default", name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var hidden = regexp.MustCompile(`name="(draft|seen)" value="([^"]*)"`)

// formIn reads the draft and the version of the form in a page that comes first after a text.
func formIn(t *testing.T, page, after string) url.Values {
	t.Helper()
	_, page, ok := strings.Cut(page, after)
	found := hidden.FindAllStringSubmatch(page, 2)
	if !ok || len(found) != 2 {
		t.Fatalf("no form after %q", after)
	}
	return url.Values{found[0][1]: {found[0][2]}, found[1][1]: {found[1][2]}}
}

func TestCaseFromOpenToEnd(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms", "Bikes", "Boats")
	wantAll(t, "no case yet", want(t, "the list", 200, f.as(analyst, "/cases", nil)), "There are no cases yet", `href="/cases/new"`)
	page := want(t, "new", 200, f.as(analyst, "/cases/new", nil))
	wantAll(t, "new", page, "<option>default</option>")
	form := formIn(t, page, `action="/cases"`)
	for name, value := range map[string]string{"namespace": "default", "name": "2026-17", "title": "Harbour", "description": "All of it"} {
		form.Set(name, value)
	}
	for range 2 { // sent twice
		want(t, "open", http.StatusSeeOther, f.as(analyst, "/cases", form))
	}
	if c := f.read(t, "2026-17"); c.Version != 1 || c.Opened.By != analyst {
		t.Errorf("%+v", c)
	}
	page = want(t, "choose", 200, f.as(analyst, "/cases/add?id="+ids[0]+"&id="+ids[1], nil))
	wantAll(t, "choose", page, "Rooms", "Bikes", `<option value="2026-17">Harbour (2026-17)</option>`, "2 captures")
	form = formIn(t, page, `action="/cases/add"`)
	form["id"], form["namespace"], form["case"], form["do"] = ids[:2], []string{"default"}, []string{"2026-17"}, []string{"choose"}
	for range 2 {
		want(t, "add", http.StatusSeeOther, f.as(analyst, "/cases/add", form))
	}
	if got := f.log.events(); strings.Join(got, ", ") != "TiedToCase "+analyst+" 2026-17, TiedToCase "+analyst+" 2026-17" {
		t.Errorf("the custody log has %v", got)
	}
	const one = "/cases/default/2026-17"
	page = want(t, "the case", 200, f.as(analyst, one, nil))
	wantAll(t, "the case", page, "Harbour", "All of it", ">open<", ">Rooms<", ">Bikes<", "www.example.org/c0/0", "added 2 captures", "2 captures",
		`src="/snapshots/`+ids[0]+`/thumbnail"`, one+"/captures/"+ids[0])
	page = want(t, "a capture", 200, f.as(analyst, one+"/captures/"+ids[0], nil))
	wantAll(t, "a capture", page, "1 of 2 captures", `rel="next"`, "See the snapshot")
	form = formIn(t, page, `action="`+one+"/captures/"+ids[0]+`" class`)
	form["do"], form["note"], form["tags"], form["decision"], form["reason"] = []string{"say"}, []string{"The same\r\nphone"}, []string{"phone, boat"}, []string{"Relevant"}, []string{"seen before"}
	form.Set("next", ids[1])
	res := f.as(analyst, one+"/captures/"+ids[0], form)
	want(t, "say", http.StatusSeeOther, res)
	if to := res.Header.Get("Location"); to != one+"/captures/"+ids[1] {
		t.Errorf("leads to %q", to)
	}
	want(t, "say again", http.StatusSeeOther, f.as(analyst, one+"/captures/"+ids[0], form))
	it := f.read(t, "2026-17").Captures[0]
	if len(it.Notes) != 1 || it.Notes[0].Text != "The same\nphone" || strings.Join(it.Tags, " ") != "boat phone" || it.Decision == nil || it.Decision.Word != cases.Relevant {
		t.Errorf("%+v", it)
	}
	wantAll(t, "the list", want(t, "the list", 200, f.as(analyst, "/cases", nil)), "Harbour", "relevant: 1", ">2<", "1 case")
	wantNone(t, "only undecided", want(t, "undecided", 200, f.as(analyst, one+"?decision=none", nil)), `id="c-`+ids[0])
	page = want(t, "history", 200, f.as(analyst, one+"/history", nil))
	wantAll(t, "history", page, "5 events", "decided: relevant", "seen before", "tagged: phone, boat", "wrote a note")
	form = formIn(t, page0(t, f, one+"/captures/"+ids[1]), "/remove")
	want(t, "remove for no reason", 422, f.as(analyst, one+"/captures/"+ids[1]+"/remove", form))
	form.Set("reason", "a mistake")
	for range 2 {
		want(t, "remove", http.StatusSeeOther, f.as(analyst, one+"/captures/"+ids[1]+"/remove", form))
	}
	want(t, "a capture that is not in it", 404, f.as(analyst, one+"/captures/"+ids[1], nil))
	form = formIn(t, page0(t, f, one), one+"/close")
	form.Set("reason", "done")
	want(t, "close", http.StatusSeeOther, f.as(analyst, one+"/close", form))
	page = page0(t, f, one)
	wantAll(t, "closed", page, ">closed<", "closed by", one+"/reopen")
	wantNone(t, "closed", page, "Save")
	form["id"], form["namespace"], form["case"], form["do"] = ids[2:], []string{"default"}, []string{"2026-17"}, []string{"choose"}
	wantAll(t, "add to a closed case", want(t, "add", 409, f.as(analyst, "/cases/add", form)), "The case is closed.")
	form = formIn(t, page, one+"/reopen")
	form.Set("reason", "more came")
	want(t, "reopen", http.StatusSeeOther, f.as(analyst, one+"/reopen", form))
}

func page0(t *testing.T, f *caseFixture, path string) string {
	t.Helper()
	return want(t, path, 200, f.as(analyst, path, nil))
}

// TestTwoAtOnce: what others did meanwhile is shown where it is about the same, and passes where not.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms", "Bikes")
	f.open(t, "c-1", ids...)
	const one = "/cases/default/c-1"
	first, second := one+"/captures/"+ids[0], one+"/captures/"+ids[1]
	ann := formIn(t, page0(t, f, first), `action="`+first+`" class`)
	bob := formIn(t, page0(t, f, second), `action="`+second+`" class`)
	closing := formIn(t, page0(t, f, one), one+"/close")
	ann["do"], ann["decision"], ann["note"] = []string{"say"}, []string{"Relevant"}, []string{"mine"}
	bob["do"], bob["decision"] = []string{"say"}, []string{"NotRelevant"}
	want(t, "bob decides about another", http.StatusSeeOther, f.as(other, second, bob))
	want(t, "ann decides", http.StatusSeeOther, f.as(analyst, first, ann))
	late := url.Values{"do": {"say"}, "draft": bob["draft"], "seen": bob["seen"], "decision": {"HandOver"}, "reason": {"<b>because</b>"}, "note": {"kept words"}}
	page := want(t, "bob decides about the same, unseen", http.StatusConflict, f.as(other, first, late))
	wantAll(t, "the conflict", page, "Others changed the case meanwhile", "decided: relevant", analyst, "kept words", "&lt;b&gt;because", `<option value="HandOver" selected>`)
	wantNone(t, "the conflict", page, "<b>because")
	again := formIn(t, page, `action="`+first+`" class`)
	late["seen"] = again["seen"]
	want(t, "bob has seen it", http.StatusSeeOther, f.as(other, first, late))
	if d := f.read(t, "c-1").Captures[0].Decision; d.Word != cases.HandOver || d.By != other {
		t.Errorf("%+v", d)
	}
	closing.Set("reason", "done")
	wantAll(t, "closed unseen", want(t, "close", http.StatusConflict, f.as(analyst, one+"/close", closing)), "kept words", `value="done"`)
	var wg sync.WaitGroup
	for i := range 8 {
		who := []string{analyst, other}[i%2]
		wg.Go(func() {
			res := f.as(who, one, url.Values{"do": {"say"}, "note": {fmt.Sprint("note ", i)}, "seen": {"1"}})
			if res.StatusCode != http.StatusSeeOther {
				t.Errorf("note %d: %d", i, res.StatusCode)
			}
		})
	}
	wg.Wait()
	if n := len(f.read(t, "c-1").Notes); n != 8 {
		t.Errorf("%d notes of 8", n)
	}
}

func TestWhatIsTypedIsKept(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms")
	f.open(t, "taken")
	const hostile = `"><script>alert(1)</script>`
	for _, tc := range []struct {
		reason, path string
		form         url.Values
		status       int
		want         []string
	}{
		{"a name that is none", "/cases", url.Values{"namespace": {"default"}, "name": {"No Name"}, "title": {hostile}, "description": {"words"}}, 422,
			[]string{`value="No Name"`, `value="&#34;&gt;&lt;script`, ">words</textarea>", "63 lower-case"}},
		{"no title", "/cases", url.Values{"namespace": {"default"}, "name": {"a-1"}}, 422, []string{`value="a-1"`, "Title is missing."}},
		{"a long title", "/cases", url.Values{"namespace": {"default"}, "name": {"a-1"}, "title": {strings.Repeat("x", 300)}}, 422, []string{"at most 256"}},
		{"a name that is taken", "/cases", url.Values{"namespace": {"default"}, "name": {"taken"}, "title": {"T"}}, 409, []string{"already", `value="taken"`}},
		{"a new case of a name that is taken", "/cases/add", url.Values{"namespace": {"default"}, "id": ids, "do": {"open"}, "name": {"taken"}, "title": {"T2"}}, 409, []string{"already", `value="T2"`}},
		{"no case", "/cases/add", url.Values{"namespace": {"default"}, "id": ids, "do": {"choose"}}, 422, []string{"Choose a case."}},
		{"a case that is not there", "/cases/add", url.Values{"namespace": {"default"}, "id": ids, "do": {"choose"}, "case": {"none"}}, 404, []string{"no such case"}},
		{"a note too long", "/cases/default/taken", url.Values{"do": {"say"}, "note": {strings.Repeat("x", 17<<10)}, "tags": {"kept"}}, 422, []string{"at most 16,384", `value="kept"`}},
		{"a tag too long", "/cases/default/taken", url.Values{"do": {"say"}, "note": {"kept"}, "tags": {strings.Repeat("x", 65)}}, 422, []string{"at most 64", ">kept</textarea>"}},
		{"controls in a note", "/cases/default/taken", url.Values{"do": {"say"}, "note": {"a\x00b"}}, 422, []string{"Note: at most"}},
		{"another name to erase", "/cases/default/taken/erase", url.Values{"why": {"over"}, "name": {"other"}, "seen": {"1"}}, 422, []string{"Type the name", `value="over"`}},
		{"an erasure for no reason", "/cases/default/taken/erase", url.Values{"name": {"taken"}, "seen": {"1"}}, 422, []string{"Why it is erased is missing."}},
		{"an erasure of what was not seen", "/cases/default/taken/erase", url.Values{"why": {"over"}, "name": {"taken"}}, 409, []string{"Others changed", "opened the case"}},
		{"kept until yesterday", "/cases/default/taken/keep", url.Values{"until": {"2020-01-01"}, "why": {"w"}}, 422, []string{"not passed"}},
	} {
		page := want(t, tc.reason, tc.status, f.as(analyst, tc.path, tc.form))
		wantAll(t, tc.reason, page, tc.want...)
		wantNone(t, tc.reason, page, "<script>alert")
	}
	if c := f.read(t, "taken"); c.Version != 1 {
		t.Errorf("%+v", c.History)
	}
	res := f.as(analyst, "/cases/default/taken", url.Values{"do": {"say"}, "note": {"kept"}}, "Cookie", "lang=nl")
	want(t, "a note", http.StatusSeeOther, res)
	wantAll(t, "in Dutch", want(t, "nl", 422, f.as(analyst, "/cases", url.Values{"namespace": {"default"}, "name": {"b"}}, "Cookie", "lang=nl")), "Titel ontbreekt.", "Een zaak openen")
	// The store fails: the words are there to be sent again.
	f.store.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return r.Method == http.MethodPut
	}
	page := want(t, "the store is out of reach", http.StatusBadGateway, f.as(analyst, "/cases/default/taken", url.Values{"do": {"say"}, "note": {"long thoughts"}}))
	wantAll(t, "the store is out of reach", page, "long thoughts", "counts once")
}

// TestHostileCase shows what people and pages may write.
func TestHostileCase(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	const evil = "<img src=x onerror=alert(1)>\u202egnp.exe"
	ids := f.archive(t, "default", "c0", evil, `" onmouseover="alert(2)`)
	ctx, d := t.Context(), cases.Draft{By: "<b>eve</b>\u202e"}
	events := []cases.Event{
		{Kind: cases.Added, Captures: []cases.Capture{cases.NewCapture("default/ads/"+uid+"/chunks/c0.wacz", "p0")}},
		{Kind: cases.Noted, Text: evil}, {Kind: cases.Noted, Text: evil, Capture: catalog.ID(ids[0])},
		{Kind: cases.Tagged, Tags: []string{evil}}, {Kind: cases.Tagged, Tags: []string{evil}, Capture: catalog.ID(ids[0])},
		{Kind: cases.Decided, Decision: cases.Relevant, Reason: evil}, {Kind: cases.Decided, Decision: cases.Relevant, Reason: evil, Capture: catalog.ID(ids[0])},
	}
	if _, err := f.server.Cases.Open(ctx, "default", "c-1", d, evil, evil); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if _, err := f.server.Cases.Append(ctx, "default", "c-1", d, e); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{
		"/cases", "/cases/default/c-1", "/cases/default/c-1/history", "/cases/default/c-1/captures/" + ids[0], "/cases/default/c-1/keep",
		"/cases/default/c-1/erase", "/cases/add?id=" + ids[0] + "&id=" + ids[1], "/cases/default/c-1?decision=" + url.QueryEscape(evil),
	} {
		page := want(t, path, 200, f.as(analyst, path, nil))
		// What a field of a form has as its value stays in that field.
		page = regexp.MustCompile(`value="[^"]*"`).ReplaceAllString(page, "")
		wantNone(t, path, page, "<img src=x", "<b>eve", `" onmouseover="`, "\u202e")
	}
	page := want(t, "hand over", 200, f.as("ann-read-export", "/cases/default/c-1/handover", nil))
	wantNone(t, "hand over", page, "<img src=x", "\u202e")
}

// TestLargeCase: a case of a thousand captures is shown in parts, and soon.
func TestLargeCase(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	titles := make([]string, 1000)
	for i := range titles {
		titles[i] = fmt.Sprintf("Page %d.", i)
	}
	ids := f.archive(t, "default", "c0", titles...)
	start := time.Now()
	f.open(t, "large", ids...)
	for i := range 200 {
		e := cases.Event{Kind: cases.Decided, Decision: cases.Relevant, Capture: catalog.ID(ids[i*5])}
		if i >= 60 {
			e = cases.Event{Kind: cases.Noted, Text: "a note", Capture: catalog.ID(ids[i])}
		}
		if _, err := f.server.Cases.Append(t.Context(), "default", "large", cases.Draft{By: "ann"}, e); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("made in %v", time.Since(start))
	const one = "/cases/default/large"
	page0(t, f, one) // the first one reads all events
	for path, parts := range map[string][]string{
		one:                               {"1 / 20", "Page 0.", "Page 49.", "(1,000)", "relevant (60)", "undecided (940)"},
		one + "?page=20":                  {"20 / 20", "Page 999."},
		one + "?decision=Relevant&page=2": {"2 / 2", "Page 295."},
		one + "/history":                  {"202 events", "1 / 3"},
		one + "/captures/" + ids[500]:     {"501 of 1,000 captures"},
		one + "/keep":                     {"1,000"},
		"/cases":                          {"1,000"},
	} {
		start := time.Now()
		page := page0(t, f, path)
		took := time.Since(start)
		t.Logf("%s: %v, %d bytes", path, took, len(page))
		if took > 2*time.Second {
			t.Errorf("%s took %v", path, took)
		}
		wantAll(t, path, page, parts...)
	}
	if got := len(f.log.entries); got != 1000 {
		t.Errorf("the custody log has %d entries", got)
	}
}

// TestNothingIsTiedInSecret: a log that cannot be written keeps captures out of cases.
func TestNothingIsTiedInSecret(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms")
	f.open(t, "c-1")
	f.log.trouble = errors.New("the store is full")
	form := url.Values{"namespace": {"default"}, "id": ids, "do": {"choose"}, "case": {"c-1"}}
	wantAll(t, "add", want(t, "add", http.StatusServiceUnavailable, f.as(analyst, "/cases/add", form)), "custody log cannot be written")
	if c := f.read(t, "c-1"); len(c.Captures) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestCaseErased(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms")
	f.open(t, "c-1", ids...)
	const one = "/cases/default/c-1"
	form := formIn(t, page0(t, f, one+"/erase"), one+"/erase")
	form["why"], form["name"] = []string{"the purpose is over"}, []string{"c-1"}
	for range 2 {
		want(t, "erase", http.StatusSeeOther, f.as(analyst, one+"/erase", form))
	}
	page := page0(t, f, one)
	wantAll(t, "the stub", page, ">erased<", "the purpose is over", analyst)
	wantNone(t, "the stub", page, "Harbour", "Rooms")
	wantAll(t, "the list", page0(t, f, "/cases"), "c-1", ">erased<")
	want(t, "say", http.StatusGone, f.as(analyst, one, url.Values{"note": {"late"}}))
	want(t, "open again", http.StatusGone, f.as(analyst, "/cases", url.Values{"namespace": {"default"}, "name": {"c-1"}, "title": {"T"}}))
	want(t, "hand over", http.StatusGone, f.as("ann-read-export", one+"/handover", nil))
	// Captures that are erased are told from those that are not.
	f.open(t, "c-2", ids...)
	if err := f.server.Catalog.(*catalog.Catalog).Remove(t.Context(), blob.Key("default/ads/"+uid+"/chunks/c0.wacz")); err != nil {
		t.Fatal(err)
	}
	page = page0(t, f, "/cases/default/c-2")
	wantAll(t, "an erased capture", page, "Erased, or not in the catalog yet.", "chunks/c0.wacz")
	wantNone(t, "an erased capture", page, "Rooms", "/thumbnail")
	wantAll(t, "the capture", page0(t, f, "/cases/default/c-2/captures/"+ids[0]), "Erased, or not in the catalog yet.")
	wantAll(t, "the list, of a namespace whose captures are all erased", page0(t, f, "/cases"), "c-2")
}

func TestKeepPage(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	ids := f.archive(t, "default", "c0", "Rooms", "Bikes")
	ids = append(ids, f.archive(t, "default", "c1", "Boats")...)
	f.open(t, "c-1", ids...)
	const one = "/cases/default/c-1"
	form := formIn(t, page0(t, f, one+"/keep"), one+"/keep")
	year := fmt.Sprint(time.Now().Year() + 2)
	form["until"], form["why"] = []string{year + "-12-31"}, []string{"exhibits"}
	want(t, "keep", http.StatusSeeOther, f.as(analyst, one+"/keep", form))
	wantAll(t, "kept", page0(t, f, one+"/keep"), fmt.Sprintf("%d-01-01 00:00:00 UTC", time.Now().Year()+3), "chunks/c1.wacz")
	form.Set("until", fmt.Sprint(time.Now().Year()+1)+"-12-31")
	wantAll(t, "shorter", want(t, "shorter", 409, f.as(analyst, one+"/keep", form)), "for longer than that", `value="exhibits"`)
	form.Set("shorten", "yes")
	want(t, "shorter on purpose", http.StatusSeeOther, f.as(analyst, one+"/keep", form))
	form.Set("decision", "HandOver")
	wantAll(t, "nothing was decided", want(t, "nothing", 422, f.as(analyst, one+"/keep", form)), "No capture has that decision", `value="HandOver" checked`)
	form.Del("decision")
	f.store.Remove("/archive/default/ads/" + uid + "/chunks/c1.wacz")
	wantAll(t, "gone", want(t, "gone", 422, f.as(analyst, one+"/keep", form)), "Not all of it", "not in the archive any more")
	f.server.Keeper = nil
	f.rewire(t)
	wantAll(t, "no keeper", page0(t, f, one+"/keep"), "crawlctl retention keep")
}
