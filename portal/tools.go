package portal

import (
	"errors"
	"net/http"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/cdx"
)

// tools lets other people's programs use the archive (package cdx), and leaves all else to next.
//
// What they read is what strangers wrote, and it is served from where the portal's own pages are.
// So it is given to programs that show a token, and never to a browser that only has a cookie:
// people see it in the replay, on an origin of its own. Where nobody logs in there are no tokens: a
// browser is given it then to look at or to keep, in a sandbox, and never as a part of a page.
func (h handlers) tools(next http.Handler) http.Handler {
	h.Tools.Scope = func(r *http.Request) ([]string, error) {
		some, err := h.namespaces(r)
		h.Metrics.refused(err)
		return some, err
	}
	h.Tools.Look = func(r *http.Request, chunk blob.Key, page string) error {
		run, _, ok := catalog.ParseChunk(chunk)
		if !ok {
			return errNowhere
		}
		err := h.Gate.Allow(r, access.Look, access.Subject{Namespace: run.Namespace, Snapshot: access.Snapshot{Chunk: chunk, Page: page}})
		h.Metrics.refused(err)
		return err
	}
	content := h.Tools.Content()
	return cdx.Routes(
		routed(routeIndex, h.Gate.Require(access.SignedIn, h.Tools.Index())),
		routed(routeContent, h.Gate.Require(access.SignedIn, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !access.From(r.Context()).Local && r.Header.Get("Authorization") == "" || isPart(r) {
				h.fail(w, r, errForPrograms)
				return
			}
			content.ServeHTTP(w, r)
		}))),
		next,
	)
}

// isPart tells whether a browser asks for a part of a page, such as a script, a style, a picture or a frame
// (https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header).
func isPart(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "empty":
		return false
	}
	return true
}

// The routes of other people's programs, whose paths no [http.ServeMux] could tell apart.
const (
	routeIndex   = "index"
	routeContent = "content"
)

// routed writes down what answers, as a mux does.
func routed(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = route
		next.ServeHTTP(w, r)
	})
}

// errForPrograms refuses what only programs are given.
var errForPrograms = errors.New("only for programs")
