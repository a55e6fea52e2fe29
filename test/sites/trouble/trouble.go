package trouble

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say what the site is like.
type Options struct {
	// Latency is how long each answer is held back.
	Latency time.Duration
	// Now tells the time for the dates in headers; time.Now if nil.
	Now func() time.Time
}

// A Site is the site of bad pages. It is an http.Handler and safe for concurrent use.
type Site struct {
	options Options
	mux     *http.ServeMux

	mu    sync.Mutex
	tries map[string]int // of /flaky, by whole address
}

// New makes the site.
func New(o Options) *Site {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Site{options: o, mux: http.NewServeMux(), tries: map[string]int{}}
	s.routeLoading()
	s.routeStatus()
	s.routeScripts()
	s.routeBodies()
	s.mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { s.index(w, false) })
	s.mux.HandleFunc("/all", func(w http.ResponseWriter, r *http.Request) { s.index(w, true) })
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		page(w, "not-found", "<p>There is no trouble of this name.</p>")
	})
	return s
}

// ServeHTTP answers a request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.options.Latency > 0 && !sleep(r, s.options.Latency) {
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Site) index(w http.ResponseWriter, all bool) {
	var b strings.Builder
	b.WriteString("<ul>")
	for _, p := range Pages() {
		if p.Loads || all {
			fmt.Fprintf(&b, `<li><a href="%s">%s</a>: %s</li>`, p.Path, p.Name(), html.EscapeString(p.About))
		}
	}
	b.WriteString("</ul>")
	page(w, "index", b.String())
}

func name(path string) string { return strings.ReplaceAll(strings.Trim(path, "/"), "/", "-") }

// page writes a whole page around some HTML.
func page(w http.ResponseWriter, name, body string) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	_, _ = fmt.Fprint(w, document(name, body)) // fails only when the client went away
}

func document(name, body string) string {
	return fmt.Sprintf("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title><link rel=\"icon\" href=\"data:,\"></head>\n<body><h1>Trouble: %s</h1>\n%s\n</body></html>\n", name, name, body)
}

// script is a page whose script calls done() at the end.
func script(name, code string) string {
	return `<p id="out"></p><script type="module">
const out = document.querySelector('#out');
const done = (text = '') => { out.textContent = 'Done: ` + name + ` ' + text; };
` + code + `
</script>`
}

// sleep waits for d and reports whether the client is still there.
func sleep(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// number reads a query parameter, which must be between 0 and most.
func number(w http.ResponseWriter, r *http.Request, name string, fallback, most int) (int, bool) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return fallback, true
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > most {
		http.Error(w, fmt.Sprintf("%s=%s: want a number from 0 to %d", name, v, most), http.StatusBadRequest)
		return 0, false
	}
	return n, true
}
