package catalog

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

const (
	// maxQuery is the longest text of a query in bytes, maxParts how many words it may have.
	maxQuery = 4096
	maxParts = 64
	// minPrefix is how many characters of a word must be there before a star: shorter ones begin
	// too many words to be looked for while somebody waits.
	minPrefix = 4
)

// term is a word or several in a row, or a facet.
type term struct {
	words []string
	// prefix is set where the last word is but the beginning of one.
	prefix bool
}

// clause is what has to be found: any of its terms.
type clause []term

// parsed is a text as it was read.
type parsed struct {
	must []clause
	not  []term
	// show are the terms to be shown in texts, identified what is shown wherever it is written.
	show       []term
	identified []Meaning
	meant      []Meaning
}

// part is a piece of the text of a query.
type part struct {
	text     string
	excluded bool
	// quoted is set for a phrase in quotation marks.
	quoted bool
	// any is what it was identified as.
	any []Meaning
}

// parse reads what a person typed. There is no text that it does not understand in one way or
// another; only one without any word, too long or with too short a beginning is refused.
func parse(text string, ids Identifiers) (parsed, error) {
	var p parsed
	if len(text) > maxQuery {
		return p, invalid("q", "it has %d bytes; shorten it to at most %d", len(text), maxQuery)
	}
	text = normal(text)
	parts := split(text, ids)
	if len(parts) > maxParts {
		return p, invalid("q", "it has more than %d words; leave some out", maxParts)
	}
	for _, part := range parts {
		if err := p.add(part); err != nil {
			return p, err
		}
	}
	if len(p.meant) == 0 && strings.TrimSpace(text) != "" {
		return p, invalid("q", "there is no letter or digit in it; type a word to look for")
	}
	return p, nil
}

func (p *parsed) add(part part) error {
	if part.quoted {
		return p.phrase(part, AsPhrase)
	}
	var c clause
	means := func(as, value, facet string) {
		p.meant = append(p.meant, Meaning{As: as, Value: value, Excluded: part.excluded})
		c = append(c, term{words: []string{facet}})
	}
	word := trimmed(part.text)
	if address, ok := asURL(word); ok {
		means(AsURL, address, facet(facetURL, string(surt(address))))
	} else if host, ok := asHost(withoutPort(word)); ok && part.any == nil {
		means(AsHost, host, facet(facetHost, host))
	}
	for _, m := range part.any {
		means(m.As, m.Value, identifierTerm(m))
	}
	if c == nil {
		return p.phrase(part, AsText)
	}
	p.clause(part, c)
	if !part.excluded {
		p.identified = append(p.identified, part.any...)
	}
	return nil
}

// trimmed is a word without the signs of the sentence that it was copied from.
func trimmed(word string) string {
	return strings.TrimRight(strings.TrimLeft(word, "(["), ".,;:!?)]")
}

// phrase adds words in a row; a single word that has a hyphen or such in it is a phrase too.
func (p *parsed) phrase(part part, as string) error {
	t, short := newTerm(part.text)
	if len(t.words) == 0 {
		return nil
	}
	value := strings.TrimSpace(part.text)
	if !part.quoted && strings.HasSuffix(value, "*") {
		if short {
			return invalid("q", "%q is too short a beginning; type at least %d letters before the star", value, minPrefix)
		}
		t.prefix, as, value = true, AsPrefix, strings.TrimRight(value, "*")
	}
	p.meant = append(p.meant, Meaning{As: as, Value: value, Excluded: part.excluded})
	p.clause(part, clause{t})
	if !part.excluded {
		p.show = append(p.show, t)
	}
	return nil
}

func (p *parsed) clause(part part, c clause) {
	if part.excluded {
		p.not = append(p.not, c...)
		return
	}
	p.must = append(p.must, c)
}

// newTerm makes a term of the words of a text that is in form NFC. It also tells whether the last
// word is too short to be the beginning of one.
func newTerm(text string) (t term, short bool) {
	lone, letters := false, false
	scan(text, func(word []byte, _, _ int, last bool) bool {
		t.words = append(t.words, string(word))
		lone = last
		r, _ := utf8.DecodeRune(word)
		letters = fold(r).class != unspaced
		return true
	})
	if len(t.words) == 0 {
		return t, false
	}
	end := t.words[len(t.words)-1]
	switch {
	case lone: // the text may go on where the query ends
		t.words = t.words[:len(t.words)-1]
	case !letters && utf8.RuneCountInString(end) == 1: // any pair that begins with it
		t.prefix = true
	}
	return t, letters && utf8.RuneCountInString(end) < minPrefix
}

// quotes are the quotation marks that open a phrase, and those that close it.
var quotes = map[rune]string{'"': `"`, '“': "”“", '„': "”“", '”': "”", '«': "»", '»': "«"}

// split cuts a text into words, phrases and identifiers.
func split(text string, ids Identifiers) []part {
	var parts []part
	for text != "" {
		open := strings.IndexFunc(text, func(r rune) bool { return quotes[r] != "" })
		if open < 0 {
			return append(parts, fields(text, ids)...)
		}
		before := text[:open]
		r, size := utf8.DecodeRuneInString(text[open:])
		phrase := text[open+size:]
		text = ""
		if end := strings.IndexAny(phrase, quotes[r]); end >= 0 {
			_, size := utf8.DecodeRuneInString(phrase[end:])
			phrase, text = phrase[:end], phrase[end+size:]
		}
		rest, excluded := strings.CutSuffix(before, "-")
		excluded = excluded && (rest == "" || endsInSpace(rest))
		if excluded {
			before = rest
		}
		parts = append(append(parts, fields(before, ids)...), part{text: phrase, excluded: excluded, quoted: true})
	}
	return parts
}

func endsInSpace(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsSpace(r)
}

// fields cuts a text without quotation marks into words and identifiers.
func fields(text string, ids Identifiers) []part {
	var found []Identifier
	if ids != nil {
		found = ids.InQuery(text)
	}
	var parts []part
	for at := 0; ; {
		at += len(text[at:]) - len(strings.TrimLeftFunc(text[at:], unicode.IsSpace))
		if at >= len(text) {
			return parts
		}
		end := len(text)
		if n := strings.IndexFunc(text[at:], unicode.IsSpace); n >= 0 {
			end = at + n
		}
		p := part{text: text[at:end]}
		if rest, ok := strings.CutPrefix(p.text, "-"); ok && rest != "" {
			p.text, p.excluded = rest, true
		}
		end = p.identify(text, end-len(p.text), end, found)
		parts = append(parts, p)
		at = end
	}
}

// identify looks whether an identifier begins in the word from start to end, and returns where
// what the part stands for ends.
func (p *part) identify(text string, start, end int, found []Identifier) int {
	i := slices.IndexFunc(found, func(f Identifier) bool {
		return f.Start >= start && f.Start < end && f.End <= len(text) && len(f.Any) > 0
	})
	if i < 0 || strings.ContainsFunc(text[start:found[i].Start], isWord) {
		return end
	}
	after := text[found[i].End:]
	if n := strings.IndexFunc(after, unicode.IsSpace); n >= 0 {
		after = after[:n]
	}
	if strings.ContainsFunc(after, isWord) {
		return end
	}
	p.any = found[i].Any // the address of a profile is both a URL and a handle
	return found[i].End + len(after)
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// asURL reads a word as a URL: one with a scheme, or a host with a path.
func asURL(word string) (string, bool) {
	scheme, _, ok := strings.Cut(word, "://")
	if ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		address, err := urls.Canonicalize(word)
		return address, err == nil
	}
	host, _, ok := strings.Cut(word, "/")
	if i := strings.LastIndexByte(host, ':'); i > 0 {
		host = host[:i]
	}
	if _, isHost := asHost(host); !ok || !isHost {
		return "", false
	}
	address, err := urls.Canonicalize("https://" + word)
	return address, err == nil
}

// withoutPort is a word without a port behind it that addresses do not have, as it is the one of their scheme. Another one
// stands in addresses, and is looked for there as a word beside the host's.
func withoutPort(word string) string {
	host, port, ok := strings.Cut(word, ":")
	if ok && (port == "80" || port == "443") {
		return host
	}
	return word
}

// reserved are domains that end like no public one and are hosts all the same (RFC 6761, RFC
// 7686, RFC 9476 and what ICANN set aside for private networks).
var reserved = []string{"alt", "example", "internal", "invalid", "localhost", "onion", "test"}

// asHost reads a word as the name or address of a host: one that ends in a public suffix.
func asHost(word string) (string, bool) {
	if strings.ContainsFunc(word, func(r rune) bool { return !isWord(r) && !unicode.IsMark(r) && r != '.' && r != '-' }) {
		addr, err := netip.ParseAddr(strings.Trim(word, "[]"))
		return addr.String(), err == nil && strings.Count(word, ":") > 1 && addr.Zone() == ""
	}
	i := strings.LastIndexByte(word, '.')
	if i <= 0 || i == len(word)-1 {
		return "", false
	}
	if strings.Trim(word[i+1:], "0123456789") == "" { // "3.14" is no address, though a browser takes it for one
		addr, err := netip.ParseAddr(word)
		return addr.String(), err == nil
	}
	host := hostname("http://" + word)
	if host == "" {
		return "", false
	}
	suffix, public := publicsuffix.PublicSuffix(host)
	return host, (public || slices.Contains(reserved, host[strings.LastIndexByte(host, '.')+1:])) && host != suffix
}
