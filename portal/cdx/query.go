package cdx

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

const (
	// defaultLimit and maxLimit are how many captures are answered at once.
	defaultLimit = 10_000
	maxLimit     = 100_000
	// blockLines is what pywb's page sizes count in: an index has blocks of 3,000 lines there.
	blockLines  = 3000
	maxPageSize = maxLimit / blockLines
	// maxFilters bounds the work for one line.
	maxFilters = 20
)

// parameters are all that are understood. Others are refused: a mistyped "form=2020" must
// not answer for all years.
var parameters = []string{
	"url", "matchType", "from", "from_ts", "to", "closest", "sort", "reverse", "limit", "filter", "fl", "fields", "output",
	"page", "pageSize", "showNumPages", "resolveRevisits", "allowFuzzy", "showResumeKey", "resumeKey",
}

// query is what is asked of the index.
type query struct {
	url string
	keys
	// from and to are of 14 digits, both inclusive; empty for none.
	from, to string
	filters  []filter
	fields   []string
	output   string
	order
	limit int
	// after is the last capture of the answer that this one goes on from.
	after *capture
	// page is -1 for none.
	page, pageSize                int
	onlyCount, resolve, resumeKey bool
}

// parseQuery reads the parameters of pywb's CDX server API.
func parseQuery(values url.Values, now time.Time) (*query, error) {
	for name := range values {
		if !slices.Contains(parameters, name) {
			return nil, invalid("Leave it out. The parameters are "+strings.Join(parameters, ", ")+".", "There is no parameter %q.", name)
		}
	}
	q := &query{}
	for _, parse := range []func(url.Values) error{q.parseURL, q.parseTimes, q.parseOutput, q.parseFilters, q.parsePages, q.parseLimit, q.parseBools} {
		if err := parse(values); err != nil {
			return nil, err
		}
	}
	if err := q.parseOrder(values, now); err != nil {
		return nil, err
	}
	return q, nil
}

func (q *query) parseURL(values url.Values) (err error) {
	q.url = strings.TrimSpace(values.Get("url"))
	if q.url == "" {
		return invalid("Say which captures: url=example.org/page, url=example.org/* or url=*.example.org.", "The parameter url is missing.")
	}
	if len(q.url) > urls.MaxLength {
		return invalid("No URL of that length is archived.", "The url is longer than %d bytes.", urls.MaxLength)
	}
	q.keys, err = keysOf(q.url, values.Get("matchType"))
	return err
}

func (q *query) parseTimes(values url.Values) (err error) {
	from := values.Get("from")
	if from == "" {
		from = values.Get("from_ts")
	}
	if q.from, err = padded("from", from, padDown); err != nil {
		return err
	}
	q.to, err = padded("to", values.Get("to"), padUp)
	return err
}

// padDown and padUp complete a timestamp to the earliest and the latest that it may mean.
// What is compared are digits, so a 31st of February does no harm.
const (
	padDown = "10000101000000"
	padUp   = "29991231235959"
)

func padded(name, s, pad string) (string, error) {
	if len(s) > len("20060102150405000") || strings.Trim(s, "0123456789") != "" {
		return "", invalid("Write a year, month, day, hour, minute and second, or the first of them: 2026, 202603, 20260314120000.", "%s=%q is not a time.", name, s)
	}
	switch {
	case s == "":
		return "", nil
	case len(s) >= len(pad):
		return s[:len(pad)], nil
	}
	return s + pad[len(s):], nil
}

func (q *query) parseOrder(values url.Values, now time.Time) error {
	sort, closest := values.Get("sort"), values.Get("closest")
	q.reverse = isTrue(values.Get("reverse"))
	switch sort {
	case "":
	case "reverse":
		q.reverse = true
	case "closest":
		// pywb itself sends an empty closest= when it wants the captures of any time.
		if !values.Has("closest") {
			return invalid("Add closest=20260314120000, or leave sort out.", "sort=closest needs a time.")
		}
	default:
		return invalid("Write sort=reverse or sort=closest, or leave it out.", "sort=%q is not known.", sort)
	}
	if closest == "" {
		return nil
	}
	at := now
	if closest != "now" {
		digits, err := padded("closest", closest, padDown)
		if err == nil {
			at, err = cdxj.ParseTime(digits)
		}
		if err != nil {
			return invalid("Write closest=20260314120000, in UTC.", "closest=%q is not a time.", closest)
		}
	}
	q.closest, q.reverse = at.UTC().Truncate(time.Second), false // as pywb does
	return nil
}

func (q *query) parseOutput(values url.Values) error {
	q.output = values.Get("output")
	if q.output == "" {
		q.output = "cdxj"
	}
	if outputs[q.output] == "" {
		return invalid("Write output=cdxj, json, text or link.", "output=%q is not known.", q.output)
	}
	list := values.Get("fields")
	if list == "" {
		list = values.Get("fl")
	}
	if list == "" {
		return nil
	}
	for name := range strings.SplitSeq(list, ",") {
		field, err := fieldNamed(name)
		if err != nil {
			return err
		}
		if !slices.Contains(q.fields, field) {
			q.fields = append(q.fields, field)
		}
	}
	return nil
}

func (q *query) parseLimit(values url.Values) error {
	n, err := number(values, "limit", 0, 1, maxLimit)
	if err != nil {
		return err
	}
	q.limit = n
	if n == 0 {
		q.limit = defaultLimit
	}
	if lines := q.pageSize * blockLines; q.page >= 0 && (n == 0 || n > lines) {
		q.limit = lines
	}
	key := values.Get("resumeKey")
	if key == "" {
		return nil
	}
	if q.page >= 0 {
		return invalid("Use one of the two.", "page and resumeKey exclude each other.")
	}
	if q.after, err = parseCursor(key); err != nil {
		return err
	}
	return nil
}

func (q *query) parsePages(values url.Values) (err error) {
	q.page = -1
	if q.pageSize, err = number(values, "pageSize", 1, 1, maxPageSize); err != nil {
		return err
	}
	if values.Get("page") != "" {
		q.page, err = number(values, "page", 0, 0, 1<<31)
	}
	return err
}

func (q *query) parseBools(values url.Values) error {
	q.onlyCount, q.resolve, q.resumeKey = isTrue(values.Get("showNumPages")), isTrue(values.Get("resolveRevisits")), isTrue(values.Get("showResumeKey"))
	if isTrue(values.Get("allowFuzzy")) {
		return invalid("Leave allowFuzzy out, and ask for url=…* with a filter.", "Captures of addresses that are only similar are not looked for.")
	}
	return nil
}

// isTrue reads a switch as pywb does.
func isTrue(s string) bool {
	return s != "" && !slices.Contains([]string{"0", "false", "f", "off"}, strings.ToLower(s))
}

func number(values url.Values, name string, empty, least, most int) (int, error) {
	s := values.Get(name)
	if s == "" {
		return empty, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, invalid("Write a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most)+". Of longer answers, go on with the Link header's rel=\"next\".", "%s=%q is not allowed.", name, s)
	}
	return n, nil
}

// filter is a condition on a line: filter=[!][=|~][field:]expression.
type filter struct {
	not   bool
	field string // empty for the whole line
	match func(value string) bool
}

func (q *query) parseFilters(values url.Values) error {
	if len(values["filter"]) > maxFilters {
		return invalid("Put several into one regular expression: filter=~mime:(a|b).", "There are more than %d filters.", maxFilters)
	}
	for _, s := range values["filter"] {
		f, err := parseFilter(s)
		if err != nil {
			return err
		}
		q.filters = append(q.filters, f)
	}
	return nil
}

func parseFilter(s string) (f filter, err error) {
	s, f.not = strings.CutPrefix(s, "!")
	s, exact := strings.CutPrefix(s, "=")
	pattern := false
	if !exact {
		s, pattern = strings.CutPrefix(s, "~")
	}
	want := s
	if name, rest, ok := strings.Cut(s, ":"); ok {
		if f.field, err = fieldNamed(name); err != nil {
			return f, err
		}
		want = rest
	}
	switch {
	case exact:
		f.match = func(value string) bool { return value == want }
	case pattern:
		// Python's re.match, which the API speaks of, begins at the beginning.
		re, err := regexp.Compile("^(?:" + want + ")")
		if err != nil {
			return f, invalid("Write an RE2 expression (https://github.com/google/re2/wiki/Syntax) and URL-encode it.", "filter=~%q is not a regular expression.", want)
		}
		f.match = re.MatchString
	default:
		f.match = func(value string) bool { return strings.Contains(value, want) }
	}
	return f, nil
}

// cursor names a capture for resumeKey. It is opaque to others.
func cursor(c capture) string {
	parts := []string{string(c.Key), cdxj.FormatTime(c.Time), string(c.chunk), c.Filename, strconv.FormatInt(c.Offset, 10)}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\n")))
}

func parseCursor(s string) (*capture, error) {
	wrong := invalid("Take it as it was given, from the Link header or the last line.", "The resumeKey is not one of this archive.")
	b, err := base64.RawURLEncoding.DecodeString(s)
	parts := strings.Split(string(b), "\n")
	if err != nil || len(parts) != 5 {
		return nil, wrong
	}
	at, err := cdxj.ParseTime(parts[1])
	if err != nil {
		return nil, wrong
	}
	offset, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil {
		return nil, wrong
	}
	return newCapture(&cdxj.Entry{Key: urls.SURT(parts[0]), Time: at, Filename: parts[3], Offset: offset}, parts[2]), nil
}
