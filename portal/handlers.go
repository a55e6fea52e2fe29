package portal

import (
	"bytes"
	"encoding/json"
	"html/template"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// handlers are the routes of a Server.
type handlers struct {
	*Server
	pages *template.Template
}

const (
	// runsAtOnce and pagesAtOnce bound the rows of a table.
	runsAtOnce  = 50
	pagesAtOnce = 200
	// maxCollection is how many files are replayed as one: ReplayWeb.page reads the index of each before it
	// shows anything, with about four requests. A page of a larger run is replayed from its own file, which
	// has all of it; links then lead within that file only.
	maxCollection = 200
)

func (h handlers) index(w http.ResponseWriter, r *http.Request) {
	runs, err := h.Catalog.Runs(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	shown, pager := paginate(runs, runsAtOnce, r)
	for i := range shown {
		if err := h.Catalog.Detail(r.Context(), &shown[i]); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.render(w, r, http.StatusOK, "index.html", map[string]any{"Runs": shown, "Total": len(runs), "Pager": pager})
}

func (h handlers) run(w http.ResponseWriter, r *http.Request) {
	run, err := h.lookup(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	matching := search(run.Pages, query)
	shown, pager := paginate(matching, pagesAtOnce, r)
	h.render(w, r, http.StatusOK, "run.html", map[string]any{
		"Run": run, "Link": runLink(run), "Pages": shown, "Matching": len(matching), "Query": query, "Pager": pager,
	})
}

// search returns the pages whose title or address has the query in it, in any case.
func search(pages []Page, query string) []Page {
	if query == "" {
		return pages
	}
	query = strings.ToLower(query)
	var found []Page
	for _, p := range pages {
		if strings.Contains(strings.ToLower(p.Title), query) || strings.Contains(strings.ToLower(p.URL), query) {
			found = append(found, p)
		}
	}
	return found
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
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(page))
		return "?" + q.Encode()
	}
	p.Newer, p.More = link(p.Page-1), link(p.Page+1)
	from := (p.Page - 1) * size
	return list[from:min(from+size, len(list))], p
}

// view shows one archived page in ReplayWeb.page.
func (h handlers) view(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	run, err := h.lookup(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page, err := run.find(q.Get("url"), q.Get("ts"))
	if err == nil && !strings.HasPrefix(page.URL, "http://") && !strings.HasPrefix(page.URL, "https://") {
		err = ErrNoPage // nothing that a browser should be led to
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	source, single := runLink(run)+"/collection.json", len(run.Chunks) > maxCollection
	if single {
		source = "/wacz/" + string(page.Chunk)
	}
	h.render(w, r, http.StatusOK, "view.html", map[string]any{
		"Run": run, "Link": runLink(run), "Page": page, "TS": page.Time.UTC().Format(replayTime), "Source": source, "Single": single,
	})
}

// replay is what ReplayWeb.page's frame shows when it is opened before its service worker is in
// charge of it, as in the first replay of a browser; later the worker itself answers with the
// same. It is the one page of ours that may be framed, by us.
func (h handlers) replay(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", strings.Replace(contentPolicy, "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	h.render(w, r, http.StatusOK, "replay.html", nil)
}

// collection describes a run to ReplayWeb.page as a WACZ of WACZ files (profile
// multi-wacz-package, as wabac.js 2.27 reads it), so that a link leads from a page in one
// file to a page in another.
func (h handlers) collection(w http.ResponseWriter, r *http.Request) {
	run, err := h.Catalog.find(r.Context(), r.PathValue("namespace"), r.PathValue("name"), r.PathValue("uid"))
	if err == nil && run.Sealed {
		err = h.Catalog.Detail(r.Context(), run)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	type resource struct {
		Name  string `json:"name"`
		Path  string `json:"path"`
		Hash  string `json:"hash,omitempty"`
		Bytes int64  `json:"bytes"`
	}
	resources := []resource{}
	for _, c := range run.Chunks {
		if c.Uncommitted {
			continue
		}
		res := resource{Name: string(c.Key), Path: "/wacz/" + string(c.Key), Bytes: c.Size}
		if c.SHA256 != "" {
			res.Hash = "sha256:" + c.SHA256
		}
		resources = append(resources, res)
	}
	w.Header().Set("Cache-Control", "no-store") // a run may grow
	h.writeJSON(w, r, map[string]any{"profile": "multi-wacz-package", "title": run.Namespace + "/" + run.Name, "resources": resources})
}

func (h handlers) apiRuns(w http.ResponseWriter, r *http.Request) {
	runs, err := h.Catalog.Runs(r.Context())
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

func (h handlers) lookup(r *http.Request) (*Run, error) {
	return h.Catalog.Run(r.Context(), r.PathValue("namespace"), r.PathValue("name"), r.PathValue("uid"))
}

// wacz serves a stored file, in ranges (RFC 9110 section 14) as replay asks for them.
func (h handlers) wacz(w http.ResponseWriter, r *http.Request) {
	key, err := blob.NewKey(r.PathValue("key"))
	if err != nil || !isChunk(key) {
		h.nowhere(w, r)
		return
	}
	info, err := h.Archive.Head(r.Context(), key)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/wacz")
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(string(key))}))
	head.Set("Cache-Control", "private, no-cache") // asked for each time, answered 304 from the ETag
	if info.ETag != "" {
		head.Set("ETag", `"`+info.ETag+`"`)
	}
	reader := io.NewSectionReader(blob.NewReaderAt(r.Context(), h.Archive, key, info.Size), 0, info.Size)
	http.ServeContent(w, r, path.Base(string(key)), info.Modified, reader)
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

func (h handlers) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer // an error in the middle must not look like a page
	if err := h.pages.ExecuteTemplate(&b, name, data); err != nil {
		h.Logger.Error("page cannot be made", "route", r.Pattern, "error", err)
		http.Error(w, "something is wrong with this portal; its log says what", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // what was looked at stays on no disk
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the visitor may have gone
}

func (h handlers) writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	b = append(b, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// ReplayWeb.page loads no collection whose length is not told.
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // the visitor may have gone
}
