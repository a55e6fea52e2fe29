package browser

import (
	"testing"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

func TestChallenge(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason    string
		url       string
		status    int
		head      string // the fields of the answer
		loads     string
		outcome   Outcome
		conn      *recorder.Connection
		recorder  Recorder
		challenge string
		refusal   string
	}{
		"Fine":                {reason: "Most pages.", status: 200},
		"CloudflareChallenge": {reason: "It says so.", status: 403, head: "CF-Mitigated: challenge\r\n", challenge: "cf-mitigated: challenge", refusal: "it was answered by a challenge (cf-mitigated: challenge)"},
		"CloudflareOther":     {reason: "Another word is no challenge.", status: 200, head: "cf-mitigated: none\r\n"},
		"AWS":                 {reason: "Its challenges are 202 and 405.", status: 405, head: "x-amzn-waf-action: captcha\r\n", challenge: "x-amzn-waf-action: captcha", refusal: "it was answered by a challenge (x-amzn-waf-action: captcha)"},
		"Script":              {reason: "A refused page that loads nothing but a challenge.", status: 403, loads: "https://geo.captcha-delivery.com/captcha/?x", challenge: "it loads geo.captcha-delivery.com/", refusal: "it was answered by a challenge (it loads geo.captcha-delivery.com/)"},
		"ScriptOfAPage":       {reason: "A page may have a challenge for its form.", status: 200, loads: "https://challenges.cloudflare.com/turnstile/v0/api.js"},
		"Lookalike":           {reason: "A host is a host.", status: 403, loads: "https://notcaptcha-delivery.com/", refusal: "it was answered 403 Forbidden"},
		"PlainForbidden":      {reason: "Without TLS there is nothing to try.", url: "http://a.test/", status: 403},
		"Busy":                {reason: "That is a request for patience.", status: 503},
		"BusyChallenge":       {reason: "That is none.", status: 503, head: "cf-mitigated: challenge\r\n", challenge: "cf-mitigated: challenge", refusal: "it was answered by a challenge (cf-mitigated: challenge)"},
		"BusyChallengeWithTime": {reason: "Whoever names a time is obeyed.", status: 429, head: "cf-mitigated: challenge\r\nRetry-After: 60\r\n",
			challenge: "cf-mitigated: challenge"},
		"Gone":      {reason: "Not there is no refusal.", status: 404},
		"AlreadySo": {reason: "The browser was the recorder.", status: 403, recorder: RecorderBrowser},
		"Handshake": {reason: "Broken off by the host.", outcome: Outcome{State: Failed, Reason: ReasonTLSFailed}, conn: &recorder.Connection{TLS: &recorder.TLS{}}, refusal: "the TLS handshake failed"},
		"BadCertificate": {reason: "Chrome would not take it either.", outcome: Outcome{State: Failed, Reason: ReasonTLSFailed},
			conn: &recorder.Connection{TLS: &recorder.TLS{VerifyError: "expired"}}},
		"Reset":       {reason: "Broken off without an answer.", outcome: Outcome{State: Failed, Reason: ReasonConnectionReset}, conn: &recorder.Connection{TLS: &recorder.TLS{}}, refusal: "the connection was broken off without an answer"},
		"Unreachable": {reason: "Nobody is there.", outcome: Outcome{State: Failed, Reason: ReasonConnectFailed}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &Page{URL: tc.url, Status: tc.status, Outcome: tc.outcome, Recorder: tc.recorder, Frames: []Frame{{ID: "F"}}}
			if p.URL == "" {
				p.URL = "https://a.test/"
			}
			e := recorder.Exchange{ID: 1, URL: p.URL, Method: "GET", Conn: tc.conn}
			if tc.status != 0 {
				p.Outcome.State = Archived
				e.Response = &recorder.Message{Head: []byte("HTTP/1.1 200 X\r\n" + tc.head + "\r\n")}
			}
			p.Exchanges = []recorder.Exchange{e}
			p.Ledger = []Line{{URL: p.URL, Type: "Document", FrameID: "F", Exchange: 1}, {URL: tc.loads, Type: "Script", FrameID: "F"}}
			p.Challenge = challengeOf(p)
			if p.Challenge != tc.challenge || p.Refusal() != tc.refusal {
				t.Errorf("%s: challenge %q, refusal %q", tc.reason, p.Challenge, p.Refusal())
			}
		})
	}
}
