package browser

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// errLost is the error of every command after the connection to Chrome ended.
var errLost = errors.New("lost the connection to the browser")

// maxQueuedCommands bounds the commands that wait to be written: more than
// that means that Chrome has stopped reading.
const maxQueuedCommands = 16384

// errDeaf is the end of a connection whose commands are not read any more.
var errDeaf = fmt.Errorf("%w: it leaves more than %d commands unread", errLost, maxQueuedCommands)

// eventHandler takes the events of one session. It runs on the goroutine that
// reads the connection, so the order of events is kept and a slow handler slows
// Chrome down instead of filling a queue. It must not wait for a command; post
// is there for commands whose answer does not matter.
type eventHandler func(method string, params jsonv2.Value)

// conn is one DevTools connection. Its goroutines end with the transport.
type conn struct {
	transport chromedp.Transport

	mu       sync.Mutex
	wake     *sync.Cond
	next     int64
	queue    []*cdproto.Message
	pending  map[int64]pendingCall
	sessions map[string]*session
	err      error

	root    *session
	done    chan struct{} // closed when the connection is lost
	readers sync.WaitGroup
}

type pendingCall struct {
	session string
	reply   chan heldReply
}

// heldReply is the answer to a command. leave, unless nil, is called when it has been made
// use of: it is a large one.
type heldReply struct {
	*cdproto.Message
	leave func()
}

func (a heldReply) done() {
	if a.leave != nil {
		a.leave()
	}
}

// session is one flat DevTools session: the browser's own (ID "") or that of
// an attached target.
type session struct {
	conn *conn
	id   string

	mu       sync.Mutex
	handler  eventHandler
	detached chan struct{}
}

// newConn starts to read and write a transport.
func newConn(tr chromedp.Transport) *conn {
	c := &conn{
		transport: tr,
		pending:   make(map[int64]pendingCall),
		sessions:  make(map[string]*session),
		done:      make(chan struct{}),
	}
	c.wake = sync.NewCond(&c.mu)
	c.root = c.session("")
	c.readers.Add(2)
	go c.read()
	go c.write()
	return c
}

// close ends the connection and waits for its goroutines.
func (c *conn) close() {
	c.fail(errLost)
	c.readers.Wait()
}

// fail ends everything that waits for the connection.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	close(c.done)
	c.wake.Broadcast()
	c.mu.Unlock()
	c.transport.Close() // the pipes are of no further use either way
}

// lost is why the connection ended, errLost while it has not.
func (c *conn) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return errLost
	}
	return c.err
}

// speaks reports whether something has come over the connection within d.
func (c *conn) speaks(d time.Duration) bool {
	p, ok := c.transport.(*pipe)
	return ok && p.speaks(d)
}

// session returns the session with the ID and makes it when it is new.
func (c *conn) session(id string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[id]
	if s == nil {
		s = &session{conn: c, id: id, detached: make(chan struct{})}
		c.sessions[id] = s
	}
	return s
}

// drop forgets a detached session and ends the calls that wait for it.
func (c *conn) drop(id string) {
	c.mu.Lock()
	s := c.sessions[id]
	delete(c.sessions, id)
	c.mu.Unlock()
	if s != nil {
		close(s.detached)
	}
}

// enqueue hands a command to the writer.
func (c *conn) enqueue(sessionID, method string, params any, reply chan heldReply) (int64, error) {
	var raw jsonv2.Value
	if params != nil {
		b, err := jsonv2.Marshal(params, chromedp.DefaultMarshalOptions)
		if err != nil {
			return 0, fmt.Errorf("encode %s: %w", method, err)
		}
		raw = b
	}
	id, err := c.append(sessionID, method, raw, reply)
	if errors.Is(err, errDeaf) {
		// A command that is left out may be what a page waits for: nothing that comes
		// after it can be relied on.
		c.fail(err)
	}
	return id, err
}

// append puts a command into the queue.
func (c *conn) append(sessionID, method string, raw jsonv2.Value, reply chan heldReply) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if len(c.queue) >= maxQueuedCommands {
		return 0, errDeaf
	}
	c.next++
	id := c.next
	if reply != nil {
		c.pending[id] = pendingCall{session: sessionID, reply: reply}
	}
	c.queue = append(c.queue, &cdproto.Message{ID: id, SessionID: target.SessionID(sessionID), Method: cdproto.MethodType(method), Params: raw})
	c.wake.Signal()
	return id, nil
}

// forget gives up waiting for a reply.
func (c *conn) forget(id int64, reply chan heldReply) {
	c.mu.Lock()
	_, waits := c.pending[id]
	delete(c.pending, id)
	c.mu.Unlock()
	if !waits { // it is there, or about to be
		(<-reply).done()
	}
}

func (c *conn) write() {
	defer c.readers.Done()
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && c.err == nil {
			c.wake.Wait()
		}
		if c.err != nil {
			c.mu.Unlock()
			return
		}
		queue := c.queue
		c.queue = nil
		c.mu.Unlock()
		for _, m := range queue {
			if err := c.transport.Write(context.Background(), m); err != nil {
				c.fail(fmt.Errorf("%w: %w", errLost, err))
				return
			}
		}
	}
}

func (c *conn) read() {
	defer c.readers.Done()
	for {
		msg := new(cdproto.Message)
		if err := c.transport.Read(context.Background(), msg); err != nil {
			c.fail(fmt.Errorf("%w: %w", errLost, err))
			return
		}
		var leave func()
		if p, ok := c.transport.(*pipe); ok {
			leave = p.takeRoom()
		}
		c.route(heldReply{msg, leave})
	}
}

// route delivers one message of the browser.
func (c *conn) route(msg heldReply) {
	if msg.ID != 0 {
		c.mu.Lock()
		p, ok := c.pending[msg.ID]
		delete(c.pending, msg.ID)
		c.mu.Unlock()
		if ok {
			p.reply <- msg // buffered
		} else {
			msg.done()
		}
		return
	}
	defer msg.done()
	c.mu.Lock()
	s := c.sessions[string(msg.SessionID)]
	c.mu.Unlock()
	if s == nil {
		return
	}
	method := string(msg.Method)
	// Sessions are registered before their first event can follow.
	if method == "Target.attachedToTarget" {
		var ev struct {
			SessionID string `json:"sessionId"`
		}
		if decode(msg.Params, &ev) == nil && ev.SessionID != "" {
			c.session(ev.SessionID)
		}
	}
	s.mu.Lock()
	h := s.handler
	s.mu.Unlock()
	if h != nil {
		h(method, msg.Params)
	}
	if method == "Target.detachedFromTarget" {
		var ev struct {
			SessionID string `json:"sessionId"`
		}
		if decode(msg.Params, &ev) == nil {
			c.drop(ev.SessionID)
		}
	}
}

// handle sets the handler of the session's events.
func (s *session) handle(h eventHandler) {
	s.mu.Lock()
	s.handler = h
	s.mu.Unlock()
}

// Call sends a command and decodes its result, which may be nil to ignore it.
func (s *session) Call(ctx context.Context, method string, params, result any) error {
	done, err := s.callHeld(ctx, method, params, result)
	done()
	return err
}

// callHeld is Call for a result that may be large: done, which is never nil, is called when
// it has been written away, and no other large one is taken before.
func (s *session) callHeld(ctx context.Context, method string, params, result any) (done func(), err error) {
	answer, err := s.callRaw(ctx, method, params)
	if err != nil || result == nil {
		return answer.done, err
	}
	if err := decode(answer.Result, result); err != nil {
		return answer.done, fmt.Errorf("decode %s: %w", method, err)
	}
	answer.Message = nil // it takes as much again
	return answer.done, nil
}

// callRaw sends a command and returns its answer.
func (s *session) callRaw(ctx context.Context, method string, params any) (heldReply, error) {
	reply := make(chan heldReply, 1)
	id, err := s.conn.enqueue(s.id, method, params, reply)
	if err != nil {
		return heldReply{}, err
	}
	select {
	case msg := <-reply:
		if msg.Error != nil {
			msg.done()
			return heldReply{}, fmt.Errorf("%s: %w", method, msg.Error)
		}
		return msg, nil
	case <-ctx.Done():
		s.conn.forget(id, reply)
		return heldReply{}, fmt.Errorf("%s: %w", method, context.Cause(ctx))
	case <-s.conn.done:
		s.conn.forget(id, reply)
		return heldReply{}, fmt.Errorf("%s: %w", method, errLost)
	case <-s.detached:
		s.conn.forget(id, reply)
		return heldReply{}, fmt.Errorf("%s: %w", method, errDetached)
	}
}

// errDetached is the error of a command to a target that is gone.
var errDetached = errors.New("the page's target is gone")

// post sends a command whose answer does not matter. It never waits, so event
// handlers may use it.
func (s *session) post(method string, params any) {
	_, _ = s.conn.enqueue(s.id, method, params, nil) // a lost connection is noticed by whoever waits
}

// call sends a typed command of cdproto.
func call[P, R any](ctx context.Context, s *session, c cdp.Command[P, R], params P) (R, error) {
	var res R
	if err := s.Call(ctx, c.Method, params, &res); err != nil {
		var zero R
		return zero, err
	}
	return res, nil
}

// decode reads a JSON value of the browser, which may hold lone surrogates.
func decode(raw jsonv2.Value, v any) error {
	return jsonv2.Unmarshal(raw, v, chromedp.DefaultUnmarshalOptions)
}
