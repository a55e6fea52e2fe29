package portal

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/history"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

// watchingFixture is a portal at which people have been able to watch since half past twelve.
func watchingFixture(t *testing.T, rights access.Reviewer) *fixture {
	t.Helper()
	f := newFixture(t)
	f.gated(t, rights, access.Policy{})
	return f
}

// anybody may do all.
const anybody = allowing("")

// send asks with a body.
func (f *fixture) send(method, path, kind, content string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(content))
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w.Result()
}

func (f *fixture) post(path, who string, form url.Values) *http.Response {
	return f.send(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(), "Authorization", "Bearer "+who)
}

// api asks as a program does.
func (f *fixture) api(method, path, who, content string) *http.Response {
	return f.send(method, path, "application/json", content, "Authorization", "Bearer "+who, "Accept", "application/json")
}

func (f *fixture) as(who, path string) *http.Response {
	return f.get(path, "Authorization", "Bearer "+who)
}

// captured has the catalog know of a capture of an address; there is no file of it.
func (f *fixture) captured(t *testing.T, namespace, address string, hour int, p snapshot.Page) catalog.ID {
	t.Helper()
	p.ID, p.URL, p.Time = fmt.Sprint(hour), address, noon.Add(time.Duration(hour)*time.Hour)
	key := blob.Key(fmt.Sprintf("%s/ads/%s/chunks/%d-%x.wacz", namespace, uid, hour, address))
	chunk := catalog.Chunk{Key: key, Size: 1, Modified: noon, Run: catalog.Run{Namespace: namespace, Job: "ads", UID: uid}}
	if err := f.known.Add(t.Context(), chunk, []catalog.Entry{{Page: p}}, nil); err != nil {
		t.Fatal(err)
	}
	return catalog.NewID(key, p.ID)
}

func TestWatchAnAddress(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	f.captured(t, "amber", "https://other.example/", 0, snapshot.Page{Status: 200, TextDigest: "x"})
	before := f.captured(t, "default", board, 0, snapshot.Page{Status: 200, TextDigest: "a"})
	wantAll(t, "nothing watched", body(t, f.as("ann", "/watches")), "You watch no address yet", `href="/watches/new"`)
	wantAll(t, "the form", body(t, f.as("ann", "/watches/new?url="+url.QueryEscape(board))), `value="`+board+`"`, "<option>amber", "<option selected>default", `value="Gone" checked`)
	form := url.Values{"url": {board}, "namespace": {"default"}, "kind": {"Changed", "Gone", "Back"}}
	res := f.post("/watches", "ann", form)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/watches" {
		t.Fatal(res.StatusCode, body(t, res))
	}
	changed := f.captured(t, "default", board, 1, snapshot.Page{Status: 200, TextDigest: "b"})
	gone := f.captured(t, "default", board, 2, snapshot.Page{Status: 404})
	f.captured(t, "amber", board, 3, snapshot.Page{Status: 200, TextDigest: "c"}) // of another namespace
	f.forget()
	page := body(t, f.as("ann", "/watches"))
	wantAll(t, "the page", page, "2 of 2 notices not seen yet", "Mark all 2 on this page as seen", `href="/snapshots/`+string(changed)+`"`, `/compare?a=`+string(before)+`&amp;b=`+string(changed),
		"when it is gone", "status 404", "Atom", "Authorization: Bearer $TOKEN", "http://127.0.0.1:8080/watches/feed.atom")
	if newest, older := strings.Index(page, string(gone)), strings.Index(page, string(changed)); newest < 0 || older < newest {
		t.Errorf("the newest is not the first: %d, %d", newest, older)
	}
	wantAll(t, "in Dutch", body(t, f.get("/watches", "Authorization", "Bearer ann", "Accept-Language", "nl")), "2 van 2 meldingen nog niet gezien", "verdwenen", "als het terug is")
	wantAll(t, "watched twice", body(t, f.post("/watches", "ann", form)), "You watch this address already", `role="alert"`)

	names := regexp.MustCompile(`name="notice" value="([^"]+)"`).FindAllStringSubmatch(page, -1)
	var one string
	for _, n := range names {
		if strings.HasSuffix(n[1], string(gone)) {
			one = n[1]
		}
	}
	res = f.post("/watches/seen", "ann", url.Values{"notice": {one, one + "0", "x/y/z/" + one}, "back": {"/watches?page=1"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/watches?page=1" {
		t.Errorf("seen: %d %v", res.StatusCode, res.Header)
	}
	wantAll(t, "one is seen", body(t, f.as("ann", "/watches")), "1 of 2 notices not seen yet")
	if res := f.post("/watches/seen", "bob", url.Values{"notice": {one}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("seen by somebody else: %d", res.StatusCode)
	}
	wantAll(t, "of somebody else", body(t, f.as("bob", "/watches")), "You watch no address yet")

	id := strings.Split(one, "/")[1]
	if res := f.post("/watches/end", "bob", url.Values{"watch": {id}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("ended by somebody else: %d", res.StatusCode)
	}
	if res := f.post("/watches/end", "ann", url.Values{"watch": {id}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("ended: %d", res.StatusCode)
	}
	wantAll(t, "ended", body(t, f.as("ann", "/watches")), "You watch no address yet")
}

// forget is what some seconds do.
func (f *fixture) forget() {
	handler, err := f.server.Handler()
	if err != nil {
		panic(err)
	}
	f.handler = handler
}

// TestWatchesThatCannotBeRead are told, and can be ended, as can those whose end was stopped half-way.
func TestWatchesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	started := func() string {
		res := f.api(http.MethodPost, "/api/v1/watches", "ann", `{"namespace":"default","url":"`+board+`"}`)
		return strings.TrimPrefix(res.Header.Get("Location"), "/api/v1/watches/")
	}
	id := started()
	keys := f.store.Keys("/archive/watches/")
	f.store.Remove(keys[0])
	f.put(t, f.bucket, strings.TrimPrefix(keys[0], "/archive/"), []byte("{"))
	f.forget()
	wantAll(t, "watches", body(t, f.as("ann", "/api/v1/watches")), `"items":[]`, `"unreadable":[{"namespace":"default","id":"`+id+`"}]`)
	wantAll(t, "the page", body(t, f.as("ann", "/watches")), "cannot be read: 1", `value="`+id+`"`)
	if res := f.api(http.MethodDelete, "/api/v1/watches/"+id, "ann", ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("ended: %d %s", res.StatusCode, body(t, res))
	}
	id = started()
	f.store.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodDelete {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		}
		return r.Method == http.MethodDelete
	}
	want(t, "a store that deletes nothing", http.StatusBadGateway, f.api(http.MethodDelete, "/api/v1/watches/"+id, "ann", ""))
	f.store.Answer = nil
	want(t, "again", http.StatusNoContent, f.api(http.MethodDelete, "/api/v1/watches/"+id, "ann", ""))
	if keys := f.store.Keys("/archive/watches/"); len(keys) > 0 {
		t.Errorf("left are %v", keys)
	}
}

// TestSeenBesideAnEnded: a watch that was ended meanwhile keeps nothing of the others from being seen.
func TestSeenBesideAnEnded(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	res := f.api(http.MethodPost, "/api/v1/watches", "ann", `{"namespace":"default","url":"`+board+`"}`)
	id := strings.TrimPrefix(res.Header.Get("Location"), "/api/v1/watches/")
	one := f.captured(t, "default", board, 1, snapshot.Page{Status: 200, TextDigest: "a"})
	f.forget()
	form := url.Values{"notice": {"default/0-ended/" + string(one), "default/" + id + "/" + string(one), "default/z-ended/" + string(one)}}
	want(t, "seen", http.StatusSeeOther, f.post("/watches/seen", "ann", form))
	wantAll(t, "watches", body(t, f.as("ann", "/api/v1/watches")), `"unseen":0`)
}

func TestWatchesForPrograms(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	res := f.api(http.MethodPost, "/api/v1/watches", "ann", `{"namespace":"default","url":"HTTPS://Board.example/ad/7#x"}`)
	var started struct{ ID, Namespace, URL, By string }
	if err := json.Unmarshal([]byte(body(t, res)), &started); err != nil || res.StatusCode != http.StatusCreated || started.URL != board || started.By != "ann" || res.Header.Get("Location") != "/api/v1/watches/"+started.ID {
		t.Fatalf("%d %+v %v", res.StatusCode, started, err)
	}
	for content, status := range map[string]int{
		`{"namespace":"default","url":"https://board.example/ad/7"}`:                   http.StatusConflict,
		`{"namespace":"default","url":"mailto:x@example.org"}`:                         http.StatusBadRequest,
		`{"namespace":"default","url":"https://b.example/` + strings.Repeat("x", 9000): http.StatusBadRequest,
		`{"namespace":"default","url":"https://b.example/","kinds":["Verdict"]}`:       http.StatusBadRequest,
		`{"namespace":"","url":"https://b.example/"}`:                                  http.StatusBadRequest,
		`{"namespace":"../x","url":"https://b.example/"}`:                              http.StatusBadRequest,
		`{"namespace":"default","url":"https://b.example/","by":"bob"}`:                http.StatusBadRequest,
		`nothing`: http.StatusBadRequest,
		`{"namespace":"default","url":"` + strings.Repeat("x", maxBody) + `"}`: http.StatusBadRequest,
	} {
		res := f.api(http.MethodPost, "/api/v1/watches", "ann", content)
		if text := body(t, res); res.StatusCode != status || !strings.Contains(text, `"hint":"`) {
			t.Errorf("%.80s: %d %s", content, res.StatusCode, text)
		}
	}
	one := f.captured(t, "default", board, 1, snapshot.Page{Status: 200, TextDigest: "a"})
	f.captured(t, "default", board, 2, snapshot.Page{Status: 200, TextDigest: "b"})
	f.forget()
	wantAll(t, "watches", body(t, f.as("ann", "/api/v1/watches")), `"id":"`+started.ID+`"`, `"unseen":2`, `"unreadable":[]`)
	wantAll(t, "notices", body(t, f.as("ann", "/api/v1/watches/notices?limit=1")), `"kind":"Changed"`, `"parts":["Text"]`, `"more":true`, `"unseen":2`)
	res = f.api(http.MethodPost, "/api/v1/watches/"+started.ID+"/seen", "ann", `{"captures":["`+string(one)+`","nothing"]}`)
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("seen: %d %s", res.StatusCode, body(t, res))
	}
	notices := body(t, f.as("ann", "/api/v1/watches/notices?unseen=1"))
	wantAll(t, "what is not seen", notices, `"unseen":1`, `"more":false`)
	wantNone(t, "what is not seen", notices, `"capture":"`+string(one))
	wantAll(t, "of nobody else", body(t, f.as("bob", "/api/v1/watches")), `"items":[]`)
	wantAll(t, "of nobody else", body(t, f.as("bob", "/api/v1/watches/notices")), `"items":[]`)
	if res := f.as("ann", "/api/v1/watches/notices?limit=0"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("limit 0: %d", res.StatusCode)
	}
	for _, tc := range []struct {
		who    string
		status int
	}{{"bob", http.StatusNotFound}, {"ann", http.StatusNoContent}, {"ann", http.StatusNotFound}} {
		if res := f.api(http.MethodDelete, "/api/v1/watches/"+started.ID, tc.who, ""); res.StatusCode != tc.status {
			t.Errorf("ended by %s: %d, want %d", tc.who, res.StatusCode, tc.status)
		}
	}
}

func TestFeedsAreForWhoHasAToken(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	f.post("/watches", "ann", url.Values{"url": {board}, "namespace": {"default"}, "kind": {"Changed", "NewCapture"}})
	first := f.captured(t, "default", board, 1, snapshot.Page{Status: 200, TextDigest: "a", Title: "Room"})
	second := f.captured(t, "default", board, 2, snapshot.Page{Status: 200, TextDigest: "b"})
	for _, path := range []string{"/watches/feed.atom", "/watches/feed.json"} {
		if res := f.get(path); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, res.StatusCode)
		}
	}
	f.forget()
	res := f.as("ann", "/watches/feed.atom")
	var atom struct {
		Entries []struct {
			Title string `xml:"title"`
			Links []struct {
				Href string `xml:"href,attr"`
			} `xml:"link"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal([]byte(body(t, res)), &atom); err != nil || res.Header.Get("Content-Type") != watches.TypeAtom {
		t.Fatal(err, res.Header)
	}
	if len(atom.Entries) != 2 || atom.Entries[0].Title != "changed: "+board || atom.Entries[0].Links[0].Href != "http://127.0.0.1:8080/snapshots/"+string(second) ||
		atom.Entries[0].Links[1].Href != "http://127.0.0.1:8080/compare?a="+string(first)+"&b="+string(second) {
		t.Errorf("%+v", atom)
	}
	res = f.get("/watches/feed.json", "Authorization", "Bearer ann", "Accept-Language", "nl")
	wantAll(t, "the JSON feed", body(t, res), `"title": "gewijzigd: `+board, `"feed_url": "http://127.0.0.1:8080/watches/feed.json"`, "tekst")
	wantAll(t, "an empty feed", body(t, f.as("bob", "/watches/feed.atom")), "<updated>1970-01-01T00:00:00Z")
}

// TestWatchesNeedFind: who may find nothing in a namespace cannot watch there; who cannot any more is told
// nothing, and can end what they watch.
func TestWatchesNeedFind(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	f.captured(t, "mine", "https://mine.example/", 0, snapshot.Page{Status: 200})
	for _, namespace := range []string{"mine", "theirs"} {
		if res := f.post("/watches", "ann", url.Values{"url": {board}, "namespace": {namespace}, "kind": {"Changed", "NewCapture"}}); res.StatusCode != http.StatusSeeOther {
			t.Fatal(res.StatusCode)
		}
	}
	theirs := f.captured(t, "theirs", board, 1, snapshot.Page{Status: 200, TextDigest: "a"})
	f.gated(t, allowing("list snapshots.crawlfleet.dev mine"), access.Policy{})
	page := body(t, f.as("ann", "/watches"))
	wantAll(t, "the page", page, "You may not find snapshots in this namespace any more", "0 of 0 notices")
	for _, path := range []string{"/watches", "/watches/feed.atom", "/watches/feed.json", "/api/v1/watches", "/api/v1/watches/notices"} {
		wantNone(t, path, body(t, f.as("ann", path)), string(theirs))
	}
	wantNone(t, "where to watch", body(t, f.as("ann", "/watches/new")), "theirs")
	form := url.Values{"url": {"https://x.example/"}, "namespace": {"theirs"}, "kind": {"Gone"}}
	if res := f.post("/watches", "ann", form); res.StatusCode != http.StatusForbidden {
		t.Errorf("to watch there: %d", res.StatusCode)
	}
	if res := f.api(http.MethodPost, "/api/v1/watches", "ann", `{"namespace":"theirs","url":"https://x.example/"}`); res.StatusCode != http.StatusForbidden {
		t.Errorf("to watch there, for programs: %d", res.StatusCode)
	}
	var list struct {
		Items []struct {
			ID     string
			Barred bool
		}
	}
	if err := json.Unmarshal([]byte(body(t, f.as("ann", "/api/v1/watches"))), &list); err != nil || len(list.Items) != 2 {
		t.Fatal(list, err)
	}
	for _, w := range list.Items {
		if w.Barred {
			if res := f.api(http.MethodDelete, "/api/v1/watches/"+w.ID, "ann", ""); res.StatusCode != http.StatusNoContent {
				t.Errorf("to end it: %d", res.StatusCode)
			}
		}
	}
	wantNone(t, "the page", body(t, f.as("ann", "/watches")), "theirs")
}

func TestWatchesAreBounded(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	for i := range mostWatches {
		if _, err := f.server.Watches.Start(t.Context(), "default", "ann", fmt.Sprintf("https://board.example/%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	res := f.post("/watches", "ann", url.Values{"url": {board}, "namespace": {"default"}, "kind": {"Gone"}})
	if wantAll(t, "one too many", body(t, res), "as many addresses as one person may"); res.StatusCode != http.StatusConflict {
		t.Errorf("one too many: %d", res.StatusCode)
	}
	// Of many captures only the newest are told of; what they are compared with is not.
	w, err := f.server.Watches.Start(t.Context(), "default", "bob", board)
	if err != nil {
		t.Fatal(err)
	}
	for i := range watchedCaptures + 5 {
		f.captured(t, "default", board, i+1, snapshot.Page{Status: 200, TextDigest: fmt.Sprint(i)})
	}
	list, err := handlers{Server: f.server}.noticesOf(t.Context(), w)
	if err != nil || len(list) != watchedCaptures-watchedBefore || list[0].Kind != watches.Changed {
		t.Errorf("%d notices, the first %+v, %v", len(list), list[0], err)
	}
	page := body(t, f.as("bob", "/watches?page=2"))
	wantAll(t, "the second page", page, "180 of 180 notices", `<span>2 / 4</span>`)
}

// TestHostileNotices shows what an address may have in it.
func TestHostileNotices(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	bad := `https://board.example/?q="><script>alert(1)</script>&x=` + "\u202eexe"
	if res := f.post("/watches", "ann", url.Values{"url": {bad}, "namespace": {"default"}, "kind": {"Gone", "NewCapture"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatal(res.StatusCode)
	}
	f.captured(t, "default", bad, 1, snapshot.Page{Partial: true, Reason: "<script>alert(2)"})
	f.forget()
	for _, path := range []string{"/watches", "/watches/feed.atom", "/watches/new?url=" + url.QueryEscape(bad), "/watches/new?url=%22%3E%3Cscript%3Ealert(3)"} {
		wantNone(t, path, body(t, f.as("ann", path)), "<script>alert", "\u202e")
	}
	wantAll(t, "an address as it is watched", body(t, f.as("ann", "/watches/new?url="+url.QueryEscape(bad))), "x=%E2%80%AEexe")
	wantNone(t, "a form that is wrong", body(t, f.post("/watches", "ann", url.Values{"url": {`"><script>alert(4)`}, "namespace": {"default"}, "kind": {`"><script>alert(5)`}})), "<script>alert")
}

// TestTimelineAndNoticesAgree asks for the same captures in both ways.
func TestTimelineAndNoticesAgree(t *testing.T) {
	t.Parallel()
	f := watchingFixture(t, anybody)
	if res := f.post("/watches", "ann", url.Values{"url": {board}, "namespace": {"default"}, "kind": {"Changed", "Gone", "Back", "NewCapture"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatal(res.StatusCode)
	}
	for i, p := range []snapshot.Page{
		{Status: 200, TextDigest: "a", Digest: "a"}, {Status: 200, TextDigest: "a", Digest: "b"}, {Status: 404}, {Partial: true, Reason: "PageTimeout"},
		{Status: 500, TextDigest: "oops"}, {Status: 200, TextDigest: "c", Digest: "c"}, {Partial: true, Reason: "DNSFailed"}, {Status: 200, TextDigest: "c", Digest: "c"}, {Status: 200, TextDigest: "c", Digest: "c"},
	} {
		f.captured(t, "default", board, i+1, p)
	}
	f.forget()
	type said struct {
		Capture, Before catalog.ID
		Kind            watches.Kind
		Parts           []history.Part
	}
	var timeline struct{ Items []history.Step }
	var notices struct{ Items []watches.Notice }
	for path, into := range map[string]any{"/api/v1/timeline?url=" + url.QueryEscape(board): &timeline, "/api/v1/watches/notices": &notices} {
		if err := json.Unmarshal([]byte(body(t, f.as("ann", path))), into); err != nil {
			t.Fatal(path, err)
		}
	}
	var want, got []said
	for _, s := range timeline.Items {
		kind := watches.Kind(s.Change)
		if s.Change == history.First || s.Change == history.Unchanged || s.Change == history.Unknown {
			kind = watches.NewCapture
		}
		want = append(want, said{s.ID, s.Before, kind, s.Parts})
	}
	for _, n := range notices.Items {
		got = append(got, said{n.Capture, n.Before, n.Kind, n.Parts})
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 9 {
		t.Errorf("%d notices; the timeline and they (-timeline +notices):\n%s", len(got), diff)
	}
	page := body(t, f.as("ann", "/timeline?limit=3&url="+url.QueryEscape(board)))
	wantAll(t, "a part of the timeline is compared with what is before it", page, "back again", "gone", "unchanged")
	wantNone(t, "a part of the timeline", page, "first capture")
}
