package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"net/http"
	"path"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// handlers are the routes of a Server.
type handlers struct {
	*Server
	pages *template.Template
}

func (h handlers) index(w http.ResponseWriter, r *http.Request) {
	runs, err := h.Catalog.Runs(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, "index.html", runs)
}

func (h handlers) run(w http.ResponseWriter, r *http.Request) {
	run, err := h.lookup(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, "run.html", run)
}

// view shows one archived page in ReplayWeb.page.
func (h handlers) view(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key, err := blob.NewKey(q.Get("wacz"))
	if err != nil || q.Get("url") == "" {
		http.Error(w, "this address needs wacz= (the name of a stored file) and url= (a page in it)", http.StatusBadRequest)
		return
	}
	h.render(w, r, "view.html", map[string]string{"Key": string(key), "URL": q.Get("url"), "TS": q.Get("ts")})
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
	if err != nil || !strings.HasSuffix(string(key), ".wacz") {
		http.Error(w, "not the name of a WACZ file", http.StatusNotFound)
		return
	}
	info, err := h.Archive.Head(r.Context(), key)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/wacz")
	w.Header().Set("Content-Disposition", `attachment; filename="`+path.Base(string(key))+`"`)
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	w.Header().Set("ETag", `"`+info.ETag+`"`)
	reader := io.NewSectionReader(blob.NewReaderAt(r.Context(), h.Archive, key, info.Size), 0, info.Size)
	http.ServeContent(w, r, path.Base(string(key)), info.Modified, reader)
}

func (h handlers) render(w http.ResponseWriter, r *http.Request, name string, data any) {
	var b bytes.Buffer // an error in the middle must not look like a page
	if err := h.pages.ExecuteTemplate(&b, name, data); err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w) // the visitor may have gone
}

func (h handlers) writeJSON(w http.ResponseWriter, r *http.Request, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the visitor may have gone
}

// fail answers with what a person can do, and logs the rest.
func (h handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusInternalServerError, "something went wrong here; the portal's log says what"
	switch {
	case errors.Is(err, ErrNoRun), errors.Is(err, blob.ErrNotFound):
		status, text = http.StatusNotFound, "the archive holds nothing of that name"
	case errors.Is(err, blob.ErrUnreachable):
		status, text = http.StatusBadGateway, "the store does not answer: check that it runs and that the portal's --s3-endpoint is right, then load the page again"
	case errors.Is(err, blob.ErrDenied):
		status, text = http.StatusBadGateway, "the store refuses the portal's credentials: check its credentials file, then load the page again"
	case errors.Is(err, blob.ErrNoBucket):
		status, text = http.StatusBadGateway, "the archive bucket does not exist: create it, or correct the portal's --archive-bucket"
	}
	if status != http.StatusNotFound {
		h.Logger.Error("request failed", "route", r.Pattern, "error", err)
	}
	http.Error(w, text, status)
}
