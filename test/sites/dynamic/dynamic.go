// Package dynamic serves pages to measure with: each loads 25 resources of its own, every answer of which is held back
// for a while, as a distant server would.
//
//   - /page/N for any N is a page with three style sheets, ten pictures and four scripts, and a list that it fills with
//     what it fetches: eight pieces of JSON. It links to eight other pages.
//   - /res/N/I.EXT is one of its resources. None may be kept in a cache, so each page costs the same.
package dynamic

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

// Resources is how many requests a page makes, besides that for itself.
const Resources = styles + pictures + scripts + fetches

const (
	styles   = 3
	pictures = 10
	scripts  = 4
	fetches  = 8
)

// pixel is a GIF of one pixel.
const pixel = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// Options say how the site answers.
type Options struct {
	// Latency is how long each answer is held back.
	Latency time.Duration
}

// New makes the site.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /page/{n}", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(o.Latency)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page(r.PathValue("n")))
	})
	mux.HandleFunc("GET /res/{n}/{file}", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(o.Latency)
		w.Header().Set("Cache-Control", "no-store")
		mime, body := resource(r.PathValue("file"))
		w.Header().Set("Content-Type", mime)
		fmt.Fprint(w, body)
	})
	return mux
}

func page(n string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!doctype html><title>Page %s</title><link rel=icon href=data:,>", n)
	for i := range styles {
		fmt.Fprintf(&b, "<link rel=stylesheet href='/res/%s/%d.css'>", n, i)
	}
	fmt.Fprintf(&b, "<h1>Page %s</h1><ul id=list></ul>", n)
	for i := range pictures {
		fmt.Fprintf(&b, "<img src='/res/%s/%d.gif' width=50 height=50 alt=''>", n, i)
	}
	for i := range scripts {
		fmt.Fprintf(&b, "<script src='/res/%s/%d.js'></script>", n, i)
	}
	fmt.Fprintf(&b, `<script>
for (let i = 0; i < %d; i++) fetch('/res/%s/' + i + '.json').then(r => r.json()).then(item => {
  const li = document.createElement('li');
  li.innerHTML = '<a href="/page/' + i + '">' + item.text + '</a>';
  list.append(li);
});
</script>`, fetches, n)
	return b.String()
}

// resource is a file by its ending.
func resource(file string) (mime, body string) {
	switch path.Ext(file) {
	case ".css":
		return "text/css", strings.Repeat("p { color: #123; margin: 1px }\n", 200)
	case ".js":
		return "text/javascript", strings.Repeat("(function(){ var a = 1; return a + 1 })();\n", 500)
	case ".gif":
		return "image/gif", pixel
	default:
		return "application/json", fmt.Sprintf(`{"text": %q}`, strings.Repeat("words ", 50))
	}
}
