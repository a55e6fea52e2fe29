package portal

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// Keeper keeps the captures of cases; [cases.Retention] is one.
type Keeper interface {
	cases.Keeper
	// KeptUntil tells to when a case keeps the chunks of captures.
	KeptUntil(ctx context.Context, name string, captures []cases.Capture) (map[blob.Key]time.Time, error)
}

// keeping is the body of the page on which it is decided how long captures are kept.
type keeping struct {
	casePage
	Files []keptFile
	// Offered is false where the portal cannot keep anything.
	Offered bool
	// Tomorrow is the first day that can be chosen.
	Tomorrow string
}

// keptFile is a file of the archive that a case has captures of.
type keptFile struct {
	Chunk blob.Key
	// Captures counts those of the case.
	Captures int
	// Until is to when the case keeps it, zero when it does not.
	Until time.Time
	// Why says why it cannot be kept, where that came out.
	Why string
}

// filesOf are the files that captures are in, in the order in which they come.
func filesOf(captures []cases.Capture) (files []keptFile) {
	places := map[blob.Key]int{}
	for i := range captures {
		at, ok := places[captures[i].Chunk]
		if !ok {
			at = len(files)
			places[captures[i].Chunk], files = at, append(files, keptFile{Chunk: captures[i].Chunk})
		}
		files[at].Captures++
	}
	return files
}

// capturesOf are the captures of a case about which one of some words was decided last; all when there are none.
func capturesOf(c *cases.Case, only []cases.Word) (some []cases.Capture) {
	for i := range c.Captures {
		it := &c.Captures[i]
		if len(only) == 0 || it.Decision != nil && slices.Contains(only, it.Decision.Word) {
			some = append(some, it.Capture)
		}
	}
	return some
}

// caseKeep is the page on which it is decided how long the captures of a case are kept.
func (h handlers) caseKeep(w http.ResponseWriter, r *http.Request) {
	h.showKeep(w, r, http.StatusOK, newCaseForm(), nil)
}

func (h handlers) showKeep(w http.ResponseWriter, r *http.Request, status int, f caseForm, why map[blob.Key]string) {
	page, err := h.casePage(r)
	if err == nil && page.Case.State == cases.StateErased {
		err = chain.ErrErased
	}
	if err != nil {
		h.failCase(w, r, err)
		return
	}
	body := keeping{casePage: page, Offered: h.Keeper != nil, Tomorrow: time.Now().UTC().AddDate(0, 0, 1).Format(day)}
	body.Form = f
	all := capturesOf(page.Case, nil)
	body.Files = filesOf(all)
	if h.Keeper != nil {
		kept, err := h.Keeper.KeptUntil(r.Context(), page.Case.Name, all)
		if err != nil {
			h.failCase(w, r, err)
			return
		}
		for i := range body.Files {
			body.Files[i].Until, body.Files[i].Why = kept[body.Files[i].Chunk], why[body.Files[i].Chunk]
		}
	}
	h.render(w, r, status, "case_keep.html", words.Match(r).Text("Keep %s", caseTitle(page.Case)), body)
}

// keepCase keeps the captures of a case. What comes of it is read from the store by the page that follows.
func (h handlers) keepCase(w http.ResponseWriter, r *http.Request) {
	f, lang := formOf(r, "keep"), words.Match(r)
	if h.Keeper == nil {
		h.nowhere(w, r)
		return
	}
	kept, err := h.keep(r, &f)
	why := map[blob.Key]string{}
	for _, k := range kept {
		for _, chunk := range k.Gone {
			why[chunk] = lang.Text("It is not in the archive any more.")
		}
		for _, chunk := range k.TooLate {
			why[chunk] = lang.Text("It is being erased already.")
		}
		if k.Untold != "" {
			h.Logger.Warn("who looks after a run was not told that it is kept; they see it within a day", "run", k.Run, "error", k.Untold)
		}
	}
	if err == nil && len(why) > 0 {
		err = unfit(lang.Text("Not all of it can be kept: the list says what not, and why."))
	}
	if err != nil {
		h.again(w, r, f, err, func(status int, f caseForm) { h.showKeep(w, r, status, f, why) })
		return
	}
	http.Redirect(w, r, caseLink(r.PathValue("namespace"), r.PathValue("name"))+"/keep", http.StatusSeeOther)
}

func (h handlers) keep(r *http.Request, f *caseForm) ([]cases.Kept, error) {
	if f.unread != nil {
		return nil, f.unread
	}
	lang := words.Match(r)
	c, err := h.Cases.Get(r.Context(), r.PathValue("namespace"), r.PathValue("name"))
	if err == nil && c.State == cases.StateErased {
		err = chain.ErrErased
	}
	if err != nil {
		return nil, err
	}
	until, err := time.Parse(day, f.typed.Get("until"))
	until = until.AddDate(0, 0, 1) // its end is meant, as with crawlctl retention keep
	if err != nil || !until.After(time.Now()) {
		return nil, unfit(lang.Text("Choose a date that has not passed."))
	}
	why := strings.TrimSpace(f.typed.Get("why"))
	if chain.Line("", why, maxWhy) != nil {
		return nil, unfit(lang.Text("Say why, in one line of at most %s bytes.", lang.Number(maxWhy)))
	}
	only, err := wordsOf(f.typed)
	if err != nil {
		return nil, err
	}
	k := cases.Keeping{
		Case: c.Name, Until: until, Shorten: f.Chosen("shorten", "yes"), By: access.From(r.Context()).Name, Why: why,
		Captures: capturesOf(c, only),
	}
	if len(k.Captures) == 0 {
		return nil, unfit(lang.Text("No capture has that decision."))
	}
	return h.Keeper.Keep(r.Context(), k)
}

// wordsOf are the decisions that a form, or an address, narrows down to; none stands for all captures.
func wordsOf(v url.Values) (only []cases.Word, err error) {
	for _, word := range v["decision"] {
		if !slices.Contains(cases.Words(), cases.Word(word)) {
			return nil, badInput{"decision", word, "one of Relevant, NotRelevant, NeedsReview and HandOver"}
		}
		only = append(only, cases.Word(word))
	}
	return only, nil
}
