package browser

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// How bodies are taken. See docs/adr/0009-browser-recorder.md for what was measured.
const (
	// wholeBytes is up to which length a body is asked for at once rather than streamed.
	wholeBytes = 256 << 10
	// fallbackBytes is the same where a page's thread, which streams it, does not answer
	// within streamPatience: it may wait for this very answer.
	fallbackBytes  = 8 << 20
	streamPatience = time.Second
	// maxDocument is the length above which a document is saved and not shown: Chrome
	// has no other way to hand out what may be too large for a message.
	maxDocument = 32 << 20
	// streamPiece is how much of a saved document is read at a time.
	streamPiece = 1 << 20
)

func truncatedUnless(whole bool, why string) string {
	if whole {
		return ""
	}
	return why
}

// paused takes the body of an answer and lets it go on. Every pause is answered, whatever
// happens: the page would hang.
func (k *intercept) paused(s *session, ev takenPause) {
	goOn := func() { s.post("Fetch.continueRequest", map[string]any{"requestId": ev.RequestID}) }
	fail := func() {
		s.post("Fetch.failRequest", map[string]any{"requestId": ev.RequestID, "errorReason": "Aborted"})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || ev.ErrorReason != "" {
		goOn()
		return
	}
	a := &answer{takenPause: ev, at: k.now()}
	c := k.chain(ev.NetworkID)
	c.answers = append(c.answers, a)
	if ev.leavesSilently() {
		a.done, a.ended, a.whole = true, a.at, true
		if ev.redirects() && ev.header("Content-Length") != "0" {
			a.noBody = "the browser hands out no body of a redirect"
		}
		goOn()
		return
	}
	sink, err := k.depositOf(&ev)
	if err != nil {
		a.done, a.ended, a.noBody = true, a.at, err.Error()
		if k.session.Judges() {
			a.judged()
			fail()
			return
		}
		goOn()
		return
	}
	a.sink = sink
	k.held++
	streamer, worker := c.session, c.worker
	k.work.Go(func() {
		end := goOn
		defer func() {
			k.mu.Lock()
			k.held--
			k.mu.Unlock()
			end()
		}()
		if k.take(s, streamer, worker, a) {
			end = fail
		}
	})
}

// length is how long a body is on the wire, -1 when it is not known.
func (p *takenPause) length() int64 {
	n, err := strconv.ParseInt(p.header("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// take gets the body of an answer, as far as that is done while the request is held. It
// reports whether the request must not go on, because nothing is left of its body.
func (k *intercept) take(s, streamer *session, worker bool, a *answer) (spent bool) {
	length := a.length()
	switch {
	case a.ResourceType == "Document" && (length > maxDocument || a.saved() || k.isSaved(a)):
		k.account.saving(a.FrameID, true)
		defer k.account.saving(a.FrameID, false)
		k.save(s, a)
		return true
	case k.session.Judges() && !a.flows(length):
		return k.judge(s, a)
	case a.ResourceType == "Document", streamer == nil, length >= 0 && length <= wholeBytes, worker && a.ResourceType != "XHR" && a.ResourceType != "Fetch":
		return k.fetch(s, a)
	}
	err := k.stream(streamer, a)
	if err == nil || k.ctx.Err() != nil {
		return false
	}
	k.mu.Lock()
	a.stream = false
	k.mu.Unlock()
	if length > fallbackBytes || strings.HasPrefix(a.header("Content-Type"), "text/event-stream") {
		k.giveUp(a, "the page's thread did not answer, and the body is too large to be held")
		k.mu.Lock()
		a.outgrew = true
		k.mu.Unlock()
		return false
	}
	return k.fetch(s, a)
}

// stream has the body told as the page gets it. Nothing of it has come when the command
// is answered, because the request is held.
func (k *intercept) stream(s *session, a *answer) error {
	k.mu.Lock()
	a.stream = true
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(k.ctx, streamPatience)
	defer cancel()
	var res struct {
		BufferedData []byte `json:"bufferedData"`
	}
	if err := s.Call(ctx, "Network.streamResourceContent", map[string]any{"requestId": a.NetworkID}, &res); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(res.BufferedData) > 0 && !a.done {
		k.write(a, res.BufferedData)
	}
	return nil
}

// fetch asks for the whole body, which the browser holds until it has it. It reports
// whether the request must not go on.
func (k *intercept) fetch(s *session, a *answer) (spent bool) {
	var res struct {
		Body    string `json:"body"`
		Encoded bool   `json:"base64Encoded"`
	}
	done, ended, err := k.hold(s, a, &res)
	defer done() // after the lock below
	if errors.Is(err, errTooLarge) {
		return k.tooLarge(a, ended)
	}
	if err != nil {
		k.giveUp(a, "the browser did not hand out the body: "+reasonText(err))
		return false
	}
	body := io.Reader(strings.NewReader(res.Body))
	if res.Encoded {
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.pour(a, body); err != nil {
		a.noBody = "the browser handed out what is no body: " + reasonText(err)
		k.close(a, recorder.TruncatedUnspecified)
		return false
	}
	a.whole = true
	k.close(a, "")
	return false
}

// pour puts a whole body to disk, in pieces. The caller holds the lock.
func (k *intercept) pour(a *answer, body io.Reader) error {
	piece := make([]byte, 64<<10)
	for {
		n, err := body.Read(piece)
		if n > 0 && !a.done {
			k.write(a, piece[:n])
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unwrapped is what the protocol hands out as text, or as base64 where it is none.
func unwrapped(data string, encoded bool) ([]byte, error) {
	if encoded {
		return base64.StdEncoding.DecodeString(data)
	}
	return []byte(data), nil
}

// save reads a document to its end, without showing it.
func (k *intercept) save(s *session, a *answer) {
	var res struct {
		Stream string `json:"stream"`
	}
	if err := s.Call(k.ctx, "Fetch.takeResponseBodyAsStream", map[string]any{"requestId": a.RequestID}, &res); err != nil {
		k.giveUp(a, "the browser did not hand out the body: "+reasonText(err))
		return
	}
	defer s.post("IO.close", map[string]any{"handle": res.Stream})
	var size int64
	for {
		var piece struct {
			Data    string `json:"data"`
			Encoded bool   `json:"base64Encoded"`
			EOF     bool   `json:"eof"`
		}
		err := s.Call(k.ctx, "IO.read", map[string]any{"handle": res.Stream, "size": streamPiece}, &piece)
		var data []byte
		if err == nil {
			data, err = unwrapped(piece.Data, piece.Encoded)
		}
		size += int64(len(data))
		cut := k.brokenOff(a, size)
		k.mu.Lock()
		if err == nil && len(data) > 0 {
			k.write(a, data)
		}
		switch {
		case err == nil && piece.EOF:
			a.whole = cut == ""
			k.close(a, cut)
		case err != nil && k.ctx.Err() != nil:
			k.close(a, recorder.TruncatedTime)
		case err != nil:
			k.close(a, recorder.TruncatedDisconnect)
		}
		over := a.done // also when a limit was reached
		k.mu.Unlock()
		if over {
			return
		}
	}
}

// brokenOff says why a stream that is at its end was not whole: Chrome ends it in the same
// way when the request is given up or its connection breaks.
func (k *intercept) brokenOff(a *answer, size int64) string {
	k.account.mu.Lock()
	leaving := k.account.leaving
	k.account.mu.Unlock()
	switch {
	case leaving:
		return recorder.TruncatedTime
	case !decodes(a.header("Content-Encoding")) && size < a.length():
		return recorder.TruncatedDisconnect
	}
	return ""
}

// saving notes that a document is saved and not shown, and whether that still goes on.
func (a *account) saving(frame string, going bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if frame == a.main {
		a.downloads["intercept"], a.wasFile = going, true
	}
	a.notify()
}

// giveUp ends a body that cannot be had.
func (k *intercept) giveUp(a *answer, why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ctx.Err() != nil {
		why = "the page was closed before the body had come"
	}
	a.noBody = why
	k.close(a, recorder.TruncatedUnspecified)
}

// saved reports whether Chrome saves a document rather than shows it.
func (p *takenPause) saved() bool {
	if p.Status/100 != http.StatusOK/100 {
		return false
	}
	if disposition, _, err := mime.ParseMediaType(p.header("Content-Disposition")); err == nil && disposition != "inline" && disposition != "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(p.header("Content-Type"))
	if err != nil {
		return false // Chrome guesses
	}
	top, sub, ok := strings.Cut(kind, "/")
	if !ok {
		return false
	}
	switch top {
	case "text", "image", "audio", "video", "multipart":
		return sub == "csv" || sub == "calendar" || sub == "x-vcard" || sub == "vcard"
	case "application":
		return sub != "xhtml+xml" && sub != "xml" && sub != "json" && sub != "javascript" && sub != "signed-exchange" &&
			!strings.HasSuffix(sub, "+xml") && !strings.HasSuffix(sub, "+json")
	}
	return true
}

// reasonText is an error of the protocol without the command's name.
func reasonText(err error) string {
	if errors.Is(err, errLost) || errors.Is(err, errDetached) {
		return "its target is gone"
	}
	_, text, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		text = err.Error()
	}
	return clip(text, 200)
}

// stop lets everything go that is held and ends all bodies. Events that come later are
// no longer the page's.
func (k *intercept) stop() {
	k.end()
	k.work.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for _, c := range k.chains {
		for _, a := range c.answers {
			k.close(a, recorder.TruncatedTime)
		}
	}
	for _, s := range k.sockets {
		s.close(k, recorder.TruncatedTime)
	}
}

// deposit starts a body. The caller holds the lock.
func (k *intercept) deposit() (*recorder.Deposit, error) {
	k.bodies++
	return k.session.NewDeposit(fmt.Sprintf("browser-%06d", k.bodies))
}
