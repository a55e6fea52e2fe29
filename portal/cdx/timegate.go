package cdx

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// timeline is what the archive has of an address, by time.
type timeline struct {
	// original is the address that was asked for.
	original string
	captures []capture
	// more is set when these are only the nearest of very many.
	more bool
}

var errNoMemento = problem{http.StatusNotFound, "The archive has no capture of this address.", "Look for others with /cdx?url=…*, or check the address."}

// timeline looks for captures of an address, the nearest to a time when there are very many.
func (s *Server) timeline(w http.ResponseWriter, r *http.Request, rest string, at time.Time) (*timeline, error) {
	meant, err := originals(r, rest)
	if err != nil {
		return nil, err
	}
	for _, original := range meant {
		found, err := s.exact(r, original, at)
		if err != nil {
			return nil, err
		}
		s.note(w, found)
		if len(found.captures) > 0 {
			slices.SortStableFunc(found.captures, func(a, b capture) int { return a.Time.Compare(b.Time) })
			return &timeline{original, replayable(found.captures), found.more}, nil
		}
	}
	return nil, errNoMemento
}

// exact looks an address up.
func (s *Server) exact(r *http.Request, original string, at time.Time) (*result, error) {
	k, err := keysOf(original, "exact")
	if err != nil {
		return nil, err
	}
	chunks, err := s.chunks(r, k, "")
	if err != nil {
		return nil, err
	}
	q := &query{keys: k, limit: maxLimit, page: -1, order: order{closest: at.UTC().Truncate(time.Second)}}
	return s.search(r.Context(), q, chunks)
}

// replayable leaves out what is no answer of a server, such as metadata, unless there is
// nothing else.
func replayable(captures []capture) []capture {
	answers := slices.DeleteFunc(slices.Clone(captures), func(c capture) bool { return c.Status == 0 })
	if len(answers) == 0 {
		return captures
	}
	return answers
}

// nearest is the capture that is nearest to a time; of two, the earlier one.
func nearest(captures []capture, at time.Time) capture {
	o := order{closest: at.Truncate(time.Second)}
	return slices.MinFunc(captures, func(a, b capture) int { return cmp.Compare(o.distance(a), o.distance(b)) })
}

// of are the captures of one address: the keys of an index do not tell http from https.
func (t *timeline) of(address string) []capture {
	return slices.DeleteFunc(slices.Clone(t.captures), func(c capture) bool { return !same(c.URL, address) })
}

// pages are the captures that are no redirects.
func pages(captures []capture) []capture {
	return slices.DeleteFunc(slices.Clone(captures), func(c capture) bool { return c.Status/100 == 3 })
}

// timeGate leads to the capture that is nearest to Accept-Datetime (RFC 7089 section 4.1,
// pattern 2.1), or to the last one. It speaks of all captures under the key of an address, of
// http and of https, as replay does.
func (s *Server) timeGate(w http.ResponseWriter, r *http.Request, rest string) error {
	w.Header().Set("Vary", "accept-datetime")
	at := s.now()
	if value := r.Header.Get("Accept-Datetime"); value != "" {
		var err error
		if at, err = time.Parse(http.TimeFormat, value); err != nil {
			return invalid("Write it as RFC 1123 has it, in GMT: Accept-Datetime: Sat, 14 Mar 2026 12:00:00 GMT.", "Accept-Datetime is not a time.")
		}
	}
	t, err := s.timeline(w, r, rest, at)
	if err != nil {
		return err
	}
	to := s.addresses(r)
	w.Header().Set("Link", strings.Join(t.links(to, capture{}), ", "))
	redirect(w, to.memento(nearest(t.captures, at)))
	return nil
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}

// links are the values of a Link header (RFC 7089 section 2.2) of a TimeGate or of one of
// the captures.
func (t *timeline) links(to addresses, of capture) []string {
	links := []string{
		link(linkable(t.original), "original"), link(to.timeGate(t.original), "timegate"),
		link(to.timeMap("link", t.original), "timemap") + `; type="application/link-format"`,
	}
	if t.more {
		return links // the first and the last are not known
	}
	rels := map[int]string{}
	here := slices.IndexFunc(t.captures, func(c capture) bool { return c == of })
	add := func(i int, rel string) {
		if i >= 0 && i < len(t.captures) {
			rels[i] = strings.TrimSpace(rels[i] + " " + rel)
		}
	}
	add(0, "first")
	add(len(t.captures)-1, "last")
	if of.Entry != nil {
		add(here-1, "prev")
		add(here+1, "next")
		add(here, "")
	}
	for i, c := range t.captures {
		if rel, ok := rels[i]; ok {
			links = append(links, mementoLink(to, c, rel))
		}
	}
	return links
}

func link(address, rel string) string { return "<" + address + `>; rel="` + rel + `"` }

func mementoLink(to addresses, c capture, rel string) string {
	return link(to.memento(c), strings.TrimSpace(rel+" memento")) + `; datetime="` + c.Time.UTC().Format(http.TimeFormat) + `"`
}
