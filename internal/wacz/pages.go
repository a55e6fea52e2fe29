package wacz

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"time"
)

// maxPageLine is the size in bytes that a line of a page list, with the page's
// text, may have.
const maxPageLine = 32 << 20

// pageTime writes the time of a page: RFC 3339 in UTC with milliseconds, which is
// what an index has.
const pageTime = "2006-01-02T15:04:05.000Z"

// pageListHeader is the first line of a page list.
type pageListHeader struct {
	Format  string `json:"format"`
	ID      string `json:"id"`
	Title   string `json:"title"`
	HasText bool   `json:"hasText"`
}

const pageListFormat = "json-pages-1.0"

// writePages writes a page list.
func writePages(w io.Writer, id, title string, pages []Page) error {
	out := bufio.NewWriter(w)
	hasText := slices.ContainsFunc(pages, func(p Page) bool { return p.Text != "" })
	if err := writeJSONLine(out, pageListHeader{pageListFormat, id, title, hasText}); err != nil {
		return err
	}
	for _, p := range pages {
		members, err := p.members()
		if err != nil {
			return fmt.Errorf("page %q: %w", p.URL, err)
		}
		if err := writeJSONLine(out, members); err != nil {
			return fmt.Errorf("page %q: %w", p.URL, err)
		}
	}
	return out.Flush()
}

// members returns the page as the members of a JSON object in their order.
func (p Page) members() (object, error) {
	if p.URL == "" || p.Time.IsZero() {
		return nil, errors.New("URL or time is missing")
	}
	o := object{{"id", p.ID}, {"url", p.URL}, {"ts", p.Time.UTC().Format(pageTime)}}
	if p.ID == "" {
		o = o[1:]
	}
	if p.Title != "" {
		o = append(o, member{"title", p.Title})
	}
	if p.Text != "" {
		o = append(o, member{"text", p.Text})
	}
	return o.with(p.Extra, "id", "url", "ts", "title", "text")
}

// MarshalJSON implements json.Marshaler: it writes the line of a page list.
func (p Page) MarshalJSON() ([]byte, error) {
	o, err := p.members()
	if err != nil {
		return nil, err
	}
	return o.MarshalJSON()
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Page) UnmarshalJSON(b []byte) error {
	var known struct {
		ID    string    `json:"id"`
		URL   string    `json:"url"`
		TS    time.Time `json:"ts"`
		Title string    `json:"title"`
		Text  string    `json:"text"`
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return err
	}
	if known.URL == "" || known.TS.IsZero() {
		return errors.New("url or ts is missing")
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, name := range []string{"id", "url", "ts", "title", "text"} {
		delete(all, name)
	}
	if len(all) == 0 {
		all = nil
	}
	*p = Page{ID: known.ID, URL: known.URL, Time: known.TS.UTC(), Title: known.Title, Text: known.Text, Extra: all}
	return nil
}

// parsePageLine parses a line of a page list; nil is one without a page.
func parsePageLine(n int, line []byte) (*Page, error) {
	if n == 1 {
		var h pageListHeader
		if err := json.Unmarshal(line, &h); err != nil || h.Format != pageListFormat {
			return nil, fmt.Errorf("line 1 is no header of the format %s", pageListFormat)
		}
		return nil, nil
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil, nil
	}
	p := new(Page)
	if err := json.Unmarshal(line, p); err != nil {
		return nil, fmt.Errorf("line %d: %w", n, err)
	}
	return p, nil
}

// readPages reads a page list and ends with the first error.
func readPages(r io.Reader) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 64<<10), maxPageLine)
		n := 0
		for lines.Scan() {
			n++
			p, err := parsePageLine(n, lines.Bytes())
			if err != nil {
				yield(Page{}, err)
				return
			}
			if p != nil && !yield(*p, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Page{}, fmt.Errorf("line %d: %w", n+1, err))
			return
		}
		if n == 0 {
			yield(Page{}, errors.New("the header line is missing"))
		}
	}
}

// object is a JSON object whose members have an order, so that the same Contents
// give the same bytes.
type object []member

type member struct {
	name  string
	value any
}

// with appends further members in the order of their names, and refuses names that
// are taken.
func (o object) with(extra map[string]any, taken ...string) (object, error) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if slices.Contains(taken, name) {
			return nil, fmt.Errorf("the property %q is not free for use", name)
		}
		o = append(o, member{name, extra[name]})
	}
	return o, nil
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, m := range o {
		b.WriteByte("{,"[min(i, 1)])
		name, err := encodeJSON(m.name)
		if err != nil {
			return nil, err
		}
		value, err := encodeJSON(m.value)
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", m.name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	if len(o) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encodeJSON encodes without the escapes that are for HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func writeJSONLine(w io.Writer, v any) error {
	b, err := encodeJSON(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
