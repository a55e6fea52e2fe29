package browser

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
)

// TestRoomForLargeMessages: one large message is in memory at a time, whichever Chrome it
// comes from. Another waits, and is passed over when that takes too long; what ends, is given
// up or breaks off leaves the room. (No test beside it may read large messages: it is not
// parallel.)
func TestRoomForLargeMessages(t *testing.T) {
	large := `{"id":1,"result":{"data":"` + strings.Repeat("x", keptBuffer) + "\"}}\x00"
	read := func(p *pipe) (*cdproto.Message, error) {
		m := new(cdproto.Message)
		return m, p.Read(t.Context(), m)
	}
	open := func(in string) *pipe { return newPipe(io.NopCloser(strings.NewReader(in)), nil) }

	first := open(large)
	if m, err := read(first); err != nil || m.Error != nil {
		t.Fatalf("the first: %v, %v", m.Error, err)
	}
	leave := first.takeRoom()
	if leave == nil {
		t.Fatal("a large message was read without the room for it")
	}
	began := time.Now()
	if m, err := read(open(large)); err != nil || m.Error != errTooLarge || time.Since(began) < roomPatience {
		t.Errorf("beside the first: %v, %v after %s", m.Error, err, time.Since(began))
	}
	if m, err := read(open(`{"id":2,"result":{}}` + "\x00")); err != nil || m.Error != nil {
		t.Errorf("a small one beside it: %v, %v", m.Error, err)
	}
	time.AfterFunc(100*time.Millisecond, leave)
	waits := open(large)
	if m, err := read(waits); err != nil || m.Error != nil {
		t.Errorf("one that waited: %v, %v", m.Error, err)
	}
	waits.takeRoom()()
	leave() // a second time is nothing
	if _, err := read(open(large[:len(large)-1])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("one that breaks off: %v", err)
	}
	roomIsFree(t, "after one that broke off")
	if _, err := read(open(strings.Replace(large, "{", "[", 1))); err == nil {
		t.Error("one that is no message is read")
	}
	roomIsFree(t, "after one that is no message")

	// Who reads is not taken for one who hears nothing.
	if waits.speaks(0) || !waits.speaks(time.Minute) {
		t.Error("when something was heard last is not known")
	}

	// The reader of a connection leaves the room itself where nobody waits for the answer.
	r, w := io.Pipe()
	c := newConn(newPipe(r, nopWriter{}))
	defer c.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.root.Call(ctx, "Given.up", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a command that was given up: %v", err)
	}
	if _, err := io.WriteString(w, large); err != nil {
		t.Fatal(err)
	}
	roomIsFree(t, "after an answer that nobody wants")
}

type nopWriter struct{ io.WriteCloser }

func (nopWriter) Write(p []byte) (int, error) { return len(p), nil }
func (nopWriter) Close() error                { return nil }

// roomIsFree checks that the room for a large message can be had.
func roomIsFree(t *testing.T, when string) {
	t.Helper()
	select {
	case room <- struct{}{}:
		<-room
	case <-time.After(5 * time.Second):
		t.Errorf("the room is taken %s", when)
	}
}
