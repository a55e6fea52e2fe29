package portal

import (
	"net/http"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/selection"
)

// A dossier has files as they were signed, so that pages go along with the chosen ones which nobody chose:
// all that were captured into the same files. How many is told before.

// along is what goes along with the captures that a choice picks.
type along struct {
	// Word is the decision that is chosen, empty for none.
	Word cases.Word
	// Captures are picked, and Others are in the same files; Unknown says that there are more of those in
	// files that the catalog does not have.
	Captures, Others int
	Unknown          bool
}

// handFile is a file with captures of a case. Pages are all that are in it; Known says that the catalog has
// the file.
type handFile struct {
	keptFile
	Pages int
	Known bool
}

// along tells which files a case has captures in, and what goes along with each choice of them: with none
// first, then with each decision that was made.
func (h handlers) along(r *http.Request, c *cases.Case) ([]handFile, []along, error) {
	var files []handFile
	var keys []blob.Key
	for _, f := range filesOf(capturesOf(c, nil)) {
		files, keys = append(files, handFile{keptFile: f}), append(keys, f.Chunk)
	}
	pages, err := h.Catalog.PagesOf(r.Context(), keys)
	if err != nil {
		return nil, nil, err
	}
	for i := range files {
		files[i].Pages, files[i].Known = pages[files[i].Chunk]
	}
	choices := []along{alongWith(along{}, selection.Of(c), pages)}
	for _, word := range cases.Words() {
		if a := alongWith(along{Word: word}, selection.Of(c, word), pages); a.Captures > 0 {
			choices = append(choices, a)
		}
	}
	return files, choices, nil
}

// alongWith counts what goes along with picks, of files that have so many pages.
func alongWith(a along, picks []selection.Pick, pages map[blob.Key]int) along {
	a.Captures = len(picks)
	chosen := map[blob.Key]int{}
	for _, p := range picks {
		chosen[p.Chunk]++
	}
	for chunk, n := range chosen {
		all, known := pages[chunk]
		a.Others += max(0, all-n)
		a.Unknown = a.Unknown || !known
	}
	return a
}

// preselected are the decisions that are ticked before somebody chooses: what was to be handed over, where
// that was decided about any capture.
func preselected(c *cases.Case) []cases.Word {
	if slices.ContainsFunc(c.Captures, func(it cases.Item) bool { return it.Decision != nil && it.Decision.Word == cases.HandOver }) {
		return []cases.Word{cases.HandOver}
	}
	return nil
}
