// Package portal is the analysts' view of the archive: which runs there are, which
// pages they hold, and each page replayed as it was.
//
// The store is the only truth. Nothing is kept here but what was read from committed
// WACZ files and closing statements, which never change; a portal can be thrown away
// and started anew. Replay is done by ReplayWeb.page in the analyst's browser: it reads
// the WACZ files of a run in ranges from [Server] and answers every request of the
// archived page from them, so that a replayed page reaches nothing outside the archive.
//
// The portal has no log-in yet. It is made to listen on loopback, and answers there only
// who asks for it by a loopback name: a web page elsewhere that has its own name lead to
// 127.0.0.1 (DNS rebinding) is refused.
package portal

import (
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

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
	// AnyHost answers under every name. Without it only localhost and loopback
	// addresses are answered.
	AnyHost bool
	// Logger takes faults.
	Logger *slog.Logger
}

// replayFiles are what is served of ReplayWeb.page, by name: the folder may hold other
// things.
var replayFiles = []string{"ui.js", "sw.js", "LICENSE.txt"}

// Handler returns the routes. It fails when ReplayWeb.page's files are missing.
func (s *Server) Handler() (http.Handler, error) {
	for _, name := range replayFiles {
		if _, err := os.Stat(filepath.Join(s.ReplayDir, name)); err != nil {
			return nil, fmt.Errorf("ReplayWeb.page is not in %q: fetch it with `make replay` (%w)", s.ReplayDir, err)
		}
	}
	pages, err := template.New("").Funcs(functions).ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the portal's pages: %w", err)
	}
	h := handlers{Server: s, pages: pages}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.index)
	mux.HandleFunc("GET /runs/{namespace}/{name}/{uid}", h.run)
	mux.HandleFunc("GET /runs/{namespace}/{name}/{uid}/view", h.view)
	mux.HandleFunc("GET /runs/{namespace}/{name}/{uid}/collection.json", h.collection)
	mux.HandleFunc("GET /api/runs", h.apiRuns)
	mux.HandleFunc("GET /api/runs/{namespace}/{name}/{uid}", h.apiRun)
	mux.HandleFunc("GET /wacz/{key...}", h.wacz)
	mux.HandleFunc("GET /assets/{file}", h.asset)
	for _, name := range replayFiles {
		mux.HandleFunc("GET /replay/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join(s.ReplayDir, name))
		})
	}
	mux.HandleFunc("GET /replay/{$}", h.replay)
	// Both say that the portal answers. It does so without the store, too: its pages then
	// tell what is wrong with it.
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /", h.nowhere)
	return h.secured(mux), nil
}
