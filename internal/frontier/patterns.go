package frontier

import (
	"hash/fnv"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Some endless spaces of pages cannot be told from a single address, but from how many there
// are that differ in little: the months of a calendar, the combinations of a catalogue's
// filters, the same page under ever new session ids. A host has a few counters for those, and
// for none of its other pages.

// The budgets of a host; a page beyond one is taken for a trap.
const (
	// maxCalendar is how many pages there may be that differ in dates alone.
	maxCalendar = 1000
	// maxFacets is how many sets of parameters a path may have.
	maxFacets = 64
	// maxSessions is how many session ids a page may have.
	maxSessions = 2
	// maxPatterns bounds the counters of a host: what is beyond is not counted, and so not
	// taken for a trap.
	maxPatterns = 1000
)

var (
	date   = regexp.MustCompile(`^(19|20)\d\d[-_.](0?[1-9]|1[0-2])([-_.]\d\d?)?$`)
	year   = regexp.MustCompile(`^(19|20)\d\d$`)
	month  = regexp.MustCompile(`^(0?[1-9]|1[0-2])$`)
	day    = regexp.MustCompile(`^\d\d?$`)
	number = regexp.MustCompile(`\d+`)
	hexes  = regexp.MustCompile(`^[0-9a-fA-F-]{16,}$`)
)

// sessionKeys are the usual names of session ids, in lower case. They count as such only with
// a value that is long enough for one.
var sessionKeys = map[string]bool{
	"phpsessid": true, "jsessionid": true, "aspsessionid": true, "sessionid": true, "session_id": true, "cfid": true, "cftoken": true,
}

const minSession = 16

// shape is what addresses that differ in little have in common. All of it begins with the name
// of the host: one politeness key may have many.
type shape struct {
	// path has numbers and the like replaced, keys are the names of the parameters, in order.
	path, keys string
	// names is how many different ones there are.
	names int
	// dated is the address with its dates replaced and nothing else, session the one without
	// its session id; empty where there is none.
	dated, session string
}

// shapeOf takes a canonical URL apart.
func shapeOf(canonical string) shape {
	_, rest, _ := strings.Cut(canonical, "://")
	address, query, _ := strings.Cut(rest, "?")
	bare, id, _ := strings.Cut(address, ";")
	name, value, _ := strings.Cut(id, "=")
	hasSession := isSession(name, value)
	if hasSession {
		address = bare
	}
	segments := strings.Split(address, "/")
	undated, dates := withoutDates(segments)
	var kept, plain []string
	names := map[string]bool{}
	for _, parameter := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		switch {
		case parameter == "":
			continue
		case isSession(name, value):
			hasSession = true
			continue
		}
		kept = append(kept, parameter)
		names[name] = true
		if what := dateIn(name, value); what != "" {
			parameter, dates = name+"="+what, true
		}
		plain = append(plain, parameter)
	}
	for i, segment := range segments[1:] { // the first is the host
		if segments[i+1] = number.ReplaceAllString(segment, "0"); hexes.MatchString(segment) {
			segments[i+1] = "#"
		}
	}
	s := shape{path: strings.Join(segments, "/"), keys: strings.Join(slices.Sorted(maps.Keys(names)), "&"), names: len(names)}
	if dates {
		s.dated = undated + "?" + strings.Join(plain, "&")
	}
	if hasSession {
		s.session = address + "?" + strings.Join(kept, "&")
	}
	return s
}

func isSession(name, value string) bool {
	return sessionKeys[strings.ToLower(name)] && len(value) >= minSession
}

// withoutDates replaces the dates in a path: those of one segment, and years with a month, and
// perhaps a day, behind them.
func withoutDates(segments []string) (path string, any bool) {
	out := slices.Clone(segments)
	for i := 1; i < len(out); i++ {
		switch {
		case date.MatchString(out[i]):
			out[i], any = "D", true
		case i > 1 && month.MatchString(out[i]) && year.MatchString(out[i-1]):
			out[i-1], out[i], any = "Y", "M", true
			if i+1 < len(out) && day.MatchString(out[i+1]) {
				out[i+1] = "D"
			}
		}
	}
	return strings.Join(out, "/"), any
}

// dateIn is what stands for the value of a parameter that is a date or a part of one, empty when
// it is none.
func dateIn(name, value string) string {
	if plain, err := url.QueryUnescape(value); err == nil {
		value = plain
	}
	name = strings.ToLower(name)
	switch {
	case date.MatchString(value):
		return "D"
	case (name == "year" || name == "y") && year.MatchString(value):
		return "Y"
	case (name == "month" || name == "m") && month.MatchString(value), (name == "day" || name == "d") && day.MatchString(value):
		return "M"
	}
	return ""
}

// patternOf is the key of a counter.
func patternOf(kind, what string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(kind + " " + what)) // it never fails
	return h.Sum64()
}

// trapped counts a page that is new, and returns the reason for which it is taken for one of an
// endless space, empty when it is not.
func (s *State) trapped(p *Page) string {
	shape := shapeOf(p.URL)
	limit := s.rules.spec.PagesPerPattern
	if shape.dated == "" && shape.names < 2 && shape.session == "" && limit == 0 {
		return ""
	}
	h := s.host(s.hostOf(p.URL))
	defer s.touch(h)
	switch {
	case shape.session != "" && h.beyond("session", shape.session, maxSessions):
		return reasonTrapSession
	case shape.dated != "" && h.beyond("dated", shape.dated, maxCalendar):
		return reasonTrapCalendar
	case shape.names > 1 && h.facet(shape):
		return reasonTrapFacets
	case limit > 0 && h.beyond("pattern", shape.path+"?"+shape.keys, limit):
		return reasonPatternLimit
	}
	return ""
}

// facet counts the sets of parameters of a path, and tells whether this one is new and beyond
// the budget.
func (h *host) facet(s shape) bool {
	set := patternOf("keys", s.path+"?"+s.keys)
	if h.patterns[set] > 0 {
		return false
	}
	if len(h.patterns) >= maxPatterns-1 { // it could not be told from a new one the next time
		return false
	}
	if h.beyond("facets", s.path, maxFacets) {
		return true
	}
	h.count(set)
	return false
}

// beyond counts, and tells whether that is beyond a budget.
func (h *host) beyond(kind, what string, budget int64) bool {
	key := patternOf(kind, what)
	if h.patterns[key] >= budget {
		return true
	}
	h.count(key)
	return false
}

func (h *host) count(key uint64) {
	if h.patterns == nil {
		h.patterns = map[uint64]int64{}
	}
	if _, known := h.patterns[key]; known || len(h.patterns) < maxPatterns {
		h.patterns[key]++
	}
}

// appendPatterns writes the counters, in order.
func appendPatterns(b []byte, patterns map[uint64]int64) []byte {
	b = appendInt(b, len(patterns))
	for _, key := range slices.Sorted(maps.Keys(patterns)) {
		b = appendInt(b, int64(key>>32))
		b = appendInt(b, int64(key&0xffffffff))
		b = appendInt(b, patterns[key])
	}
	return b
}

func (d *decoder) patterns() map[uint64]int64 {
	n := min(d.int(), maxPatterns)
	if n == 0 {
		return nil
	}
	patterns := map[uint64]int64{}
	for ; n > 0 && !d.bad; n-- {
		high, low := d.int64(), d.int64()
		if high > 0xffffffff || low > 0xffffffff {
			d.bad = true
		}
		patterns[uint64(high)<<32|uint64(low)] = d.int64()
	}
	return patterns
}
