package replay

import (
	"net/http"
	"strings"
)

// policies are the Content Security Policies (Level 3) of one token: {T} is the address of its folder, {P} the portal's
// origin. A source that ends in a slash stands for all below it (section 6.7.2.12).
var policies = map[string]string{
	// The frame that the portal shows, and ReplayWeb.page's own in it. It styles its parts inline and builds pictures
	// of its own.
	"viewer": "default-src 'none'; script-src {T}; style-src {T} 'unsafe-inline'; img-src {T} data: blob:; font-src {T} data:; " +
		"connect-src {T} blob: data:; worker-src {T}; frame-src {T}; frame-ancestors 'self' {P}; object-src 'none'; base-uri 'none'; form-action 'none'",
	// The workers, which may ask for what this token allows and for nothing else.
	"worker": "default-src 'none'; script-src {T}; connect-src {T} blob: data:",
	// An archived page: all kinds of things, out of the archive. Only the frames and the forms of the archive's own
	// folder, so that it cannot show itself as the viewer.
	"archived": "default-src {T}replay/w/ {T}replay/static/ 'unsafe-inline' 'unsafe-eval' data: blob: mediastream:; connect-src {T}replay/w/ data: blob:; " +
		"frame-src {T}replay/w/ about: blob:; worker-src {T}replay/w/ {T}replay/static/ blob:; frame-ancestors 'self' {P}; object-src 'none'; " +
		"base-uri {T}replay/w/; form-action {T}replay/w/; sandbox allow-scripts allow-same-origin allow-forms",
}

func (s *Server) policy(name, token string) string {
	return strings.NewReplacer("{T}", s.origin(token)+"/r/"+token+"/", "{P}", s.portal).Replace(policies[name])
}

// headers are on every answer.
var headers = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; sandbox",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Origin-Agent-Cluster":         "?1",
	"Permissions-Policy":           permissions,
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-DNS-Prefetch-Control":       "off",
}

// permissions is what neither the viewer nor an archived page is given (Permissions Policy).
const permissions = "accelerometer=(), bluetooth=(), camera=(), clipboard-read=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), " +
	"local-network-access=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), serial=(), usb=(), xr-spatial-tracking=()"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}
