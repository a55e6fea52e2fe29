package portal

import (
	"errors"
	"net/http"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/fetch"
	"crawlfleet.dev/crawlfleet/portal/selection"
)

// errNotMade is a dossier that could not be made for a reason that people can do nothing about.
var errNotMade = errors.New("the dossier could not be made")

// caseProblems are what errors about cases mean to a person.
var caseProblems = []struct {
	err error
	problem
}{
	{chain.ErrErased, problem{Status: http.StatusGone, Text: "This case was erased.", Hint: "What remains is that it existed, who erased it and why. Its name cannot be used again."}},
	{cases.ErrExists, problem{Status: http.StatusConflict, Text: "There is a case of that name already.", Hint: "Choose another name, or add to that case."}},
	{cases.ErrClosed, problem{Status: http.StatusConflict, Text: "The case is closed.", Hint: "Reopen it to change something in it."}},
	{cases.ErrNotClosed, problem{Status: http.StatusConflict, Text: "The case is not closed.", Hint: "Somebody may have reopened it meanwhile: look at it again."}},
	{cases.ErrNotInCase, problem{Status: http.StatusNotFound, Text: "This capture is not in the case.", Hint: "Somebody may have removed it: the history of the case says who and why."}},
	{cases.ErrFull, problem{Status: http.StatusConflict, Text: "The case is full.", Hint: "A case has 10,000 captures at most, and 100 tags. Open another case."}},
	{cases.ErrNamespace, problem{Status: http.StatusUnprocessableEntity, Text: "A case holds captures of its own namespace only.", Hint: "Choose a case of the namespace that they belong to."}},
	{cases.ErrSeen, problem{Status: http.StatusUnprocessableEntity, Text: "Look at the case before you close it.", Hint: "Say which version of it you have seen."}},
	{cases.ErrShorter, problem{Status: http.StatusConflict, Text: "The case keeps some of it for longer than that.", Hint: "Choose a later date, or tick that the time is to be shortened."}},
	{chain.ErrNotFound, problem{Status: http.StatusNotFound, Text: "There is no such case.", Hint: "The list of cases has all that you may read."}},
	{chain.ErrBroken, problem{Status: http.StatusInternalServerError, Text: "This case cannot be read.", Hint: "Its history does not add up. Tell whoever runs the archive: the portal's log says what is wrong."}},
	{chain.ErrInvalid, problem{Status: http.StatusUnprocessableEntity, Text: "This cannot be written down as it is.", Hint: "Something is missing or too long, or has control characters in it."}},
	{selection.ErrNoPage, problem{Status: http.StatusConflict, Text: "A page of the case is missing from its file in the archive.", Hint: "Nothing was handed over. Tell whoever runs the archive: the portal's log says which."}},
	{dossier.ErrFails, problem{Status: http.StatusConflict, Text: "A file of the archive is damaged, so nothing was handed over.", Hint: "The verification of its captures says where. Remove them from the case, or tell whoever runs the archive."}},
	{errNotMade, problem{Status: http.StatusInternalServerError, Text: "The dossier could not be made.", Hint: "The portal's log says why. Tell whoever runs it."}},
	{blob.ErrLocked, problem{Status: http.StatusConflict, Text: "The store has locked a part of this case, so it is not fully erased.", Hint: "Erase it again when the lock is over."}},
}

// caseProblem is what an error about a case means to a person.
func caseProblem(err error) (problem, bool) {
	for _, known := range caseProblems {
		if errors.Is(err, known.err) {
			return known.problem, true
		}
	}
	var gone *selection.GoneError
	if errors.As(err, &gone) {
		return problem{Status: http.StatusConflict, Text: "Some of the captures are not in the archive any more.", Hint: "Nothing was handed over. Choose to leave them out, or remove them from the case."}, true
	}
	var unsound *selection.UnsoundError
	var damaged *fetch.DamagedError
	if errors.As(err, &unsound) || errors.As(err, &damaged) {
		return problem{Status: http.StatusConflict, Text: "A file of the archive is damaged, so nothing was handed over.", Hint: "The verification of its captures says where. Remove them from the case, or tell whoever runs the archive."}, true
	}
	var conflict *cases.ConflictError
	if errors.As(err, &conflict) {
		return problem{Status: http.StatusConflict, Text: "Others changed the case meanwhile.", Hint: "Look at what they did, then send yours again if it still holds."}, true
	}
	return problem{}, false
}

// failCase answers with what a person can do about an error with a case.
func (h handlers) failCase(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := caseProblem(err)
	if !ok {
		h.fail(w, r, err)
		return
	}
	if p.Status >= http.StatusInternalServerError || p.Status == http.StatusConflict {
		h.Logger.Warn("a case cannot be shown or changed", "route", r.Pattern, "error", err)
	}
	h.problem(w, r, p)
}
