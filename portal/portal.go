// Package portal is the analysts' view of the archive: find a snapshot, see it, compare it with
// others, verify it and hand it over.
//
// The store is the only truth. What is kept here is derived from committed WACZ files and closing
// statements, which never change; a portal can be thrown away and started anew. Replay is done by
// ReplayWeb.page in the analyst's browser, on an origin of its own (package replay).
//
// Without an identity provider the portal is made to listen on loopback, and answers there only
// who asks for it by a loopback name: a web page elsewhere that has its own name lead to
// 127.0.0.1 (DNS rebinding) is refused.
package portal

import (
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/cdx"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

//go:embed assets
var assets embed.FS

// Server answers the portal's requests.
type Server struct {
	// Catalog finds captures, Follow tells how far it is in step with the store.
	Catalog Finder
	Follow  Follower
	// Runs are the runs of the archive.
	Runs *Runs
	// Gate knows who asks and lets through who may. Its Problem and Said are the Server's.
	Gate *access.Gate
	// Tools answers other people's programs. Its Scope and Look are the Server's.
	Tools *cdx.Server
	// Judge verifies what is looked at.
	Judge Judge
	// Watches are the addresses that people watch.
	Watches *watches.Store
	// Archive is the bucket of WACZ files.
	Archive blob.Store
	// Board tells how crawls are doing; nil where there is no cluster to ask.
	Board Board
	// Replay hands out addresses of replays.
	Replay Replayer
	// Cases are those of the archive. Keeper keeps their captures from being erased, and
	// Dossiers are how they are handed over; nil does not offer it.
	Cases    *cases.Store
	Keeper   Keeper
	Dossiers *Dossiers
	// Temp is the folder in which files that are handed over are put together, the system's when it is empty: all
	// files of the archive that they come from have to fit.
	Temp string
	// ReplayDir holds ReplayWeb.page as published: ui.js, sw.js, LICENSE.txt.
	ReplayDir string
	// Origin is the portal's address as browsers know it, such as http://127.0.0.1:8080. Who comes by
	// another loopback name is led there: replays can be framed by that one alone.
	Origin string
	// AnyHost answers under every name. Without it only localhost and loopback
	// addresses are answered.
	AnyHost bool
	// Metrics counts; nil counts nothing.
	Metrics *Metrics
	// Logger takes faults, without the addresses of pages.
	Logger *slog.Logger
}

// license is that of ReplayWeb.page, in its folder.
const license = "LICENSE.txt"

// Handler returns the routes. It fails when the licence of ReplayWeb.page is missing.
func (s *Server) Handler() (http.Handler, error) {
	if _, err := os.Stat(filepath.Join(s.ReplayDir, license)); err != nil {
		return nil, fmt.Errorf("ReplayWeb.page is not in %q: fetch it with `make replay` (%w)", s.ReplayDir, err)
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	// What is wrong with a file quotes the addresses of its pages.
	s.Logger = telemetry.WithoutAddresses(s.Logger)
	if s.Tools.Logger != nil {
		s.Tools.Logger = telemetry.WithoutAddresses(s.Tools.Logger)
	}
	h := handlers{
		Server: s, pages: pages, thumbnails: newThumbnails(), comparisons: newComparisons(), noticed: newNoticed(), turns: make(chan struct{}, handedAtOnce),
	}
	s.Gate.Problem, s.Gate.Said = h.fail, saidOn
	mux, methods := http.NewServeMux(), http.NewServeMux()
	routes := h.routes()
	s.Metrics.routed(routes)
	for _, route := range routes {
		mux.Handle(route.Pattern, s.Gate.Require(route.Need, route.serve))
		if route.Pattern != catchAll {
			methods.Handle(route.Pattern, route.serve)
		}
	}
	return s.Metrics.Count(h.secured(h.tools(s.Gate.Handler(h.serve(mux, methods))))), nil
}

// license is what ReplayWeb.page may be used and passed on under.
func (h handlers) license(w http.ResponseWriter, r *http.Request) {
	http.ServeFile(w, r, filepath.Join(h.ReplayDir, license))
}
