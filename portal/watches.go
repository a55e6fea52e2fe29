package portal

import (
	"context"
	"errors"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/watches"
	"crawlfleet.dev/crawlfleet/portal/words"
)

const (
	// noticesAtOnce is how many notices a page shows.
	noticesAtOnce = 50
	// maxBody bounds what is sent about watches, in bytes: an address, or what was seen of a page of notices.
	maxBody = 64 << 10
)

// noticeWords are what people call the kinds of notices.
var noticeWords = map[string]string{
	string(watches.Changed): "changed", string(watches.Gone): "gone", string(watches.Back): "back again", string(watches.NewCapture): "captured",
}

// toldWords say when a person is told, as they choose it.
var toldWords = map[string]string{
	string(watches.Changed): "when its text or its document changed", string(watches.Gone): "when it is gone", string(watches.Back): "when it is back again",
	string(watches.NewCapture): "when it was captured and nothing is known to have changed",
}

// watchList is the body of the page of what a person watches.
type watchList struct {
	*watching
	// Shown are the notices on this page, New how many of them are not seen.
	Shown []watchNotice
	New   int
	Pager pager
	// Base is the portal's address.
	Base string
}

// watchNotice is a notice with the namespace of its watch, which is needed to say that it was seen.
type watchNotice struct {
	watches.Notice
	Namespace string
}

// Name names a notice in a form.
func (n watchNotice) Name() string { return n.Namespace + "/" + n.Watch + "/" + string(n.Capture) }

// watches is the page of what a person watches, and what there is to be told.
func (h handlers) watches(w http.ResponseWriter, r *http.Request) {
	found, err := h.watching(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body := watchList{watching: found, Base: h.base(r)}
	shown, pager := paginate(found.Notices, noticesAtOnce, r)
	body.Pager = pager
	for _, n := range shown {
		of, err := found.find(n.Watch)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		body.Shown = append(body.Shown, watchNotice{n, of.Namespace})
		if !n.Seen {
			body.New++
		}
	}
	h.render(w, r, http.StatusOK, "watches.html", words.Match(r).Text("Watches"), body)
}

// watchForm is the body of the page to watch an address.
type watchForm struct {
	URL, Namespace string
	Namespaces     []string
	Kinds, Chosen  []watches.Kind
	// Wrong says what has to be corrected.
	Wrong *problem
}

// newWatch is the page to watch an address.
func (h handlers) newWatch(w http.ResponseWriter, r *http.Request) {
	h.askWatch(w, r, http.StatusOK, watchForm{URL: r.URL.Query().Get("url"), Chosen: watches.Kinds()})
}

// askWatch shows the form. Where the address was captured already, its namespace is the one that is
// proposed.
func (h handlers) askWatch(w http.ResponseWriter, r *http.Request, status int, f watchForm) {
	var err error
	if f.Namespaces, err = h.namespaces(r); err != nil {
		h.fail(w, r, err)
		return
	}
	f.Kinds = watches.Kinds()
	if canonical, err := urls.Canonicalize(f.URL); err == nil { // as it would be watched
		f.URL = canonical
	} else {
		f.URL = visible(f.URL)
	}
	if f.Namespace == "" && f.URL != "" {
		captures, _, err := h.Catalog.Of(r.Context(), catalog.Query{URL: f.URL, Namespaces: f.Namespaces, Partial: true, Limit: 1})
		if err == nil && len(captures) > 0 { // an address that cannot be read is told of when the form is sent
			f.Namespace = captures[0].Namespace
		}
	}
	h.render(w, r, status, "watch.html", words.Match(r).Text("Watch an address"), f)
}

// newWatch is what is asked for with a new watch.
type newWatch struct {
	Namespace string         `json:"namespace"`
	URL       string         `json:"url"`
	Kinds     []watches.Kind `json:"kinds"`
}

// readNewWatch reads a new watch from a form or from JSON: what could be read of it also where that fails. It can be read
// again.
func readNewWatch(r *http.Request) (n newWatch, err error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		err = readJSON(r, &n)
		return n, err
	}
	err = readForm(r, maxBody)
	n.Namespace, n.URL = r.PostForm.Get("namespace"), strings.TrimSpace(r.PostForm.Get("url"))
	for _, k := range r.PostForm["kind"] {
		n.Kinds = append(n.Kinds, watches.Kind(k))
	}
	return n, err
}

// aboutNewWatch says that a request is about the namespace that it names. Where that could be read it is for the handler to
// tell what could not: it has the page for what was typed.
func aboutNewWatch(r *http.Request) ([]access.Subject, error) {
	n, err := readNewWatch(r)
	if chain.Name(n.Namespace) != nil { // an empty one would be all of them
		if err != nil {
			return nil, err
		}
		return nil, problem{Status: http.StatusBadRequest, Text: "Choose the namespace in which you watch the address.", Hint: "Name one in which you may find snapshots."}
	}
	return []access.Subject{{Namespace: n.Namespace}}, nil
}

// start has the person watch an address.
func (h handlers) start(ctx context.Context, n newWatch) (*watches.Watch, error) {
	by := access.From(ctx).Name
	mine, err := h.Watches.All(ctx, by)
	if err != nil {
		return nil, err
	}
	own := 0
	for _, w := range mine {
		if w.Problem == "" {
			own++
		}
	}
	if own >= mostWatches {
		return nil, watchProblem(watches.ErrTooMany)
	}
	w, err := h.Watches.Start(ctx, n.Namespace, by, n.URL, n.Kinds...)
	h.noticed.forget(by)
	return w, watchProblem(err)
}

// watchProblem says what is wrong with what was asked of watches.
func watchProblem(err error) error {
	var address *urls.Error
	switch {
	case errors.Is(err, watches.ErrTooMany):
		return problem{Status: http.StatusConflict, Text: "You watch as many addresses as one person may.", Hint: "End the watches that you do not need any more."}
	case errors.Is(err, watches.ErrTooOften):
		return problem{Status: http.StatusTooManyRequests, Text: "You have started too many watches within an hour.", Hint: "Wait a while, then start this one."}
	case errors.Is(err, watches.ErrWatched):
		return problem{Status: http.StatusConflict, Text: "You watch this address already.", Hint: "Your list of watches has it."}
	case errors.As(err, &address), errors.Is(err, chain.ErrInvalid):
		return problem{Status: http.StatusBadRequest, Text: "This cannot be watched.", Hint: "Give a whole address such as https://www.example.org/, and choose of what you want to be told."}
	case errors.Is(err, chain.ErrNotFound), errors.Is(err, chain.ErrErased), errors.Is(err, watches.ErrNotYours):
		return errNoWatch
	}
	return err
}

// startWatch takes the form.
func (h handlers) startWatch(w http.ResponseWriter, r *http.Request) {
	n, err := readNewWatch(r)
	if err == nil && len(n.Kinds) == 0 {
		err = watchProblem(chain.ErrInvalid) // for programs that stands for all
	}
	if err == nil {
		_, err = h.start(r.Context(), n)
	}
	var wrong problem
	if errors.As(err, &wrong) && wrong.Status < http.StatusInternalServerError {
		h.askWatch(w, r, wrong.Status, watchForm{URL: n.URL, Namespace: n.Namespace, Chosen: n.Kinds, Wrong: &wrong})
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/watches", http.StatusSeeOther)
}

// seeNotices takes down that the person has seen notices.
func (h handlers) seeNotices(w http.ResponseWriter, r *http.Request) {
	err := readForm(r, maxBody)
	seen := map[string][]catalog.ID{} // by watch
	for _, name := range r.PostForm["notice"] {
		parts := strings.Split(name, "/")
		if len(parts) == 3 {
			seen[parts[1]] = append(seen[parts[1]], catalog.ID(parts[2]))
		}
	}
	if err == nil {
		err = h.markSeen(r.Context(), seen)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, back(r), http.StatusSeeOther)
}

// markSeen takes down that the person has seen notices, by watch: of captures that there is no notice of
// nothing is kept, nor of a watch that was ended meanwhile, unless it is the only one.
func (h handlers) markSeen(ctx context.Context, seen map[string][]catalog.ID) error {
	by := access.From(ctx).Name
	h.noticed.forget(by) // another portal may have been told more
	found, err := h.watching(ctx)
	if err != nil {
		return err
	}
	defer h.noticed.forget(by)
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		err := h.markOne(ctx, found, id, seen[id])
		if err != nil && (len(seen) == 1 || !errors.Is(err, errNoWatch)) {
			return err
		}
	}
	return nil
}

func (h handlers) markOne(ctx context.Context, found *watching, id string, captures []catalog.ID) error {
	of, err := found.find(id)
	if err != nil {
		return err
	}
	captures = slices.DeleteFunc(slices.Clone(captures), func(c catalog.ID) bool {
		return !slices.ContainsFunc(found.Notices, func(n watches.Notice) bool { return n.Watch == id && n.Capture == c && !n.Seen })
	})
	if len(captures) == 0 {
		return nil
	}
	_, err = h.Watches.See(ctx, of.Namespace, id, access.From(ctx).Name, captures)
	return watchProblem(err)
}

// endWatch ends a watch of the person's.
func (h handlers) endWatch(w http.ResponseWriter, r *http.Request) {
	err := readForm(r, maxBody)
	if err == nil {
		err = h.endOne(r.Context(), r.PostForm.Get("watch"))
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/watches", http.StatusSeeOther)
}

// endOne ends a watch in whatever state it is, as the bucket has it.
func (h handlers) endOne(ctx context.Context, id string) error {
	by := access.From(ctx).Name
	defer h.noticed.forget(by)
	return watchProblem(h.Watches.End(ctx, id, by))
}
