package identifiers

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// writing is how an "@" is written. The further it is from the sign, the more the rest has
// to look like an address.
type writing int

const (
	plain      writing = iota // @
	inBrackets                // (at), [apenstaartje], and the words that mean nothing else
	spoken                    // at
)

const (
	maxLocal = 64  // RFC 5321 section 4.5.3.1.1
	maxHost  = 253 // RFC 1035 section 2.3.4, as text
)

// email reads an address around an "@" that is at text[at:end] and returns its end, or 0
// when there is none.
func (n *namer) email(at, end int, w writing) int {
	start, local := readLocal(n.text, at, w)
	if local == "" || len(n.skip) > 0 && start < n.skip[len(n.skip)-1].end {
		return 0
	}
	host, hostEnd := readHost(n.text, end, w)
	if host == "" {
		return 0
	}
	return n.add(Email, strings.ToLower(local)+"@"+host, start, hostEnd)
}

// readLocal reads the part of an address before the "@", backwards.
func readLocal(text string, at int, w writing) (start int, local string) {
	if w != plain {
		at -= trailing(text[max(0, at-3):at], " \u00a0")
	}
	for start = at; ; {
		r, size := utf8.DecodeLastRuneInString(text[:start])
		if size > 0 && isLocal(r) {
			local, start = string(r)+local, start-size
		} else if dot := dotBefore(text, start, w); dot > 0 && local != "" {
			local, start = "."+local, start-dot
		} else {
			break
		}
		if len(local) > maxLocal {
			return at, ""
		}
	}
	trimmed := strings.TrimLeft(local, ".-'%+")
	start += len(local) - len(trimmed)
	if strings.Contains(trimmed, "..") || strings.HasSuffix(trimmed, ".") {
		return at, ""
	}
	return start, trimmed
}

// isLocal tells of what people use of RFC 5322 section 3.2.3 (atext) and RFC 6531.
func isLocal(r rune) bool {
	return letter(r) || r >= '0' && r <= '9' || strings.ContainsRune("._-+'%", r)
}

// trailing returns how many bytes of a set a string ends with.
func trailing(s, set string) int { return len(s) - len(strings.TrimRight(s, set)) }

// dotBefore returns the length of a written dot such as " [dot] " before a place.
func dotBefore(text string, at int, w writing) int {
	const longest = 16
	if w == plain {
		return 0
	}
	window := text[max(0, at-longest):at]
	trimmed := strings.TrimRight(window, " ")
	open := strings.LastIndexAny(trimmed, "([{")
	if open < 0 {
		return 0
	}
	inner, end := bracketed(trimmed, open)
	if end != len(trimmed) || !dotWords[inner] {
		return 0
	}
	return len(window) - len(strings.TrimRight(window[:open], " "))
}

// bracketed returns the word in brackets that open at a place, in lower case, and where
// they end. The word is empty when there is none.
func bracketed(text string, at int) (word string, end int) {
	const longest = 20
	window := text[at+1 : min(len(text), at+1+longest)]
	end = strings.IndexAny(window, ")]}>")
	if end <= 0 {
		return "", at + 1
	}
	return lower(strings.TrimSpace(window[:end])), at + 1 + end + 1
}

// readHost reads the host of an address. What the public suffix list does not know as a
// domain may be one that is newer than the list, but is one only after a plain "@".
func readHost(text string, at int, w writing) (host string, end int) {
	if w != plain {
		at += len(text[at:min(len(text), at+3)]) - len(strings.TrimLeft(text[at:min(len(text), at+3)], " \u00a0"))
	}
	var labels []string
	var ends []int
	for written := 0; written < maxHost; {
		label, next := readLabel(text, at)
		if label == "" {
			break
		}
		labels, ends = append(labels, label), append(ends, next)
		written += len(label) + 1
		dot := dotAfter(text, next, w, len(labels) == 1)
		if dot == 0 {
			break
		}
		at = next + dot
	}
	if w != plain && len(labels) > 0 && strings.EqualFold(labels[0], "www") { // "info @ www.example.org" is a page
		return "", at
	}
	for n := len(labels); n >= 2; n-- {
		if host, known := asHost(labels[:n]); known {
			return host, ends[n-1]
		}
	}
	if len(labels) < 2 || w != plain {
		return "", at
	}
	if host, _ = asHost(labels); host == "" || !isNewDomain(labels[len(labels)-1]) {
		return "", at
	}
	return host, ends[len(ends)-1]
}

func readLabel(text string, at int) (label string, end int) {
	const longest = 63 // RFC 1035 section 2.3.4
	for end = at; end < len(text) && end-at <= longest; {
		r, size := utf8.DecodeRuneInString(text[end:])
		if !letter(r) && (r < '0' || r > '9') && r != '-' {
			break
		}
		end += size
	}
	label = strings.TrimRight(text[at:end], "-")
	if len(label) > longest || strings.HasPrefix(label, "-") {
		return "", at
	}
	return label, at + len(label)
}

// dotAfter returns the length of a dot after a label: ".", "[dot]", and where the "@" was
// spoken " dot ". A spoken "at" with a plain dot behind it is a sentence: "look at x.org".
func dotAfter(text string, at int, w writing, first bool) int {
	rest := text[at:min(len(text), at+24)]
	trimmed := strings.TrimLeft(rest, " \u00a0")
	spaces := len(rest) - len(trimmed)
	if trimmed == "" {
		return 0
	}
	if strings.ContainsRune("([{", rune(trimmed[0])) {
		inner, end := bracketed(trimmed, 0)
		if !dotWords[inner] {
			return 0
		}
		behind := trimmed[end:]
		return spaces + end + len(behind) - len(strings.TrimLeft(behind, " \u00a0"))
	}
	if spaces == 0 && trimmed[0] == '.' && (w != spoken || !first) {
		return 1
	}
	word, behind, ok := strings.Cut(trimmed, " ")
	if w == plain || spaces == 0 || !ok || !dotWords[lower(word)] || word == "." && w == spoken {
		return 0
	}
	return spaces + len(word) + 1 + len(behind) - len(strings.TrimLeft(behind, " "))
}

// asHost returns labels as a host in ASCII (UTS 46), and whether its domain is one that is
// given out, or one for examples and tests (RFC 2606).
func asHost(labels []string) (host string, known bool) {
	host = strings.ToLower(strings.Join(labels, "."))
	host, err := idna.Lookup.ToASCII(host)
	if err != nil || len(host) > maxHost {
		return "", false
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	if suffix == host {
		return "", false
	}
	last := strings.ToLower(labels[len(labels)-1])
	return host, icann || strings.Contains(suffix, ".") || last == "example" || last == "test"
}

// isNewDomain tells whether a label may be a top-level domain that our list does not have.
// File names such as "logo@2x.png" are not addresses.
func isNewDomain(label string) bool {
	files := "png jpg jpeg gif webp svg avif bmp ico css scss js mjs json xml html php pdf"
	if len(label) < 2 || len(label) > 24 || set(files)[strings.ToLower(label)] {
		return false
	}
	return !strings.ContainsFunc(label, func(r rune) bool { return !letter(r) })
}
