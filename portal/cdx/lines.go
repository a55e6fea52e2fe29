package cdx

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
)

// outputs are the forms of an answer, with their media types as pywb has them.
var outputs = map[string]string{
	"cdxj": "text/x-cdxj", "json": "text/x-ndjson", "text": "text/plain; charset=utf-8", "link": "application/link-format",
}

// plainFields are those of every line, in order.
var plainFields = []string{"urlkey", "timestamp", "url", "mime", "status", "digest", "length", "offset", "filename"}

// moreFields are those that some lines have: what was asked for by another method than GET,
// and, with resolveRevisits, where the body of a revisit is.
var moreFields = []string{"recordDigest", "method", "requestBody", "orig.length", "orig.offset", "orig.filename"}

// otherNames are those that other servers and older formats give to fields.
var otherNames = map[string]string{
	"original": "url", "u": "url", "mimetype": "mime", "m": "mime", "statuscode": "status", "s": "length", "l": "length",
	"o": "offset", "d": "digest", "t": "timestamp", "k": "urlkey", "f": "filename",
}

func fieldNamed(name string) (string, error) {
	if other := otherNames[name]; other != "" {
		return other, nil
	}
	if !slices.Contains(plainFields, name) && !slices.Contains(moreFields, name) {
		return "", invalid("The fields are "+strings.Join(append(slices.Clone(plainFields), moreFields...), ", ")+".", "There is no field %q.", name)
	}
	return name, nil
}

// printer writes captures as a query wants them.
type printer struct {
	*query
	// files is what the address of a chunk's WARC file begins with, links are for output=link.
	files string
	links addresses
}

// value returns a field as it is written, empty when the capture has none.
func (p printer) value(c capture, field string) string {
	switch field {
	case "urlkey":
		return string(c.Key)
	case "timestamp":
		return c.stamp()
	case "url":
		return c.URL
	case "mime", "status":
		return p.described(c, field)
	case "digest":
		return string(c.Digest)
	case "recordDigest":
		return string(c.RecordDigest)
	case "length":
		return strconv.FormatInt(c.Length, 10)
	case "offset":
		return strconv.FormatInt(c.Offset, 10)
	case "filename":
		return p.file(c, c.Entry)
	case "method":
		return c.Method
	case "requestBody":
		return c.RequestBody
	}
	return p.original(c, field)
}

// described is the media type or status; that of the original for a revisit that was
// resolved, as in pywb.
func (p printer) described(c capture, field string) string {
	e := c.Entry
	if c.orig != nil {
		e = c.orig
	}
	if field == "mime" {
		return e.Mime
	}
	if e.Status == 0 {
		return ""
	}
	return strconv.Itoa(e.Status)
}

func (p printer) original(c capture, field string) string {
	switch {
	case !p.resolve:
		return ""
	case c.orig == nil:
		return "-"
	case field == "orig.length":
		return strconv.FormatInt(c.orig.Length, 10)
	case field == "orig.offset":
		return strconv.FormatInt(c.orig.Offset, 10)
	}
	return p.file(c, c.orig)
}

func (p printer) file(c capture, e *cdxj.Entry) string {
	return p.files + "cdx/warc/" + string(c.chunk) + "/" + e.Filename
}

// matches reports whether a line passes the filters.
func (p printer) matches(c capture) bool {
	for _, f := range p.filters {
		value := ""
		if f.field == "" {
			value = string(bytes.TrimRight(p.cdxj(nil, c, append(plainFields[2:], moreFields...)), "\n"))
		} else {
			value = p.value(c, f.field)
		}
		if f.match(value) == f.not {
			return false
		}
	}
	return true
}

// line appends the line of a capture.
func (p printer) line(b []byte, c capture) []byte {
	fields := p.fields
	if fields == nil {
		fields = append(slices.Clone(plainFields), moreFields...)
	}
	switch p.output {
	case "json":
		return append(p.object(b, c, fields), '\n')
	case "text":
		return p.text(b, c)
	case "link":
		return append(b, mementoLink(p.links, c, "")...)
	}
	return p.cdxj(b, c, slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "urlkey" || f == "timestamp" }))
}

func (p printer) cdxj(b []byte, c capture, fields []string) []byte {
	b = append(append(b, c.Key...), ' ')
	b = append(append(b, c.stamp()...), ' ')
	return append(p.object(b, c, fields), '\n')
}

// object appends a JSON object. All members are strings: pywb takes no numbers.
func (p printer) object(b []byte, c capture, fields []string) []byte {
	b = append(b, '{')
	first := true
	for _, field := range fields {
		value := p.value(c, field)
		if value == "" {
			continue
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = append(append(quote(b, field), ": "...), quote(nil, value)...)
	}
	return append(b, '}')
}

// quote appends a JSON string in which "&" stays as it is.
func quote(b []byte, s string) []byte {
	var js bytes.Buffer
	enc := json.NewEncoder(&js)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return append(b, `""`...) // a string can always be encoded
	}
	return append(b, bytes.TrimRight(js.Bytes(), "\n")...)
}

func (p printer) text(b []byte, c capture) []byte {
	fields := p.fields
	if fields == nil {
		fields = plainFields
		if p.resolve {
			fields = append(slices.Clone(fields), "orig.length", "orig.offset", "orig.filename")
		}
	}
	for i, field := range fields {
		if i > 0 {
			b = append(b, ' ')
		}
		value := strings.ReplaceAll(p.value(c, field), " ", "%20")
		if value == "" {
			value = "-"
		}
		b = append(b, value...)
	}
	return append(b, '\n')
}

// write writes all lines. The error is that of w.
func (p printer) write(w io.Writer, captures []capture) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var b []byte
	for i, c := range captures {
		b = p.line(b[:0], c)
		if p.output == "link" {
			if i < len(captures)-1 {
				b = append(b, ',')
			}
			b = append(b, '\n')
		}
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	return out.Flush()
}
