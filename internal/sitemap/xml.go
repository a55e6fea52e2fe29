package sitemap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html/charset"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// maxNesting is how deep elements may lie in each other. Entries of Atom hold whole pages.
const maxNesting = 500

// roots are what a document may be. A page that a server sends instead is none of them.
var roots = []string{"urlset", "sitemapindex", "rss", "feed"}

var errNoSitemap = errors.New("read the sitemap: it is none of " + strings.Join(roots, ", ") + " and a list of addresses")

// document reads <urlset>, <sitemapindex>, <rss> and <feed>, whatever their namespace.
type document struct {
	visit func(Kind, string) bool
	open  []element
	text  strings.Builder // of the element that is an address
}

type element struct {
	name string
	base string // xml:base that holds here
}

func readXML(r io.Reader, visit func(Kind, string) bool) error {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = charset.NewReaderLabel // feeds are not always in UTF-8
	doc := document{visit: visit}
	begun := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the sitemap: %w", err)
		}
		more := true
		switch token := token.(type) {
		case xml.StartElement:
			if !begun && !slices.Contains(roots, token.Name.Local) {
				return errNoSitemap
			}
			begun = true
			if len(doc.open) == maxNesting {
				return errors.New("read the sitemap: its elements are nested too deeply")
			}
			more = doc.start(token)
		case xml.EndElement:
			more = doc.end()
		case xml.CharData:
			if _, ok := doc.kind(); ok && doc.text.Len() <= maxAddress {
				doc.text.Write(token)
			}
		}
		if !more {
			return nil
		}
	}
}

func (d *document) start(token xml.StartElement) (more bool) {
	e := element{name: token.Name.Local}
	if n := len(d.open); n > 0 {
		e.base = d.open[n-1].base
	}
	var href, rel string
	for _, a := range token.Attr {
		switch {
		case a.Name.Space == "xml" && a.Name.Local == "base", a.Name.Space == "http://www.w3.org/XML/1998/namespace" && a.Name.Local == "base":
			e.base = resolve(e.base, a.Value)
		case a.Name.Local == "href":
			href = strings.TrimSpace(a.Value)
		case a.Name.Local == "rel":
			rel = a.Value
		}
	}
	d.open = append(d.open, e)
	d.text.Reset()
	if kind, ok := d.link(rel); ok && href != "" {
		return d.visit(kind, resolve(e.base, href))
	}
	return true
}

func (d *document) end() (more bool) {
	kind, ok := d.kind()
	more = !ok || d.visit(kind, d.text.String())
	d.text.Reset()
	d.open = d.open[:max(0, len(d.open)-1)]
	return more
}

// kind tells what the text of the present element is an address of.
func (d *document) kind() (Kind, bool) {
	switch {
	case d.at("urlset", "url", "loc"), d.at("rss", "channel", "item", "link"):
		return Page, true
	case d.at("sitemapindex", "sitemap", "loc"):
		return Sitemap, true
	}
	return 0, false
}

// link tells what the present element of a feed links to (RFC 4287 section 4.2.7): the page
// of an entry, or the next part of the feed (RFC 5005).
func (d *document) link(rel string) (Kind, bool) {
	switch {
	case d.at("feed", "entry", "link"):
		return Page, rel == "" || rel == "alternate"
	case d.at("feed", "link"), d.at("rss", "channel", "link"):
		return Sitemap, rel == "next" || rel == "prev-archive"
	}
	return 0, false
}

// at tells whether the present element lies in these.
func (d *document) at(names ...string) bool {
	if len(d.open) != len(names) {
		return false
	}
	for i, name := range names {
		if d.open[i].name != name {
			return false
		}
	}
	return true
}

// resolve is a reference at a base, as it is where there is none.
func resolve(base, ref string) string {
	if base == "" {
		return ref
	}
	if address, err := urls.Follow(base, ref); err == nil {
		return address
	}
	b, err1 := url.Parse(base) // it may be relative itself
	r, err2 := url.Parse(strings.TrimSpace(ref))
	if errors.Join(err1, err2) != nil {
		return ref
	}
	return b.ResolveReference(r).String()
}
