package portal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/compare"
	"crawlfleet.dev/crawlfleet/portal/history"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/portal/watches"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// view is what every page is made of; Body is its own.
type view struct {
	Title string
	Lang  words.Lang
	// Theme is light, dark, or empty for that of the system.
	Theme  string
	Person *access.Person
	// Here is the address of the page, to come back to.
	Here string
	// Query is what stands in the search box of the frame.
	Query string
	// Clear shows pictures as they are; else they are blurred until asked for. Always is set where that is what the
	// person prefers, and not only for this page.
	Clear, Always bool
	// Live is set where there are running crawls to follow.
	Live bool
	Body any

	path string
}

// sections are the parts of the main navigation with what else belongs to them.
var sections = map[string][]string{"/": {"/snapshots/", "/timeline", "/compare"}, "/crawls": {"/runs/"}, "/live": {"/live/"}, "/cases": {"/cases/"}, "/watches": {"/watches/"}}

// At says for aria-current (WAI-ARIA 1.2) whether a link leads to this page, or to the part of the portal that it is in.
func (v view) At(link string) string {
	switch {
	case v.path == link:
		return "page"
	case slices.ContainsFunc(sections[link], func(prefix string) bool { return strings.HasPrefix(v.path, prefix) }):
		return "true"
	}
	return ""
}

// pages are the templates in each language.
type pages map[words.Lang]*template.Template

// parsePages reads the templates, once for each language: what a template calls t is bound to it.
func parsePages() (pages, error) {
	all := pages{}
	for _, l := range words.Langs() {
		lang := words.Lang(l.Tag)
		parsed, err := template.New("").Funcs(functions).Funcs(template.FuncMap{
			"t": lang.Text, "n": lang.Count, "noun": lang.Noun, "number": lang.Number,
			"kind":     func(k string) string { return lang.Text(kindWords[k]) },
			"verdict":  func(v verify.Verdict) string { return lang.Text(verdictWords[string(v)]) },
			"change":   func(c history.Change) string { return lang.Text(changeWords[string(c)]) },
			"missing":  func(m missing) string { return lang.Text(missingWords[string(m)]) },
			"cut":      func(c compare.Cut) string { return lang.Text(cutWords[string(c)]) },
			"part":     func(p history.Part) string { return lang.Text(partWords[string(p)]) },
			"jobstate": func(s live.State) string { return lang.Text(stateWords[string(s)]) },
			"trouble":  func(p live.Problem) string { return p.In(lang) },
			"say":      lang.Say,
			"meaning":  func(as string) string { return lang.Text(meaningWords[as]) },
			"notice":   func(k watches.Kind) string { return lang.Text(noticeWords[string(k)]) },
			"told":     func(k watches.Kind) string { return lang.Text(toldWords[string(k)]) },
		}).Funcs(caseFunctions(lang)).ParseFS(assets, "assets/*.html")
		if err != nil {
			return nil, fmt.Errorf("parse the portal's pages: %w", err)
		}
		all[lang] = parsed
	}
	return all, nil
}

// render answers with a page.
func (h handlers) render(w http.ResponseWriter, r *http.Request, status int, name, title string, body any) {
	lang := words.Match(r)
	v := view{
		Title: title, Lang: lang, Theme: preference(r, "theme", "light", "dark"), Person: person(r), Here: here(r),
		Query: r.URL.Query().Get("q"), Clear: showsPictures(r), Always: alwaysShows(r), Live: h.Board != nil, Body: body, path: r.URL.Path,
	}
	var b bytes.Buffer // an error in the middle must not look like a page
	if err := h.pages[lang].ExecuteTemplate(&b, name, v); err != nil {
		h.Logger.Error("page cannot be made", "route", r.Pattern, "error", err)
		http.Error(w, "something is wrong with this portal; its log says what", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", string(lang))
	w.Header().Set("Cache-Control", "no-store") // what was looked at stays on no disk
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the visitor may have gone
}

// here is the address to come back to: what answers a form has none.
func here(r *http.Request) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "/"
	}
	return r.URL.RequestURI()
}

// preference is what a cookie of that name says, if it is one of the values.
func preference(r *http.Request, name string, values ...string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	for _, v := range values {
		if c.Value == v {
			return v
		}
	}
	return ""
}

// maxPreferences bounds what is sent of them, in bytes: a choice, and the page to come back to.
const maxPreferences = 16 << 10

// prefer keeps what a person wants of the portal's looks in cookies. Nothing of it is secret: the page
// of a replay remembers by a script whether pictures are shown.
func (h handlers) prefer(w http.ResponseWriter, r *http.Request) {
	if err := readForm(r, maxPreferences); err != nil {
		h.fail(w, r, err)
		return
	}
	for name, values := range map[string][]string{"lang": {"en", "nl"}, "theme": {"", "light", "dark"}, "pictures": {"blurred", "shown"}} {
		for _, v := range values {
			if _, asked := r.PostForm[name]; asked && r.PostForm.Get(name) == v {
				http.SetCookie(w, &http.Cookie{Name: name, Value: v, Path: "/", MaxAge: 365 * 24 * 3600, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
			}
		}
	}
	reveal(w, r)
	http.Redirect(w, r, back(r), http.StatusSeeOther)
}

// back is the page of this portal that a form was sent from.
func back(r *http.Request) string { return access.LocalPath(r.PostForm.Get("back")) }

// writeJSON answers programs.
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
