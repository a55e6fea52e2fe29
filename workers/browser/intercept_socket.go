package browser

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

// The directions of a recorder.FrameLine.
const (
	dirSent     = "sent"
	dirReceived = "received"
)

const opcodeText = 1 // RFC 6455 section 5.2

// socket is a WebSocket over TLS. The browser tells the payloads of its messages, not
// their frames: they are kept one after another, and the index says where each is, with
// a header of no bytes. Pings, pongs and the close are not told.
type socket struct {
	id       string
	url      string
	request  takenRequest
	response *takenResponse
	started  time.Time
	first    time.Time
	ended    time.Time
	failure  string

	sent, received    *recorder.Deposit
	sentAt, gotAt     int64
	sentBody, gotBody recorder.Body
	index             *os.File
	lines             *bufio.Writer
	path              string
	count             int
	err               error
	done              bool
}

func (k *intercept) socketCreated(ev takenSocket) {
	if k.sock[ev.RequestID] != nil || len(k.sockets) >= maxLines {
		return
	}
	s := &socket{id: ev.RequestID, url: ev.URL, started: k.now()}
	k.sock[ev.RequestID] = s
	k.sockets = append(k.sockets, s)
}

func (k *intercept) handshake(ev takenSocket) {
	if s := k.sock[ev.RequestID]; s != nil {
		s.request = ev.Request
	}
}

func (k *intercept) socketEvent(method string, ev takenSocket) {
	s := k.sock[ev.RequestID]
	if s == nil {
		return
	}
	switch method {
	case "Network.webSocketHandshakeResponseReceived":
		s.response, s.first = &ev.Response, k.now()
		k.certify(s.url)
	case "Network.webSocketFrameError":
		s.failure, s.ended = ev.Error, k.now()
	case "Network.webSocketClosed":
		s.close(k, "")
	}
}

// frame takes a message.
func (k *intercept) frame(dir string, ev takenFrame) {
	s := k.sock[ev.RequestID]
	if s == nil || s.done || s.err != nil || !secure(s.url) {
		return
	}
	payload := []byte(ev.Response.Payload)
	opcode := int(ev.Response.Opcode)
	if opcode != opcodeText {
		raw, err := base64.StdEncoding.DecodeString(ev.Response.Payload)
		if err != nil {
			return // of no frame that the browser knows how to tell
		}
		payload = raw
	}
	s.err = s.take(k, dir, opcode, payload)
	if s.err != nil && !errors.Is(s.err, recorder.ErrLimit) && k.diskErr == nil {
		k.diskErr = s.err
	}
}

func (s *socket) take(k *intercept, dir string, opcode int, payload []byte) (err error) {
	sink, at := &s.sent, &s.sentAt
	if dir == dirReceived {
		sink, at = &s.received, &s.gotAt
	}
	if *sink == nil {
		if *sink, err = k.deposit(); err != nil {
			return err
		}
	}
	if s.index == nil {
		k.bodies++
		s.path = filepath.Join(k.session.Dir(), fmt.Sprintf("browser-%06d-frames.jsonl", k.bodies))
		if s.index, err = os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		s.lines = bufio.NewWriter(s.index)
	}
	line, err := json.Marshal(recorder.FrameLine{
		At: k.now().Sub(s.started).Nanoseconds(), Dir: dir, Opcode: opcode, Fin: true, Offset: *at, Payload: int64(len(payload)),
	})
	if err != nil {
		return err
	}
	if _, err := (*sink).Write(payload); err != nil {
		return err
	}
	*at += int64(len(payload))
	s.count++
	_, err = s.lines.Write(append(line, '\n'))
	return err
}

// close ends a socket's bodies.
func (s *socket) close(k *intercept, truncated string) {
	if s.done {
		return
	}
	s.done, s.ended = true, k.now()
	var errs []error
	for _, d := range []struct {
		sink *recorder.Deposit
		body *recorder.Body
	}{{s.sent, &s.sentBody}, {s.received, &s.gotBody}} {
		if d.sink != nil {
			var err error
			*d.body, err = d.sink.Close(truncated)
			errs = append(errs, err)
		} else {
			d.body.Truncated = truncated
		}
	}
	if s.index != nil {
		errs = append(errs, s.lines.Flush(), s.index.Close())
	}
	if err := errors.Join(errs...); err != nil && k.diskErr == nil {
		k.diskErr = err
	}
}

// originForm is the text of a handshake with the target as it is sent (RFC 6455 section 4.1):
// Chrome tells the whole address there.
func originForm(head string) []byte {
	method, rest, _ := strings.Cut(head, " ")
	target, rest, ok := strings.Cut(rest, " ")
	u, err := urls.Split(target)
	if !ok || err != nil {
		return []byte(head)
	}
	return []byte(method + " " + u.Target + " " + rest)
}

// exchange is the socket as one; nil when the browser itself did not let it happen.
func (s *socket) exchange() *recorder.Exchange {
	if s.request.Headers == nil && s.response == nil && s.failure == "" {
		return nil
	}
	account := &recorder.Account{}
	head := requestHead("GET", s.url, s.request.Headers)
	if s.response != nil && s.response.RequestText != "" {
		head, account.RequestText = originForm(s.response.RequestText), true
	}
	e := &recorder.Exchange{
		URL: s.url, Method: "GET", Started: s.started, FirstByte: s.first, Ended: s.ended,
		Request: recorder.Message{Head: head}, Account: account,
	}
	if s.response == nil {
		if e.Failure = reasonFailure(s.failure); e.Failure == "" {
			e.Failure = ReasonConnectFailed
		}
		e.Detail = s.failure
		return e
	}
	answer := textHead(s.response.HeadersText)
	if account.ResponseText = answer != nil; answer == nil {
		answer = responseHead(s.response.Status, s.response.StatusText, s.response.Headers, nil)
	}
	e.Response = &recorder.Message{Head: answer}
	e.Frames = &recorder.Frames{Sent: s.sentBody, Received: s.gotBody, Index: s.path, Count: s.count}
	e.Notes = []string{"the payloads of messages as the browser tells them: no frame headers, pings, pongs or close"}
	return e
}
