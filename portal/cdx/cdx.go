package cdx

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// cdx answers a query of the index. Like pywb it answers nothing with nothing; in JSON, in
// which no lines cannot be told from a fault, with 404 as Common Crawl's server does.
func (s *Server) cdx(w http.ResponseWriter, r *http.Request, rest string) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("URL-encode the parameters: curl -G --data-urlencode url=….", "The query cannot be read.")
	}
	q, err := parseQuery(values, s.now())
	if err != nil {
		return err
	}
	if err := q.deepEnough(); err != nil {
		return err
	}
	chunks, err := s.chunks(r, q.keys, rest)
	if err != nil {
		return err
	}
	found, err := s.search(r.Context(), q, chunks)
	if err != nil {
		return err
	}
	s.note(w, found)
	switch {
	case q.onlyCount:
		return q.writeCount(w, found.count)
	case q.page > 0 && q.page >= q.pages(found.count):
		return invalid("The pages are numbered from 0; showNumPages=true tells how many there are.", "There is no page %d.", q.page)
	case len(found.captures) == 0 && q.output == "json":
		return problem{http.StatusNotFound, "No captures found for: " + q.url, "Ask for more: url=example.org/* or url=*.example.org, without filters."}
	}
	p := printer{query: q, links: s.addresses(r)}
	if s.Base != "" {
		p.files = s.base(r) + "/"
	}
	more := found.more && q.page < 0
	if more {
		values.Set("resumeKey", cursor(found.captures[len(found.captures)-1]))
		w.Header().Set("Link", "<?"+values.Encode()+">; rel=\"next\"")
	}
	w.Header().Set("Content-Type", outputs[q.output])
	if r.Method == http.MethodHead {
		return nil
	}
	if p.write(w, found.captures) == nil && more && q.resumeKey {
		_, _ = fmt.Fprintf(w, "\n%s\n", values.Get("resumeKey")) // as the Wayback CDX server has it
	}
	return nil // whoever asked may have gone
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// deepEnough refuses pages for which too much would have to be skipped. It is no 400, which
// clients take for the last page.
func (q *query) deepEnough() error {
	if q.skipped()+q.limit <= maxLimit {
		return nil
	}
	return problem{http.StatusUnprocessableEntity, fmt.Sprintf("Pages reach %d captures far.", maxLimit),
		"Leave page out and follow the Link header's rel=\"next\", or narrow the query by from, to and filter."}
}

func (q *query) blocks(count int) int { return (count + blockLines - 1) / blockLines }

func (q *query) pages(count int) int {
	return max(1, (q.blocks(count)+q.pageSize-1)/q.pageSize)
}

func (q *query) writeCount(w http.ResponseWriter, count int) error {
	b, err := json.Marshal(map[string]int{"blocks": q.blocks(count), "pages": q.pages(count), "pageSize": q.pageSize})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // whoever asked may have gone
	return nil
}

// note tells in the header which files are missing in an answer, and logs them.
func (s *Server) note(w http.ResponseWriter, found *result) {
	for _, problem := range []struct {
		name   string
		chunks []blob.Key
	}{{"X-Crawlfleet-Gone", found.gone}, {"X-Crawlfleet-Unreadable", found.broken}} {
		if len(problem.chunks) == 0 {
			continue
		}
		w.Header().Set(problem.name, fmt.Sprintf("%d; first=%q", len(problem.chunks), problem.chunks[0]))
		if s.Logger != nil {
			s.Logger.Warn("files are missing in an answer of the index", "why", problem.name, "files", len(problem.chunks), "first", problem.chunks[0])
		}
	}
}

// chunks asks the catalog where captures may be, within what may be seen and what the path
// names: nothing, a namespace, or a run.
func (s *Server) chunks(r *http.Request, k keys, path string) ([]catalog.Chunk, error) {
	namespaces, err := s.Scope(r)
	if err != nil {
		return nil, err
	}
	names := strings.Split(path, "/")
	for i := range names {
		if names[i], err = url.PathUnescape(names[i]); err != nil {
			return nil, errNowhere
		}
	}
	switch {
	case path == "":
	case len(names) != 1 && len(names) != 3:
		return nil, errNowhere
	case !slices.Contains(namespaces, names[0]):
		return nil, problem{http.StatusNotFound, "There is no such namespace, or you may not see it.", "Ask for /cdx without a namespace: it answers from all that you may see."}
	default:
		namespaces = names[:1]
	}
	if len(namespaces) == 0 {
		return nil, nil
	}
	chunks, err := s.Catalog.ChunksOfHost(r.Context(), k.host, k.below, namespaces)
	if err != nil {
		return nil, fmt.Errorf("look for chunks: %w", err)
	}
	if len(names) == 3 {
		chunks = slices.DeleteFunc(slices.Clone(chunks), func(c catalog.Chunk) bool { return c.Job != names[1] || c.UID != names[2] })
	}
	return chunks, nil
}
