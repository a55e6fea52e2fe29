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

// Rules are the rules that one crawler has to keep.
type Rules struct {
	rules []rule
	// Delay is the Crawl-delay, 0 for none, at most a minute.
	Delay time.Duration
	// Sitemaps are the addresses named in Sitemap lines, as they stand there.
	Sitemaps []string
}

type rule struct {
	pattern string
	allow   bool
}

// AllowAll is what holds for a site without a robots.txt, DisallowAll for one whose
// robots.txt cannot be had now.
var (
	AllowAll    = &Rules{}
	DisallowAll = &Rules{rules: []rule{{pattern: "/"}}}
)

// ForStatus says what an answer other than a robots.txt means (section 2.3.1): nil for
// success, whose body is to be parsed; everything is allowed when there is none (4xx),
// nothing when the server fails (5xx).
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
	body = bytes.TrimPrefix(body[:min(len(body), MaxSize)], []byte("\xef\xbb\xbf"))
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
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// group is what is said to one or more user agents.
type group struct {
	rules []rule
	delay time.Duration
}

// parser collects the groups that concern a token.
type parser struct {
	token    string
	own, any group
	found    bool // whether a group names the token
	sitemaps []string

	toOwn, toAny bool // whom the present group speaks to
	inRules      bool // whether a user-agent line begins a new group
}

func (p *parser) line(text string) {
	text, _, _ = strings.Cut(text, "#")
	key, value, ok := strings.Cut(text, ":")
	if !ok {
		return
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(key)) {
	case "user-agent":
		p.agent(value)
	case "allow":
		p.add(rule{pattern: normalize(value), allow: true})
	case "disallow":
		p.add(rule{pattern: normalize(value)})
	case "crawl-delay":
		p.delay(value)
	case "sitemap":
		if value != "" {
			p.sitemaps = append(p.sitemaps, value)
		}
	}
}

func (p *parser) agent(value string) {
	if p.inRules {
		p.toOwn, p.toAny, p.inRules = false, false, false
	}
	if value == "*" {
		p.toAny = true
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
		p.toOwn, p.found = true, true
	}
}

func (p *parser) add(r rule) {
	p.inRules = true
	if r.pattern == "" {
		return // an empty rule says nothing
	}
	if p.toOwn {
		p.own.rules = append(p.own.rules, r)
	}
	if p.toAny {
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
	if p.toOwn {
		p.own.delay = d
	}
	if p.toAny {
		p.any.delay = d
	}
}

func (p *parser) rules() *Rules {
	g := p.any
	if p.found {
		g = p.own
	}
	return &Rules{rules: g.rules, Delay: g.delay, Sitemaps: p.sitemaps}
}

// Allowed tells whether a path, with its query, may be visited. robots.txt itself
// always may (section 2.2.2).
func (r *Rules) Allowed(path string) bool {
	path = normalize(path)
	if path == "" {
		path = "/"
	}
	if path == "/robots.txt" {
		return true
	}
	longest, allow := -1, true
	for _, rule := range r.rules {
		n := len(rule.pattern)
		if n < longest || n == longest && !rule.allow || !matches(rule.pattern, path) {
			continue
		}
		longest, allow = n, rule.allow
	}
	return allow
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

// normalize writes a path in one way: what is not ASCII is percent-encoded, escapes are
// upper case, and those of unreserved characters are decoded (section 2.2.2).
func normalize(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8) // both are hex digits
			if unreserved(byte(n)) {
				b.WriteByte(byte(n))
			} else {
				b.WriteString("%" + strings.ToUpper(s[i+1:i+3]))
			}
			i += 2
		case c > 0x7f || c <= ' ':
			const digits = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unreserved(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '.' || c == '_' || c == '~'
}
