// Package robots reads robots.txt and says what it allows, as RFC 9309 (Robots
// Exclusion Protocol) lays down: the group of the most specific product token, else
// that of "*"; among its rules the longest that matches, and of two equally long ones
// the one that allows.
//
// Two things beside the RFC are read because sites use them and mean them:
// Crawl-delay and Sitemap.
package robots

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxSize is how much of a robots.txt is read, in bytes (RFC 9309 section 2.5 asks for
// at least 500 KiB).
const MaxSize = 500 << 10

// MaxRedirects is how many redirects are followed to a robots.txt (section 2.3.1.2).
const MaxRedirects = 5

// maxDelay bounds what a Crawl-delay can ask for.
const maxDelay = 60 * time.Second

// Rules are the rules that one crawler has to keep. They can be used by many at a time.
type Rules struct {
	rules []rule
	// Delay is the Crawl-delay, 0 for none, at most a minute, and DelayLine the number of
	// the line that says so.
	Delay     time.Duration
	DelayLine int
	// Sitemaps are the addresses named in Sitemap lines, as they stand there.
	Sitemaps []string
}

type rule struct {
	pattern string // normalized
	strict  string // the same with strictQuery
	allow   bool
	text    string // as it stands in the file
	line    int
	group   Group
}

// Group is what a rule belongs to: the User-agent line by which it speaks to us.
type Group struct {
	// Agent is the line, such as "User-agent: *", and Line its number from 1; empty and 0
	// when there is none.
	Agent string
	Line  int
}

// Decision says whether a path may be visited, and by which rule.
type Decision struct {
	Allowed bool
	// Rule is the line that decided, such as "Disallow: /private/", and Line its
	// number from 1; empty and 0 when no rule speaks of the path.
	Rule string
	Line int
	// Group is that of the rule.
	Group Group
}

// AllowAll is what holds for a site without a robots.txt, DisallowAll for one whose
// robots.txt cannot be had now.
var (
	AllowAll    = &Rules{}
	DisallowAll = &Rules{rules: []rule{{pattern: "/", strict: "/"}}}
)

// ForStatus says what an answer other than a robots.txt means (section 2.3.1): nil for
// success, whose body is to be parsed; everything is allowed when there is none (4xx, or
// a redirect that is not followed any further), nothing when the server fails (5xx) or
// asks to be left alone (429, which the RFC counts with the others).
func ForStatus(status int) *Rules {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 500, status == http.StatusTooManyRequests:
		return DisallowAll
	}
	return AllowAll
}

// Parse reads the rules for a product token, such as "crawlfleet". It makes the best
// of whatever it is given: there is no such thing as a wrong robots.txt.
func Parse(body []byte, token string) *Rules {
	if len(body) >= MaxSize { // its last line may be cut off, which would change its meaning
		body = body[:MaxSize]
		body = body[:max(0, bytes.LastIndexAny(body, "\r\n"))]
	}
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	p := parser{token: strings.ToLower(token)}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(make([]byte, 4<<10), MaxSize+1)
	lines.Split(scanLines)
	for lines.Scan() {
		p.line(lines.Text())
	}
	return p.rules()
}

// scanLines splits at CR, LF and CRLF (section 2.2, EOL).
func scanLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 && (data[i] == '\n' || i+1 < len(data) || atEOF) {
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			return i + 2, data[:i], nil
		}
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// group is what is said to one or more user agents.
type group struct {
	rules     []rule
	delay     time.Duration
	delayLine int
}

// parser collects the groups that concern a token.
type parser struct {
	token    string
	own, any group
	found    bool // whether a group names the token
	sitemaps []string

	toOwn, toAny Group // whom the present group speaks to, by its line
	inRules      bool  // whether a user-agent line begins a new group
	number       int   // of the present line
}

func (p *parser) line(text string) {
	p.number++
	text, _, _ = strings.Cut(text, "#")
	key, value, ok := strings.Cut(text, ":")
	if !ok {
		return
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(key)) {
	case "user-agent":
		p.agent(value, Group{strings.TrimSpace(text), p.number})
	case "allow":
		p.add(value, true, text)
	case "disallow":
		p.add(value, false, text)
	case "crawl-delay":
		p.delay(value)
	case "sitemap":
		if value != "" {
			p.sitemaps = append(p.sitemaps, value)
		}
	}
}

func (p *parser) agent(value string, line Group) {
	if p.inRules {
		p.toOwn, p.toAny, p.inRules = Group{}, Group{}, false
	}
	if value == "*" {
		p.toAny = line
		return
	}
	// Only the product token counts: "crawlfleet/1.0" speaks to crawlfleet.
	end := strings.IndexFunc(value, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-'
	})
	if end >= 0 {
		value = value[:end]
	}
	if strings.ToLower(value) == p.token {
		p.toOwn, p.found = line, true
	}
}

func (p *parser) add(value string, allow bool, text string) {
	p.inRules = true
	if value == "" {
		return // an empty rule says nothing
	}
	r := rule{pattern: normalize(value, false), allow: allow, text: strings.TrimSpace(text), line: p.number}
	r.strict = strictQuery(r.pattern)
	if p.toOwn.Line > 0 {
		r.group = p.toOwn
		p.own.rules = append(p.own.rules, r)
	}
	if p.toAny.Line > 0 {
		r.group = p.toAny
		p.any.rules = append(p.any.rules, r)
	}
}

func (p *parser) delay(value string) {
	p.inRules = true
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || !(seconds > 0) {
		return
	}
	d := time.Duration(min(seconds, maxDelay.Seconds()) * float64(time.Second))
	if p.toOwn.Line > 0 {
		p.own.delay, p.own.delayLine = d, p.number
	}
	if p.toAny.Line > 0 {
		p.any.delay, p.any.delayLine = d, p.number
	}
}

func (p *parser) rules() *Rules {
	g := p.any
	if p.found {
		g = p.own
	}
	return &Rules{rules: g.rules, Delay: g.delay, DelayLine: g.delayLine, Sitemaps: p.sitemaps}
}

// Allowed tells whether a path, with its query, may be visited. robots.txt itself
// always may (section 2.2.2).
func (r *Rules) Allowed(path string) bool { return r.Decide(path).Allowed }

// Decide tells whether a path, with its query, may be visited, and which rule says so.
func (r *Rules) Decide(path string) Decision {
	path = normalize(path, true)
	if path == "" || path[0] == '?' {
		path = "/" + path
	}
	if path == "/robots.txt" {
		return Decision{Allowed: true}
	}
	strict := strictQuery(path)
	longest, d := -1, Decision{Allowed: true}
	for _, rule := range r.rules {
		n := len(rule.pattern)
		if n < longest || n == longest && !rule.allow {
			continue
		}
		if matches(rule.pattern, path) || matches(rule.strict, strict) {
			longest, d = n, Decision{Allowed: rule.allow, Rule: rule.text, Line: rule.line, Group: rule.group}
		}
	}
	return d
}

// matches tells whether a pattern with "*" and a final "$" matches the start of a path
// (section 2.2.3). It takes time in proportion to the product of their lengths at most.
func matches(pattern, path string) bool {
	pattern, anchored := strings.CutSuffix(pattern, "$")
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(path, parts[0]) {
		return false
	}
	rest := path[len(parts[0]):]
	if len(parts) == 1 {
		return !anchored || rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	last := parts[len(parts)-1]
	if anchored {
		return strings.HasSuffix(rest, last)
	}
	return strings.Contains(rest, last)
}

// normalize writes a path or a pattern in one way: what is not ASCII is percent-encoded,
// escapes are upper case, and those of unreserved characters are decoded (section
// 2.2.2). "*" and "$" mean themselves in a path, and in a pattern when they are
// escaped (section 2.2.3); a "$" that is not at the end means itself too.
func normalize(s string, isPath bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8) // both are hex digits
			if unreserved(byte(n)) {
				b.WriteByte(byte(n))
			} else {
				escape(&b, byte(n))
			}
			i += 2
		case c >= 0x7f || c <= ' ', c == '*' && isPath, c == '$' && (isPath || i+1 < len(s)):
			escape(&b, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// strictQuery escapes ":" and "/" in a query, where they may stand as they are and mean
// the same when they are escaped (the RFC's own example, section 2.2.2).
func strictQuery(s string) string {
	path, query, ok := strings.Cut(s, "?")
	if !ok || !strings.ContainsAny(query, ":/") {
		return s
	}
	return path + "?" + strings.NewReplacer(":", "%3A", "/", "%2F").Replace(query)
}

func escape(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unreserved(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '.' || c == '_' || c == '~'
}
