package warc

import (
	"bytes"
	"strings"
)

// OriginalTransferEncoding is the name that [DechunkedHead] gives to the field
// Transfer-Encoding.
const OriginalTransferEncoding = "X-Crawlfleet-Orig-Transfer-Encoding"

// DechunkedHead returns an HTTP head for a body that was stored without its
// transfer coding: the field Transfer-Encoding is renamed to
// [OriginalTransferEncoding], everything else is left to the byte. A head
// without such a field is returned as it is.
func DechunkedHead(head []byte) []byte {
	const name = "Transfer-Encoding"
	var out []byte
	_, rest := cutLine(head)
	done := 0
	for len(rest) > 0 {
		var line []byte
		start := len(head) - len(rest)
		line, rest = cutLine(rest)
		if !isField(line, name) {
			continue
		}
		out = append(out, head[done:start]...)
		out = append(out, OriginalTransferEncoding...)
		done = start + len(name)
	}
	if done == 0 {
		return head
	}
	return append(out, head[done:]...)
}

// HTTPField returns the value of the first field of that name, in any case, of
// an HTTP head, without folding and surrounding space.
func HTTPField(head []byte, name string) string {
	_, rest := cutLine(head)
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		if !isField(line, name) {
			continue
		}
		_, v, _ := bytes.Cut(line, []byte(":"))
		value := string(bytes.TrimSpace(v))
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			line, rest = cutLine(rest)
			value += " " + string(bytes.TrimSpace(line))
		}
		return value
	}
	return ""
}

// isField reports whether a line is a field of that name, in any case.
func isField(line []byte, name string) bool {
	if len(line) <= len(name) || !strings.EqualFold(string(line[:len(name)]), name) {
		return false
	}
	return bytes.HasPrefix(bytes.TrimLeft(line[len(name):], " \t"), []byte(":"))
}

// StartLine returns the first line of an HTTP head, without the line break.
func StartLine(head []byte) string {
	line, _ := cutLine(head)
	return strings.TrimRight(string(line), "\r\n")
}

// headEnd returns the length of the HTTP head that b starts with, including the
// empty line, or -1.
func headEnd(b []byte) int {
	n := 0
	for len(b) > 0 {
		line, rest := cutLine(b)
		n += len(line)
		if isEmptyLine(line) {
			return n
		}
		b = rest
	}
	return -1
}

// cutLine cuts after the first line break.
func cutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], b[i+1:]
	}
	return b, nil
}

func isEmptyLine(line []byte) bool {
	return string(line) == "\r\n" || string(line) == "\n"
}
