package portal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// aboutForm is a request about the namespace that is chosen in its form. Where that could be read it is for the
// handler to tell what could not: it has the page for what was typed.
func aboutForm(r *http.Request) ([]access.Subject, error) {
	err := readForm(r, maxCaseForm)
	namespace := r.PostForm.Get("namespace")
	if chain.Name(namespace) != nil { // an empty one would be all of them
		if err != nil {
			return nil, err
		}
		return nil, badInput{"namespace", namespace, "one of those that the form offers"}
	}
	return []access.Subject{{Namespace: namespace}}, nil
}

// aboutChosen is a request about captures that are chosen, and about the namespace of a form.
func aboutChosen(h handlers) func(*http.Request) ([]access.Subject, error) {
	return func(r *http.Request) ([]access.Subject, error) {
		chosen, err := h.chosen(r)
		if err != nil {
			return nil, err
		}
		var subjects []access.Subject
		for i := range chosen {
			subjects = append(subjects, access.Subject{Namespace: chosen[i].Namespace, Unknown: catalog.ErrNotFound})
		}
		if r.Method != http.MethodPost {
			return subjects, nil
		}
		of, err := aboutForm(r)
		return append(subjects, of...), err
	}
}

// chosen are the captures that are chosen in a form or in the address of its page, each once: those that could be
// read.
func (h handlers) chosen(r *http.Request) ([]catalog.Capture, error) {
	err := readForm(r, maxCaseForm)
	ids := r.Form["id"]
	if err != nil && len(ids) == 0 {
		return nil, err
	}
	if len(ids) == 0 || len(ids) > cases.MaxAtOnce {
		return nil, badInput{"id", fmt.Sprintf("%d captures", len(ids)), "1 to 1,000 captures: select them on the search page"}
	}
	var list []catalog.Capture
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		c, err := h.Catalog.Get(r.Context(), catalog.ID(id))
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// adding is the body of the page on which a case is chosen for captures.
type adding struct {
	Groups []addingGroup
	Form   caseForm
}

// addingGroup are the captures of one namespace: a case holds those of its own only.
type addingGroup struct {
	Namespace string
	Captures  []catalog.Capture
	// Open are the cases that they can be added to.
	Open []cases.Summary
	Form caseForm
}

// chooseCase is the page on which a case is chosen for captures.
func (h handlers) chooseCase(w http.ResponseWriter, r *http.Request) {
	h.chooseCaseWith(w, r, http.StatusOK, caseForm{})
}

func (h handlers) chooseCaseWith(w http.ResponseWriter, r *http.Request, status int, f caseForm) {
	chosen, err := h.chosen(r)
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	body := adding{Form: f}
	for _, c := range chosen {
		i := slices.IndexFunc(body.Groups, func(g addingGroup) bool { return g.Namespace == c.Namespace })
		if i < 0 {
			i = len(body.Groups)
			group := addingGroup{Namespace: c.Namespace, Form: caseForm{}}
			if f.Typed("namespace", "") == c.Namespace {
				group.Form = f
			}
			all, err := h.Cases.List(r.Context(), c.Namespace)
			if err != nil {
				h.failCase(w, r, err)
				return
			}
			group.Open = slices.DeleteFunc(all, func(s cases.Summary) bool { return s.State != cases.StateOpen })
			body.Groups = append(body.Groups, group)
		}
		body.Groups[i].Captures = append(body.Groups[i].Captures, c)
	}
	h.render(w, r, status, "case_add.html", words.Match(r).Text("Add to a case"), body)
}

// addToCase adds captures to a case, to a new one when none is chosen.
func (h handlers) addToCase(w http.ResponseWriter, r *http.Request) {
	f := formOf(r, "")
	f.Do = f.typed.Get("do") // of the two on that page
	namespace, name := f.typed.Get("namespace"), strings.TrimSpace(f.typed.Get("case"))
	err := h.addChosen(r, namespace, name, &f)
	if err != nil {
		h.again(w, r, f, err, func(status int, f caseForm) { h.chooseCaseWith(w, r, status, f) })
		return
	}
	if name == "" {
		name, _ = f.opened()
	}
	http.Redirect(w, r, caseLink(namespace, name), http.StatusSeeOther)
}

func (h handlers) addChosen(r *http.Request, namespace, name string, f *caseForm) error {
	if f.unread != nil {
		return f.unread
	}
	lang := words.Match(r)
	chosen, err := h.chosen(r)
	if err != nil {
		return err
	}
	var captures []cases.Capture
	for i := range chosen {
		if chosen[i].Namespace != namespace {
			return cases.ErrNamespace
		}
		captures = append(captures, cases.NewCapture(chosen[i].Chunk, chosen[i].Page.ID))
	}
	if f.Do == "choose" {
		if chain.Name(name) != nil {
			return unfit(lang.Text("Choose a case."))
		}
	} else {
		var opened cases.Event
		if name, opened = f.opened(); name == "" {
			return unfit(lang.Text("%s is missing.", lang.Text("Name")))
		}
		if err := h.appendAll(r, namespace, name, f, opened); err != nil {
			return err
		}
	}
	e := cases.Event{Kind: cases.Added, Captures: captures}
	_, err = h.add(r, namespace, name, cases.Draft{ID: f.id(e)}, captures)
	return err
}

// add adds captures to a case. The custody log is told before that they belong to it, once it is known that
// the case can have them, and is the one that was seen; a log that cannot be told keeps them out.
func (h handlers) add(r *http.Request, namespace, name string, d cases.Draft, captures []cases.Capture) (*cases.Case, error) {
	c, err := h.Cases.Get(r.Context(), namespace, name)
	if err != nil {
		return nil, err
	}
	p := access.From(r.Context())
	d.By = p.Name
	if c.Has(d) {
		return c, nil // sent twice
	}
	switch c.State {
	case cases.StateClosed:
		return nil, cases.ErrClosed
	case cases.StateErased:
		return nil, chain.ErrErased
	case cases.StateOpen:
	}
	if err := c.Unseen(d.Seen); err != nil {
		return nil, err
	}
	there := map[catalog.ID]bool{}
	for i := range c.Captures {
		there[c.Captures[i].ID] = true
	}
	captures = slices.DeleteFunc(slices.Clone(captures), func(c cases.Capture) bool { return there[c.ID] })
	if len(captures) == 0 {
		return c, nil
	}
	if len(c.Captures)+len(captures) > cases.MaxCaptures {
		return nil, cases.ErrFull
	}
	e := cases.Event{Kind: cases.Added, Captures: captures}
	if err := e.Check(); err != nil {
		return nil, err
	}
	snapshots := make([]access.Snapshot, 0, len(captures))
	for _, c := range captures {
		snapshots = append(snapshots, access.Snapshot{Chunk: c.Chunk, Page: c.Page})
	}
	if err := h.Gate.Custody.Tied(r.Context(), p, name, snapshots...); err != nil {
		return nil, err
	}
	return h.Cases.Append(r.Context(), namespace, name, d, e)
}
