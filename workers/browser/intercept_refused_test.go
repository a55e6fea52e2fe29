package browser

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// greases reports whether a client hello has one of the values that browsers put in to keep
// servers tolerant (RFC 8701), as Go's does not.
func greases(hello *tls.ClientHelloInfo) bool {
	return slices.ContainsFunc(hello.CipherSuites, func(suite uint16) bool { return suite&0x0f0f == 0x0a0a && suite>>8 == suite&0xff })
}

// TestOriginThatRefusesOthers: an origin that breaks off every handshake but a browser's is
// captured with the browser as recorder, and it shows that it was refused before.
func TestOriginThatRefusesOthers(t *testing.T) {
	t.Parallel()
	site := httptest.NewUnstartedServer(page("for browsers alone"))
	site.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !greases(hello) {
			return nil, errors.New("not a browser")
		}
		return nil, nil
	}}
	site.Config.ErrorLog = discardLog()
	site.StartTLS()
	t.Cleanup(func() {
		site.CloseClientConnections()
		site.Close()
	})
	rec, err := recorder.New(recorder.Options{
		Dir: t.TempDir(), Roots: []*x509.Certificate{site.Certificate()},
		Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rec.Close(); err != nil {
			t.Error(err)
		}
	})
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
