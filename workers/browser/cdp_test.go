package browser

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
)

// deaf is the transport of a Chrome that reads no command until it is let: what it has read
// is in got. What it says comes from events.
type deaf struct {
	events chan *cdproto.Message
	let    chan struct{}
	closed chan struct{}
	close  func()

	mu  sync.Mutex
	got []string
}

func newDeaf() *deaf {
	d := &deaf{events: make(chan *cdproto.Message), let: make(chan struct{}), closed: make(chan struct{})}
	d.close = sync.OnceFunc(func() { close(d.closed) })
	return d
}

func (d *deaf) Read(_ context.Context, m *cdproto.Message) error {
	select {
	case ev := <-d.events:
		*m = *ev
		return nil
	case <-d.closed:
		return io.ErrClosedPipe
	}
}

func (d *deaf) Write(_ context.Context, m *cdproto.Message) error {
	select {
	case <-d.let:
	case <-d.closed:
		return io.ErrClosedPipe
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, string(m.Method))
	return nil
}

func (d *deaf) Close() error {
	d.close()
	return nil
}

// TestCommandsPileUp: commands that are not read are kept up to a bound, in order. One more
// ends the connection and all that waits for it: none is left out in silence.
func TestCommandsPileUp(t *testing.T) {
	t.Parallel()
	d := newDeaf()
	c := newConn(d)
	defer c.close()
	waits := make(chan error, 1)
	go func() { waits <- c.root.Call(t.Context(), "Waits.long", nil, nil) }()
	queued := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.queue)
	}
	eventually(t, "the first command is taken", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.next == 1 && len(c.queue) == 0
	})
	for range maxQueuedCommands {
		c.root.post("Some.command", nil)
	}
	if n := queued(); n != maxQueuedCommands {
		t.Fatalf("%d commands wait, want %d", n, maxQueuedCommands)
	}
	select {
	case <-c.done:
		t.Fatal("the connection has ended before the queue was full")
	default:
	}
	c.root.post("One.more", nil)
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		t.Fatal("a command was left out, and nobody is told")
	}
	if err := c.lost(); !errors.Is(err, errDeaf) || !errors.Is(err, errLost) {
		t.Errorf("the connection ended with %v", err)
	}
	if err := <-waits; !errors.Is(err, errLost) {
		t.Errorf("the command that waited: %v", err)
	}
	if err := c.root.Call(t.Context(), "After.it", nil, nil); !errors.Is(err, errDeaf) {
		t.Errorf("a command after it: %v", err)
	}
}

// TestQueueIsWorkedOff: a queue that was full to the brim is written in order once Chrome
// reads again.
func TestQueueIsWorkedOff(t *testing.T) {
	t.Parallel()
	d := newDeaf()
	c := newConn(d)
	defer c.close()
	var want []string
	for i := range maxQueuedCommands {
		method := "Even.command"
		if i%2 == 1 {
			method = "Odd.command"
		}
		want = append(want, method)
		c.root.post(method, nil)
	}
	close(d.let)
	eventually(t, "all commands are read", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.got) == maxQueuedCommands
	})
	if !slices.Equal(d.got, want) {
		t.Error("the commands came in another order")
	}
}

// TestSlowHandlerHoldsChromeBack: while an event is being worked off no further one is
// taken, none is lost, and the handler may post commands though none is read.
func TestSlowHandlerHoldsChromeBack(t *testing.T) {
	t.Parallel()
	d := newDeaf()
	c := newConn(d)
	defer c.close()
	entered, goOn := make(chan string), make(chan struct{})
	c.root.handle(func(method string, _ jsonv2.Value) {
		for range 100 {
			c.root.post("Answer.to"+method, nil)
		}
		entered <- method
		<-goOn
	})
	const events = 50
	sent := make(chan int, events)
	go func() {
		for i := range events {
			select {
			case d.events <- &cdproto.Message{Method: cdproto.MethodType("E." + strings.Repeat("x", i))}:
				sent <- i
			case <-d.closed:
				return
			}
		}
	}()
	for i := range events {
		if got := <-entered; len(got) != len("E.")+i {
			t.Fatalf("event %d is %q", i, got)
		}
		if i == 0 {
			time.Sleep(50 * time.Millisecond) // what would be read ahead, is read by then
		}
		if n := len(sent); n > i+1 {
			t.Fatalf("%d events are taken while event %d is being worked off", n, i)
		}
		goOn <- struct{}{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || len(c.queue) < events*100-100 {
		t.Errorf("%d commands wait, the connection: %v", len(c.queue), c.err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
