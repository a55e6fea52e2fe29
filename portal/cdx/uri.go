package cdx

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

const (
	mementoPath  = "/memento/"
	timeGatePath = "/memento/timegate/"
	timeMapPath  = "/memento/timemap/"
)

var (
	// encoded is an address that was escaped as a whole, as cdx_toolkit sends it.
	encoded = regexp.MustCompile(`^(?i:https?%3a|urn%3a)`)
	// oneSlash is an address whose slashes a proxy has merged.
	oneSlash = regexp.MustCompile(`^(?i:(https?):/)([^/])`)
)

// originals are the addresses that the end of a path may mean (URI-R in RFC 7089), the
// likeliest first. The query of the request is theirs. An address with a "%" that starts no
// escape cannot be sent as it is: we write "%25" for it, others escape all of the path.
func originals(r *http.Request, rest string) ([]string, error) {
	query := ""
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		query = "?" + r.URL.RawQuery
	}
	plain, err := url.PathUnescape(rest)
	if err != nil || rest == "" || len(rest)+len(query) > urls.MaxLength {
		return nil, problem{http.StatusBadRequest, "This is no address of a capture.", "Write the original address behind the slash: /memento/timegate/https://example.org/."}
	}
	if encoded.MatchString(rest) {
		return []string{complete(plain + query)}, nil
	}
	found := []string{complete(rest + query)}
	for _, other := range []string{mapPercent(rest, restorePercent), plain} {
		if address := complete(other + query); !slices.Contains(found, address) {
			found = append(found, address)
		}
	}
	return found, nil
}

// mapPercent replaces what change says of the signs that start no escape.
func mapPercent(s string, change func(rest string) (with string, length int)) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		with, n := s[i:i+1], 1
		if s[i] == '%' {
			with, n = change(s[i:])
		}
		b.WriteString(with)
		i += n
	}
	return b.String()
}

func isEscape(s string) bool {
	const digits = "0123456789abcdefABCDEF"
	return len(s) > 2 && strings.IndexByte(digits, s[1]) >= 0 && strings.IndexByte(digits, s[2]) >= 0
}

// escapePercent and restorePercent undo each other, for [mapPercent], unless the address has
// both an escaped sign and one that starts no escape.
func escapePercent(s string) (string, int) {
	if isEscape(s) {
		return s[:3], 3
	}
	return "%25", 1
}

func restorePercent(s string) (string, int) {
	switch {
	case strings.HasPrefix(s, "%25") && !isEscape("%"+s[3:]):
		return "%", 3
	case isEscape(s):
		return s[:3], 3
	}
	return "%", 1
}

func complete(address string) string {
	return withScheme(oneSlash.ReplaceAllString(address, "$1://$2"))
}

// same reports whether two addresses are one to a browser. The keys of an index do not tell
// http from https, nor upper from lower case.
func same(a, b string) bool {
	if a == b {
		return true
	}
	a, err := urls.Canonicalize(a)
	if err != nil {
		return false
	}
	b, err = urls.Canonicalize(b)
	return err == nil && a == b
}

// linkable escapes what would end an address between angle brackets or quotes (RFC 8288
// section 3), or that is no ASCII.
func linkable(address string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; c > ' ' && c < 0x7f && c != '<' && c != '>' && c != '"' && c != '#' && c != '\\' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
		}
	}
	return b.String()
}

// inPath is how an address is written at the end of a path of ours.
func inPath(address string) string { return mapPercent(linkable(address), escapePercent) }

// addresses are those that belong to an original.
type addresses struct{ content, index string }

func (s *Server) addresses(r *http.Request) addresses {
	return addresses{s.base(r), s.indexBase(r)}
}

// memento is the address of a capture (URI-M). A fragment is the client's own; an address
// with one is captured as the one without.
func (a addresses) memento(c capture) string { return a.marked(c, "") }

// marked is memento with a mark behind the time, such as id_.
func (a addresses) marked(c capture, mark string) string {
	original := c.URL
	if !strings.HasPrefix(original, ownScheme) {
		original = urls.WithoutFragment(original)
	}
	return a.content + mementoPath + c.stamp() + mark + "/" + inPath(original)
}

func (a addresses) timeGate(original string) string {
	return a.index + timeGatePath + inPath(original)
}

// timeMap is the address of a list of captures, in a format such as "link" or "link/2".
func (a addresses) timeMap(format, original string) string {
	return a.index + timeMapPath + format + "/" + inPath(original)
}
