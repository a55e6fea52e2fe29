package wire

import (
	"encoding/binary"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A Field is a field of a head of HTTP/2 as it went over the wire. Names are in lower case; those of HTTP/2's own
// fields begin with a colon.
type Field struct{ Name, Value string }

// stream is what the heads of a request and its final answer were.
type stream struct {
	request, response []Field
	claimed           bool
}

// heads listens to both directions of a connection of HTTP/2: net/http tells the fields of a head, but not their order.
type heads struct {
	net.Conn
	in, out direction

	mu      sync.Mutex
	order   []*stream
	streams map[uint32]*stream
}

func newHeads(c net.Conn) *heads {
	h := &heads{Conn: c, streams: make(map[uint32]*stream)}
	h.in = newDirection(len(http2.ClientPreface), h.asked)
	h.out = newDirection(0, h.answered)
	return h
}

func (h *heads) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.hear(&h.in, p[:n])
	return n, err
}

func (h *heads) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	h.hear(&h.out, p[:n])
	return n, err
}

func (h *heads) hear(d *direction, p []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.take(p)
}

func (h *heads) asked(id uint32, fields []Field) {
	if h.streams[id] == nil { // or these are trailers
		h.streams[id] = &stream{request: fields}
		h.order = append(h.order, h.streams[id])
	}
}

func (h *heads) answered(id uint32, fields []Field) {
	if s := h.streams[id]; s != nil && s.response == nil && !strings.HasPrefix(valueOf(fields, ":status"), "1") {
		s.response = fields
	}
}

// claim finds the stream of a request.
func (h *heads) claim(r *http.Request) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.order {
		if !s.claimed && valueOf(s.request, ":path") == r.RequestURI && valueOf(s.request, ":method") == r.Method && maps.EqualFunc(headerOf(s.request), r.Header, slices.Equal) {
			s.claimed = true
			return s
		}
	}
	return nil
}

// response is the head of the final answer, nil when none was sent.
func (h *heads) response(s *stream) []Field {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.response
}

func valueOf(fields []Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// headerOf is what net/http makes of the fields of a request.
func headerOf(fields []Field) http.Header {
	out := make(http.Header)
	for _, f := range JoinCrumbs(fields) {
		if !strings.HasPrefix(f.Name, ":") {
			out.Add(f.Name, f.Value)
		}
	}
	return out
}

// JoinCrumbs puts the parts of a cookie together where the first one is (RFC 9113 section 8.2.3).
func JoinCrumbs(fields []Field) []Field {
	var out []Field
	cookie := -1
	for _, f := range fields {
		if f.Name == "cookie" && cookie >= 0 {
			out[cookie].Value += "; " + f.Value
			continue
		}
		if f.Name == "cookie" {
			cookie = len(out)
		}
		out = append(out, f)
	}
	return out
}

// direction takes heads out of what one side sends (RFC 9113 section 4.1).
type direction struct {
	skip    int // bytes in front of the frames
	buf     []byte
	block   []byte // of a head that is not complete
	decoder *hpack.Decoder
	tell    func(id uint32, fields []Field)
}

func newDirection(skip int, tell func(uint32, []Field)) direction {
	d := direction{skip: skip, tell: tell, decoder: hpack.NewDecoder(4096, nil)}
	d.decoder.SetAllowedMaxDynamicTableSize(1 << 20) // what is agreed on is between the two
	return d
}

func (d *direction) take(p []byte) {
	skipped := min(d.skip, len(p))
	d.skip -= skipped
	d.buf = append(d.buf, p[skipped:]...)
	const head = 9
	for len(d.buf) >= head {
		size := int(d.buf[0])<<16 | int(d.buf[1])<<8 | int(d.buf[2])
		if len(d.buf) < head+size {
			return
		}
		d.frame(http2.FrameType(d.buf[3]), http2.Flags(d.buf[4]), binary.BigEndian.Uint32(d.buf[5:]), d.buf[head:head+size])
		d.buf = d.buf[head+size:]
	}
}

func (d *direction) frame(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) {
	switch kind {
	case http2.FrameHeaders:
		if flags.Has(http2.FlagHeadersPadded) {
			payload = payload[1 : len(payload)-int(payload[0])]
		}
		if flags.Has(http2.FlagHeadersPriority) {
			payload = payload[5:]
		}
		d.block = slices.Clone(payload)
	case http2.FrameContinuation:
		d.block = append(d.block, payload...)
	default:
		return
	}
	if !flags.Has(http2.FlagHeadersEndHeaders) { // the flag is the same in both
		return
	}
	list, err := d.decoder.DecodeFull(d.block)
	if err != nil {
		return // the other side says so
	}
	var fields []Field
	for _, f := range list {
		fields = append(fields, Field{f.Name, f.Value})
	}
	d.tell(id, fields)
}
