package browser

import (
	"net/http"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// challengeHeaders are fields by which a service says, in its own documentation, that its
// answer is a challenge and not the page.
var challengeHeaders = []struct {
	name   string
	values []string
}{
	{"cf-mitigated", []string{"challenge"}},                 // Cloudflare: challenge pages, detecting a response
	{"x-amzn-waf-action", []string{"challenge", "captcha"}}, // AWS WAF: CAPTCHA and Challenge in the browser
	{"x-vercel-mitigated", []string{"challenge"}},           // Vercel Firewall: attack challenge mode
}

// challengeScripts are addresses that nothing but a challenge loads when the page itself was
// refused: host, and a beginning of the path.
var challengeScripts = []struct{ host, path string }{
	{"challenges.cloudflare.com", "/"},
	{"", "/cdn-cgi/challenge-platform/"},
	{"captcha-delivery.com", "/"}, // DataDome
	{"", "/_Incapsula_Resource"},  // Imperva
	{"captcha.px-cdn.net", "/"},   // HUMAN
	{"captcha.perimeterx.net", "/"},
}

// challengeOf says by which sign a page is known to be a challenge, empty when there is
// none. It errs on the side of none: a page that says no has said no.
func challengeOf(p *Page) string {
	main := p.MainExchange()
	if main == nil || main.Response == nil {
		return ""
	}
	for _, h := range challengeHeaders {
		value := warc.HTTPField(main.Response.Head, h.name)
		if slices.Contains(h.values, strings.ToLower(value)) {
			return h.name + ": " + strings.ToLower(value)
		}
	}
	switch p.Status {
	case http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		return ""
	}
	for i := range p.Ledger {
		u, err := urls.Split(p.Ledger[i].URL)
		if err != nil {
			continue
		}
		for _, s := range challengeScripts {
			host := u.Hostname
			if (s.host == "" || host == s.host || strings.HasSuffix(host, "."+s.host)) && strings.HasPrefix(u.Path, s.path) {
				return "it loads " + host + s.path
			}
		}
	}
	return ""
}

// Refusal says, in words for people, that the page's host seems to refuse the recorder's
// own TLS: its handshake was broken off, or the page is forbidden or challenged. It is
// empty where that is not so, where RecorderBrowser was the recorder already, and where
// the host has asked to be left alone.
func (p *Page) Refusal() string {
	if p.Recorder == RecorderBrowser {
		return ""
	}
	main := p.MainExchange()
	if main == nil || !strings.HasPrefix(main.URL, "https://") {
		return ""
	}
	if p.Busy() && (warc.HTTPField(headOf(main), "Retry-After") != "" || p.Challenge == "") {
		return "" // that is no refusal but a request for patience
	}
	switch {
	case p.Challenge != "":
		return "it was answered by a challenge (" + p.Challenge + ")"
	case p.Outcome.State == Archived && p.Status == http.StatusForbidden:
		return "it was answered 403 Forbidden"
	case main.Response != nil || main.Conn == nil || main.Conn.TLS == nil:
		return ""
	case p.Outcome.Reason == ReasonTLSFailed && main.Conn.TLS.VerifyError == "":
		return "the TLS handshake failed"
	case p.Outcome.Reason == ReasonConnectionReset:
		return "the connection was broken off without an answer"
	}
	return ""
}

func headOf(e *recorder.Exchange) []byte {
	if e.Response == nil {
		return nil
	}
	return e.Response.Head
}
