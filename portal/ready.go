package portal

import (
	"errors"
	"net/http"
	"time"
)

// readiness is how far the catalog is, for who starts and watches portals. It has counts, times and words
// of this program, and nothing of the archive: everybody may ask for it.
type readiness struct {
	// Known is how many files the catalog knows, Waiting how many were listed that are not read yet,
	// Problems how many have one.
	Known    int `json:"known"`
	Waiting  int `json:"waiting"`
	Problems int `json:"problems"`
	// Listed is when all of the archive was listed last, missing before.
	Listed time.Time `json:"listed,omitzero"`
	// Error is what keeps the catalog from following the archive, since then.
	Error string    `json:"error,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// notFollowed is what is said of an error that has no words for people.
const notFollowed = "The archive cannot be followed; the portal's log says why."

// ready says that the portal answers, which it does when its catalog was opened and not before. It does
// so without the store, too: its pages then tell what is wrong with that, and what the catalog has is
// found. So it is no reason to send people elsewhere.
func (h handlers) ready(w http.ResponseWriter, r *http.Request) {
	p := h.Follow.Progress()
	body := readiness{Known: p.Known, Waiting: p.Waiting, Problems: p.Problems, Listed: p.Listed, Since: p.Since}
	if p.Error != "" {
		body.Error = notFollowed
		for _, known := range problems {
			if errors.Is(p.Cause, known.err) {
				body.Error = known.Text
				break
			}
		}
	}
	h.writeJSON(w, r, body)
}
