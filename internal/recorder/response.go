package recorder

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// The kinds of bodies (RFC 9112 section 6.3).
type bodyKind int

const (
	noBody bodyKind = iota
	lengthBody
	chunkedBody
	closeBody
	streamBody // of HTTP/2, which has an end of its own
)

// response is the head of a response as it came from the origin.
type response struct {
	framing
	head          []byte
	status, minor int
	kind          bodyKind
	length        int64 // of lengthBody; of streamBody -1 when it is not known
	// shown is the head that the browser gets, chunks says that the body goes to
	// it in chunks.
	shown  []byte
	chunks bool
	// keep is true when the connection can be used again after the body.
	keep  bool
	notes []string
}

func parseResponse(head []byte, method string) (*response, error) {
	r := &response{head: head, shown: head}
	proto, rest, _ := strings.Cut(startLine(head), " ")
	var ok bool
	if r.minor, ok = version(proto); !ok {
		return nil, invalidf("the answer does not begin as HTTP/1 does")
	}
	code, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	status, err := strconv.ParseUint(code, 10, 16)
	if err != nil || len(code) != 3 || status < 100 {
		return nil, invalidf("the answer has no status code")
	}
	r.status = int(status)
	for f := range fields(head) {
		r.add(f)
	}
	if r.interim() {
		return r, nil
	}
	return r, r.frame(method)
}

// interim reports whether another head follows.
func (r *response) interim() bool {
	return r.status < 200 && r.status != http.StatusSwitchingProtocols
}

// frame decides how the body is delimited (RFC 9112 section 6.3). Where the RFC
// leaves a choice it does what Chrome does, which is shown the same bytes.
func (r *response) frame(method string) error {
	r.keep = !r.closes && (r.minor > 0 || r.keeps)
	chunked := r.chunkedTimes()
	switch {
	case method == http.MethodHead, r.status == http.StatusNoContent, r.status == http.StatusNotModified, r.status == http.StatusSwitchingProtocols:
		return nil
	case len(r.codings) > 0 && r.minor == 0:
		r.note("a transfer coding in HTTP/1.0, which has none; read to the end of the connection")
		return r.untilClose()
	case chunked > 0 && r.codings[len(r.codings)-1] == "chunked":
		if chunked > 1 {
			r.note("chunked more than once; decoded once")
		}
		if len(r.lengths) > 0 || r.badLength {
			r.note("chunked and with a length; the length was ignored")
			r.keep = false
		}
		r.kind, r.chunks = chunkedBody, true
		return nil
	case len(r.codings) > 0:
		r.note("a transfer coding that does not end with chunked; read to the end of the connection")
		return r.untilClose()
	case len(r.lengths) > 1:
		return invalidf("the answer has lengths that contradict each other: %d and %d", r.lengths[0], r.lengths[1])
	case r.badLength:
		r.note("a length that is not a number; read to the end of the connection")
		return r.untilClose()
	case len(r.lengths) == 1:
		if r.length = r.lengths[0]; r.length > 0 {
			r.kind = lengthBody
		}
		return nil
	}
	return r.untilClose()
}

func (r *response) untilClose() error {
	r.kind, r.keep = closeBody, false
	return nil
}

// overStream takes the framing of HTTP/2 for an answer that was framed as one of
// HTTP/1.1. The browser is told the length, or gets chunks.
func (r *response) overStream() {
	r.keep = true
	if r.kind == noBody {
		return
	}
	r.kind, r.chunks = streamBody, len(r.lengths) != 1
	if r.chunks {
		r.length = -1
		r.shown = append(r.head[:len(r.head)-2:len(r.head)-2], "transfer-encoding: chunked\r\n\r\n"...)
	}
}

func (r *response) note(text string) { r.notes = append(r.notes, text) }

// bodyReader reads a body without its transfer coding.
type bodyReader struct {
	br      *bufio.Reader
	kind    bodyKind
	left    int64 // of lengthBody
	chunked io.Reader
	stream  *h2stream // of streamBody
	// trailer is the trailer section, after the end.
	trailer []byte
	ended   bool
}

func newBodyReader(br *bufio.Reader, kind bodyKind, length int64) *bodyReader {
	b := &bodyReader{br: br, kind: kind, left: length}
	switch kind {
	case noBody:
		b.ended = true
	case chunkedBody:
		b.chunked = httputil.NewChunkedReader(br)
	}
	return b
}

// Read returns what is there. ended is true as soon as nothing more will come,
// which may be together with the last bytes. The error is never io.EOF: an end
// that comes too early is io.ErrUnexpectedEOF.
func (b *bodyReader) Read(p []byte) (n int, err error) {
	switch {
	case b.ended:
		return 0, nil
	case b.kind == lengthBody:
		n, err = b.br.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
		if b.left == 0 {
			b.ended = true
			return n, nil
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	case b.kind == chunkedBody:
		n, err = b.chunked.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, chunkError(err)
		}
		b.trailer, err = readTrailer(b.br)
		b.ended = err == nil
		return n, err
	case b.kind == streamBody:
		n, err = b.br.Read(p)
		if b.left >= 0 {
			if b.left -= int64(n); b.left < 0 {
				return n + int(b.left), invalidf("the body is longer than its length")
			}
		}
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if b.left > 0 {
			return n, io.ErrUnexpectedEOF
		}
		b.trailer, b.ended = b.stream.trailers(), true
		return n, nil
	default:
		n, err = b.br.Read(p)
		// Servers that end TLS without a close_notify are common, and browsers
		// take it for the end, as crypto/tls does between two TLS records.
		if errors.Is(err, io.EOF) {
			b.ended = true
			return n, nil
		}
		return n, err
	}
}

// chunkError tells framing that makes no sense from a connection that broke.
// The standard library's errors for the former have no type of their own.
func chunkError(err error) error {
	var broke net.Error
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broke) {
		return err
	}
	return invalidf("broken chunks: %v", err)
}

// readTrailer reads the lines after the last chunk, up to and without the empty
// one.
func readTrailer(br *bufio.Reader) ([]byte, error) {
	var trailer []byte
	for {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if errors.Is(err, bufio.ErrBufferFull) || len(trailer)+len(line) > maxTrailer {
			return nil, invalidf("a trailer section of more than %d KB", maxTrailer>>10)
		}
		if err != nil {
			return nil, err
		}
		if len(line) == 1 || len(line) == 2 && line[0] == '\r' {
			return trailer, nil
		}
		trailer = append(trailer, line...)
	}
}
