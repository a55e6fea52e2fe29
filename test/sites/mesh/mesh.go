// Package mesh serves many small sites that link to each other, to crawl with many hosts at once. They are told apart by
// the Host header: h0.test, h1.test and so on.
//
//   - /0 is the first page of each, and every page links to the next one of its site.
//   - The first pages lead to those of all other sites, as a tree does: that of site n to 2n+1 and 2n+2, so none is
//     further from the first than the logarithm of their number. Every page links to one more site's first page.
//   - /style.css belongs to each page.
package mesh

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Options say how large the mesh is.
type Options struct {
	// Hosts is the number of sites, Pages the number of pages of each.
	Hosts, Pages int
}

// Mesh is the handler of all the sites.
type Mesh struct {
	options Options
	mux     *http.ServeMux
}

// New makes a mesh.
func New(o Options) *Mesh {
	m := &Mesh{options: o, mux: http.NewServeMux()}
	m.mux.HandleFunc("GET /{page}", m.page)
	m.mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, "h1 { color: #123 }")
	})
	return m
}

// ServeHTTP implements http.Handler.
func (m *Mesh) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Name is the host name of a site.
func Name(host int) string { return fmt.Sprintf("h%d.test", host) }

// URL is the address of a page.
func URL(host, page int) string { return fmt.Sprintf("http://%s/%d", Name(host), page) }

// Names are the host names of all sites.
func (m *Mesh) Names() []string {
	names := make([]string, m.options.Hosts)
	for i := range names {
		names[i] = Name(i)
	}
	return names
}

// Links are what a page links to.
func (m *Mesh) Links(host, page int) []string {
	var links []string
	if page+1 < m.options.Pages {
		links = append(links, URL(host, page+1))
	}
	if page == 0 {
		for _, next := range []int{2*host + 1, 2*host + 2} {
			if next < m.options.Hosts {
				links = append(links, URL(next, 0))
			}
		}
	}
	return append(links, URL((host*7+page+1)%m.options.Hosts, 0))
}

// Reachable is what a plain walk over the links finds from the first page of the first site.
func (m *Mesh) Reachable() map[string]bool {
	type place struct{ host, page int }
	seen := map[string]bool{}
	for todo := []place{{}}; len(todo) > 0; todo = todo[1:] {
		if u := URL(todo[0].host, todo[0].page); !seen[u] {
			seen[u] = true
			for _, link := range m.Links(todo[0].host, todo[0].page) {
				var p place
				if _, err := fmt.Sscanf(link, "http://h%d.test/%d", &p.host, &p.page); err == nil {
					todo = append(todo, p)
				}
			}
		}
	}
	return seen
}

func (m *Mesh) page(w http.ResponseWriter, r *http.Request) {
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	name, isOurs := strings.CutSuffix(strings.TrimPrefix(name, "h"), ".test")
	host, err1 := strconv.Atoi(name)
	page, err2 := strconv.Atoi(r.PathValue("page"))
	if !isOurs || err1 != nil || err2 != nil || host >= m.options.Hosts || page >= m.options.Pages || host < 0 || page < 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>%d of %s</title><link rel=icon href=data:,><link rel=stylesheet href=/style.css><h1>%d of %s</h1><ul>", page, Name(host), page, Name(host))
	for _, link := range m.Links(host, page) {
		fmt.Fprintf(w, "<li><a href='%s'>%s</a>", link, link)
	}
}
