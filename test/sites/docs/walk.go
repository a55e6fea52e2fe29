package docs

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"

	"golang.org/x/net/html"

	"crawlfleet.dev/crawlfleet/test/sites"
)

// maxPage bounds the size of a page that the walk reads.
const maxPage = 64 << 20

// Walk returns what a visitor finds who begins at /index.html of a site of this folder and follows every link. It
// reads the files and sends no request, so the site's log stays clean. These are the rules:
//
//   - A link is the href of an <a> or <area> element, wherever it stands in the document as the HTML specification
//     parses it. Links in comments, in <template>, in <noscript> (scripts are on), and links that scripts make do not count.
//   - It is resolved against the page's address, or against its <base href>. White space around it is cut off.
//   - What net/url cannot parse is no link. (Browsers take more, such as a lone % in a path.)
//   - Only http links to the same host count. All others are External (http and https), Leads (mailto: and tel:), or nothing
//     (javascript:, data:, file: and so on).
//   - The fragment is cut off; nothing else is changed: the query stays (/search.html?q=x is another address
//     than /search.html), and /index.html and / are two addresses.
//   - Links are followed from pages only: from answers that are 200 and text/html. A redirect is followed, and the
//     page behind it counts under its own address.
//   - nofollow and canonical links are not honoured: they speak to search engines.
//
// Addresses are escaped as net/url writes them.
func Walk(root string) (*sites.Account, error) { return WalkWithout(root, nil) }

// WalkWithout is [Walk] by a visitor who follows no link to an address, from the path on, that exclude matches.
func WalkWithout(root string, exclude *regexp.Regexp) (*sites.Account, error) {
	s, err := New(Options{Root: root})
	if err != nil {
		return nil, err
	}
	w := walker{site: s, exclude: exclude, seen: map[string]bool{}, account: &sites.Account{Errors: map[string]int{}, Redirects: map[string]string{}}}
	w.follow(base.JoinPath("index.html"))
	for len(w.todo) > 0 {
		address := w.todo[0]
		w.todo = w.todo[1:]
		if err := w.visit(address); err != nil {
			return nil, fmt.Errorf("walk %s: %w", address.RequestURI(), err)
		}
	}
	w.account.Normalize()
	return w.account, nil
}

// base stands for the site in the walk: its host is reserved, so no page links to it by chance.
var base = &url.URL{Scheme: "http", Host: "docs.invalid", Path: "/"}

type walker struct {
	site    *Site
	exclude *regexp.Regexp
	todo    []*url.URL
	seen    map[string]bool
	account *sites.Account
}

// follow takes note of the target of a link.
func (w *walker) follow(u *url.URL) {
	switch u.Scheme {
	case "mailto", "tel":
		w.account.Leads = append(w.account.Leads, u.String())
		return
	case "http", "https":
	default:
		return
	}
	here := *u
	if here.Scheme != base.Scheme || here.Host != base.Host {
		w.account.External = append(w.account.External, here.String())
		return
	}
	if here.Path == "" {
		here.Path = "/"
	}
	if w.exclude != nil && w.exclude.MatchString(here.RequestURI()) {
		return
	}
	if !w.seen[here.RequestURI()] {
		w.seen[here.RequestURI()] = true
		w.todo = append(w.todo, &here)
	}
}

func (w *walker) visit(address *url.URL) error {
	name := address.RequestURI()
	a, err := w.site.lookup(address.Path)
	if err != nil {
		a.status = http.StatusNotFound // as the site answers
	}
	switch {
	case a.status == http.StatusMovedPermanently:
		target := *address
		target.Path, target.RawPath = path.Clean(address.Path)+"/", ""
		w.account.Redirects[name] = target.RequestURI()
		w.follow(&target)
		return nil
	case a.status != http.StatusOK:
		w.account.Errors[name] = a.status
		return nil
	case !strings.HasPrefix(typeOf(a.file), "text/html"):
		w.account.Files = append(w.account.Files, name)
		return nil
	}
	w.account.Pages = append(w.account.Pages, name)
	links, err := Links(a.file, address)
	if err != nil {
		return err
	}
	for _, l := range links {
		w.follow(l)
	}
	return nil
}

// Links returns the targets of the links in an HTML file that stands at the given address, in their order and as
// [Walk] defines them, without their fragments.
func Links(file string, address *url.URL) ([]*url.URL, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxPage {
		return nil, fmt.Errorf("%s has %d bytes; the walk reads pages of at most %d", file, info.Size(), maxPage)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	doc, err := html.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	var links []*url.URL
	from := address
	based := false
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || inTemplate(n) {
			continue
		}
		href, ok := attribute(n, "href")
		if !ok {
			continue
		}
		// The fragment is cut off first: some are not what net/url takes for one.
		href, _, _ = strings.Cut(strings.Trim(href, " \t\r\n\f"), "#")
		target, err := from.Parse(href)
		if err != nil {
			continue
		}
		switch n.Data {
		case "base":
			if !based {
				from, based = target, true
			}
		case "a", "area":
			links = append(links, target)
		}
	}
	return links, nil
}

// inTemplate reports whether n is inside a <template>, whose content is not part of the page. (The parser keeps what
// is in <noscript> as text.)
func inTemplate(n *html.Node) bool {
	for p := range n.Ancestors() {
		if p.Type == html.ElementNode && p.Data == "template" {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val, true
		}
	}
	return "", false
}
