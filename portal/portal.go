// Package portal is the analysts' view of the archive: which runs there are, which
// pages they hold, and each page replayed as it was.
//
// The store is the only truth. Nothing is kept here but what was read from committed
// WACZ files, which never change; a portal can be thrown away and started anew.
// Replay is done by ReplayWeb.page in the analyst's browser: it reads the WACZ file
// in ranges from [Server] and answers every request of the archived page from it, so
// that a replayed page reaches nothing outside the archive.
//
// The portal has no log-in yet and therefore listens on loopback only.
package portal

import (
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

//go:embed assets
var assets embed.FS

// Server answers the portal's requests.
type Server struct {
	// Catalog is what the archive holds.
	Catalog *Catalog
	// Archive is the bucket of WACZ files.
	Archive blob.Store
	// ReplayDir holds ReplayWeb.page as published: ui.js, sw.js, LICENSE.txt.
	ReplayDir string
	// Logger takes faults.
	Logger *slog.Logger
}

// contentPolicy lets a page of ours load from this portal alone; ReplayWeb.page
// styles its parts inline and builds pictures and frames of its own.
const contentPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self' data:; frame-src 'self'; script-src 'self'; connect-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self'"

// Handler returns the routes. It fails when ReplayWeb.page's files are missing.
func (s *Server) Handler() (http.Handler, error) {
	for _, name := range []string{"ui.js", "sw.js", "LICENSE.txt"} {
		if _, err := os.Stat(filepath.Join(s.ReplayDir, name)); err != nil {
			return nil, fmt.Errorf("ReplayWeb.page is not in %q: fetch it with `make replay` (%w)", s.ReplayDir, err)
		}
	}
	pages, err := template.New("").Funcs(template.FuncMap{
		"bytes": bytesText, "when": when, "replay": replayLink, "short": shortURL,
	}).ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the portal's pages: %w", err)
	}
	h := handlers{Server: s, pages: pages}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.index)
	mux.HandleFunc("GET /runs/{namespace}/{name}/{uid}", h.run)
	mux.HandleFunc("GET /view", h.view)
	mux.HandleFunc("GET /api/runs", h.apiRuns)
	mux.HandleFunc("GET /api/runs/{namespace}/{name}/{uid}", h.apiRun)
	mux.HandleFunc("GET /wacz/{key...}", h.wacz)
	mux.Handle("GET /assets/", http.FileServerFS(assets))
	// Only the three files, by name: the folder may hold other things.
	for _, name := range []string{"ui.js", "sw.js", "LICENSE.txt"} {
		mux.HandleFunc("GET /replay/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join(s.ReplayDir, name))
		})
	}
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	return secured(mux), nil
}

// secured sets the headers that every answer of the portal has. What ReplayWeb.page's
// service worker answers from an archive does not pass here.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		if !strings.HasPrefix(r.URL.Path, "/replay/") {
			head.Set("Content-Security-Policy", contentPolicy)
		}
		next.ServeHTTP(w, r)
	})
}

// replayLink is the address under which a page of a chunk is shown.
func replayLink(key blob.Key, p Page) string {
	q := url.Values{"wacz": {string(key)}, "url": {p.URL}, "ts": {p.Time.UTC().Format("20060102150405")}}
	return "/view?" + q.Encode()
}

func when(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func shortURL(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	if r := []rune(s); len(r) > 90 {
		return string(r[:89]) + "…"
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
