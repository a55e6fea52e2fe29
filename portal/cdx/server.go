package cdx

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// Catalog tells which chunks may have records of a host.
type Catalog interface {
	// ChunksOfHost returns the chunks of these namespaces that have a record of the host, or, with
	// below, of it or a host below it. The host is written as in a SURT, without a port:
	// "org,example" for example.org and www.example.org. The empty host with below stands for
	// all chunks. No namespaces, no chunks.
	ChunksOfHost(ctx context.Context, host string, below bool, namespaces []string) ([]catalog.Chunk, error)
}

// Server answers for an archive. Use it from [Server.Index] and [Server.Content]; it must
// not be copied. Catalog, Archive, Scope and Look must be set.
type Server struct {
	Catalog Catalog
	Archive blob.Store
	// Scope tells the namespaces that whoever asks may see. It says why they may not by an
	// [access.Problem], as Look does.
	Scope func(r *http.Request) ([]string, error)
	// Look takes down in the custody log that a person looks at a chunk, before anything of it
	// is served; page is the WARC-Page-ID of the record, empty when ranges of a WARC file are
	// asked for. Nothing is served when it fails.
	Look func(r *http.Request, chunk blob.Key, page string) error
	// Base is where Content can be reached, such as "https://replay.example". Without it
	// links lead to the name that was asked, and the file names in the index are relative.
	Base string
	// IndexBase is where Index can be reached. Default: where Content is.
	IndexBase string
	// CacheBytes bounds the memory for indexes. Default 256 MiB.
	CacheBytes int64
	// Logger takes faults.
	Logger *slog.Logger
	// Now is the clock, for closest=now.
	Now func() time.Time

	once    sync.Once
	cache   *cache
	queries chan struct{}
	whole   int64 // wholeIndex, less in tests
}

const (
	defaultCache = 256 << 20
	// queriesAtOnce bounds the memory of queries, each of which holds up to maxLimit captures.
	queriesAtOnce = 8
)

func (s *Server) init() {
	s.once.Do(func() {
		size := s.CacheBytes
		if size <= 0 {
			size = defaultCache
		}
		s.cache = newCache(size)
		s.queries = make(chan struct{}, queriesAtOnce)
		s.whole = cmp.Or(s.whole, wholeIndex)
	})
}

// Forget drops what is kept of a chunk. Call it when a chunk was erased.
func (s *Server) Forget(chunk blob.Key) {
	s.init()
	s.cache.forget(chunk)
}

// Index returns the handler of /cdx, of TimeGates and TimeMaps. It serves nothing of what
// was archived but addresses.
func (s *Server) Index() http.Handler {
	s.init()
	return s.handler(func(w http.ResponseWriter, r *http.Request) error {
		switch kind, rest := route(r); kind {
		case routeCDX:
			return s.cdx(w, r, rest)
		case routeTimeGate:
			return s.timeGate(w, r, rest)
		case routeTimeMap:
			return s.timeMap(w, r, rest)
		}
		return errNowhere
	})
}

// Content returns the handler of mementos and WARC files. What it serves is hostile: see
// the comment of the package for where it may be mounted.
func (s *Server) Content() http.Handler {
	s.init()
	return s.handler(func(w http.ResponseWriter, r *http.Request) error {
		for name, value := range hostile {
			w.Header().Set(name, value)
		}
		switch kind, rest := route(r); kind {
		case routeWARC:
			return s.warc(w, r, rest)
		case routeMemento:
			return s.memento(w, r, rest)
		}
		return errNowhere
	})
}

// Routes sends what is this package's to index and content, and all else to next. Index or
// content may be nil: next answers then. It looks at the path as it was sent, so it must
// come before any [http.ServeMux].
func Routes(index, content, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := next
		switch kind, _ := route(r); kind {
		case routeCDX, routeTimeGate, routeTimeMap:
			to = index
		case routeWARC, routeMemento:
			to = content
		}
		if to == nil {
			to = next
		}
		to.ServeHTTP(w, r)
	})
}

// The routes.
const (
	routeNone = iota
	routeCDX
	routeWARC
	routeTimeGate
	routeTimeMap
	routeMemento
)

// route tells what a request is for, and what follows in its path, as it was sent.
func route(r *http.Request) (kind int, rest string) {
	path := r.URL.EscapedPath()
	for _, known := range []struct {
		prefix string
		kind   int
	}{
		{"/memento/timegate/", routeTimeGate}, {"/memento/timemap/", routeTimeMap}, {"/memento/", routeMemento},
	} {
		if rest, ok := strings.CutPrefix(path, known.prefix); ok {
			return known.kind, rest
		}
	}
	if path == "/cdx" {
		return routeCDX, ""
	}
	rest, ok := strings.CutPrefix(path, "/cdx/")
	if !ok {
		return routeNone, ""
	}
	// A run has three names, a chunk at least five and its WARC file one more.
	if file, ok := strings.CutPrefix(rest, "warc/"); ok && strings.Count(file, "/") >= 5 {
		return routeWARC, file
	}
	return routeCDX, rest
}

// problem is what a program is told when it gets no answer, and what to do. It is an error.
type problem struct {
	Status int    `json:"status"`
	Text   string `json:"error"`
	Hint   string `json:"hint"`
}

// Error implements error.
func (p problem) Error() string { return p.Text + " " + p.Hint }

var errNowhere = problem{http.StatusNotFound, "There is nothing at this address.", "The index is at /cdx?url=…, captures are at /memento/timemap/link/URL."}

func invalid(hint, format string, args ...any) error {
	return problem{http.StatusBadRequest, fmt.Sprintf(format, args...), hint}
}

// known are what errors of others mean to a program. Their own text is for the log: it may
// name keys and addresses of the store.
var known = []struct {
	err error
	problem
}{
	{blob.ErrNotFound, problem{http.StatusNotFound, "The file that held this is not in the archive any more.", "It was erased, or removed from the store. Its proof of erasure is with its run."}},
	{context.DeadlineExceeded, problem{http.StatusGatewayTimeout, "The store was too slow.", "Narrow the query, or ask again."}},
	{blob.ErrUnreachable, problem{http.StatusBadGateway, "The store does not answer.", "It may pass: ask again in a while."}},
}

// handler answers what may be asked with GET and HEAD, and writes errors.
func (s *Server) handler(serve func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store") // what was looked at stays on no disk
		var err error
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			err = serve(w, r)
		default:
			w.Header().Set("Allow", "GET, HEAD")
			err = problem{http.StatusMethodNotAllowed, "Only GET and HEAD are answered here.", "Put the parameters into the query."}
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // whoever asked has gone
	}
	p := problem{http.StatusBadGateway, "The archive cannot be read.", "The portal's log says why. It may pass: ask again in a while."}
	var refused *access.Problem
	var needed *access.PurposeNeeded
	var asked *access.Asked
	switch {
	case errors.As(err, &p):
	case errors.As(err, &needed):
		refused = &needed.Problem
		what, hint := needed.Asked()
		text, _ := needed.Say(words.English)
		p, asked = problem{needed.Status, text, hint}, &what
	case errors.As(err, &refused):
		text, hint := refused.Say(words.English)
		p = problem{refused.Status, text, hint}
	default:
		for _, k := range known {
			if errors.Is(err, k.err) {
				p = k.problem
				break
			}
		}
	}
	if p.Status >= http.StatusInternalServerError && s.Logger != nil {
		s.Logger.Error("request failed", "route", "cdx", "error", err)
	}
	answer := struct { // as the portal's other routes answer
		problem
		Reason string `json:"reason,omitempty"`
		*access.Asked
	}{problem: p, Asked: asked}
	if refused != nil {
		answer.Reason = refused.Reason
	}
	b, err := json.Marshal(answer)
	if err != nil {
		b = nil // plain fields can always be encoded
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(b, '\n')) // whoever asked may have gone
	}
}

// indexBase is what addresses of Index begin with, without a slash at the end.
func (s *Server) indexBase(r *http.Request) string {
	if s.IndexBase != "" {
		return strings.TrimRight(s.IndexBase, "/")
	}
	return s.base(r)
}

// base is the same of Content.
func (s *Server) base(r *http.Request) string {
	if s.Base != "" {
		return strings.TrimRight(s.Base, "/")
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
