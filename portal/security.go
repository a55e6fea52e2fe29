package portal

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// contentPolicy lets a page of ours load from this portal alone (Content Security Policy Level 3),
// but for the frame that a replay is in, whose origin is filled in.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"frame-src %s; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// headers are on every answer.
var headers = map[string]string{
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// secured sets the headers and refuses who asks under a foreign name.
func (h handlers) secured(next http.Handler) http.Handler {
	policy := fmt.Sprintf(contentPolicy, h.Replay.FrameSource())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if !h.AnyHost && !isLoopbackHost(r.Host) {
			h.problem(w, r, problem{
				Status: http.StatusMisdirectedRequest,
				Text:   "This portal can be reached from this computer only.",
				Hint:   "Open it as http://127.0.0.1 or http://localhost, with its port.",
			})
			return
		}
		if !h.AnyHost && h.Origin != "" && r.Method == http.MethodGet && wantsPage(r) && !strings.HasSuffix(h.Origin, "//"+r.Host) {
			http.Redirect(w, r, h.Origin+r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// wantsPage reports whether a browser asks for a page to show.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// isLoopbackHost reports whether a Host header names this machine and cannot have been
// made to by a name service: an address, or localhost, which browsers resolve themselves.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
