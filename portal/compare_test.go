package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/compare"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

const board = "https://board.example/ad/7"

// twoVisits captures a page twice; what differs is in text, links, picture and title.
func (f *fixture) twoVisits(t *testing.T) (a, b catalog.Capture) {
	t.Helper()
	a = f.capture(t, visit{
		Key: "early", URL: board, Title: "Room to let", Text: "A bright room.\nCall +1 202-555-0143 now.\nNo pets.", Picture: screenshot(t, 400, 300, 40), Hour: 1,
		Links: []browser.Link{{URL: "https://board.example/", Kind: "Anchor"}, {URL: "https://board.example/old", Kind: "Anchor"}, {URL: "tel:+12025550143", Kind: "Tel"}},
	})
	b = f.capture(t, visit{
		Key: "late", URL: board, Title: "Room to let, again", Text: "A bright room.\nCall +1 202-555-0188 now.\nNo pets.", Picture: screenshot(t, 400, 300, 200), Hour: 5,
		Links: []browser.Link{{URL: "https://board.example/", Kind: "Anchor"}, {URL: "https://board.example/new", Kind: "Anchor"}, {URL: "tel:+12025550188", Kind: "Tel"}},
	})
	return a, b
}

func comparePath(a, b catalog.Capture) string {
	return "/compare?a=" + string(a.ID) + "&b=" + string(b.ID)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	want := body(t, f.get(comparePath(a, b)))
	wantAll(t, "the comparison", want, "Comparison", "2026-03-14 13:00:00 UTC", "2026-03-14 17:00:00 UTC", "differs",
		`<del><span class="unseen">removed: </span>202-555-0143</del>`, `<ins><span class="unseen">added: </span>202-555-0188</ins>`, "1 word removed, 1 word added",
		"board.example/old", "board.example/new", "q=%2B12025550143", "1 removed, 1 added, 1 in both", "1 removed, 1 added, 0 in both",
		`href="/snapshots/`+string(a.ID)+`"`, `href="/timeline?url=`, `/snapshots/`+string(a.ID)+`/thumbnail`, "Show the pictures", `action="/compare"`)
	wantNone(t, "what nobody asked to see", want, "/compare/picture", string(a.ID)+"/picture", "percent of the area")
	// The earlier one is the first, whichever way they are named.
	for _, path := range []string{comparePath(b, a), "/compare?id=" + string(b.ID) + "&id=" + string(a.ID)} {
		if got := body(t, f.get(path)); withoutAddress(got) != withoutAddress(want) {
			t.Errorf("%s is another page than the one of a and b:\n%s", path, got)
		}
	}
	clear := body(t, f.get(comparePath(a, b), "Cookie", shown(a, b)))
	wantAll(t, "with pictures", clear, `src="/snapshots/`+string(a.ID)+`/picture"`, `src="/compare/picture?a=`, "percent of the area differs, in 2 places")
	wantNone(t, "with pictures", clear, "/thumbnail")
	wantAll(t, "in Dutch", body(t, f.get(comparePath(a, b), "Accept-Language", "nl")), "Vergelijking", "verschilt", "1 woord verdwenen, 1 woord erbij", "verdwenen: ")
}

// withoutAddress is a page without where it was asked for.
func withoutAddress(page string) string {
	var kept []string
	for line := range strings.Lines(page) {
		if !strings.Contains(line, `name="back"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestCompareForPrograms(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	var got struct {
		A, B        catalog.Capture
		Facts       []compare.Change
		Text        compare.Diff
		Links       compare.LinkDiff
		Pictures    *compare.PictureDiff
		NotCompared map[string]string
	}
	if err := json.Unmarshal([]byte(body(t, f.get("/api/v1"+comparePath(b, a)))), &got); err != nil {
		t.Fatal(err)
	}
	if got.A.ID != a.ID || got.B.ID != b.ID || len(got.Facts) != 1 || got.Facts[0].Fact != "title" || len(got.Text.Hunks) != 1 || got.Text.AddedWords != 1 ||
		len(got.Links.Pages.Added) != 1 || len(got.Links.Leads.Removed) != 1 || got.Pictures == nil || len(got.Pictures.Areas) != 2 || len(got.NotCompared) != 0 {
		t.Errorf("%+v", got)
	}
	for range 2 { // made, and kept
		for _, path := range []string{"/api/v1/compare/picture?", "/compare/picture?"} {
			res := f.get(path + strings.TrimPrefix(comparePath(a, b), "/compare?"))
			picture, err := png.Decode(strings.NewReader(body(t, res)))
			if err != nil || picture.Bounds().Dx() != 400 || res.Header.Get("Content-Type") != "image/png" || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
				t.Errorf("%s: %v %v", path, err, res.Header)
			}
		}
	}
}

func TestCompareWithoutAllParts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bare := f.capture(t, visit{Key: "bare", URL: board, Hour: 1})
	text := f.capture(t, visit{Key: "text", URL: board, Text: "words", Picture: []byte("\x89PNG\r\n\x1a\n no more of it"), Hour: 2})
	other := f.capture(t, visit{Key: "other", URL: "https://other.example/", Text: "words", Picture: screenshot(t, 40, 30, 5), Hour: 3})
	for _, tc := range []struct {
		a, b catalog.Capture
		want string
		page string
	}{
		{bare, text, `"notCompared":{"pictures":"OnlyB","text":"OnlyB"}`, "Only the later one has any."},
		{text, other, `"notCompared":{"pictures":"Unreadable"}`, "One of them cannot be read."},
		{bare, other, `"notCompared":{"pictures":"OnlyB","text":"OnlyB"}`, "no picture"},
	} {
		wantAll(t, "for programs", body(t, f.get("/api/v1"+comparePath(tc.a, tc.b))), tc.want)
		wantAll(t, "the page", body(t, f.get(comparePath(tc.a, tc.b), "Cookie", shown(tc.a, tc.b))), tc.page)
	}
	wantAll(t, "pages without links", body(t, f.get(comparePath(bare, text))), "Neither page links to any.")
	wantNone(t, "pages without links", body(t, f.get(comparePath(bare, text))), "in both")
	wantAll(t, "two addresses", body(t, f.get(comparePath(text, other))), "https://board.example/ad/7</bdi><br>", "https://other.example/</bdi>", "The pages showed the same text.")
	for path, status := range map[string]int{
		"/compare/picture?a=" + string(bare.ID) + "&b=" + string(text.ID):  http.StatusNotFound,
		"/compare/picture?a=" + string(text.ID) + "&b=" + string(other.ID): http.StatusUnprocessableEntity,
	} {
		if res := f.get(path); res.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, status)
		}
	}
}

func TestCompareNeedsTwo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	one, two := string(a.ID), string(b.ID)
	for _, path := range []string{"/compare", "/compare?a=" + one, "/compare?id=" + one + "&id=" + one, "/compare?id=" + one + "&id=" + two + "&id=x", "/api/v1/compare?a=&b=" + one, "/compare/picture?a=" + one} {
		res := f.get(path)
		wantAll(t, path, body(t, res), "Two different snapshots are compared", "page of an address over time")
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	res := f.get("/compare?a=" + one + "&b=" + strings.Repeat("0", 32))
	if wantAll(t, "one that there is not", body(t, res), "no such snapshot"); res.StatusCode != http.StatusNotFound {
		t.Errorf("one that there is not: %d", res.StatusCode)
	}
}

// TestCompareNeedsRightsToBoth: who may not see one of the two learns nothing of either, and the custody log
// is not told that they looked.
func TestCompareNeedsRightsToBoth(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mine := f.capture(t, visit{Key: "mine", Namespace: "mine", URL: board, Title: "My title", Text: "my text", Picture: screenshot(t, 40, 30, 5), Hour: 1})
	theirs := f.capture(t, visit{Key: "theirs", Namespace: "theirs", URL: board, Title: "Their title", Text: "their text", Picture: screenshot(t, 40, 30, 9), Hour: 2})
	again := f.capture(t, visit{Key: "again", Namespace: "mine", URL: board, Title: "My title", Text: "my other text", Picture: screenshot(t, 40, 30, 9), Hour: 3})
	f.gated(t, allowing("get snapshots.crawlfleet.dev mine"), access.Policy{})
	log := &told{}
	f.server.Gate.Custody = &access.Custody{Log: log, Chunks: f.bucket}
	for _, path := range []string{comparePath(mine, theirs), comparePath(theirs, mine), "/api/v1" + comparePath(mine, theirs), "/compare/picture?a=" + string(mine.ID) + "&b=" + string(theirs.ID)} {
		res := f.get(path, "Authorization", "Bearer ann")
		text := body(t, res)
		wantNone(t, path, text, "My title", "Their title", "my text", "their text", "board.example")
		if res.StatusCode != http.StatusNotFound { // nor that there is one
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	if len(log.entries) > 0 {
		t.Errorf("the log was told of %v", log.entries)
	}
	res := f.get(comparePath(mine, again), "Authorization", "Bearer ann")
	page := body(t, res)
	wantAll(t, "both are mine", page, "My title", "other")
	wantNone(t, "what else there is", page, string(theirs.ID)) // nothing may be found: the two alone can be chosen
	if res.StatusCode != http.StatusOK || len(log.entries) != 2 {
		t.Errorf("both are mine: %d, and the log was told of %v", res.StatusCode, log.entries)
	}
}

func TestCompareShowsHostileTextSafely(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bad := `<script>alert(1)</script> "><img src=x onerror=alert(2)> ` + "\u202egnp.exe\x1b[31m"
	a := f.capture(t, visit{Key: "a", URL: board + "?a=%22%3E%3Cscript%3Ealert(3)", Title: bad, Text: "same\n" + bad, Hour: 1, Links: []browser.Link{{URL: `javascript:alert(4)`}, {URL: `tel:"><script>alert(5)`}}})
	b := f.capture(t, visit{Key: "b", URL: board, Title: "plain", Text: "same\nplain " + bad, Hour: 2, Links: []browser.Link{{URL: `https://t.me/"onmouseover=alert(6)`}}})
	page := body(t, f.get(comparePath(a, b), "Cookie", shown(a, b)))
	wantNone(t, "the page", page, "<script>alert", "<img src=x", `href="javascript:`, `"onmouseover`, "\u202e", "\x1b")
	wantAll(t, "the page", page, "&lt;script&gt;alert(1)", "\ufffdgnp.exe\ufffd[31m")
}

// TestErasedMeanwhile: the picture of differences is kept in memory, and not shown when a capture is gone.
func TestErasedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	paths := []string{comparePath(a, b), "/api/v1" + comparePath(a, b), "/compare/picture?a=" + string(a.ID) + "&b=" + string(b.ID)}
	for _, path := range paths {
		if res := f.get(path); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", path, res.StatusCode)
		}
	}
	f.store.Remove("/archive/" + string(b.Chunk))
	for _, path := range paths { // the catalog does not know yet
		if res := f.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s, erased from the store: %d", path, res.StatusCode)
		}
	}
	if err := f.server.Catalog.(*catalog.Catalog).Remove(t.Context(), b.Chunk); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		res := f.get(path)
		if wantAll(t, path, body(t, res), "It may have been erased"); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s, erased: %d", path, res.StatusCode)
		}
	}
}

// TestCompareOfHugeTexts: a page stays small; programs are told all that is compared.
func TestCompareOfHugeTexts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var one, two strings.Builder
	for i := range 60_000 {
		one.WriteString("old words of line " + strings.Repeat("x", i%40) + "\n")
		two.WriteString("other things here " + strings.Repeat("ÿ", i%30) + "\n")
	}
	var links []browser.Link
	for i := range 500 {
		links = append(links, browser.Link{URL: "https://board.example/" + strings.Repeat("l", i+1), Kind: "Anchor"})
	}
	a := f.capture(t, visit{Key: "a", URL: board, Text: one.String(), Hour: 1})
	b := f.capture(t, visit{Key: "b", URL: board, Text: two.String(), Links: links, Hour: 2})
	page := body(t, f.get(comparePath(a, b)))
	wantAllShort(t, page, "Only the beginning of each text was compared", "There is more than is shown here.", "300 more are not shown here.", "0 removed, 500 added")
	if len(page) > 2<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	long := f.capture(t, visit{Key: "long", URL: board, Text: strings.Repeat("é", 300_000), Hour: 3}) // one word
	if page := body(t, f.get(comparePath(long, b))); len(page) > 2<<20 || !strings.Contains(page, "…") {
		t.Errorf("one long word: the page has %d bytes", len(page))
	}
}

func wantAllShort(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("%q is missing", part)
		}
	}
}

func TestBeginningOf(t *testing.T) {
	t.Parallel()
	line := func(words ...string) compare.Line {
		l := compare.Line{Op: compare.Added}
		for _, w := range words {
			l.Words = append(l.Words, compare.Span{Text: w})
		}
		return l
	}
	hunks := []compare.Hunk{{ALine: 1, Lines: []compare.Line{line("héé", "b"), line("ccc")}}, {ALine: 9, Lines: []compare.Line{line("ddd")}}}
	for most, want := range map[int]string{
		100: `[[héé b][ccc]][[ddd]] false`, 12: `[[héé b][ccc…]] true`, 14: `[[héé b][ccc]][[d…]] true`, 3: `[[h…]] true`, 4: `[[hé…]] true`, 7: `[[héé …]] true`,
	} {
		shown, cut := beginningOf(hunks, most)
		var b bytes.Buffer
		for _, h := range shown {
			b.WriteString("[")
			for _, l := range h.Lines {
				var words []string
				for _, s := range l.Words {
					words = append(words, s.Text)
				}
				b.WriteString("[" + strings.Join(words, " ") + "]")
			}
			b.WriteString("]")
		}
		if got := b.String() + map[bool]string{true: " true", false: " false"}[cut]; got != want {
			t.Errorf("%d: %s, want %s", most, got, want)
		}
	}
	if !slices.Equal(hunks[0].Lines[0].Words, line("héé", "b").Words) {
		t.Error("what was compared is changed")
	}
}

// TestCompareWithoutHost: a capture whose address has no host has no others, and is compared all the same.
func TestCompareWithoutHost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.twoVisits(t)
	f.server.Catalog = hostless{f.known, a.ID}
	page := want(t, "the comparison", http.StatusOK, f.get(comparePath(a, b)))
	wantAll(t, "the comparison", page, "data:text/html,room")
}

// hostless is a catalog in which a capture has an address without a host.
type hostless struct {
	*catalog.Catalog
	id catalog.ID
}

func (h hostless) Get(ctx context.Context, id catalog.ID) (catalog.Capture, error) {
	c, err := h.Catalog.Get(ctx, id)
	if id == h.id {
		c.URL = "data:text/html,room"
	}
	return c, err
}
