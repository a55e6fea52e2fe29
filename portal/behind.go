package portal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// behind says what a list may lack, so that nobody takes what the portal does not know for what
// the archive does not have.
type behind struct {
	// Listed tells whether all of the archive was listed since the portal began.
	Listed bool `json:"listed"`
	// Waiting is how many files were listed and are still to be read.
	Waiting int `json:"waiting"`
	// Since is when the store began not to answer, zero while it does.
	Since time.Time `json:"since,omitzero"`
	// Unreadable is how many files cannot be read, of the namespaces that the person may find in.
	Unreadable int `json:"unreadable"`
}

// Complete tells whether a list has all that the store had when it was looked at last.
func (b behind) Complete() bool {
	return b.Listed && b.Waiting == 0 && b.Since.IsZero() && b.Unreadable == 0
}

// behind is how far the catalog is behind the archive, for who asks.
func (h handlers) behind(r *http.Request) (behind, error) {
	p := h.Follow.Progress()
	b := behind{Listed: !p.Listed.IsZero(), Waiting: p.Waiting}
	if p.Error != "" {
		b.Since = p.Since
	}
	broken := map[string]int{} // by namespace: one without a file that can be read is not in the catalog
	var all []string
	for _, problem := range h.Follow.Problems() {
		run, _, ok := catalog.ParseChunk(problem.Key)
		if !ok {
			continue
		}
		if broken[run.Namespace]++; broken[run.Namespace] == 1 {
			all = append(all, run.Namespace)
		}
	}
	some, err := h.Gate.Rights.Namespaces(r.Context(), access.From(r.Context()), access.Find, all)
	for _, namespace := range some {
		b.Unreadable += broken[namespace]
	}
	return b, err
}

// addUnreadable adds to the problems of runs the files that cannot be read. What is said of why may have
// addresses of pages in it, which who may find in the namespace of a run may see.
func (h handlers) addUnreadable(runs ...*Run) {
	problems := h.Follow.Problems()
	for _, run := range runs {
		for _, problem := range problems {
			name, ofRun := strings.CutPrefix(string(problem.Key), run.Prefix)
			if !ofRun || !run.has(problem.Key) {
				continue
			}
			run.Problems = append(run.Problems, fmt.Sprintf("%s cannot be read, so what is in it is not found: %s", name, problem.Text))
		}
	}
}

// has tells whether a file is one of the run's.
func (r *Run) has(key blob.Key) bool {
	return slices.ContainsFunc(r.Chunks, func(c Chunk) bool { return c.Key == key })
}
