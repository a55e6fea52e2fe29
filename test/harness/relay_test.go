package harness

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// echo answers what it is sent.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

// say sends a byte and reads the answer.
func say(conn net.Conn, b byte, patience time.Duration) error {
	if _, err := conn.Write([]byte{b}); err != nil {
		return err
	}
	return hear(conn, b, patience)
}

func hear(conn net.Conn, b byte, patience time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var got [1]byte
	if _, err := io.ReadFull(conn, got[:]); err != nil {
		return err
	}
	if got[0] != b {
		return errors.New("another byte came back")
	}
	return nil
}

func TestRelay(t *testing.T) {
	t.Parallel()
	const patience = 20 * time.Second
	r, err := NewRelay()
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", r.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	if err := say(dial(), 1, patience); err == nil {
		t.Error("a relay without a target answers")
	}
	r.To(echo(t))
	conn := dial()
	if err := say(conn, 2, patience); err != nil {
		t.Fatal(err)
	}
	r.Disturb(Disturbance{Silent: true})
	var timeout net.Error
	if err := say(conn, 3, 300*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a silent relay: %v, want silence", err)
	}
	r.Disturb(Disturbance{})
	if err := hear(conn, 3, patience); err != nil {
		t.Errorf("what was sent meanwhile: %v", err)
	}
	r.Disturb(Disturbance{Late: 200 * time.Millisecond})
	began := time.Now()
	if err := say(conn, 4, patience); err != nil || time.Since(began) < 400*time.Millisecond {
		t.Errorf("late in both directions: %v after %v", err, time.Since(began))
	}
	r.Disturb(Disturbance{Cut: true})
	if err := say(conn, 5, patience); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("a connection that is cut: %v", err)
	}
	if err := say(dial(), 6, patience); err == nil {
		t.Error("a new connection is not cut")
	}
	r.Disturb(Disturbance{})
	if err := say(dial(), 7, patience); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
