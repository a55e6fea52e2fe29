package recorder

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// maxHead bounds a head. It is above Chrome's own bound for responses, 256 KB, so
// that what Chrome refuses is recorded.
const maxHead = 1 << 20

// maxTrailer bounds the trailer section of a chunked body.
const maxTrailer = 64 << 10

var errHeadTooLarge = fmt.Errorf("a head of more than %d KB", maxHead>>10)

// invalidError says that what came is not HTTP/1.1.
type invalidError struct{ what string }

func (e *invalidError) Error() string { return e.what }

func invalidf(format string, args ...any) error {
	return &invalidError{fmt.Sprintf(format, args...)}
}

// readHead reads a start line and a header block with the empty line that ends
// it, as it is on the wire (RFC 9112 section 2.1). The error is io.EOF when
// nothing came before the end.
func readHead(br *bufio.Reader) ([]byte, error) {
	var head []byte
	for lineStart := 0; ; {
		part, err := br.ReadSlice('\n')
		if len(head)+len(part) > maxHead {
			return nil, errHeadTooLarge
		}
		head = append(head, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(head) > 0:
			return head, io.ErrUnexpectedEOF
		case err != nil:
			return head, err
		}
		line := head[lineStart:]
		if lineStart > 0 && (len(line) == 1 || len(line) == 2 && line[0] == '\r') {
			return head, nil
		}
		lineStart = len(head)
	}
}

// field is a line of a header block.
type field struct {
	name, value []byte
	// from and to are the line's place in the head, line ending and folded
	// lines included.
	from, to int
}

func (f field) is(name string) bool { return strings.EqualFold(string(f.name), name) }

// fields goes through the lines of a header block. A line that is no field has
// no name. Folded lines (RFC 9112 section 5.2) belong to the one before.
func fields(head []byte) iter.Seq[field] {
	return func(yield func(field) bool) {
		pos := bytes.IndexByte(head, '\n') + 1
		for pos > 0 && pos < len(head) {
			end := lineEnd(head, pos)
			for end < len(head) && (head[end] == ' ' || head[end] == '\t') {
				end = lineEnd(head, end)
			}
			line := bytes.TrimRight(head[pos:end], "\r\n")
			f := field{from: pos, to: end}
			pos = end
			if len(line) == 0 {
				return
			}
			if name, value, ok := bytes.Cut(line, []byte{':'}); ok {
				f.name, f.value = bytes.TrimRight(name, " \t"), bytes.Trim(value, " \t\r\n")
			}
			if !yield(f) {
				return
			}
		}
	}
}

func lineEnd(head []byte, from int) int {
	if i := bytes.IndexByte(head[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(head)
}

// startLine returns the first line without its ending.
func startLine(head []byte) string {
	return string(bytes.TrimRight(head[:lineEnd(head, 0)], "\r\n"))
}

// tokens goes through a comma-separated list, in lower case.
func tokens(value []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(strings.ToLower(string(value)), ",") {
			if part = strings.Trim(part, " \t\r\n"); part != "" && !yield(part) {
				return
			}
		}
	}
}

// framing is what a head says about the size of the body, and about the
// connection.
type framing struct {
	// lengths are the different Content-Length values, at most two of them are
	// kept; badLength is true when one is not a number.
	lengths   []int64
	badLength bool
	// codings are the transfer codings in their order.
	codings []string
	// closes, keeps and upgrades are the Connection options of these names.
	closes, keeps, upgrades bool
	// upgrade is the first protocol of Upgrade, in lower case.
	upgrade string
}

// add takes in a field that is about framing.
func (f *framing) add(line field) {
	switch {
	case line.is("Content-Length"):
		f.addLength(line.value)
	case line.is("Transfer-Encoding"):
		for t := range tokens(line.value) {
			f.codings = append(f.codings, t)
		}
	case line.is("Connection"):
		for t := range tokens(line.value) {
			f.closes = f.closes || t == "close"
			f.keeps = f.keeps || t == "keep-alive"
			f.upgrades = f.upgrades || t == "upgrade"
		}
	case line.is("Upgrade"):
		for t := range tokens(line.value) {
			f.upgrade = t
			break
		}
	}
}

func (f *framing) addLength(value []byte) {
	none := true
	for t := range tokens(value) {
		none = false
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil || t[0] == '+' || t[0] == '-' {
			f.badLength = true
			continue
		}
		if len(f.lengths) == 0 || len(f.lengths) == 1 && f.lengths[0] != n {
			f.lengths = append(f.lengths, n)
		}
	}
	f.badLength = f.badLength || none
}

// chunkedTimes counts how often the body was said to be chunked.
func (f *framing) chunkedTimes() int {
	n := 0
	for _, c := range f.codings {
		if c == "chunked" {
			n++
		}
	}
	return n
}

// version reads "HTTP/1.x".
func version(text string) (minor int, ok bool) {
	if len(text) != len("HTTP/1.1") || text[:7] != "HTTP/1." || text[7] < '0' || text[7] > '9' {
		return 0, false
	}
	return int(text[7] - '0'), true
}
