package netguard

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestUpstreamRace: an address of a site that nobody answers at costs a moment also through a proxy. What is
// wrong with the proxy itself ends the race.
func TestUpstreamRace(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[string]int{}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				mu.Lock()
				asked[r.RequestURI]++
				mu.Unlock()
				switch r.RequestURI {
				case "93.184.215.11:443": // it drops what comes
					_, _ = io.Copy(io.Discard, c)
				case "93.184.215.12:443":
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello")
				default:
					_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	d := &Dialer{
		Upstream: &url.URL{Scheme: "http", Host: l.Addr().String()}, Timeout: time.Minute,
		Resolver: &names{answers: map[string][][]string{
			"half.example.org": {{"93.184.215.11", "93.184.215.12"}}, "locked.example.org": {{"93.184.215.13", "93.184.215.14", "93.184.215.15"}},
		}},
	}
	c, err := d.Dial(t.Context(), "tcp", "half.example.org:443")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" || c.Remote.String() != "93.184.215.12:443" {
		t.Errorf("%q, %v from %s", got, err, c.Remote)
	}
	_ = c.Close()
	if _, err := d.Dial(t.Context(), "tcp", "locked.example.org:443"); err == nil || !strings.Contains(err.Error(), "407") {
		t.Errorf("a proxy that lets nobody in: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if asked["93.184.215.11:443"] != 1 || asked["93.184.215.13:443"] != 1 {
		t.Errorf("the proxy was asked for %v", asked)
	}
}
