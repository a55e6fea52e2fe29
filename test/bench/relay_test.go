package bench

import (
	"io"
	"net"
	"net/url"
)

// relay is the least that a proxy can be: what comes over a connection goes to the site, and back. A site takes requests
// that are meant for a proxy as they are (RFC 9112 section 3.2.2). It returns the proxy's address.
func relay(site string) (address string, stop func(), err error) {
	u, err := url.Parse(site)
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pass(c, u.Host)
		}
	}()
	return l.Addr().String(), func() { _ = l.Close() }, nil
}

// pass copies in both directions until either side ends.
func pass(c net.Conn, to string) {
	defer c.Close()
	o, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer o.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, o}, {o, c}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // either side may end it
			done <- struct{}{}
		}()
	}
	<-done
}
