package catalog

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

const (
	defaultLimit = 50
	maxLimit     = 1000
)

// plan is a query as the database is asked it.
type plan struct {
	parsed
	// filters are facets that have to be there, besides what is in parsed.
	filters     []string
	low, high   slot // low <= slot < high
	descending  bool
	limit       int
	fingerprint uint32
	cursor      *cursor
}

// newPlan checks a query. It does not look at namespaces.
func newPlan(q Query, ids Identifiers) (*plan, error) {
	text, err := parse(q.Text, ids)
	if err != nil {
		return nil, err
	}
	p := &plan{parsed: text, high: math.MaxInt64, descending: !q.Oldest, limit: q.Limit, fingerprint: fingerprint(q)}
	for _, check := range []func(Query) error{p.bounds, p.addresses, p.facts, p.jobs} {
		if err := check(q); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) filter(kind byte, value string) {
	if value != "" {
		p.filters = append(p.filters, facet(kind, value))
	}
}

// bounds checks the limit, the times and the cursor.
func (p *plan) bounds(q Query) error {
	if p.limit == 0 {
		p.limit = defaultLimit
	}
	if p.limit < 1 || p.limit > maxLimit {
		return invalid("limit", "it is %d; take one from 1 to %d", q.Limit, maxLimit)
	}
	if !q.From.IsZero() {
		p.low = ceiling(q.From)
	}
	if !q.To.IsZero() {
		p.high = ceiling(q.To)
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return invalid("until", "it is not after from; swap them")
	}
	if q.Cursor == "" {
		return nil
	}
	c, err := parseCursor(q.Cursor, p.fingerprint)
	if err != nil {
		return err
	}
	p.cursor = &c
	if p.descending {
		p.high = min(p.high, c.at)
		return nil
	}
	p.low = max(p.low, c.at+1)
	return nil
}

// ceiling is the first slot that is not before a time.
func ceiling(t time.Time) slot { return firstSlot(t.Add(time.Millisecond - 1)) }

// addresses checks URL and host.
func (p *plan) addresses(q Query) error {
	if q.URL != "" {
		address := q.URL
		if !strings.Contains(address, ":/") {
			address = "https://" + address
		}
		if hostname(address) == "" {
			return invalid("url", "%.200q is no address; write one such as https://example.org/page", q.URL)
		}
		p.filter(facetURL, string(surt(address)))
	}
	if q.Host == "" {
		return nil
	}
	parts, err := urls.Split("http://" + strings.TrimPrefix(q.Host, "*."))
	if err != nil || parts.Target != "/" {
		return invalid("host", "%.200q is no host; write one such as example.org", q.Host)
	}
	p.filter(facetHost, strings.TrimSuffix(parts.Hostname, "."))
	return nil
}

var (
	statusPattern   = regexp.MustCompile(`^[1-9](xx|[0-9]{2})$`)
	languagePattern = regexp.MustCompile(`^[a-z]{2,8}$`)
)

// facts checks what is known of the document.
func (p *plan) facts(q Query) error {
	if s := strings.ToLower(q.Status); s != "" {
		if !statusPattern.MatchString(s) {
			return invalid("status", "%.20q is none; write a code such as 404 or a class such as 4xx", q.Status)
		}
		p.filter(facetStatus, s)
	}
	if l := strings.ToLower(q.Language); l != "" {
		if !languagePattern.MatchString(l) {
			return invalid("language", "%.20q is none; write a code such as nl", q.Language)
		}
		p.filter(facetLanguage, l)
	}
	if q.Kind != "" && !slices.Contains(snapshot.Kinds(), q.Kind) {
		return invalid("kind", "%.20q is none; take one of %v", q.Kind, snapshot.Kinds())
	}
	p.filter(facetKind, string(q.Kind))
	if !q.Partial {
		p.not = append(p.not, term{words: []string{facet(facetPartial, "")}})
	}
	return nil
}

// jobs checks job and run.
func (p *plan) jobs(q Query) error {
	p.filter(facetRun, q.Run)
	namespace, job, both := strings.Cut(q.Job, "/")
	if !both {
		p.filter(facetJob, q.Job)
		return nil
	}
	if namespace == "" || job == "" || strings.Contains(job, "/") {
		return invalid("job", "%.200q is none; write a name or namespace/name", q.Job)
	}
	p.filter(facetNamespace, namespace)
	p.filter(facetJob, job)
	return nil
}

// match writes the plan for FTS5 (https://www.sqlite.org/fts5.html#full_text_query_syntax), for
// somebody who may see these of the namespaces that there are. It is empty when nothing can be
// found.
func (p *plan) match(allowed, all []string) string {
	var seen, hidden []string
	for _, ns := range all {
		f := facet(facetNamespace, ns)
		if slices.Contains(allowed, ns) {
			seen = append(seen, f)
		} else {
			hidden = append(hidden, f)
		}
	}
	if len(seen) == 0 {
		return ""
	}
	var must []string
	for _, c := range p.must {
		must = append(must, c.match())
	}
	for _, f := range p.filters {
		must = append(must, quote(f))
	}
	var not []string
	for _, t := range p.not {
		not = append(not, t.match())
	}
	// Who sees most is told apart by the few that they do not see.
	if len(seen) <= len(hidden) {
		must = append(must, either(seen))
	} else {
		for _, f := range hidden {
			not = append(not, quote(f))
		}
	}
	if len(must) == 0 {
		must = append(must, quote(facet(facetAll, "")))
	}
	expression := strings.Join(must, " AND ")
	if len(not) > 0 {
		expression = "(" + expression + ") NOT (" + strings.Join(not, " OR ") + ")"
	}
	return expression
}

// hasPrefix reports whether the beginning of a word is looked for.
func (p *plan) hasPrefix() bool {
	return slices.ContainsFunc(slices.Concat(append(slices.Clone(p.must), p.not)...), func(t term) bool { return t.prefix })
}

func either(facets []string) string {
	quoted := make([]string, len(facets))
	for i, f := range facets {
		quoted[i] = quote(f)
	}
	return "(" + strings.Join(quoted, " OR ") + ")"
}

func (c clause) match() string {
	terms := make([]string, len(c))
	for i, t := range c {
		terms[i] = t.match()
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

func (t term) match() string {
	s := quote(strings.Join(t.words, " "))
	if t.prefix {
		s += " *"
	}
	return s
}

// quote makes a string of FTS5. Words have no quotation mark in them; doubling it costs nothing.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
