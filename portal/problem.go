package portal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// problem is what a person is told when something is not as it should be, and what to do.
type problem struct {
	Status int    `json:"status"`
	Text   string `json:"error"`
	Hint   string `json:"hint"`
}

// problems are what errors mean to a person. Nothing of the error's own text is shown: it
// may name keys and addresses of the store.
var problems = []struct {
	err error
	problem
}{
	{ErrNoRun, problem{http.StatusNotFound, "The archive holds nothing of this crawl.", "It shows up with its first stored file, after about 20 pages. The list of all crawls has what there is."}},
	{ErrNoPage, problem{http.StatusNotFound, "This page is not in this crawl.", "The crawl's list has every page that was archived."}},
	{blob.ErrNotFound, problem{http.StatusNotFound, "The archive has no file of this name.", "The crawl's page lists its files. A file that was there before has been removed from the store: tell whoever runs it."}},
	{blob.ErrUnreachable, problem{http.StatusBadGateway, "The store does not answer.", "Nothing is lost by that. Check that the store runs and that --s3-endpoint of the portal is right, then load this page again."}},
	{blob.ErrClock, problem{http.StatusBadGateway, "The clocks of the portal and of the store differ.", "Set the clocks of both machines, with NTP for instance, then load this page again."}},
	{blob.ErrDenied, problem{http.StatusBadGateway, "The store refuses the portal's credentials.", "Check the file that --s3-credentials-file names and that its key may read and list the archive bucket, then load this page again."}},
	{blob.ErrNoBucket, problem{http.StatusBadGateway, "The archive bucket does not exist.", "Create the bucket, or correct --archive-bucket of the portal, then load this page again."}},
}

// fail answers with what a person can do, and logs the rest.
func (h handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the visitor has gone
	}
	p := problem{http.StatusBadGateway, "The store answered with an error.", "The portal's log says which. It may pass: wait a while, then load this page again."}
	for _, known := range problems {
		if errors.Is(err, known.err) {
			p = known.problem
			break
		}
	}
	if p.Status != http.StatusNotFound {
		h.Logger.Error("request failed", "route", r.Pattern, "error", err)
	}
	h.problem(w, r, p)
}

// nowhere answers for addresses that the portal does not have.
func (h handlers) nowhere(w http.ResponseWriter, r *http.Request) {
	h.problem(w, r, problem{http.StatusNotFound, "There is nothing at this address.", "Begin with the list of all crawls."})
}

// problem answers people with a page and programs with JSON.
func (h handlers) problem(w http.ResponseWriter, r *http.Request, p problem) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.render(w, r, p.Status, "problem.html", p)
		return
	}
	b, err := json.Marshal(p)
	if err != nil {
		b = nil // three plain fields can always be encoded
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n')) // the visitor may have gone
}
