package board

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// shell is the HTML of every page: all that differs is its canonical address and what Options.SubResources adds.
var shell = template.Must(template.ParseFS(assets, "assets/shell.html"))

type shellData struct {
	Canonical string
	Extras    []string
}

func (b *Board) routePages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		b.list(w, r, len(b.ads), true)
	})
	mux.HandleFunc("GET /c/{slug}", func(w http.ResponseWriter, r *http.Request) {
		n := len(b.filter(r.PathValue("slug"), ""))
		b.list(w, r, n, n > 0)
	})
	mux.HandleFunc("GET /s/{handle}", func(w http.ResponseWriter, r *http.Request) {
		n := len(b.filter("", r.PathValue("handle")))
		b.list(w, r, n, n > 0)
	})
	mux.HandleFunc("GET /ad/{name}", func(w http.ResponseWriter, r *http.Request) {
		id, _, _ := strings.Cut(r.PathValue("name"), "-")
		n, err := strconv.Atoi(id)
		ad := b.byID[n]
		b.shell(w, r, err == nil && ad != nil && ad.URL == r.URL.Path)
	})
	mux.HandleFunc("GET /info/{slug}", func(w http.ResponseWriter, r *http.Request) {
		b.shell(w, r, infoOf(r.PathValue("slug")) != nil)
	})
	mux.HandleFunc("GET /promo", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/info/about", http.StatusFound)
	})
	mux.HandleFunc("GET /private/", func(w http.ResponseWriter, r *http.Request) {
		b.shell(w, r, r.URL.Path == "/private/members")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { b.shell(w, r, false) })
}

// list answers for a list of n ads: the page asked for must exist and, so that each has one address, the first has no number.
func (b *Board) list(w http.ResponseWriter, r *http.Request, n int, ok bool) {
	if p := r.URL.Query().Get("page"); p != "" {
		page, err := strconv.Atoi(p)
		ok = ok && err == nil && page >= 2 && page <= b.pages(n)
	}
	b.shell(w, r, ok)
}

// shell sends the page that the script fills; where there is nothing the script says so, and the status is 404.
func (b *Board) shell(w http.ResponseWriter, r *http.Request, ok bool) {
	d := shellData{Canonical: base(r) + r.URL.RequestURI()}
	kinds := []string{"svg", "css", "js", "json"}
	key := fnv.New32a()
	_, _ = key.Write([]byte(r.URL.RequestURI())) // never fails
	for i := range b.options.SubResources {
		d.Extras = append(d.Extras, fmt.Sprintf("/extra/%08x/%d.%s", key.Sum32(), i, kinds[i%len(kinds)]))
	}
	var body bytes.Buffer
	if err := shell.Execute(&body, d); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !ok {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(body.Bytes()) // fails only when the client went away
		return
	}
	send(w, r, "text/html; charset=utf-8", "no-cache", body.Bytes())
}

// base is the site's own address as the client sees it.
func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (b *Board) robots(w http.ResponseWriter, r *http.Request) {
	text := "User-agent: *\nDisallow: /private/\n"
	if b.options.CrawlDelay > 0 {
		text += fmt.Sprintf("Crawl-delay: %d\n", b.options.CrawlDelay/time.Second)
	}
	text += "\nSitemap: " + base(r) + "/sitemap.xml\n"
	send(w, r, "text/plain; charset=utf-8", "max-age=3600", []byte(text))
}

type sitemapEntry struct {
	Loc     string `xml:"loc"`
	LastMod string `xml:"lastmod,omitempty"`
}

func (b *Board) sitemapIndex(w http.ResponseWriter, r *http.Request) {
	var index struct {
		XMLName xml.Name       `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 sitemapindex"`
		Maps    []sitemapEntry `xml:"sitemap"`
	}
	index.Maps = []sitemapEntry{{Loc: base(r) + "/sitemap-pages.xml"}, {Loc: base(r) + "/sitemap-ads.xml.gz"}}
	sendXML(w, r, index)
}

func (b *Board) sitemapPages(w http.ResponseWriter, r *http.Request) {
	var paths []string
	for _, p := range b.Account().Pages {
		if !strings.HasPrefix(p, "/ad/") {
			paths = append(paths, p)
		}
	}
	sendXML(w, r, urlset(r, paths))
}

func (b *Board) sitemapAds(w http.ResponseWriter, r *http.Request) {
	paths := make([]string, len(b.ads))
	for i, ad := range b.ads {
		paths[i] = ad.URL
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	err := writeXML(z, urlset(r, paths))
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/gzip")
	_, _ = w.Write(packed.Bytes()) // fails only when the client went away
}

type urlSet struct {
	XMLName xml.Name       `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 urlset"`
	URLs    []sitemapEntry `xml:"url"`
}

func urlset(r *http.Request, paths []string) urlSet {
	var set urlSet
	for _, p := range paths {
		set.URLs = append(set.URLs, sitemapEntry{Loc: base(r) + p, LastMod: newest.Format(time.DateOnly)})
	}
	return set
}

func sendXML(w http.ResponseWriter, r *http.Request, v any) {
	var b bytes.Buffer
	if err := writeXML(&b, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, r, "application/xml", "max-age=3600", b.Bytes())
}

func writeXML(w io.Writer, v any) error {
	if _, err := w.Write([]byte(xml.Header)); err != nil {
		return fmt.Errorf("write a sitemap: %w", err)
	}
	if err := xml.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("write a sitemap: %w", err)
	}
	return nil
}
