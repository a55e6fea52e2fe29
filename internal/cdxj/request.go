package cdxj

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

const (
	// maxQuery is the length that warcio.js cuts a request's query to, in
	// UTF-16 code units.
	maxQuery = 4096
	// maxRequestBody is how much of a body is looked at. Of a larger JSON or
	// form nothing goes into the key.
	maxRequestBody = 4 << 20
)

// RequestKey returns the key of a request by another method than GET, and what is
// an entry's RequestBody: the body turned into a query, appended to the
// URL with "__wb_method=POST&" before it. Replay turns what a page sends into the
// same key to find the answer; so this does what postToGetUrl of warcio.js 2.4
// does, which agrees with pywb and
// https://specs.webrecorder.net/post-canonicalization/0.1.0/ for all that is
// common: forms as they are, JSON and multipart forms flattened to name=value, all
// else in base64. For GET it is the key of the URL.
func RequestKey(url, method, contentType string, body []byte) (key urls.SURT, query string) {
	query = requestBody(method, contentType, body)
	return requestKey(url, method, query), query
}

// requestBody turns a body into a query, escaped as it came.
func requestBody(method, contentType string, body []byte) string {
	if isGet(method) {
		return ""
	}
	return cutUTF16(requestQuery(contentType, body), maxQuery)
}

func requestKey(url, method, requestBody string) urls.SURT {
	if isGet(method) {
		return urls.MakeSURT(url)
	}
	query, ok := decodeURI(requestBody)
	if !ok {
		query = ""
	}
	sep := "?"
	if strings.IndexByte(url, '?') > 0 {
		sep = "&"
	}
	return urls.MakeSURT(url + sep + "__wb_method=" + method + "&" + query)
}

func isGet(method string) bool { return method == "" || method == "GET" }

func requestQuery(contentType string, body []byte) string {
	mime, _, _ := strings.Cut(contentType, ";")
	switch mime {
	case "application/x-www-form-urlencoded":
		return decodeUTF8(body)
	case "application/json", "text/plain":
		return jsonQuery(decodeUTF8(body))
	case "multipart/form-data":
		return formQuery(decodeUTF8(body), contentType)
	}
	return "__wb_post_data=" + base64.StdEncoding.EncodeToString(body)
}

// decodeUTF8 is what TextDecoder does.
func decodeUTF8(b []byte) string {
	return strings.ToValidUTF8(string(bytes.TrimPrefix(b, []byte("\ufeff"))), "\ufffd")
}

// cutUTF16 cuts a string to n UTF-16 code units.
func cutUTF16(s string, n int) string {
	units := 0
	for i, r := range s {
		units++
		if r > 0xffff {
			units++
		}
		if units > n {
			return s[:i]
		}
	}
	return s
}

// params is a URLSearchParams of JavaScript.
type params struct {
	names, values []string
	index         map[string]int
	dupes         map[string]int
}

// set sets a name's value, in the place where it has been.
func (p *params) set(name, value string) {
	if i, ok := p.index[name]; ok {
		p.values[i] = value
		return
	}
	if p.index == nil {
		p.index = map[string]int{}
	}
	p.index[name] = len(p.names)
	p.names, p.values = append(p.names, name), append(p.values, value)
}

// add sets a value under a name that is made up when it is taken: a, a.2_, a.3_.
func (p *params) add(name, value string) {
	if _, taken := p.index[name]; taken {
		if p.dupes == nil {
			p.dupes = map[string]int{}
		}
		p.dupes[name] = max(p.dupes[name], 1) + 1
		name += "." + strconv.Itoa(p.dupes[name]) + "_"
	}
	p.set(name, value)
}

func (p *params) String() string {
	var b strings.Builder
	for i, name := range p.names {
		if i > 0 {
			b.WriteByte('&')
		}
		formEncode(&b, name)
		b.WriteByte('=')
		formEncode(&b, p.values[i])
	}
	return b.String()
}

// formEncode is the application/x-www-form-urlencoded percent-encoding of the
// WHATWG URL Standard.
func formEncode(b *strings.Builder, s string) {
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ' ':
			b.WriteByte('+')
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', strings.IndexByte("*-._", c) >= 0:
			b.WriteByte(c)
		default:
			const hex = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}

var errTooDeep = errors.New("JSON is nested too deeply")

// maxDepth of JSON that is flattened. JavaScript's is that of its stack.
const maxDepth = 1000

// jsonQuery flattens JSON: the scalars in all objects and lists, under the name of
// the member that they are or are listed in.
func jsonQuery(s string) string {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var p params
	v, err := readJSON(dec, 0)
	if err != nil {
		return ""
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "" // something follows
	}
	p.flatten("", v)
	return p.String()
}

// member of a JSON object. Their order matters.
type member struct {
	name  string
	value any
}

// readJSON reads a value: []member, []any, string, json.Number, bool or nil.
func readJSON(dec *json.Decoder, depth int) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if depth > maxDepth {
		return nil, errTooDeep
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			v, err := readJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	var members []member
	index := map[string]int{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := readJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if i, ok := index[key]; ok {
			members[i].value = v // keeps its place
			continue
		}
		index[key] = len(members)
		members = append(members, member{key, v})
	}
	_, err = dec.Token()
	return orderMembers(members), err
}

// orderMembers puts members in JavaScript's order: names that are list indices
// first and ascending, then the others as they came.
func orderMembers(members []member) []member {
	slices.SortStableFunc(members, func(a, b member) int {
		i, isA := listIndex(a.name)
		j, isB := listIndex(b.name)
		switch {
		case isA && isB:
			return int(i) - int(j)
		case isA:
			return -1
		case isB:
			return 1
		}
		return 0
	})
	return members
}

func listIndex(name string) (uint32, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	return uint32(n), err == nil && n < 1<<32-1 && strconv.FormatUint(n, 10) == name
}

func (p *params) flatten(name string, v any) {
	var value string
	switch v := v.(type) {
	case []member:
		for _, m := range v {
			p.flatten(m.name, m.value)
		}
	case []any:
		for _, e := range v {
			p.flatten(name, e)
		}
	case string:
		value = v
	case json.Number:
		value = formatNumber(v)
	case bool:
		value = strconv.FormatBool(v)
	case nil:
		value = "null"
	}
	if value != "" {
		p.add(name, value)
	}
}

// formatNumber writes a number as JavaScript does. encoding/json follows the same
// rule.
func formatNumber(n json.Number) string {
	f, err := n.Float64()
	if err != nil {
		if strings.HasPrefix(n.String(), "-") {
			return "-Infinity"
		}
		return "Infinity"
	}
	if f == 0 {
		return "0" // also of -0
	}
	b, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	return string(b)
}

// partValue finds name and first line of a part of a multipart form that has no
// header but Content-Disposition.
var partValue = regexp.MustCompile("(?i)name=\"([^\"]+)\"\r\n\r\n([^\n\r\u2028\u2029]*)")

// formQuery makes a query of the plain values of a multipart form; files are left
// out.
func formQuery(body, contentType string) string {
	boundary := "undefined"
	if parts := strings.Split(contentType, "boundary="); len(parts) > 1 {
		boundary = parts[1]
	}
	sep, err := regexp.Compile("(?i)-*" + regexp.QuoteMeta(boundary) + "-*")
	if err != nil {
		return ""
	}
	var p params
	for _, part := range sep.Split(body, -1) {
		if m := partValue.FindStringSubmatch(strings.TrimSpace(part)); m != nil {
			p.set(m[1], m[2])
		}
	}
	return p.String()
}

// decodeURI is the function of that name in JavaScript: it decodes all escapes but
// those of characters with a meaning in URLs. It fails on what is no escape, or
// not UTF-8.
func decodeURI(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '%' {
			b.WriteByte(s[i])
			i++
			continue
		}
		c, ok := escapeAt(s, i)
		if !ok {
			return "", false
		}
		if c < utf8.RuneSelf {
			if strings.IndexByte(";/?:@&=+$,#", c) >= 0 {
				b.WriteString(s[i : i+3])
			} else {
				b.WriteByte(c)
			}
			i += 3
			continue
		}
		r, n, ok := escapedRune(s, i)
		if !ok {
			return "", false
		}
		b.WriteRune(r)
		i += 3 * n
	}
	return b.String(), true
}

// escapedRune decodes a rune of n escaped bytes.
func escapedRune(s string, i int) (r rune, n int, ok bool) {
	var buf []byte
	for len(buf) < utf8.UTFMax && !utf8.FullRune(buf) {
		c, ok := escapeAt(s, i+3*len(buf))
		if !ok {
			return 0, 0, false
		}
		buf = append(buf, c)
	}
	r, n = utf8.DecodeRune(buf)
	return r, n, n == len(buf) && (r != utf8.RuneError || n == 3)
}

func escapeAt(s string, i int) (byte, bool) {
	if i+2 >= len(s) || s[i] != '%' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
	return byte(n), err == nil
}
