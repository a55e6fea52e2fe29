package portal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/selection"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// TestWhatGoesAlong: the page tells how many pages a dossier has that nobody chose, and offers what was
// decided to be handed over.
func TestWhatGoesAlong(t *testing.T) {
	t.Parallel()
	f := newCaseFixture(t)
	first := f.archive(t, "default", "c0", "Rooms", "Bikes", "Boats", "Cars")
	second := f.archive(t, "default", "c1", "Chairs", "Tables", "Beds")
	f.server.Dossiers = &Dossiers{Organization: "An office"}
	f.rewire(t)
	f.open(t, "c-1", first[0], first[1], second[0])
	page := func(form url.Values) string {
		t.Helper()
		if form != nil {
			return want(t, "the form again", http.StatusUnprocessableEntity, f.as(exporter, "/cases/default/c-1/dossier.zip", form))
		}
		return want(t, "the page", 200, f.as(exporter, "/cases/default/c-1/handover", nil))
	}
	ticked := func(word cases.Word) string { return `name="decision" value="` + string(word) + `" checked>` }
	row := func(what string, captures, others int) string {
		return fmt.Sprintf(`<th scope="row">%s</th><td class="number">%d<span class="unit"> %s</span></td><td class="number">%d<`, what, captures, words.English.Noun(captures, "capture"), others)
	}
	text := page(nil)
	wantAll(t, "nothing is decided", text, row("no decision", 3, 4), "The chosen pages alone", `class="number">4<span class="unit"> pages</span>`)
	wantNone(t, "nothing is decided", text, " checked>", row("relevant", 0, 0), "or more:", "at most the sum")
	for id, word := range map[string]cases.Word{first[0]: cases.NotRelevant, first[1]: cases.HandOver, second[0]: cases.Relevant} {
		event := cases.Event{Kind: cases.Decided, Decision: word, Capture: catalog.ID(id)}
		if _, err := f.server.Cases.Append(t.Context(), "default", "c-1", cases.Draft{By: "ann"}, event); err != nil {
			t.Fatal(err)
		}
	}
	text = page(nil)
	wantAll(t, "decided", text, ticked(cases.HandOver), row("no decision", 2, 5), row("not relevant", 1, 3), row("to be handed over", 1, 3), row("relevant", 1, 2), "at most the sum")
	wantNone(t, "decided", text, ticked(cases.Relevant), ticked(cases.NotRelevant))
	again := func(form url.Values) string { // the other form is as it was proposed
		_, text, _ := strings.Cut(page(form), `action="/cases/default/c-1/dossier.zip"`)
		return text
	}
	text = again(url.Values{"decision": {"Relevant"}})
	wantAll(t, "as it was ticked", text, ticked(cases.Relevant))
	wantNone(t, "as it was ticked", text, ticked(cases.HandOver))
	wantNone(t, "unticked", again(url.Values{"by": {"x"}}), " checked>")
	if err := f.server.Catalog.(*catalog.Catalog).Remove(t.Context(), blob.Key("default/ads/"+uid+"/chunks/c1.wacz")); err != nil {
		t.Fatal(err)
	}
	wantAll(t, "a file that is not in the catalog", page(nil), "or more: not all of the files", "–<span")
}

// TestWhatIsWrittenDown: the page says what the custody log is told of a hand-over, of a download, and
// where there is none.
func TestWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	read := func() (form, files string) {
		t.Helper()
		page := want(t, "the page", 200, f.as(exporter, "/cases/default/c-17/handover", nil))
		form, files, _ = strings.Cut(page, "</form>\n<section")
		return form, files
	}
	form, files := read()
	wantAll(t, "the form", form, "to whom, is written into the custody log")
	wantAll(t, "the files", files, "For yourself", "as a copy by you")
	wantNone(t, "the files", files, "to whom, is written")
	f.server.Gate.Custody.Log = nil
	form, files = read()
	wantAll(t, "without a log", form, "keeps no custody log")
	wantNone(t, "without a log", form+files, "written into the custody log")
}

// TestNothingIrrelevantIsHandedOver: what is not relevant goes along only for who asks for it.
func TestNothingIrrelevantIsHandedOver(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	event := cases.Event{Kind: cases.Decided, Decision: cases.NotRelevant, Capture: catalog.ID(f.ids[0])}
	if _, err := f.server.Cases.Append(t.Context(), "default", "c-17", cases.Draft{By: "ann"}, event); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		query string
		want  []string
	}{
		{"", []string{"b1.wacz"}},
		{"&decision=HandOver", []string{"b1.wacz"}},
		{"&decision=NotRelevant", []string{"b0.wacz"}},
		{"&decision=NotRelevant&decision=HandOver", []string{"b0.wacz", "b1.wacz"}},
	} {
		before := len(f.logged(t))
		want(t, tc.query, 200, f.as(exporter, "/api/v1/cases/default/c-17/selection.wacz?to=police-3"+tc.query, nil))
		var got []string
		for _, entry := range f.logged(t)[before:] {
			got = append(got, entry[strings.LastIndex(entry, " ")+1:])
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q: %v was handed over, want %v", tc.query, got, tc.want)
		}
	}
}

// leaving is a store whose reader goes when they have got so many objects.
type leaving struct {
	selection.Store
	left int
	goes context.CancelFunc
}

// Get implements selection.Store: what was begun to be read is read to its end.
func (l *leaving) Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	body, info, err := l.Store.Get(context.WithoutCancel(ctx), key)
	if l.left--; l.left == 0 {
		l.goes()
	}
	return body, info, err
}

// TestNobodyIsThereAnyMore: a dossier is not logged as handed over to somebody who went, or whom a proxy cut
// off, while it was being verified.
func TestNobodyIsThereAnyMore(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	ctx, goes := context.WithCancel(t.Context())
	o := dossierOrder{reference: "c-17", preparedBy: "An analyst", created: noon, picks: []selection.Pick{{Chunk: blob.Key(folder + "chunks/b0.wacz"), Page: "urn:uuid:p1"}}}
	told := 0
	export := func(context.Context) error { told++; return nil }
	err := f.server.Dossiers.make(ctx, &leaving{f.bucket, 2, goes}, o, export, io.Discard, f.server.Temp, slog.New(slog.DiscardHandler))
	if !errors.Is(err, context.Canceled) || told > 0 {
		t.Errorf("the log was told %d times, error %v", told, err)
	}
}

// TestWhoWentIsLogged: whoever runs the portal learns that people do not get what they ask for.
func TestWhoWentIsLogged(t *testing.T) {
	t.Parallel()
	ctx, goes := context.WithCancel(t.Context())
	goes()
	var log bytes.Buffer
	h := handlers{Server: &Server{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/cases/default/c-1/dossier.zip", nil)
	h.end(r, &handed{}, ctx.Err(), func() { t.Error("nobody is there to be told") })
	wantAll(t, "the log", log.String(), "level=WARN", "a proxy in front")
}
