package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// reset ends a connection as one does that is broken off.
func reset(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Error(err)
	}
	_ = c.Close()
}

// TestBroken: an answer that is broken off does not pass for one that has ended, and all of it that was
// sent comes. One that ends as it says comes whole.
func TestBroken(t *testing.T) {
	t.Parallel()
	said := bytes.Repeat([]byte("half an answer "), 10_000)
	for name, tc := range map[string]struct {
		end  func(*testing.T, net.Conn)
		want error
	}{
		"Reset": {end: reset, want: syscall.ECONNRESET},
		"Ended": {end: func(_ *testing.T, c net.Conn) { _ = c.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			at := site(t, func(c net.Conn) {
				defer close(ended)
				if _, err := c.Write(said); err != nil {
					t.Error(err)
				}
				for until := time.Now().Add(long); underway(c) && time.Now().Before(until); {
					time.Sleep(time.Millisecond)
				}
				tc.end(t, c)
			})
			g := run(t, &Server{})
			c, r := g.open(t, at)
			<-ended
			got, err := io.ReadAll(r)
			if !errors.Is(err, tc.want) || !bytes.Equal(got, said) {
				t.Errorf("%d bytes came of %d, then %v, want %v", len(got), len(said), err, tc.want)
			}
			_ = c.Close()
		})
	}
}

// TestCutIsNoEnd: a tunnel that the gateway ends is broken off for both.
func TestCutIsNoEnd(t *testing.T) {
	t.Parallel()
	heard := make(chan error, 1)
	at := site(t, func(c net.Conn) {
		_, err := io.Copy(io.Discard, c)
		heard <- err
	})
	g := run(t, &Server{})
	_, r := g.open(t, at)
	g.stop()
	if _, err := io.ReadAll(r); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("who asked heard %v", err)
	}
	if err := <-heard; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the site heard %v", err)
	}
}
