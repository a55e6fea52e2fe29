package portal

import (
	"html/template"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// decisionWords are what people call the decisions.
var decisionWords = map[string]string{
	string(cases.Relevant): "relevant", string(cases.NotRelevant): "not relevant",
	string(cases.NeedsReview): "needs review", string(cases.HandOver): "to be handed over",
}

// caseStateWords are what people call the states of a case.
var caseStateWords = map[string]string{
	string(cases.StateOpen): "open", string(cases.StateClosed): "closed", string(cases.StateErased): "erased",
}

// caseFunctions are what the pages of cases use, in a language.
func caseFunctions(lang words.Lang) template.FuncMap {
	return template.FuncMap{
		"decision": func(w cases.Word) string { return lang.Text(decisionWords[string(w)]) },
		"decisionclass": func(w cases.Word) string {
			return map[cases.Word]string{cases.Relevant: "good", cases.HandOver: "good", cases.NeedsReview: "busy"}[w]
		},
		"casestate": func(s cases.State) string { return lang.Text(caseStateWords[string(s)]) },
		"caselink":  caseLink,
		"commas":    func(list []string) string { return strings.Join(list, ", ") },
		"decisions": cases.Words,
		"labelled":  func(v any, form caseForm) labelled { return labelled{v, form} },
	}
}

// labelled is a form with what it is about.
type labelled struct {
	Of   any
	Form caseForm
}

// deed is something that somebody did in a case, as people read it.
type deed struct {
	cases.Signed
	// Text says what was done, Said are the person's own words.
	Text string
	Said string
	// Capture is what it is about, Name what that is called, To its address while it is in the case. Captures
	// are what was added or removed.
	Capture  catalog.ID
	Name, To string
	Captures []catalog.ID
}

func deeds(lang words.Lang, entries []cases.Entry) []deed {
	list := make([]deed, 0, len(entries))
	for i := range entries {
		list = append(list, deedOf(lang, &entries[i]))
	}
	return list
}

func deedOf(lang words.Lang, e *cases.Entry) deed {
	d := deed{Signed: cases.Signed{By: e.By, At: e.At}}
	if e.Erased != nil {
		d.Text, d.Said = lang.Text("erased the case"), e.Erased.Why
		return d
	}
	v := e.Event
	d.Capture, d.Said = v.Capture, v.Reason
	for i := range v.Captures {
		d.Captures = append(d.Captures, v.Captures[i].ID)
	}
	n := lang.Count(len(v.Captures), "capture")
	switch v.Kind {
	case cases.Opened:
		d.Text, d.Said = lang.Text("opened the case"), v.Title
	case cases.Added:
		d.Text = lang.Text("added %s", n)
	case cases.Removed:
		d.Text = lang.Text("removed %s", n)
	case cases.Noted:
		d.Text, d.Said = lang.Text("wrote a note"), v.Text
	case cases.Tagged:
		d.Text = lang.Text("tagged: %s", strings.Join(v.Tags, ", "))
	case cases.Untagged:
		d.Text = lang.Text("removed tags: %s", strings.Join(v.Tags, ", "))
	case cases.Decided:
		d.Text = lang.Text("decided: %s", lang.Text(decisionWords[string(v.Decision)]))
	case cases.Closed:
		d.Text = lang.Text("closed the case")
	case cases.Reopened:
		d.Text = lang.Text("reopened the case")
	}
	return d
}
