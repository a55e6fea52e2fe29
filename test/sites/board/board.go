package board

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed assets
var assets embed.FS

// Defaults of [Options].
const (
	DefaultAds      = 60
	DefaultPageSize = 12
	DefaultSeed     = 1
	DefaultExternal = "http://elsewhere.test/"
)

// Options say what a board is like. The zero value is the demo: about eighty pages.
type Options struct {
	// Ads is how many ads there are; DefaultAds if 0.
	Ads int
	// PageSize is how many ads a list shows at a time; DefaultPageSize if 0.
	PageSize int
	// Seed chooses the content; DefaultSeed if 0.
	Seed uint64
	// Latency is how long each answer is held back.
	Latency time.Duration
	// CrawlDelay is written to robots.txt, in whole seconds; there is none if 0.
	CrawlDelay time.Duration
	// SubResources adds this many small files (pictures, style sheets, scripts and JSON) to each page, to measure with.
	// Their addresses differ from page to page.
	SubResources int
	// External is the address outside of the site that the footer links to; DefaultExternal if empty.
	External string
}

// A Board is the site. It is an http.Handler and safe for concurrent use.
type Board struct {
	options    Options
	ads        []*Ad // newest first
	byID       map[int]*Ad
	sellers    []*Seller
	categories []Category
	handler    http.Handler
	images     sync.Map // file name of a drawing → []byte
}

// New makes a board.
func New(o Options) *Board {
	if o.Ads <= 0 {
		o.Ads = DefaultAds
	}
	if o.PageSize <= 0 {
		o.PageSize = DefaultPageSize
	}
	if o.Seed == 0 {
		o.Seed = DefaultSeed
	}
	if o.External == "" {
		o.External = DefaultExternal
	}
	b := &Board{options: o, byID: map[int]*Ad{}}
	b.generate()
	b.handler = b.routes()
	return b
}

// ServeHTTP answers a request.
func (b *Board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.options.Latency > 0 {
		select {
		case <-time.After(b.options.Latency):
		case <-r.Context().Done():
			return
		}
	}
	b.handler.ServeHTTP(w, r)
}

func (b *Board) routes() http.Handler {
	mux := http.NewServeMux()
	b.routePages(mux)
	b.routeAPI(mux)
	mux.HandleFunc("GET /robots.txt", b.robots)
	mux.HandleFunc("GET /sitemap.xml", b.sitemapIndex)
	mux.HandleFunc("GET /sitemap-pages.xml", b.sitemapPages)
	mux.HandleFunc("GET /sitemap-ads.xml.gz", b.sitemapAds)
	mux.HandleFunc("GET /img/{id}/{file}", b.image)
	mux.HandleFunc("GET /extra/{page}/{file}", b.extra)
	static, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		body, err := fs.ReadFile(static, r.PathValue("file"))
		if err != nil || strings.HasSuffix(r.PathValue("file"), ".html") {
			http.NotFound(w, r)
			return
		}
		send(w, r, contentType(r.PathValue("file")), "public, max-age=3600", body)
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/static/icon.svg", http.StatusMovedPermanently)
	})
	return mux
}

// filter returns the ads of a category and of a seller, newest first; an empty name stands for all.
func (b *Board) filter(category, seller string) []*Ad {
	var ads []*Ad
	for _, ad := range b.ads {
		if (category == "" || ad.Category == category) && (seller == "" || ad.Seller.Handle == seller) {
			ads = append(ads, ad)
		}
	}
	return ads
}

// pages returns how many pages a list of n ads has; an empty one has one as well.
func (b *Board) pages(n int) int { return max(1, (n+b.options.PageSize-1)/b.options.PageSize) }

func (b *Board) image(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	ad := b.byID[id]
	var n, width int
	var format string
	if name, ext, ok := strings.Cut(r.PathValue("file"), "."); ok && err == nil {
		format = ext
		_, err = fmt.Sscanf(name, "%d-%d", &n, &width)
	}
	if err != nil || ad == nil || n < 0 || n >= len(imageFormats) || format != imageFormats[n] || width != 400 && width != 800 {
		http.NotFound(w, r)
		return
	}
	body, err := b.drawing(ad.scene, (id*3+n)%drawings, format, width)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, r, contentType(r.PathValue("file")), "public, max-age=3600", body)
}

// drawings bounds how many different pictures there are of a scene, and so the memory that a large board takes.
const drawings = 64

func (b *Board) drawing(scene string, variant int, format string, width int) ([]byte, error) {
	name := fmt.Sprintf("%s-%d-%d.%s", scene, variant, width, format)
	if body, ok := b.images.Load(name); ok {
		return body.([]byte), nil
	}
	body, err := encode(scene, variant, format, width)
	if err != nil {
		return nil, err
	}
	b.images.Store(name, body)
	return body, nil
}

// extra serves the small files that Options.SubResources adds.
func (b *Board) extra(w http.ResponseWriter, r *http.Request) {
	name, ext, ok := strings.Cut(r.PathValue("file"), ".")
	n, err := strconv.Atoi(name)
	if !ok || err != nil || n < 0 || n >= b.options.SubResources {
		http.NotFound(w, r)
		return
	}
	var body string
	switch ext {
	case "svg":
		body = fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><rect width="24" height="24" rx="6" fill="hsl(%d 55%% 72%%)"/></svg>`, n*29%360)
	case "css":
		body = fmt.Sprintf(".extra-%d{outline-color:hsl(%d 40%% 60%%)}\n", n, n*29%360)
	case "js":
		body = fmt.Sprintf("document.documentElement.dataset.extra%d = 'loaded';\n", n)
	case "json":
		body = fmt.Sprintf("{\"extra\":%d}\n", n)
	default:
		http.NotFound(w, r)
		return
	}
	send(w, r, contentType(r.PathValue("file")), "public, max-age=60", []byte(body))
}

func contentType(name string) string {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "css":
		return "text/css; charset=utf-8"
	case "js":
		return "text/javascript; charset=utf-8"
	case "svg":
		return "image/svg+xml"
	case "png":
		return "image/png"
	case "jpg":
		return "image/jpeg"
	case "json":
		return "application/json"
	default:
		return "application/octet-stream"
	}
}

// send writes a body with its headers, compressed where that is worth it and the client takes it.
func send(w http.ResponseWriter, r *http.Request, mime, caching string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mime)
	h.Set("Cache-Control", caching)
	h.Set("X-Content-Type-Options", "nosniff")
	picture := strings.HasPrefix(mime, "image/") && mime != "image/svg+xml"
	if !picture && len(body) > 512 {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = compress(body)
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // fails only when the client went away
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	return b.Bytes()
}
