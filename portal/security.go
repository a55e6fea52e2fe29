package portal

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// contentPolicy lets a page of ours load from this portal alone (Content Security Policy
// Level 3); ReplayWeb.page styles its parts inline and builds pictures and frames of its
// own. It holds for ReplayWeb.page's service worker as well, which therefore can ask nobody
// else for what the archive does not have. Archived pages are answered by that worker, with
// a policy of its own, and do not pass here.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self'; " +
	"frame-src 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'none'; form-action 'self'"

// headers are on every answer.
var headers = map[string]string{
	"Content-Security-Policy":      contentPolicy,
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// secured sets the headers and refuses who asks under a foreign name.
func (h handlers) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if !h.AnyHost && !isLoopbackHost(r.Host) {
			h.problem(w, r, problem{
				Status: http.StatusMisdirectedRequest,
				Text:   "This portal answers only to this machine.",
				Hint:   "Open it as http://127.0.0.1 or http://localhost, with its port.",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

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
