package portal

import (
	"net/http"
	"strconv"
)

// catchAll is the route of all that there is nothing at. It takes no part in which methods an address takes.
const catchAll = "GET /"

// serve answers by a mux, and says in our words what a mux refuses in plain text: a method that an address does not take.
// Methods is the mux without catchAll.
func (h handlers) serve(mux, methods *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		r.Pattern = "" // of no route, as a mux would have it
		refused, _ := methods.Handler(r)
		said := unwritten{}
		refused.ServeHTTP(said, r)
		if allow := http.Header(said).Get("Allow"); allow != "" {
			h.notAllowed(w, r, allow)
			return
		}
		h.nowhere(w, r)
	})
}

// unwritten is an answer of which the header alone is of interest.
type unwritten http.Header

// Header implements http.ResponseWriter.
func (u unwritten) Header() http.Header { return http.Header(u) }

// Write implements http.ResponseWriter.
func (unwritten) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (unwritten) WriteHeader(int) {}

// unmet holds back what [http.ServeContent] writes where it serves nothing, for it to be said in our words.
type unmet struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (u *unmet) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		u.status = status
		return
	}
	u.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (u *unmet) Write(b []byte) (int, error) {
	if u.status != 0 {
		return len(b), nil
	}
	return u.ResponseWriter.Write(b)
}

// failPart answers where no part of a file of so many bytes, or another version of it, was asked for.
func (h handlers) failPart(w http.ResponseWriter, r *http.Request, status int, size int64) {
	for _, name := range []string{"Content-Disposition", "ETag", "Last-Modified", "Repr-Digest"} {
		w.Header().Del(name) // they are of the file
	}
	p := problem{Status: status, Text: "The file does not have the part that was asked for.", Hint: "It has %s bytes: ask for others of them, or for all of it.", hintArgs: []any{strconv.FormatInt(size, 10)}}
	if status == http.StatusPreconditionFailed {
		p = problem{Status: status, Text: "The file is not the one that was asked for.", Hint: "It has another ETag or another date: ask for it without the condition."}
	}
	h.problem(w, r, p)
}
