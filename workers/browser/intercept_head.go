package browser

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

// originalPrefix is put before the fields that speak of the bytes on the wire where the
// body is kept as the browser decoded it. It is what browsertrix-crawler and
// ArchiveWeb.page write, so replay tools know it.
const originalPrefix = "x-orig-"

// codings are the content codings that Chrome takes off (RFC 9110 section 8.4.1, RFC 7932,
// RFC 8878, RFC 9842).
var codings = map[string]bool{"gzip": true, "x-gzip": true, "deflate": true, "br": true, "zstd": true, "dcb": true, "dcz": true}

// decodes reports whether the browser decodes a body with that Content-Encoding.
func decodes(encoding string) bool {
	any := false
	for coding := range strings.SplitSeq(encoding, ",") {
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding == "" || coding == "identity" {
			continue
		}
		if !codings[coding] {
			return false
		}
		any = true
	}
	return any
}

// lookup finds a field without regard to case.
func (f fields) lookup(name string) string {
	for k, v := range f {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// headWriter writes a head as HTTP/1.1 would.
type headWriter struct{ bytes.Buffer }

// field writes the lines of a field. What would break the head is left out: Chrome
// lets no such thing through, but this is not the place to rely on it.
func (w *headWriter) field(name, values string) {
	if name == "" || strings.HasPrefix(name, ":") || strings.ContainsAny(name, "\r\n: \x00") {
		return
	}
	for value := range strings.SplitSeq(values, "\n") {
		fmt.Fprintf(w, "%s: %s\r\n", name, oneLine(value))
	}
}

// oneLine takes out what would end a line of a head.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return -1
		}
		return r
	}, s)
}

func (w *headWriter) end() []byte {
	w.WriteString("\r\n")
	return w.Bytes()
}

// requestHead puts a request's head together from its fields: in alphabetical order, for
// Chrome tells no other.
func requestHead(method, address string, f fields) []byte {
	target, authority := "/", ""
	if u, err := urls.Split(address); err == nil {
		target, authority = u.Target, u.Host
	}
	if path := f.lookup(":path"); path != "" {
		target = path
	}
	var w headWriter
	fmt.Fprintf(&w, "%s %s HTTP/1.1\r\n", oneLine(method), strings.ReplaceAll(oneLine(target), " ", "%20"))
	if f.lookup("host") == "" {
		if a := f.lookup(":authority"); a != "" {
			authority = a
		}
		w.field("host", authority)
	}
	for _, name := range sortedNames(f) {
		w.field(name, f[name])
	}
	return w.end()
}

func sortedNames(f fields) []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return names
}

// responseHead puts the head of an answer together. The pairs are in their order on the
// wire, but without what is not for pages to see, such as cookies; all are among the
// fields.
func responseHead(status int, reason string, f fields, order []pairOfFields) []byte {
	if reason == "" {
		reason = http.StatusText(status)
	}
	var w headWriter
	fmt.Fprintf(&w, "HTTP/1.1 %03d %s\r\n", status, oneLine(reason))
	left := make(map[string][]string, len(f)) // by name in lower case
	for _, name := range sortedNames(f) {
		key := strings.ToLower(name)
		left[key] = append(left[key], strings.Split(f[name], "\n")...)
	}
	for _, p := range order {
		key := strings.ToLower(p.Name)
		values := left[key]
		if len(f) == 0 {
			w.field(p.Name, p.Value)
			continue
		}
		if len(values) == 0 {
			continue // made by the browser, as of what it merges from its cache
		}
		w.field(p.Name, values[0])
		left[key] = values[1:]
	}
	for _, name := range sortedNames(f) {
		key := strings.ToLower(name)
		for _, value := range left[key] {
			w.field(name, value)
		}
		left[key] = nil
	}
	return w.end()
}

// textHead is a head as Chrome tells it where it came as text, nil when it is none.
func textHead(text string) []byte {
	if !strings.HasPrefix(text, "HTTP/") || !strings.HasSuffix(text, "\r\n\r\n") {
		return nil
	}
	return []byte(text)
}

// decodedHead renames the fields that speak of the coded body, and says how long the
// decoded one is. Nothing else of the head changes.
func decodedHead(head []byte, size int64) []byte {
	var out bytes.Buffer
	for i, line := range bytes.SplitAfter(head, []byte("\n")) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if i > 0 && ok && (bytes.EqualFold(name, []byte("Content-Encoding")) || bytes.EqualFold(name, []byte("Content-Length"))) {
			out.WriteString(originalPrefix)
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 && len(line) > 0 {
			out.WriteString("Content-Length: " + strconv.FormatInt(size, 10) + "\r\n")
		}
		out.Write(line)
	}
	return out.Bytes()
}

// bodiless reports whether an answer has no body whatever its fields say (RFC 9110
// section 6.4.1).
func bodiless(method string, status int) bool {
	return method == http.MethodHead || status/100 == 1 || status == http.StatusNoContent || status == http.StatusResetContent || status == http.StatusNotModified
}

// cipherSuite is the registered name of what Chrome tells in parts. Of TLS 1.2 it does not
// tell the hash, which follows from the cipher (RFC 5289, RFC 7905).
func cipherSuite(d *securityDetails) string {
	hash := map[string]string{"AES_128_GCM": "SHA256", "AES_256_GCM": "SHA384", "CHACHA20_POLY1305": "SHA256"}[d.Cipher]
	switch {
	case hash == "":
		return strings.TrimSpace(d.KeyExchange + " " + d.Cipher + " " + d.MAC)
	case d.KeyExchange == "":
		return "TLS_" + d.Cipher + "_" + hash
	}
	return "TLS_" + d.KeyExchange + "_WITH_" + d.Cipher + "_" + hash
}

// tlsFacts are what the browser tells of a connection's TLS: of a WebSocket's no more than
// the chain that its origin has shown elsewhere.
func tlsFacts(d *securityDetails, host string, chain [][]byte) *recorder.TLS {
	facts := &recorder.TLS{ServerName: serverName(host), Chain: chain}
	if d != nil {
		facts.Version, facts.CipherSuite = d.Protocol, cipherSuite(d)
	}
	return facts
}

// serverName is what is sent for a host in the handshake: nothing of an address.
func serverName(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}
