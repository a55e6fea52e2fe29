package identifiers

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// namer finds what has a name: e-mail addresses, handles, and links to either.
type namer struct {
	text  string
	plan  *plan
	found []Identifier
	// skip are the parts of the text that are read: what was found and all addresses of
	// pages, in which digits are no telephone numbers.
	skip []span

	// platform was named by the word that ended at platformEnd.
	platform    string
	platformEnd int
}

// findNames returns the names in a text and where to look for no telephone numbers.
func findNames(text string, p *plan) ([]Identifier, []span) {
	n := &namer{text: text, plan: p, platformEnd: never}
	for at := 0; at < len(text) && len(n.found) < Limit; {
		at = n.step(at)
	}
	return n.found, n.skip
}

// step reads what is at text[at:] and returns where the next begins.
func (n *namer) step(at int) int {
	r, size := utf8.DecodeRuneInString(n.text[at:])
	switch {
	case letter(r), digit(r) != 0:
		return n.token(at)
	case r == '@', r == '＠':
		return max(at+size, n.sign(at, at+size))
	case r == '(', r == '[', r == '{', r == '<':
		if inner, end := bracketed(n.text, at); atWords[inner] {
			return max(end, n.email(at, end, inBrackets))
		}
	case r == '\n':
		n.platformEnd = never
	}
	return at + size
}

func (n *namer) token(at int) int {
	end := readToken(n.text, at).end
	if linkEnd := n.link(at, end); linkEnd > 0 {
		return linkEnd
	}
	if end-at > 16 {
		return end
	}
	word := lower(n.text[at:end])
	if plainAtWords[word] {
		return max(end, n.email(at, end, inBrackets))
	}
	if word == "at" {
		return max(end, n.email(at, end, spoken))
	}
	if platform, ok := platforms[word]; ok {
		n.platform, n.platformEnd = platform, end
		return max(end, n.named(word, end))
	}
	return end
}

// add notes a name; the end of it is where to go on.
func (n *namer) add(kind Kind, value string, start, end int) int {
	n.found = append(n.found, Identifier{Kind: kind, Value: value, Start: start, End: end})
	n.skip = append(n.skip, span{start, end})
	return end
}

// sign reads an "@": in an e-mail address, or before a handle.
func (n *namer) sign(at, end int) int {
	if emailEnd := n.email(at, end, plain); emailEnd > 0 {
		return emailEnd
	}
	if strings.HasPrefix(n.text[end:], " ") {
		return n.email(at, end, inBrackets)
	}
	before, _ := utf8.DecodeLastRuneInString(n.text[:at])
	if at > 0 && (letter(before) || digit(before) != 0 || strings.ContainsRune("./@_-", before)) {
		return 0
	}
	name, nameEnd := readHandle(n.text, end)
	next, _ := utf8.DecodeRuneInString(n.text[nameEnd:])
	if name == "" || nameEnd < len(n.text) && (letter(next) || strings.ContainsRune("@/-", next)) {
		return 0
	}
	if at-n.platformEnd <= reach {
		name = n.platform + ":" + name
	}
	return n.add(Handle, name, at, nameEnd)
}

// named reads "Telegram: example".
func (n *namer) named(word string, at int) int {
	if word == "x" { // a letter before a colon is too little
		return 0
	}
	rest := strings.TrimLeft(n.text[at:min(len(n.text), at+16)], " \u00a0")
	r, size := utf8.DecodeRuneInString(rest)
	if size == 0 || !strings.ContainsRune(":：=", r) {
		return 0
	}
	rest = strings.TrimLeft(rest[size:], " \u00a0")
	start := min(len(n.text), at+16) - len(rest)
	name, end := readHandle(n.text, start)
	if name == "" || answers[name] {
		return 0
	}
	// A word in a sentence is no handle.
	behind := n.text[end:min(len(n.text), end+8)]
	next, _ := utf8.DecodeRuneInString(strings.TrimLeft(behind, " \u00a0"))
	if strings.HasPrefix(behind, "@") || strings.HasPrefix(behind, ":") || letter(next) && !strings.ContainsAny(name, "0123456789_.") {
		return 0
	}
	return n.add(Handle, n.platform+":"+name, start, end)
}

// readHandle reads a name of a user: 3 to 30 letters, digits, "_" and ".", as they are on
// the platforms that we know.
func readHandle(text string, at int) (name string, end int) {
	end = at
	hasLetter := false
	for end < len(text) && isHandle(text[end]) {
		hasLetter = hasLetter || letter(rune(text[end]))
		end++
		if end-at > 31 {
			return "", at
		}
	}
	name = strings.TrimRight(text[at:end], ".")
	if len(name) < 3 || len(name) > 30 || !hasLetter || name[0] == '.' {
		return "", at
	}
	return strings.ToLower(name), at + len(name)
}

func isHandle(b byte) bool {
	return isDigit(b) || b == '_' || b == '.' || b < utf8.RuneSelf && letter(rune(b))
}

// link reads an address of a page that begins with the word text[at:end], and returns its
// end, or 0 when there is none.
func (n *namer) link(at, end int) int {
	rest := n.text[end:]
	word := n.text[at:end]
	isPage := len(word) <= 10 && strings.HasPrefix(rest, "://")
	isAddress := len(word) <= 10 && strings.HasPrefix(rest, ":") && addressSchemes[strings.ToLower(word)]
	isHost := len(word) <= 10 && strings.HasPrefix(rest, ".") && (strings.EqualFold(word, "www") || linkHost(rest, word))
	if !isPage && !isAddress && !isHost {
		return 0
	}
	stop := len(n.text)
	if length := strings.IndexFunc(rest, endsLink); length >= 0 {
		stop = end + length
	}
	href := strings.TrimRight(n.text[at:stop], ".,;:!?)]}*")
	if isHost {
		href = "https://" + href
	}
	found := fromLink(href, n.plan)
	if isAddress && !isPage && len(found) == 0 { // "Tel: 020 …", which is read as text
		return 0
	}
	for _, found := range found {
		n.found = append(n.found, Identifier{Kind: found.Kind, Value: found.Value, Start: at, End: stop})
	}
	n.skip = append(n.skip, span{at, stop})
	return stop
}

func endsLink(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("<>\"'`", r) }

// linkHost tells whether word and what follows are a host with handles, and a path.
func linkHost(rest, word string) bool {
	slash := strings.IndexByte(rest[:min(len(rest), 24)], '/')
	return slash > 0 && hosts[strings.ToLower(word+rest[:slash])] != ""
}
