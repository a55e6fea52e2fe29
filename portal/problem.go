package portal

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/portal/replay"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/portal/verdict"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// problem is what a person is told when something is not as it should be, and what to do.
type problem struct {
	Status int    `json:"status"`
	Text   string `json:"error"`
	Hint   string `json:"hint"`
	// Reason is one word, where there is one.
	Reason string `json:"reason,omitempty"`
	// textArgs and hintArgs are the arguments of Text and Hint, which are formats where there are any.
	textArgs, hintArgs []any
}

// in is the problem in a language.
func (p problem) in(lang words.Lang) problem {
	p.Text, p.Hint = lang.Text(p.Text, p.textArgs...), lang.Text(p.Hint, p.hintArgs...)
	p.textArgs, p.hintArgs = nil, nil
	return p
}

// refusal is what somebody is told who is not let through.
func refusal(p *access.Problem) problem {
	return problem{Status: p.Status, Text: p.Text, Hint: p.Hint, Reason: p.Reason, textArgs: p.TextArgs, hintArgs: p.HintArgs}
}

// Error implements error: what a handler finds wrong with a request it can say as it is.
func (p problem) Error() string { return p.in(words.English).Text }

// problems are what errors mean to a person. Nothing of the error's own text is shown: it
// may name keys and addresses of the store.
var problems = []struct {
	err error
	problem
}{
	{ErrNoRun, problem{Status: http.StatusNotFound, Text: "The archive holds nothing of this crawl.", Hint: "It shows up with its first stored file, after about 20 pages. The list of all crawls has what there is."}},
	{catalog.ErrNotFound, problem{Status: http.StatusNotFound, Text: "The archive has no such snapshot.", Hint: "It may have been erased when its time was over, or it was not read yet. Search for its address to see what there is."}},
	{catalog.ErrCorrupt, problem{Status: http.StatusServiceUnavailable, Text: "The portal's catalog is damaged.", Hint: "The archive is not. The portal starts anew and reads it again: load this page in a while."}},
	{replay.ErrNoReplay, problem{Status: http.StatusNotFound, Text: "This snapshot cannot be replayed.", Hint: "It has no web address, or its file is not one of the crawl. Its own page shows what was captured."}},
	{verdict.ErrBusy, problem{Status: http.StatusServiceUnavailable, Text: "Too many files are being verified just now.", Hint: "Nothing is wrong with this one. Try again in a minute."}},
	{errNoCluster, problem{Status: http.StatusNotFound, Text: "This portal follows no cluster.", Hint: "Tell whoever runs the portal: with --kubeconfig, or in the cluster, it shows crawls that are under way. What they captured is found all the same."}},
	{live.ErrNoJob, problem{Status: http.StatusNotFound, Text: "There is no such crawl in the cluster.", Hint: "It may have been deleted; what it captured stays. The list of crawls has what is archived."}},
	{errNoWatch, problem{Status: http.StatusNotFound, Text: "You do not watch this address.", Hint: "You may have ended the watch already. Your list of watches has those that there are."}},
	{errForPrograms, problem{Status: http.StatusForbidden, Text: "This is for programs, which send a token.", Hint: "Strangers wrote it, so it is not shown beside the portal's own pages. Find the address in the portal and replay its snapshot."}},
	{snapshot.ErrNoPage, problem{Status: http.StatusNotFound, Text: "The archive has no such snapshot.", Hint: "It may have been erased when its time was over, or it was not read yet. Search for its address to see what there is."}},
	{snapshot.ErrNone, problem{Status: http.StatusNotFound, Text: "The snapshot does not have this part.", Hint: "It was not captured of the page. The page of the snapshot says what was."}},
	{snapshot.ErrBroken, problem{Status: http.StatusUnprocessableEntity, Text: "The file of this snapshot is damaged.", Hint: "Its verification says where. Tell whoever runs the archive."}},
	{snapshot.ErrPicture, problem{Status: http.StatusUnprocessableEntity, Text: "The picture of this snapshot cannot be shown.", Hint: "Download the file to look at what is there."}},
	{blob.ErrNotFound, problem{Status: http.StatusNotFound, Text: "The archive has no file of this name.", Hint: "The crawl's page lists its files. A file that was there before may have been erased when its time was over."}},
	{blob.ErrCorrupt, problem{Status: http.StatusBadGateway, Text: "The store gave another file than the one that was stored.", Hint: "It was damaged on the way, or changed in the store. Load this page again; when it stays so, tell whoever runs the archive."}},
	{blob.ErrUnreachable, problem{Status: http.StatusBadGateway, Text: "The store does not answer.", Hint: "Tell whoever runs the portal: does the store run, and is --s3-endpoint right? Nothing is lost by that; load this page again in a while."}},
	{blob.ErrClock, problem{Status: http.StatusBadGateway, Text: "The clocks of the portal and of the store differ.", Hint: "Tell whoever runs the portal: the clocks of both machines have to be set, with NTP for instance. Then load this page again."}},
	{blob.ErrDenied, problem{Status: http.StatusBadGateway, Text: "The store refuses the portal's credentials.", Hint: "Tell whoever runs the portal: the key in the file that --s3-credentials-file names has to be one that may read and list the archive bucket. Then load this page again."}},
	{blob.ErrNoBucket, problem{Status: http.StatusBadGateway, Text: "The archive bucket does not exist.", Hint: "Tell whoever runs the portal: the bucket has to be created, or --archive-bucket corrected. Then load this page again."}},
}

// errNowhere is an address that leads to nothing.
var errNowhere = errors.New("nothing at this address")

// badInput is a value that was asked with and cannot be understood.
type badInput struct{ name, value, want string }

// Error implements error.
func (b badInput) Error() string {
	return words.English.Say(b.said())
}

func (b badInput) said() words.Said {
	return words.Say("%s is %q: it must be %s.", words.Say(b.name), b.value, words.Say(b.want))
}

// invalid is a problem with what stands in an address.
func invalid(what words.Said) problem {
	return problem{Status: http.StatusBadRequest, Text: what.Text, textArgs: what.Args, Hint: "Correct it, then ask again."}
}

// fail answers with what a person can do, and logs the rest.
func (h handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the visitor has gone
	}
	h.Metrics.refused(err)
	var asked *access.PurposeNeeded
	if errors.As(err, &asked) {
		h.askPurpose(w, r, asked)
		return
	}
	var refused *access.Problem
	if errors.As(err, &refused) {
		if h.keepUnsent(w, r, refused) {
			return
		}
		if refused.Err != nil {
			h.Logger.Warn("somebody was not let through", "route", r.Pattern, "reason", refused.Reason, "error", refused.Err)
		}
		h.problem(w, r, refusal(refused))
		return
	}
	var said problem
	if errors.As(err, &said) {
		h.problem(w, r, said)
		return
	}
	var query *catalog.InvalidError
	if errors.As(err, &query) {
		h.problem(w, r, invalid(words.Say("%s: %s", query.Field, query.Detail)))
		return
	}
	if errors.Is(err, errNowhere) {
		h.nowhere(w, r)
		return
	}
	var bad badInput
	if errors.As(err, &bad) {
		h.problem(w, r, invalid(bad.said()))
		return
	}
	p := problem{Status: http.StatusBadGateway, Text: "The store answered with an error.", Hint: "Tell whoever runs the portal: its log says which. It may pass: wait a while, then load this page again."}
	for _, known := range problems {
		if errors.Is(err, known.err) {
			p = known.problem
			break
		}
	}
	h.Logger.Log(r.Context(), severity(p.Status), "request failed", "route", r.Pattern, "error", err)
	h.problem(w, r, p)
}

// severity is how much an answer matters to whoever runs the portal: what is wrong with what somebody asks for is no fault,
// and a file that is damaged is none of the portal.
func severity(status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case status == http.StatusUnprocessableEntity:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// nowhere answers for addresses that the portal does not have.
func (h handlers) nowhere(w http.ResponseWriter, r *http.Request) {
	h.problem(w, r, problem{Status: http.StatusNotFound, Text: "There is nothing at this address.", Hint: "The search page and the list of crawls lead to all there is."})
}

// notAllowed answers for a method that an address does not take (RFC 9110 section 15.5.6), with those that it does.
func (h handlers) notAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	h.problem(w, r, problem{Status: http.StatusMethodNotAllowed, Text: "This cannot be done by %s.", textArgs: []any{r.Method}, Hint: "This address takes: %s.", hintArgs: []any{allow}})
}

// problem answers people with a page and programs with JSON.
func (h handlers) problem(w http.ResponseWriter, r *http.Request, p problem) {
	if wantsPage(r) {
		said := p.in(words.Match(r))
		h.render(w, r, p.Status, "problem.html", said.Text, said)
		return
	}
	b, err := json.Marshal(p.in(words.English))
	if err != nil {
		b = nil // three plain fields can always be encoded
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n')) // the visitor may have gone
}
