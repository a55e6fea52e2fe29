package cdx

import (
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// hostile are the headers of all that strangers wrote: an origin of its own, nothing loaded,
// nothing guessed, nothing told to others (Content Security Policy Level 3).
var hostile = map[string]string{
	"Content-Security-Policy":      "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Frame-Options":              "DENY",
}

// warc serves a WARC file within a chunk, in ranges (RFC 9110 section 14) as the lines of
// the index name them.
func (s *Server) warc(w http.ResponseWriter, r *http.Request, rest string) error {
	path, err := url.PathUnescape(rest)
	if err != nil {
		return errNowhere
	}
	i := strings.LastIndex(path, "/")
	key, err := blob.NewKey(path[:max(i, 0)])
	if err != nil {
		return errNowhere
	}
	name := path[i+1:]
	run, _, ok := catalog.ParseChunk(key)
	namespaces, err := s.Scope(r)
	switch {
	case err != nil:
		return err
	case !ok || !slices.Contains(namespaces, run.Namespace):
		return problem{http.StatusNotFound, "There is no such file, or you may not see it.", "Take the address from a line of /cdx?url=…."}
	}
	info, err := s.Archive.Head(r.Context(), key)
	if err != nil {
		return s.lost(key, err)
	}
	file, src, err := s.open(r.Context(), key, info.Size)
	if err != nil {
		return err
	}
	records, err := file.OpenWARC(name)
	if errors.Is(err, fs.ErrNotExist) {
		return problem{http.StatusNotFound, "There is no such WARC file in the chunk.", "Take the address from a line of /cdx?url=…."}
	}
	if err != nil {
		return src.blame(err)
	}
	if err := s.Look(r, key, ""); err != nil {
		return err
	}
	head := w.Header()
	head.Set("Content-Type", "application/warc")
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	if info.ETag != "" {
		head.Set("ETag", `"`+info.ETag+"-"+url.PathEscape(name)+`"`)
	}
	http.ServeContent(w, r, name, info.Modified, records)
	return nil
}

// lost drops the index of a chunk that is gone.
func (s *Server) lost(key blob.Key, err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		s.Forget(key)
	}
	return err
}
