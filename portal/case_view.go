package portal

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/words"
)

const (
	// capturesAtOnce is how many captures of a case a page shows, deedsAtOnce how much of its history.
	capturesAtOnce, deedsAtOnce = 50, 100
	// deedsShown is how much of the history the page of a case shows.
	deedsShown = 8
)

// caseItem is a capture in a case.
type caseItem struct {
	*cases.Item
	// Page is what the catalog has of it; nil when it has nothing any more, or it is not shown.
	Page *catalog.Capture
}

// casePage is the body of the page of a case.
type casePage struct {
	Case *cases.Case
	Link string
	// Items are those of the captures that are shown on this page, of Matching that are asked for.
	Items    []caseItem
	Matching int
	Pager    pager
	// Only is the decision that is asked for, Counts are the captures by it; "none" stands for no decision.
	Only   string
	Counts map[string]int
	Deeds  []deed
	Form   caseForm
	// MayFind, MayWrite and MayExport are the person's rights: what is not shown and offered is
	// refused, too.
	MayFind, MayWrite, MayExport bool
	Progress                     behind
}

// undecided asks for captures that nothing was decided about.
const undecided = "none"

// oneCase is the page of a case.
func (h handlers) oneCase(w http.ResponseWriter, r *http.Request) {
	h.showCase(w, r, http.StatusOK, caseForm{})
}

func (h handlers) showCase(w http.ResponseWriter, r *http.Request, status int, f caseForm) {
	body, err := h.casePage(r)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	body.Form = f
	body.Form.Seen = body.Case.Version
	c := body.Case
	body.Only, body.Counts = r.URL.Query().Get("decision"), map[string]int{}
	var some []*cases.Item
	for i := range c.Captures {
		word := undecided
		if d := c.Captures[i].Decision; d != nil {
			word = string(d.Word)
		}
		body.Counts[word]++
		if body.Only == "" || body.Only == word {
			some = append(some, &c.Captures[i])
		}
	}
	body.Matching = len(some)
	some, body.Pager = paginate(some, capturesAtOnce, r)
	if body.Items, err = h.items(r, some, body.MayFind); err != nil {
		h.failCase(w, r, err)
		return
	}
	last := slices.Clone(c.History[max(0, len(c.History)-deedsShown):])
	slices.Reverse(last)
	if body.Deeds, err = h.deeds(r, &body, last); err != nil {
		h.failCase(w, r, err)
		return
	}
	h.render(w, r, status, "case.html", caseTitle(c), body)
}

// casePage reads the case that the path names, and what the person may do with it.
func (h handlers) casePage(r *http.Request) (body casePage, err error) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	if body.Case, err = h.Cases.Get(r.Context(), namespace, name); err != nil {
		return body, err
	}
	body.Link = caseLink(namespace, name)
	if body.Progress, err = h.behind(r); err != nil {
		return body, err
	}
	for right, may := range map[access.Right]*bool{access.Find: &body.MayFind, access.WriteCases: &body.MayWrite, access.Export: &body.MayExport} {
		if *may, err = h.Gate.Rights.May(r.Context(), access.From(r.Context()), right, namespace); err != nil {
			return body, err
		}
	}
	return body, nil
}

func caseTitle(c *cases.Case) string {
	if c.Title == "" {
		return c.Name
	}
	return c.Title
}

// items finds captures of a case in the catalog, for who may find them there: a case is read by
// who may read cases, an address and a title by who may find snapshots.
func (h handlers) items(r *http.Request, some []*cases.Item, mayFind bool) ([]caseItem, error) {
	items := make([]caseItem, 0, len(some))
	for _, it := range some {
		item := caseItem{Item: it}
		if mayFind {
			page, err := h.found(r, it.ID)
			if err != nil {
				return nil, err
			}
			item.Page = page
		}
		items = append(items, item)
	}
	return items, nil
}

// found is what the catalog has of a capture, nil when it has nothing.
func (h handlers) found(r *http.Request, id catalog.ID) (*catalog.Capture, error) {
	page, err := h.Catalog.Get(r.Context(), id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	return &page, err
}

// deeds are events as people read them, with what the captures that they are about are called, for who may find
// those.
func (h handlers) deeds(r *http.Request, page *casePage, entries []cases.Entry) ([]deed, error) {
	list := deeds(words.Match(r), entries)
	for i := range list {
		d := &list[i]
		if d.Capture == "" {
			continue
		}
		d.Name = string(d.Capture)
		if page.Case.Item(d.Capture) != nil {
			d.To = page.Link + "/captures/" + string(d.Capture)
		}
		if !page.MayFind {
			continue
		}
		found, err := h.found(r, d.Capture)
		if err != nil {
			return nil, err
		}
		if found != nil {
			d.Name = captureTitle(words.Match(r), found)
		}
	}
	return list, nil
}

// caseHistory is the page with all that was done in a case.
func (h handlers) caseHistory(w http.ResponseWriter, r *http.Request) {
	body, err := h.casePage(r)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	all := slices.Clone(body.Case.History)
	slices.Reverse(all)
	all, body.Pager = paginate(all, deedsAtOnce, r)
	body.Matching = len(body.Case.History)
	if body.Deeds, err = h.deeds(r, &body, all); err != nil {
		h.failCase(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, "case_history.html", words.Match(r).Text("History of %s", caseTitle(body.Case)), body)
}

// said are the events of a form that says something about a capture, or about the case when the ID is
// empty.
func (f *caseForm) said(id catalog.ID) (events []cases.Event) {
	v := f.typed
	if word := cases.Word(v.Get("decision")); word != "" {
		events = append(events, cases.Event{Kind: cases.Decided, Capture: id, Decision: word, Reason: strings.TrimSpace(v.Get("reason"))})
	}
	if note := strings.TrimSpace(v.Get("note")); note != "" {
		events = append(events, cases.Event{Kind: cases.Noted, Capture: id, Text: note})
	}
	// What was there when the form was made and is not any more was taken away by this person; what
	// others added meanwhile stays.
	before, now := tagsOf(v.Get("before")), tagsOf(v.Get("tags"))
	if more := lessOf(now, before); len(more) > 0 {
		events = append(events, cases.Event{Kind: cases.Tagged, Capture: id, Tags: more})
	}
	if less := lessOf(before, now); len(less) > 0 {
		events = append(events, cases.Event{Kind: cases.Untagged, Capture: id, Tags: less})
	}
	return events
}

// tagsOf reads tags as a form writes them, with commas between.
func tagsOf(s string) (tags []string) {
	for tag := range strings.SplitSeq(s, ",") {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

func lessOf(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}

// sayOfCase writes down what a person says about a case.
func (h handlers) sayOfCase(w http.ResponseWriter, r *http.Request) {
	f := formOf(r, "say")
	h.doInCase(w, r, f, f.said("")...)
}

// doInCase does things in the case that the path names, and leads back to its page.
func (h handlers) doInCase(w http.ResponseWriter, r *http.Request, f caseForm, events ...cases.Event) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	if err := h.appendAll(r, namespace, name, &f, events...); err != nil {
		h.again(w, r, f, err, func(status int, f caseForm) { h.showCase(w, r, status, f) })
		return
	}
	http.Redirect(w, r, caseLink(namespace, name), http.StatusSeeOther)
}

func (h handlers) closeCase(w http.ResponseWriter, r *http.Request) {
	f := formOf(r, "close")
	h.doInCase(w, r, f, cases.Event{Kind: cases.Closed, Reason: strings.TrimSpace(f.typed.Get("reason"))})
}

func (h handlers) reopenCase(w http.ResponseWriter, r *http.Request) {
	f := formOf(r, "reopen")
	h.doInCase(w, r, f, cases.Event{Kind: cases.Reopened, Reason: strings.TrimSpace(f.typed.Get("reason"))})
}

// askErase asks whether a case is to be erased.
func (h handlers) askErase(w http.ResponseWriter, r *http.Request) {
	h.askEraseWith(w, r, http.StatusOK, newCaseForm())
}

func (h handlers) askEraseWith(w http.ResponseWriter, r *http.Request, status int, f caseForm) {
	body, err := h.casePage(r)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	body.Form = f
	body.Form.Seen = body.Case.Version
	h.render(w, r, status, "case_erase.html", words.Match(r).Text("Erase %s", caseTitle(body.Case)), body)
}

// eraseCase erases a case, for who has typed its name and seen what is erased.
func (h handlers) eraseCase(w http.ResponseWriter, r *http.Request) {
	f, namespace, name := formOf(r, "erase"), r.PathValue("namespace"), r.PathValue("name")
	if err := h.erase(r, namespace, name, &f); err != nil {
		h.again(w, r, f, err, func(status int, f caseForm) { h.askEraseWith(w, r, status, f) })
		return
	}
	http.Redirect(w, r, caseLink(namespace, name), http.StatusSeeOther)
}

func (h handlers) erase(r *http.Request, namespace, name string, f *caseForm) error {
	if f.unread != nil {
		return f.unread
	}
	lang, why := words.Match(r), strings.TrimSpace(f.typed.Get("why"))
	if strings.TrimSpace(f.typed.Get("name")) != name {
		return unfit(lang.Text("Type the name of the case to erase it: %s", name))
	}
	if why == "" {
		return unfit(lang.Text("%s is missing.", lang.Text("Why it is erased")))
	}
	if len(why) > maxWhy {
		return unfit(lang.Text(tooManyBytes, lang.Text("Why it is erased"), lang.Number(maxWhy)))
	}
	c, err := h.Cases.Get(r.Context(), namespace, name)
	if err != nil {
		return err
	}
	if c.State != cases.StateErased && c.Version != f.Seen {
		conflict := &cases.ConflictError{Seen: f.Seen, Version: c.Version}
		for i := range c.History {
			if c.History[i].Seq > f.Seen {
				conflict.Since = append(conflict.Since, c.History[i])
			}
		}
		return conflict
	}
	_, err = h.Cases.Erase(r.Context(), namespace, name, access.From(r.Context()).Name, why)
	return err
}

// maxWhy is how long the reason of an erasure is, in bytes, and that of a decision about keeping.
const maxWhy = 256
