package sites

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Filter selects entries of a [Log]. Empty fields select everything; the others must all match.
type Filter struct {
	// Path is a prefix of the path and query.
	Path string
	// Exact is the whole path and query.
	Exact string
	// Host is the whole Host header, in lower case.
	Host string
	// Method is the whole method.
	Method string
	// Status is the status code.
	Status int
	// Type is a prefix of the Content-Type, such as text/html.
	Type string
	// Since selects requests that began at or after this time.
	Since time.Time
	// Navigate selects documents asked for by a browser's navigation.
	Navigate bool
	// Open selects requests whose answer is still going on.
	Open bool
}

func (f Filter) match(e *Entry) bool {
	switch {
	case !strings.HasPrefix(e.Path, f.Path),
		f.Exact != "" && e.Path != f.Exact,
		f.Host != "" && e.Host != f.Host,
		f.Method != "" && e.Method != f.Method,
		f.Status != 0 && e.Status != f.Status,
		!strings.HasPrefix(e.Type, f.Type),
		e.Start.Before(f.Since),
		f.Navigate && !e.Navigate,
		f.Open && !e.Open():
		return false
	}
	return true
}

// Query writes the filter as the query parameters that the log's listener understands.
func (f Filter) Query() url.Values {
	q := url.Values{}
	set := func(name, value string, ok bool) {
		if ok {
			q.Set(name, value)
		}
	}
	set("path", f.Path, f.Path != "")
	set("exact", f.Exact, f.Exact != "")
	set("host", f.Host, f.Host != "")
	set("method", f.Method, f.Method != "")
	set("status", strconv.Itoa(f.Status), f.Status != 0)
	set("type", f.Type, f.Type != "")
	set("since", f.Since.Format(time.RFC3339Nano), !f.Since.IsZero())
	set("navigate", "1", f.Navigate)
	set("open", "1", f.Open)
	return q
}

// ParseFilter reads the query parameters of [Filter.Query]; an unknown one is an error, so that a mistyped
// filter does not select everything.
func ParseFilter(q url.Values) (Filter, error) {
	var f Filter
	known := []string{"path", "exact", "host", "method", "status", "type", "since", "navigate", "open"}
	for name, values := range q {
		if !slices.Contains(known, name) {
			return f, fmt.Errorf("unknown filter %q: known are %s", name, strings.Join(known, ", "))
		}
		value := values[0]
		var err error
		switch name {
		case "path":
			f.Path = value
		case "exact":
			f.Exact = value
		case "host":
			f.Host = strings.ToLower(value)
		case "method":
			f.Method = value
		case "status":
			f.Status, err = strconv.Atoi(value)
		case "type":
			f.Type = value
		case "since":
			f.Since, err = time.Parse(time.RFC3339Nano, value)
		case "navigate":
			f.Navigate, err = strconv.ParseBool(value)
		case "open":
			f.Open, err = strconv.ParseBool(value)
		}
		if err != nil {
			return f, fmt.Errorf("filter %s=%q: %w", name, value, err)
		}
	}
	return f, nil
}

// A Summary is what tests most often want to know of a log.
type Summary struct {
	// Requests counts all requests, Open those whose answer is still going on, Bytes the bytes of bodies sent.
	Requests int   `json:"requests"`
	Open     int   `json:"open"`
	Bytes    int64 `json:"bytes"`
	// MaxInFlight is the highest number of requests open at once, per host.
	MaxInFlight map[string]int `json:"maxInFlight"`
	// MaxPagesInFlight is the same of navigations alone: a polite crawler never has more than one per host.
	MaxPagesInFlight map[string]int `json:"maxPagesInFlight"`
	// Navigations counts how often each address (host and path) was asked for by a browser's navigation.
	Navigations map[string]int `json:"navigations"`
}

// Twice lists the addresses that were navigated to more than once, sorted.
func (s Summary) Twice() []string {
	var twice []string
	for address, n := range s.Navigations {
		if n > 1 {
			twice = append(twice, address)
		}
	}
	slices.Sort(twice)
	return twice
}

// Summarize counts the entries.
func Summarize(entries []Entry) Summary {
	s := Summary{
		Requests:         len(entries),
		MaxInFlight:      map[string]int{},
		MaxPagesInFlight: maxOverlap(entries),
		Navigations:      map[string]int{},
	}
	for _, e := range entries {
		s.Bytes += e.Bytes
		s.MaxInFlight[e.Host] = max(s.MaxInFlight[e.Host], e.InFlight)
		if e.Open() {
			s.Open++
		}
		if e.Navigate {
			s.Navigations[e.Host+e.Path]++
		}
	}
	return s
}

// maxOverlap sweeps over the beginnings and ends of navigations and returns the highest number open at once, per host.
func maxOverlap(entries []Entry) map[string]int {
	type event struct {
		at    time.Time
		delta int
	}
	events := map[string][]event{}
	for _, e := range entries {
		if !e.Navigate {
			continue
		}
		events[e.Host] = append(events[e.Host], event{e.Start, 1})
		if !e.Open() {
			events[e.Host] = append(events[e.Host], event{e.End, -1})
		}
	}
	most := map[string]int{}
	for host, list := range events {
		slices.SortFunc(list, func(a, b event) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return a.delta - b.delta // one that ends makes room for one that begins at the same instant
		})
		open := 0
		for _, ev := range list {
			open += ev.delta
			most[host] = max(most[host], open)
		}
	}
	return most
}
