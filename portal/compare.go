package portal

import (
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/compare"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/portal/words"
)

const (
	// shownDiff bounds the differences of texts on a page, in bytes; shownLinks is how many links
	// each of its lists has. Programs are told all.
	shownDiff, shownLinks = 128 << 10, 200
	// shownOthers is how many other captures one can choose from.
	shownOthers = 100
)

// side is the body of the page with two captures side by side.
type side struct {
	*comparison
	offered
	// Rows are the facts, in which Different differ.
	Rows      []factRow
	Different int
	// Same is how many percent of the words are the same.
	Same int
	// Hunks are those that are shown of Text; Cut is set when there are more.
	Hunks []compare.Hunk
	Cut   bool
	Leads linkLists
	Pages linkLists
	// OthersA and OthersB are what else each can be, the newest first.
	OthersA, OthersB []catalog.Capture
	// Query names both captures, Show their pictures.
	Query template.URL
	Show  string
}

// factRow is a fact of both captures.
type factRow struct {
	Name, A, B string
	Differs    bool
	// Marks is set for what reads as a mark, such as a digest.
	Mark bool
}

// linkLists are links that came and went.
type linkLists struct {
	Added, Removed linkList
	Kept           int
}

// linkList is the beginning of a list of All links.
type linkList struct {
	Links []compare.Link
	All   int
}

// Left is how many links of a list are not shown.
func (l linkList) Left() int { return l.All - len(l.Links) }

// missingWords say why a part is not compared.
var missingWords = map[string]string{
	string(onlyA): "Only the earlier one has any.", string(onlyB): "Only the later one has any.", string(neither): "Neither of them has any.",
	string(unreadable): "One of them cannot be read.",
}

// cutWords say what the bounds of a comparison left out.
var cutWords = map[string]string{
	string(compare.CutText):  "Only the beginning of each text was compared: 1 MiB.",
	string(compare.CutLines): "So much differs that everything after some line is shown as new.",
	string(compare.CutWords): "In some lines all words are shown as new.",
	string(compare.CutHunks): "So many places differ that not all are listed; their words are counted.",
}

// compare shows two captures side by side.
func (h handlers) compare(w http.ResponseWriter, r *http.Request) {
	pair, opened, err := h.openPair(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	c, err := h.compared(r.Context(), pair, opened)
	if err == nil && showsPictures(r) {
		err = h.addPictures(r.Context(), c, opened)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	lang := words.Match(r)
	body := side{comparison: c, Rows: factRows(lang, pair, opened), Leads: listed(c.Links.Leads), Pages: listed(c.Links.Pages)}
	for _, row := range body.Rows {
		if row.Differs {
			body.Different++
		}
	}
	if c.Text != nil {
		body.Same = int(100 * c.Text.Similarity) // 100 only where all are
		body.Hunks, body.Cut = beginningOf(c.Text.Hunks, shownDiff)
	}
	if body.OthersA, body.OthersB, err = h.others(r, pair); err == nil {
		body.offered, err = h.offered(r, pair[0].Namespace, pair[1].Namespace)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	q := r.URL.Query()
	q.Del("id")
	q.Set("a", string(c.A.ID))
	q.Set("b", string(c.B.ID))
	body.Query, body.Show = template.URL(q.Encode()), showValue(c.A.ID, c.B.ID)
	title := shortURL(c.B.URL)
	h.render(w, r, http.StatusOK, "compare.html", lang.Text("Comparison: %s", title), body)
}

// apiCompare is the same for programs.
func (h handlers) apiCompare(w http.ResponseWriter, r *http.Request) {
	pair, opened, err := h.openPair(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	c, err := h.compared(r.Context(), pair, opened)
	if err == nil {
		err = h.addPictures(r.Context(), c, opened)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, c)
}

// comparePicture is the later picture with what differs from the earlier one marked.
func (h handlers) comparePicture(w http.ResponseWriter, r *http.Request) {
	pair, opened, err := h.openPair(r) // also where it is made already: the captures may be erased
	if err != nil {
		h.fail(w, r, err)
		return
	}
	diff, err := h.drawn(r.Context(), [2]catalog.ID{pair[0].ID, pair[1].ID}, opened)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(diff.PNG)))
	_, _ = w.Write(diff.PNG) // the visitor may have gone
}

// others are the captures of the same addresses that the person may find, and the two themselves.
func (h handlers) others(r *http.Request, pair [2]catalog.Capture) (ofA, ofB []catalog.Capture, err error) {
	counts, err := h.Catalog.Namespaces(r.Context())
	if err != nil {
		return nil, nil, err
	}
	var all []string
	for _, c := range counts {
		all = append(all, c.Value)
	}
	// Who may look and not find is shown the two alone.
	some, err := h.Gate.Rights.Namespaces(r.Context(), access.From(r.Context()), access.Find, all)
	if err != nil {
		return nil, nil, err
	}
	var lists [2][]catalog.Capture
	for i, c := range pair {
		if i == 1 && c.URL == pair[0].URL {
			lists[1] = lists[0]
			continue
		}
		lists[i], _, err = h.Catalog.Of(r.Context(), catalog.Query{URL: c.URL, Namespaces: some, Partial: true, Limit: shownOthers})
		if invalid := new(catalog.InvalidError); err != nil && !errors.As(err, &invalid) { // what has no host has no others
			return nil, nil, err
		}
	}
	for i, c := range pair {
		if !slices.ContainsFunc(lists[i], func(o catalog.Capture) bool { return o.ID == c.ID }) {
			lists[i] = append(slices.Clone(lists[i]), c)
		}
	}
	return lists[0], lists[1], nil
}

// factRows are the facts that at least one of two captures has.
func factRows(lang words.Lang, pair [2]catalog.Capture, opened [2]*snapshot.Snapshot) []factRow {
	a, b := pair[0], pair[1]
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	server := func(s *snapshot.Snapshot) string {
		if s.Server == nil {
			return ""
		}
		return s.Server.Remote
	}
	all := []factRow{
		{Name: lang.Text("Address"), A: a.URL, B: b.URL},
		{Name: lang.Text("Led to"), A: a.FinalURL, B: b.FinalURL},
		{Name: lang.Text("Title"), A: a.Title, B: b.Title},
		{Name: lang.Text("Status"), A: number(a.Status), B: number(b.Status)},
		{Name: lang.Text("Why it failed"), A: sentence(a.Reason), B: sentence(b.Reason)},
		{Name: lang.Text("Media type"), A: a.MIME, B: b.MIME},
		{Name: lang.Text("Language"), A: a.Language, B: b.Language},
		{Name: lang.Text("Server"), A: server(opened[0]), B: server(opened[1])},
		{Name: lang.Text("Document"), A: a.Digest, B: b.Digest, Mark: true},
		{Name: lang.Text("Text"), A: a.TextDigest, B: b.TextDigest, Mark: true},
		{Name: lang.Text("Picture"), A: opened[0].PictureDigest, B: opened[1].PictureDigest, Mark: true},
		{Name: lang.Text("Crawl"), A: a.Namespace + "/" + a.Job, B: b.Namespace + "/" + b.Job},
	}
	all = slices.DeleteFunc(all, func(row factRow) bool { return row.A == "" && row.B == "" })
	for i := range all {
		all[i].Differs = all[i].A != all[i].B
	}
	return all
}

func listed(c compare.LinkChanges) linkLists {
	list := func(all []compare.Link) linkList { return linkList{all[:min(len(all), shownLinks)], len(all)} }
	return linkLists{list(c.Added), list(c.Removed), c.Kept}
}

// beginningOf are hunks up to so many bytes of text; cut is set when that is not all of them.
func beginningOf(hunks []compare.Hunk, most int) (shown []compare.Hunk, cut bool) {
	for _, h := range hunks {
		lines := h.Lines
		h.Lines = nil
		for i := 0; i < len(lines) && most > 0; i++ {
			l := lines[i]
			l.Words, most = beginningOfLine(l.Words, most)
			h.Lines = append(h.Lines, l)
		}
		if len(h.Lines) > 0 {
			shown = append(shown, h)
		}
		if most <= 0 {
			return shown, true
		}
	}
	return shown, false
}

// beginningOfLine is a line up to so many bytes, and how many are left.
func beginningOfLine(spans []compare.Span, most int) ([]compare.Span, int) {
	for i, s := range spans {
		if most -= len(s.Text) + 1; most <= 0 {
			short := slices.Clone(spans[:i+1])
			short[i].Text = beginning(s.Text, len(s.Text)+most) + "…"
			return short, 0
		}
	}
	return spans, most
}

// beginning is at most so many bytes of a text, in whole characters.
func beginning(s string, most int) string {
	most = max(0, min(most, len(s)))
	for most > 0 && most < len(s) && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
