package trouble

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// routeStatus adds statuses, redirects and odd heads.
func (s *Site) routeStatus() {
	for _, status := range []int{404, 429, 500, 503} {
		s.mux.HandleFunc(fmt.Sprintf("/%d", status), func(w http.ResponseWriter, _ *http.Request) { s.fail(w, status) })
	}
	s.mux.HandleFunc("/flaky", s.flaky)
	s.mux.HandleFunc("/redirect-loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/redirect-loop/back", http.StatusFound)
	})
	s.mux.HandleFunc("/redirect-loop/back", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/redirect-loop", http.StatusFound)
	})
	s.mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		n, ok := number(w, r, "n", 5, 1000)
		switch {
		case !ok:
		case n == 0:
			page(w, "redirect", "")
		default:
			statuses := []int{301, 302, 303, 307, 308}
			http.Redirect(w, r, fmt.Sprintf("/redirect?n=%d", n-1), statuses[n%len(statuses)])
		}
	})
	s.mux.HandleFunc("/script-redirect", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "script-redirect", `<script>location.replace('/script-redirect/end');</script>`)
	})
	s.mux.HandleFunc("/script-redirect/end", func(w http.ResponseWriter, _ *http.Request) { page(w, "script-redirect-end", "") })
	s.mux.HandleFunc("/meta-refresh", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "meta-refresh", `<meta http-equiv="refresh" content="0; url=/meta-refresh/end">`)
	})
	s.mux.HandleFunc("/meta-refresh/end", func(w http.ResponseWriter, _ *http.Request) { page(w, "meta-refresh-end", "") })
	s.mux.HandleFunc("/dupe-headers", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Add("Set-Cookie", "first=1; Path=/dupe-headers")
		h.Add("Set-Cookie", "second=2; Path=/dupe-headers")
		h.Add("X-Twice", "one")
		h.Add("X-Twice", "two")
		h.Add("Link", `</one>; rel="prev"`)
		h.Add("Link", `</two>; rel="next"`)
		page(w, "dupe-headers", "")
	})
	s.mux.HandleFunc("/raw-headers", rawHeaders)
	s.mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	})
	s.mux.HandleFunc("/no-content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s.mux.HandleFunc("/cookies", cookies)
	s.mux.HandleFunc("/trap/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 1 || n > 1_000_000_000 {
			s.fail(w, http.StatusNotFound)
			return
		}
		page(w, fmt.Sprintf("trap-%d", n), fmt.Sprintf(`<a href="/trap/%d">deeper</a>`, n+1))
	})
}

// fail answers with an error and its page.
func (s *Site) fail(w http.ResponseWriter, status int) {
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "2")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", s.options.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	page(w, strconv.Itoa(status), "<p>"+http.StatusText(status)+"</p>")
}

// flaky fails the first times that an address is asked for.
func (s *Site) flaky(w http.ResponseWriter, r *http.Request) {
	times, ok := number(w, r, "times", 2, 1000)
	if !ok {
		return
	}
	s.mu.Lock()
	s.tries[r.RequestURI]++
	try := s.tries[r.RequestURI]
	s.mu.Unlock()
	if try > times {
		page(w, "flaky", fmt.Sprintf("<p>Done: flaky after %d tries</p>", try))
		return
	}
	switch how := r.URL.Query().Get("how"); how {
	case "", "503":
		s.fail(w, http.StatusServiceUnavailable)
	case "429":
		s.fail(w, http.StatusTooManyRequests)
	case "reset":
		breakOff(w, true)
	default:
		http.Error(w, fmt.Sprintf("how=%s: want 503, 429 or reset", how), http.StatusBadRequest)
	}
}

// RawHead is the head that /raw-headers sends, byte by byte, over HTTP/1.1. Its body is RawBody.
var (
	RawBody = document("raw-headers", "")
	RawHead = "HTTP/1.1 200 All is well\r\n" + strings.Join([]string{
		"content-TYPE: text/html; charset=utf-8",
		"x-lower: lower",
		"X-Twice: one",
		"X-Between: between",
		"X-Twice: two",
		"X-Empty:",
		"X-Spaces:   around   ",
		"X-Accents: caf\xc3\xa9",
		"Set-Cookie: raw=1; Path=/raw-headers",
		"set-cookie: RAW=2; Path=/raw-headers",
		fmt.Sprintf("content-length: %d", len(RawBody)),
		"Connection: close",
	}, "\r\n") + "\r\n\r\n"
)

func rawHeaders(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "a raw head needs HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	_, _ = fmt.Fprint(conn, RawHead+RawBody) // fails only when the client went away
	_ = conn.Close()
}

// cookies counts visits, which shows whether state is carried from page to page.
func cookies(w http.ResponseWriter, r *http.Request) {
	visits := 1
	if c, err := r.Cookie("visits"); err == nil {
		if n, err := strconv.Atoi(c.Value); err == nil {
			visits = n + 1
		}
	}
	http.SetCookie(w, &http.Cookie{Name: "visits", Value: strconv.Itoa(visits), Path: "/", MaxAge: 3600})
	page(w, "cookies", fmt.Sprintf("<p>cookie visits: %d</p>", visits)+script("cookies",
		`const n = Number(localStorage.visits ?? 0) + 1; localStorage.visits = n; done('stored visits: ' + n);`))
}
