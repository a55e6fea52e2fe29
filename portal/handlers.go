package portal

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// handlers are the routes of a Server.
type handlers struct {
	*Server
	pages       pages
	thumbnails  *thumbnails
	comparisons *comparisons
	noticed     *noticed
	turns       chan struct{} // to put together what is handed over
}

const (
	// runsAtOnce and pagesAtOnce bound the rows of a table.
	runsAtOnce  = 50
	pagesAtOnce = 100
)

// crawls lists all runs.
func (h handlers) crawls(w http.ResponseWriter, r *http.Request) {
	runs, err := h.runs(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	shown, pager := paginate(runs, runsAtOnce, r)
	of := make([]*Run, len(shown))
	for i := range shown {
		of[i] = &shown[i]
		if err := h.Runs.Detail(r.Context(), &shown[i]); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.addUnreadable(of...)
	h.render(w, r, http.StatusOK, "crawls.html", words.Match(r).Text("Crawls"), map[string]any{"Runs": shown, "Total": len(runs), "Pager": pager})
}

// ofRun is the body of the page of a run.
type ofRun struct {
	Run  *Run
	Link string
	// Query is what its captures were searched for.
	Query  string
	Result catalog.Result
	More   string
	Behind behind
	offered
}

// run shows a run and what was captured in it.
func (h handlers) run(w http.ResponseWriter, r *http.Request) {
	run, err := h.lookup(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	v := r.URL.Query()
	body := ofRun{Run: run, Link: runLink(run), Query: strings.TrimSpace(v.Get("q"))}
	body.Result, err = h.Catalog.Search(r.Context(), catalog.Query{
		Text: body.Query, Namespaces: []string{run.Namespace}, Run: run.UID, Partial: true, Oldest: true, Limit: pagesAtOnce, Cursor: v.Get("cursor"),
	})
	if err == nil {
		body.Behind, err = h.behind(r)
	}
	if err == nil {
		body.offered, err = h.offered(r, run.Namespace)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if body.Result.Next != "" {
		body.More = with(v, "cursor", body.Result.Next)
	}
	h.render(w, r, http.StatusOK, "run.html", run.Name, body)
}

// pager says where in a long list one is. Links are empty where there is nothing.
type pager struct {
	Page, Of    int
	Newer, More string
}

// paginate returns the part of a list that ?page= asks for.
func paginate[T any](list []T, size int, r *http.Request) ([]T, pager) {
	p := pager{Page: 1, Of: max(1, (len(list)+size-1)/size)}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil {
		p.Page = min(max(n, 1), p.Of)
	}
	link := func(page int) string {
		if page < 1 || page > p.Of {
			return ""
		}
		return with(r.URL.Query(), "page", strconv.Itoa(page))
	}
	p.Newer, p.More = link(p.Page-1), link(p.Page+1)
	from := (p.Page - 1) * size
	return list[from:min(from+size, len(list))], p
}

func (h handlers) apiRuns(w http.ResponseWriter, r *http.Request) {
	runs, err := h.runs(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, map[string]any{"runs": runs})
}

func (h handlers) apiRun(w http.ResponseWriter, r *http.Request) {
	run, err := h.lookup(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, run)
}

// runs are those that the person may find something of.
func (h handlers) runs(r *http.Request) ([]Run, error) {
	runs, err := h.Runs.All(r.Context())
	if err != nil {
		return nil, err
	}
	var all []string
	for _, run := range runs {
		if !slices.Contains(all, run.Namespace) {
			all = append(all, run.Namespace)
		}
	}
	some, err := h.allowed(r, access.Find, all)
	return slices.DeleteFunc(runs, func(run Run) bool { return !slices.Contains(some, run.Namespace) }), err
}

func (h handlers) lookup(r *http.Request) (*Run, error) {
	run, err := h.Runs.Run(r.Context(), r.PathValue("namespace"), r.PathValue("name"), r.PathValue("uid"))
	if err == nil {
		h.addUnreadable(run)
	}
	return run, err
}

// asset serves what the pages need beside themselves.
func (h handlers) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if strings.HasSuffix(name, ".html") {
		h.nowhere(w, r) // templates
		return
	}
	if _, err := assets.Open("assets/" + name); err != nil {
		h.nowhere(w, r)
		return
	}
	http.ServeFileFS(w, r, assets, "assets/"+name)
}
