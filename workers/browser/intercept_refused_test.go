package browser

import (
	"net/http"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/recorder/recordertest"
)

// TestOriginThatRefusesOthers: an origin that breaks off every handshake but a browser's is
// captured with the browser as recorder, and it shows that it was refused before.
func TestOriginThatRefusesOthers(t *testing.T) {
	t.Parallel()
	site, rec := recordertest.ForBrowsersAlone(t, page("for browsers alone"))
	pool := newPool(t, func(o *Options) { o.Recorder = rec })
	wire := visit(t, newStay(t, pool, StayOptions{}), site.URL+"/")
	if wire.Outcome.Reason != ReasonTLSFailed || wire.Refusal() != "the TLS handshake failed" {
		t.Errorf("with the wire: %+v, refusal %q", wire.Outcome, wire.Refusal())
	}
	p := visit(t, newStay(t, pool, StayOptions{Recorder: RecorderBrowser}), site.URL+"/", func(v *Visit) { v.RetryOf = wire.Refusal() })
	if p.Outcome.State != Archived || p.Status != http.StatusOK || p.RetryOf != wire.Refusal() || p.Refusal() != "" {
		t.Errorf("with the browser: %+v, status %d, %q", p.Outcome, p.Status, p.RetryOf)
	}
	if main := p.MainExchange(); main == nil || main.Account == nil || bodyText(t, main.Response.Body) == "" {
		t.Errorf("main exchange %+v", main)
	}
}
