package cdx

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mementosAtOnce is how many captures a TimeMap lists; longer ones have pages.
const mementosAtOnce = 1000

// paged is a page number before an address.
var paged = regexp.MustCompile(`^([1-9][0-9]{0,4})/((?i:https?(:|%3a)|urn(:|%3a)).*)$`)

// timeMap lists the captures of an address (RFC 7089 section 5), in pages when there are
// many (section 5.1.2): format/{url} is the first, format/2/{url} the next.
func (s *Server) timeMap(w http.ResponseWriter, r *http.Request, rest string) error {
	format, rest, _ := strings.Cut(rest, "/")
	write := map[string]func(http.ResponseWriter, *timeMap) error{"link": writeLinks, "json": writeJSON}[format]
	if write == nil {
		return problem{http.StatusNotFound, "There is no such format.", "Ask for /memento/timemap/link/URL or /memento/timemap/json/URL."}
	}
	number := 1
	if m := paged.FindStringSubmatch(rest); m != nil {
		number, _ = strconv.Atoi(m[1]) // up to five digits
		rest = m[2]
	}
	t, err := s.timeline(w, r, rest, s.now())
	if err != nil {
		return err
	}
	if t.more {
		return problem{http.StatusUnprocessableEntity, "The archive has more captures of this address than a TimeMap lists.", "Ask /cdx?url=… for them, with from and to."}
	}
	m := &timeMap{timeline: t, addresses: s.addresses(r), format: format, number: number}
	m.captures = slices.CompactFunc(m.captures, func(a, b capture) bool { return a.stamp() == b.stamp() && a.URL == b.URL })
	if number > m.pages() {
		return problem{http.StatusNotFound, "The TimeMap has no such page.", "Begin with " + m.page(1) + "."}
	}
	return write(w, m)
}

// timeMap is one page of a TimeMap.
type timeMap struct {
	*timeline
	addresses
	format string
	number int
}

func (m *timeMap) pages() int { return (len(m.captures) + mementosAtOnce - 1) / mementosAtOnce }

// page is the address of a page.
func (m *timeMap) page(number int) string {
	if number == 1 {
		return m.timeMap(m.format, m.original)
	}
	return m.timeMap(m.format+"/"+strconv.Itoa(number), m.original)
}

// listed are the captures of a page.
func (m *timeMap) listed(number int) []capture {
	from := (number - 1) * mementosAtOnce
	return m.captures[from:min(from+mementosAtOnce, len(m.captures))]
}

// rel tells the first and the last capture of all pages.
func (m *timeMap) rel(c capture) string {
	rel := ""
	if c == m.captures[0] {
		rel = "first"
	}
	if c == m.captures[len(m.captures)-1] {
		rel += " last"
	}
	return rel
}

// writeLinks writes a page as application/link-format (RFC 6690).
func writeLinks(w http.ResponseWriter, m *timeMap) error {
	pageLink := func(number int, rel string) string {
		part := m.listed(number)
		return link(m.page(number), rel) + `; type="application/link-format"; from="` + part[0].Time.UTC().Format(http.TimeFormat) +
			`"; until="` + part[len(part)-1].Time.UTC().Format(http.TimeFormat) + `"`
	}
	links := []string{link(linkable(m.original), "original"), link(m.timeGate(m.original), "timegate"), pageLink(m.number, "self")}
	for number := range m.pages() {
		if number+1 != m.number {
			links = append(links, pageLink(number+1, "timemap"))
		}
	}
	for _, c := range m.listed(m.number) {
		links = append(links, mementoLink(m.addresses, c, m.rel(c)))
	}
	w.Header().Set("Content-Type", "application/link-format")
	_, _ = w.Write([]byte(strings.Join(links, ",\n") + "\n")) // whoever asked may have gone
	return nil
}

// writeJSON writes a page as MemGator and the Time Travel service do.
func writeJSON(w http.ResponseWriter, m *timeMap) error {
	type memento struct {
		Datetime time.Time `json:"datetime"`
		URI      string    `json:"uri"`
	}
	type pageOf struct {
		URI   string    `json:"uri"`
		From  time.Time `json:"from"`
		Until time.Time `json:"until"`
	}
	of := func(c capture) memento { return memento{c.Time.UTC().Truncate(time.Second), m.memento(c)} }
	var pages []pageOf
	for number := range m.pages() {
		part := m.listed(number + 1)
		pages = append(pages, pageOf{m.page(number + 1), of(part[0]).Datetime, of(part[len(part)-1]).Datetime})
	}
	if len(pages) == 1 {
		pages = nil
	}
	var list []memento
	for _, c := range m.listed(m.number) {
		list = append(list, of(c))
	}
	b, err := json.Marshal(map[string]any{
		"original_uri": m.original, "timegate_uri": m.timeGate(m.original),
		"timemap_uri":   map[string]string{"link_format": m.timeMap("link", m.original), "json_format": m.timeMap("json", m.original)},
		"timemap_index": pages,
		"mementos":      map[string]any{"first": of(m.captures[0]), "last": of(m.captures[len(m.captures)-1]), "list": list},
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // whoever asked may have gone
	return nil
}
