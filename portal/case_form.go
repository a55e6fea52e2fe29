package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// maxCaseForm bounds what is posted, in bytes: a note or a thousand captures, as forms escape them.
const maxCaseForm = 1 << 20

// caseForm is a form about a case: how it is told from others, what was typed, and what is wrong with it.
type caseForm struct {
	// Do says which of the forms of a page it is.
	Do string
	// Draft makes what is sent twice count once, Seen is the version of the case that the person saw.
	Draft string
	Seen  int64
	// Wrong is what has to be changed, Since what others did meanwhile.
	Wrong string
	Since []deed
	typed url.Values
	// unread is why it could not be read, or not all of it: nothing comes of it then.
	unread error
}

func newCaseForm() caseForm { return caseForm{Draft: uuid.NewString()} }

// formOf is the form of that name as it was posted. It is read already: by the about function of its route, or
// here.
func formOf(r *http.Request, do string) caseForm {
	err := readForm(r, maxCaseForm)
	f := caseForm{Do: do, Draft: r.PostForm.Get("draft"), typed: r.PostForm, unread: err}
	f.Seen, _ = strconv.ParseInt(r.PostForm.Get("seen"), 10, 64) // 0 is none
	f.Seen = max(f.Seen, 0)
	if uuid.Validate(f.Draft) != nil {
		f.Draft = uuid.NewString()
	}
	return f
}

// For is the form of that name: as it was typed, or a new one.
func (f caseForm) For(do string) caseForm {
	if f.Do == do && f.typed != nil {
		return f
	}
	return caseForm{Do: do, Draft: uuid.NewString(), Seen: f.Seen}
}

// Typed is what was typed into a field; the other where the form was not sent.
func (f caseForm) Typed(name, otherwise string) string {
	if f.typed == nil {
		return otherwise
	}
	return f.typed.Get(name)
}

// Chosen tells whether a value of a field was chosen.
func (f caseForm) Chosen(name, value string) bool { return slices.Contains(f.typed[name], value) }

// unfit is what cannot be used as it was typed, in the person's language.
type unfit string

// Error implements error.
func (u unfit) Error() string { return string(u) }

// again shows a form again, with what is wrong and all that was typed. What no other input helps with
// has a page of its own.
func (h handlers) again(w http.ResponseWriter, r *http.Request, f caseForm, err error, show func(status int, f caseForm)) {
	lang := words.Match(r)
	var bad unfit
	var unread problem
	switch {
	case errors.As(err, &bad):
		f.Wrong = string(bad)
		show(http.StatusUnprocessableEntity, f)
		return
	case errors.As(err, &unread):
		told := unread.in(lang)
		f.Wrong = told.Text + " " + told.Hint + " " + lang.Text("What could be read of it is in this page.")
		show(unread.Status, f)
		return
	}
	var refused *access.Problem
	p, ok := caseProblem(err)
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable:
		h.Metrics.refused(err)
		h.Logger.Error("the custody log or the rights are out of reach", "route", r.Pattern, "error", err)
		p = refusal(refused)
	case errors.Is(err, blob.ErrUnreachable):
		h.Logger.Error("the store does not answer", "route", r.Pattern, "error", err)
		p = problem{Status: http.StatusBadGateway, Text: "The store does not answer.", Hint: "Nobody knows whether it was written down. Send it again in a while: it counts once."}
	case !ok || p.Status == http.StatusGone || p.Status == http.StatusNotFound || p.Status >= http.StatusInternalServerError:
		h.failCase(w, r, err)
		return
	}
	var conflict *cases.ConflictError
	if errors.As(err, &conflict) && len(conflict.Since) > 0 {
		f.Since = deeds(lang, conflict.Since)
		f.Seen = conflict.Since[len(conflict.Since)-1].Seq // the form is sent again by who has seen that
	}
	told := p.in(lang)
	f.Wrong = told.Text + " " + told.Hint
	show(p.Status, f)
}

// appendAll does things in a case one after the other, each once however often the form is sent. Nothing is done when one of them cannot be written down. What others did meanwhile
// is in the way only where it is about the same: a decision about a capture is not overtaken by a
// note about another.
func (h handlers) appendAll(r *http.Request, namespace, name string, f *caseForm, events ...cases.Event) error {
	lang := words.Match(r)
	if f.unread != nil {
		return f.unread
	}
	if len(events) == 0 {
		return unfit(lang.Text("There is nothing to save: write a note, change the tags or decide something."))
	}
	if chain.Name(name) != nil {
		return unfit(lang.Text("The name has 1 to 63 lower-case letters, digits and hyphens, and neither begins nor ends with a hyphen."))
	}
	for _, e := range events {
		if err := checkTyped(lang, e); err != nil {
			return err
		}
	}
	for _, e := range events {
		c, err := h.append(r, namespace, name, f.Seen, f.id(e), e)
		if err != nil {
			return err
		}
		if f.Seen != 0 {
			f.Seen = c.Version
		}
	}
	return nil
}

// id tells an event of a form from all others. What was changed before the form was sent again is
// another one.
func (f *caseForm) id(e cases.Event) string {
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err) // texts can always be encoded
	}
	sum := sha256.Sum256(raw)
	return f.Draft + "-" + hex.EncodeToString(sum[:8])
}

// lineEnds is text with the line ends that are written down.
func lineEnds(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// overtaken is how often an event is tried again behind those of others.
const overtaken = 100

func (h handlers) append(r *http.Request, namespace, name string, seen int64, id string, e cases.Event) (*cases.Case, error) {
	d := cases.Draft{By: access.From(r.Context()).Name, ID: id}
	if slices.Contains([]cases.Kind{cases.Closed, cases.Reopened, cases.Decided, cases.Removed}, e.Kind) {
		d.Seen = seen
	}
	for try := 0; ; try++ {
		c, err := h.Cases.Append(r.Context(), namespace, name, d, e)
		var conflict *cases.ConflictError
		if !errors.As(err, &conflict) || len(conflict.Since) == 0 || try == overtaken || slices.ContainsFunc(conflict.Since, func(other cases.Entry) bool { return crosses(e, other) }) {
			return c, err
		}
		d.Seen = conflict.Since[len(conflict.Since)-1].Seq
	}
}

// crosses tells whether somebody has to see what another did before their own event can count.
func crosses(e cases.Event, other cases.Entry) bool {
	if other.Event == nil {
		return true
	}
	o := *other.Event
	about := func(ids []catalog.ID) bool {
		return slices.ContainsFunc(o.Captures, func(c cases.Capture) bool { return slices.Contains(ids, c.ID) }) ||
			o.Capture != "" && slices.Contains(ids, o.Capture)
	}
	switch e.Kind {
	case cases.Closed, cases.Reopened:
		return true
	case cases.Decided:
		return o.Kind == cases.Decided && o.Capture == e.Capture || o.Kind == cases.Removed && about([]catalog.ID{e.Capture})
	case cases.Removed:
		var ids []catalog.ID
		for _, c := range e.Captures {
			ids = append(ids, c.ID)
		}
		return about(ids)
	case cases.Opened, cases.Added, cases.Noted, cases.Tagged, cases.Untagged: // go with whatever others did
	}
	return false
}

// tooManyBytes is said of what has more bytes than it may: people count characters.
const tooManyBytes = "%s: at most %s bytes, and no control characters. A letter with an accent has two bytes, one of another script up to four."

// checkTyped says which field cannot be written down, in the person's language.
func checkTyped(lang words.Lang, e cases.Event) error {
	tooLong := func(label string, most int) error {
		return unfit(lang.Text(tooManyBytes, label, lang.Number(most)))
	}
	missing := func(label string) error { return unfit(lang.Text("%s is missing.", label)) }
	const typed = "what was typed" // the error is not shown
	title, reason := lang.Text("Title"), lang.Text("Reason")
	switch {
	case e.Kind == cases.Opened && e.Title == "":
		return missing(title)
	case e.Title != "" && chain.Line(title, e.Title, cases.MaxTitle) != nil:
		return tooLong(title, cases.MaxTitle)
	case chain.Text(typed, lineEnds(e.Description), cases.MaxNote) != nil:
		return tooLong(lang.Text("Description"), cases.MaxNote)
	case chain.Text(typed, lineEnds(e.Text), cases.MaxNote) != nil:
		return tooLong(lang.Text("Note"), cases.MaxNote)
	case e.Reason == "" && slices.Contains([]cases.Kind{cases.Closed, cases.Reopened, cases.Removed}, e.Kind):
		return missing(reason)
	case chain.Text(typed, lineEnds(e.Reason), cases.MaxReason) != nil:
		return tooLong(reason, cases.MaxReason)
	case len(e.Tags) > 0 && e.Check() != nil:
		return unfit(lang.Text("A tag has at most %s characters on one line.", lang.Number(cases.MaxTag)))
	}
	return nil
}
