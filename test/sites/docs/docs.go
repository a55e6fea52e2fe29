// Package docs serves a folder of real HTML, such as the documentation in Debian's python3-doc, and computes
// which pages of it a visitor finds who follows links.
//
// Documentation that people wrote is a better test of a crawler than anything that a test would invent: odd
// links, large pages, links that lead nowhere. The site is the folder and nothing else:
//
//   - /x serves the file x of the folder as it is, byte for byte, with the content type of its extension;
//   - / and a folder's address that ends in / serve the folder's index.html; such an address without the / is
//     redirected (301) to the one with it;
//   - everything else, folders without index.html included, is 404. There is no list of a folder's files.
//
// Unlike net/http's file server it does not redirect /index.html to /: both are addresses of their own, as on most
// servers. Symbolic links that lead out of the folder are followed, because Debian's packages share their scripts
// that way; do not serve a folder whose links you do not trust.
package docs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// DefaultRoots are where Debian's python3-doc keeps its HTML, newest first.
var DefaultRoots = []string{"/usr/share/doc/python3/html", "/usr/share/doc/python3-doc/html"}

// FindRoot returns the first of DefaultRoots that is there.
func FindRoot() (string, error) {
	for _, root := range DefaultRoots {
		if _, err := os.Stat(filepath.Join(root, "index.html")); err == nil {
			return filepath.EvalSymlinks(root)
		}
	}
	return "", fmt.Errorf("no documentation in %s: install Debian's python3-doc (apt-get install python3-doc) or name a folder of HTML", strings.Join(DefaultRoots, " or "))
}

// A Site serves a folder. It is an http.Handler.
type Site struct {
	root    string
	latency time.Duration
}

// Options say how a folder is served.
type Options struct {
	// Root is the folder; it must hold an index.html.
	Root string
	// Latency is how long each answer is held back.
	Latency time.Duration
}

// New makes a site of a folder.
func New(o Options) (*Site, error) {
	root, err := filepath.EvalSymlinks(o.Root)
	if err != nil {
		return nil, fmt.Errorf("serve a folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "index.html")); err != nil {
		return nil, fmt.Errorf("serve %s: it has no index.html to begin with: %w", root, err)
	}
	return &Site{root: root, latency: o.Latency}, nil
}

// types are the content types by extension: a table of its own, because the one of the operating system differs
// from machine to machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".xhtml": "application/xhtml+xml",
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".json": "application/json", ".xml": "application/xml", ".txt": "text/plain; charset=utf-8", ".py": "text/plain; charset=utf-8",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml", ".webp": "image/webp", ".ico": "image/x-icon",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".pdf": "application/pdf", ".gz": "application/gzip", ".zip": "application/zip",
}

// typeOf returns the content type of a file.
func typeOf(name string) string {
	if t := types[strings.ToLower(path.Ext(name))]; t != "" {
		return t
	}
	return "application/octet-stream"
}

// An answer is what the site has at an address.
type answer struct {
	status int
	file   string // with status 200
	target string // with status 301
}

// lookup finds what the site has at a decoded path.
func (s *Site) lookup(p string) (answer, error) {
	if !strings.HasPrefix(p, "/") || strings.ContainsRune(p, 0) || strings.Contains("/"+p+"/", "/../") || strings.Contains(p, "//") {
		return answer{status: http.StatusNotFound}, nil
	}
	file := filepath.Join(s.root, filepath.FromSlash(p))
	info, err := os.Stat(file)
	folder := strings.HasSuffix(p, "/")
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && folder && !info.IsDir():
		return answer{status: http.StatusNotFound}, nil
	case err != nil:
		return answer{}, fmt.Errorf("look up %s: %w", p, err)
	case !info.IsDir():
		return answer{status: http.StatusOK, file: file}, nil
	}
	index := filepath.Join(file, "index.html")
	if _, err := os.Stat(index); err != nil {
		return answer{status: http.StatusNotFound}, nil
	}
	if !folder {
		return answer{status: http.StatusMovedPermanently, target: p + "/"}, nil
	}
	return answer{status: http.StatusOK, file: index}, nil
}

// ServeHTTP answers a request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.latency > 0 {
		select {
		case <-time.After(s.latency):
		case <-r.Context().Done():
			return
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this site is read only", http.StatusMethodNotAllowed)
		return
	}
	a, err := s.lookup(r.URL.Path)
	switch {
	case err != nil:
		http.NotFound(w, r) // a path that the file system refuses, such as one with an overlong name
	case a.status == http.StatusMovedPermanently:
		target := strings.TrimSuffix(r.URL.EscapedPath(), "/") + "/"
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, target, a.status)
	case a.status != http.StatusOK:
		http.NotFound(w, r)
	default:
		s.serveFile(w, r, a.file)
	}
}

func (s *Site) serveFile(w http.ResponseWriter, r *http.Request, file string) {
	f, err := os.Open(file)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", typeOf(file))
	http.ServeContent(w, r, "", info.ModTime(), f)
}
