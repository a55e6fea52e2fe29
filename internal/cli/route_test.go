package cli

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

func TestRoute(t *testing.T) {
	t.Parallel()
	site := httptest.NewTLSServer(nil)
	site.Close()
	authorities, empty := filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(authorities, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		reason string
		route  Route
		// proxy and server are what the guard is set to, err a part of the error.
		proxy, server, err string
	}{
		"Empty":          {"By itself.", Route{}, "", "", ""},
		"SOCKS":          {"Any of four schemes.", Route{Proxy: "socks5h://me:secret@127.0.0.1:1080"}, "socks5h://me:secret@127.0.0.1:1080", "", ""},
		"TLS":            {"A proxy over TLS, of an authority of one's own.", Route{Proxy: "https://proxy.example", ProxyCA: authorities}, "https://proxy.example", "", ""},
		"Scheme":         {"Other schemes are refused at once, not by every page.", Route{Proxy: "ftp://me:secret@proxy.example"}, "", "", "--proxy"},
		"NoScheme":       {"A proxy without a scheme.", Route{Proxy: "127.0.0.1:1080"}, "", "", "--proxy"},
		"NoHost":         {"A proxy without a host.", Route{Proxy: "http://:8080"}, "", "", "--proxy"},
		"BadProxy":       {"What is no URL is not repeated.", Route{Proxy: "http://me:secret@proxy.example:x"}, "", "", "--proxy"},
		"CAAlone":        {"Authorities of no proxy.", Route{ProxyCA: authorities}, "", "", "asked over TLS"},
		"CAOfPlain":      {"Authorities of a proxy without TLS.", Route{Proxy: "http://proxy.example", ProxyCA: authorities}, "", "", "asked over TLS"},
		"CAMissing":      {"There is no such file.", Route{Proxy: "https://proxy.example", ProxyCA: authorities + ".none"}, "", "", "no such file"},
		"CAEmpty":        {"There is no certificate in it.", Route{Proxy: "https://proxy.example", ProxyCA: empty}, "", "", "no certificate in it"},
		"NameServer":     {"The port is 53 by rule.", Route{NameServer: "192.0.2.53"}, "", "192.0.2.53:53", ""},
		"NameServerPort": {"Or another one.", Route{NameServer: "[2001:db8::53]:5353"}, "", "[2001:db8::53]:5353", ""},
		"NameServer6":    {"Without brackets, it has no port.", Route{NameServer: "2001:db8::53"}, "", "[2001:db8::53]:53", ""},
		"NameServerName": {"A name would have to be asked of somebody.", Route{NameServer: "dns.example:53"}, "", "", "want an address"},
		"NameServerZero": {"Nobody answers at port 0.", Route{NameServer: "192.0.2.53:0"}, "", "", "want an address"},
		"NoEffect":       {"It would never be asked.", Route{Proxy: "socks5h://127.0.0.1:1080", NameServer: "192.0.2.53"}, "", "", "is asked nothing"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var guard netguard.Dialer
			err := tc.route.Apply(&guard)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s: error %v, want %q in it", tc.reason, err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			proxy, server := "", ""
			if guard.Upstream != nil {
				proxy = guard.Upstream.String()
			}
			if guard.NameServer.IsValid() {
				server = guard.NameServer.String()
			}
			if proxy != tc.proxy || server != tc.server || (guard.UpstreamRoots != nil) != (tc.route.ProxyCA != "") {
				t.Errorf("%s: proxy %q, name server %q, roots %v", tc.reason, proxy, server, guard.UpstreamRoots)
			}
		})
	}
}
