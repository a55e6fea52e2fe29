package replay

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
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
	"crawlfleet.dev/crawlfleet/internal/sealing"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

//go:embed assets
var assets embed.FS

// MaxFiles is how many files are replayed as one: ReplayWeb.page reads the index of each before it shows anything, with
// about four requests. A page of a larger run is replayed from its own file, which has all of it; links then lead within
// that file only.
const MaxFiles = 200

// timestamp is how replay writes times.
const timestamp = "20060102150405"

// Chunk is a file of a run that counts.
type Chunk struct {
	Key    blob.Key
	Size   int64
	SHA256 string // in hex, empty when it is not known
}

// Runs tells of which files a run consists.
type Runs interface {
	// Chunks lists the files of a run that count: not those that its closing statement leaves out.
	Chunks(ctx context.Context, run catalog.Run) ([]Chunk, error)
}

// Options are what a Server is made of.
type Options struct {
	// URL is the origin of replay as browsers see it, such as http://localhost:8081. With a * for the first label, such
	// as https://*.replay.example, every address has an origin of its own, so that one archived page cannot even see
	// that another was looked at; the name needs a wildcard in DNS and in the certificate.
	URL string
	// Portal is the origin of the portal, which alone may show replay in a frame.
	Portal string
	// Dir holds ReplayWeb.page as published: ui.js and sw.js.
	Dir     string
	Archive blob.Store
	Runs    Runs
	// Look tells the custody log that a person looks at a file of the run, before they see anything of what was captured
	// in it; an error is that they may not. It is asked for each such range: who knows what was told before need not
	// tell it again.
	Look func(ctx context.Context, person access.Person, chunk blob.Key) error
	Keys *sealing.Keys
	// Lifetime is how long an address holds. The portal's page asks for another in time.
	Lifetime time.Duration
	Now      func() time.Time
	// Logger takes faults. Tokens are not logged.
	Logger *slog.Logger
}

// Server answers on replay's origin.
type Server struct {
	Options
	url    *url.URL
	portal string
	pages  *template.Template

	layouts layouts
}

// New fails when an origin is none or ReplayWeb.page is not there.
func New(o Options) (*Server, error) {
	for _, name := range []string{"ui.js", "sw.js"} {
		if _, err := os.Stat(filepath.Join(o.Dir, name)); err != nil {
			return nil, fmt.Errorf("ReplayWeb.page is not in %q: fetch it with `make replay` (%w)", o.Dir, err)
		}
	}
	s := &Server{Options: o}
	var err error
	if s.url, err = parseOrigin(o.URL); err != nil {
		return nil, fmt.Errorf("replay's address: %w", err)
	}
	portal, err := parseOrigin(o.Portal)
	if err != nil {
		return nil, fmt.Errorf("the portal's address: %w", err)
	}
	s.portal = portal.String()
	if strings.EqualFold(s.url.String(), s.portal) {
		return nil, fmt.Errorf("replay's address is the portal's, %s: archived pages need an origin of their own", s.portal)
	}
	if o.Keys == nil || o.Lifetime < time.Minute {
		return nil, fmt.Errorf("replay needs keys, and addresses that last a minute or longer (%v)", o.Lifetime)
	}
	if o.Look == nil {
		return nil, errors.New("replay needs somebody to tell of what is looked at")
	}
	if s.pages, err = template.ParseFS(assets, "assets/*.html"); err != nil {
		return nil, fmt.Errorf("parse replay's pages: %w", err)
	}
	return s, nil
}

// parseOrigin reads scheme://host[:port] (RFC 6454 section 6.2).
func parseOrigin(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is no origin: want http://host:port or https://host", s)
	}
	return u, nil
}

// origin is where a token is served.
func (s *Server) origin(token string) string {
	label, rest, _ := strings.Cut(s.url.Host, ".")
	if label != "*" {
		return s.url.String()
	}
	sum := sha256.Sum256([]byte(token))
	return s.url.Scheme + "://" + hex.EncodeToString(sum[:16]) + "." + rest
}

// FrameSource is what the portal's own policy must have in frame-src.
func (s *Server) FrameSource() string { return s.url.String() }

// Link is the address of a replay, for a frame in a page of the portal.
type Link struct {
	// Src is the frame's address. It is a secret: it opens the run to whoever has it.
	Src string `json:"src"`
	// Origin is that of the frame's messages.
	Origin string `json:"origin"`
	// Renew is when the page should ask for another address, Expires when this one ends.
	Renew   time.Time `json:"renew"`
	Expires time.Time `json:"expires"`
	// Single is set when links lead within the page's file only.
	Single bool `json:"single,omitempty"`
}

// ErrNoReplay means that a capture cannot be shown: it is not of the run, or has no web address.
var ErrNoReplay = errors.New("this capture cannot be replayed")

// Link makes the address at which a person can look at a page of a run, for who was found to have the right to. What is
// opened first is in the fragment, which browsers send to no server.
func (s *Server) Link(ctx context.Context, person access.Person, run catalog.Run, page snapshot.Page) (Link, error) {
	p, ok := catalog.ParseKey(page.Chunk)
	if !ok || p.File == "" || p.Run != run {
		return Link{}, fmt.Errorf("%s: %w", page.Chunk, ErrNoReplay)
	}
	if !strings.HasPrefix(page.URL, "http://") && !strings.HasPrefix(page.URL, "https://") {
		return Link{}, fmt.Errorf("its address is not of the web: %w", ErrNoReplay)
	}
	chunks, err := s.Runs.Chunks(ctx, run)
	if err != nil {
		return Link{}, fmt.Errorf("list the files of %s/%s: %w", run.Namespace, run.Job, err)
	}
	now := s.Now()
	person = person.Logged()
	c := claim{Person: person.Name, Purpose: person.Purpose, Case: person.Case, Run: run, Folder: p.Chunks(), File: p.File, Single: len(chunks) > MaxFiles, Expires: now.Add(s.Lifetime).Unix()}
	token, err := s.seal(c)
	if err != nil {
		return Link{}, fmt.Errorf("seal an address: %w", err)
	}
	at := url.Values{"view": {"replay"}, "url": {page.URL}, "ts": {page.Time.UTC().Format(timestamp)}}
	return Link{
		Src: s.origin(token) + "/r/" + token + "/#" + at.Encode(), Origin: s.origin(token),
		Renew: now.Add(s.Lifetime * 3 / 4), Expires: time.Unix(c.Expires, 0).UTC(), Single: c.Single,
	}, nil
}

// isFile tells whether a key is that of a chunk right in a folder.
func isFile(folder string, key blob.Key) bool {
	_, file, ok := catalog.ParseChunk(key)
	return ok && folder+file == string(key)
}

// Handler returns replay's routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /r/{token}/{$}", s.with(s.frame))
	mux.HandleFunc("GET /r/{token}/frame.js", s.with(s.script("frame.js")))
	mux.HandleFunc("GET /r/{token}/collection.json", s.with(s.collection))
	mux.HandleFunc("GET /r/{token}/wacz/{key...}", s.with(s.wacz))
	mux.HandleFunc("GET /r/{token}/replay/{$}", s.with(s.viewer))
	mux.HandleFunc("GET /r/{token}/replay/index.html", s.with(s.viewer))
	mux.HandleFunc("GET /r/{token}/replay/guard.js", s.with(s.script("guard.js")))
	mux.HandleFunc("GET /r/{token}/replay/sw.js", s.with(s.worker))
	mux.HandleFunc("GET /r/{token}/replay/wabac.js", s.with(s.published("sw.js")))
	mux.HandleFunc("GET /r/{token}/replay/ui.js", s.with(s.published("ui.js")))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return secured(mux)
}
