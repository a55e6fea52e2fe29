package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// request is what a handler knows of who asks.
type request struct {
	*http.Request
	token string
	claim claim
}

// with opens the token, and refuses who comes under a name that is not the token's.
func (s *Server) with(next func(http.ResponseWriter, request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := r.PathValue("token")
		c, err := s.open(token)
		if errors.Is(err, ErrToken) || errors.Is(err, ErrExpired) {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if err != nil {
			s.Logger.Error("the keys of addresses cannot be read", "error", err)
			http.Error(w, "addresses cannot be opened just now", http.StatusServiceUnavailable)
			return
		}
		if _, host, _ := strings.Cut(s.origin(token), "://"); !strings.EqualFold(r.Host, host) {
			http.Error(w, "this address is not served under this name", http.StatusMisdirectedRequest)
			return
		}
		next(w, request{r, token, c})
	}
}

// frame is the page that the portal shows in a frame: ReplayWeb.page's element.
func (s *Server) frame(w http.ResponseWriter, r request) {
	base := "/r/" + r.token + "/"
	source := base + "collection.json"
	if r.claim.Single {
		source = base + "wacz/" + r.claim.Folder + r.claim.File
	}
	config, err := json.Marshal(map[string]any{"injectScripts": []string{"guard.js"}})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin") // it is what the portal's page shows
	s.page(w, r, "frame.html", map[string]string{"Source": source, "Base": base + "replay/", "Config": string(config), "Portal": s.portal})
}

// viewer is ReplayWeb.page's own frame. Its service worker would make one, without our guard and our policy.
func (s *Server) viewer(w http.ResponseWriter, r request) { s.page(w, r, "viewer.html", nil) }

func (s *Server) page(w http.ResponseWriter, r request, name string, data any) {
	var b bytes.Buffer // an error in the middle must not look like a page
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", s.policy("viewer", r.token))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = b.WriteTo(w) // the visitor may have gone
}

// script serves a script of ours.
func (s *Server) script(name string) func(http.ResponseWriter, request) {
	return func(w http.ResponseWriter, r request) {
		http.ServeFileFS(w, r.Request, assets, "assets/"+name)
	}
}

// worker is the script that starts ReplayWeb.page's worker, with the policy that it is to set on archived pages.
func (s *Server) worker(w http.ResponseWriter, r request) {
	code, err := assets.ReadFile("assets/sw.js")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	policy, err := json.Marshal(s.policy("archived", r.token))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", s.policy("worker", r.token))
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(bytes.Replace(code, []byte(`"{policy}"`), policy, 1)) // the visitor may have gone
}

// published serves a file of ReplayWeb.page as it was published.
func (s *Server) published(name string) func(http.ResponseWriter, request) {
	return func(w http.ResponseWriter, r request) {
		w.Header().Set("Cache-Control", "private, max-age=3600")
		http.ServeFile(w, r.Request, filepath.Join(s.Dir, name))
	}
}

// collection describes a run to ReplayWeb.page as a WACZ of WACZ files (profile multi-wacz-package, as wabac.js 2.27
// reads it), so that a link leads from a page in one file to a page in another.
func (s *Server) collection(w http.ResponseWriter, r request) {
	chunks, err := s.Runs.Chunks(r.Context(), r.claim.Run)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	type resource struct {
		Name  string `json:"name"`
		Path  string `json:"path"`
		Hash  string `json:"hash,omitempty"`
		Bytes int64  `json:"bytes"`
	}
	resources := []resource{}
	for _, c := range chunks {
		if !isFile(r.claim.Folder, c.Key) {
			continue // it could not be read with this token
		}
		res := resource{Name: string(c.Key), Path: "/r/" + r.token + "/wacz/" + string(c.Key), Bytes: c.Size}
		if c.SHA256 != "" {
			res.Hash = "sha256:" + c.SHA256
		}
		resources = append(resources, res)
	}
	b, err := json.Marshal(map[string]any{
		"profile": "multi-wacz-package", "title": r.claim.Run.Namespace + "/" + r.claim.Run.Job, "resources": resources,
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")            // a run may grow
	w.Header().Set("Content-Length", strconv.Itoa(len(b))) // ReplayWeb.page loads no collection whose length is not told
	_, _ = w.Write(b)                                      // the visitor may have gone
}

// wacz serves a file of the run, in ranges (RFC 9110 section 14) as replay asks for them: one at a time, and no file as a
// whole, which would be a download.
func (s *Server) wacz(w http.ResponseWriter, r request) {
	key := blob.Key(r.PathValue("key"))
	if !isFile(r.claim.Folder, key) {
		http.Error(w, "this address does not open that file", http.StatusForbidden)
		return
	}
	info, err := s.Archive.Head(r.Context(), key)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/wacz")
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(string(key))}))
	head.Set("Cache-Control", "no-store") // what was looked at stays on no disk
	if info.ETag != "" {
		head.Set("ETag", `"`+info.ETag+`"`)
	}
	r.Header.Del("If-Range") // would have all of it sent
	if r.Method == http.MethodHead {
		http.ServeContent(w, r.Request, path.Base(string(key)), info.Modified, io.NewSectionReader(nil, 0, info.Size))
		return
	}
	part, ok := asked(r.Request, info.Size)
	switch {
	case r.Header.Get("Range") == "":
		http.Error(w, "a replay reads files in ranges: the portal has them as a whole", http.StatusForbidden)
		return
	case !ok:
		head.Set("Content-Range", fmt.Sprintf("bytes */%d", info.Size))
		http.Error(w, "want one range that the file has", http.StatusRequestedRangeNotSatisfiable)
		return
	}
	reader, err := s.see(r, info, part)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", part.from, part.to-1)) // what is told of is what is sent
	http.ServeContent(w, r.Request, path.Base(string(key)), info.Modified, io.NewSectionReader(reader, 0, info.Size))
}

// fail answers without a word of what is inside; the log has it.
func (s *Server) fail(w http.ResponseWriter, r request, err error) {
	if errors.Is(err, blob.ErrNotFound) {
		http.Error(w, "the archive has no such file any more", http.StatusNotFound)
		return
	}
	if r.Context().Err() != nil {
		return // nobody waits for it
	}
	var unseen *untold
	if errors.As(err, &unseen) {
		s.Logger.Error("a look cannot be told of, so nothing is shown", "run", r.claim.Run.UID, "error", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "the custody log cannot be written, so nothing is shown", http.StatusServiceUnavailable)
		return
	}
	s.Logger.Error("replay cannot be served", "run", r.claim.Run.UID, "error", err)
	http.Error(w, "the archive cannot be read just now", http.StatusBadGateway)
}
