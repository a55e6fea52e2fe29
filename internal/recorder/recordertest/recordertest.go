// Package recordertest has origins and recorders for the tests of those who record.
package recordertest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// ForBrowsersAlone starts an origin that breaks off every TLS handshake but a browser's, and
// a recorder that trusts it. Both end with the test.
func ForBrowsersAlone(t *testing.T, handler http.Handler) (*httptest.Server, *recorder.Recorder) {
	t.Helper()
	site := httptest.NewUnstartedServer(handler)
	site.Config.ErrorLog = log.New(io.Discard, "", 0)
	site.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !greases(hello) {
			return nil, errors.New("not a browser")
		}
		return nil, nil
	}}
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
	return site, rec
}

// greases reports whether a client hello has one of the values that browsers put in to keep
// servers tolerant (RFC 8701), as Go's does not.
func greases(hello *tls.ClientHelloInfo) bool {
	return slices.ContainsFunc(hello.CipherSuites, func(suite uint16) bool { return suite&0x0f0f == 0x0a0a && suite>>8 == suite&0xff })
}
