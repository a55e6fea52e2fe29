package catalog

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord is the length in bytes at which a word is cut into pieces; a query is cut in the same
// way, so that it still finds it.
const maxWord = 96

// scanner cuts text into the words that are indexed. One scanner reads what is indexed, what is
// asked for and what is shown, so that the three agree.
//
// A word is a run of letters and digits without case and accents. Scripts that are written
// without spaces between words (Chinese, Japanese, Thai and others) are cut into overlapping
// pairs of characters, and the last character of a run stands alone too, so that a single
// character can be found by the beginning of a word. A symbol such as an emoji is a word.
type scanner struct {
	// yield is given a word, valid until it returns, where it lies in the text, and whether it
	// is the lone last character of a run of pairs.
	yield func(word []byte, start, end int, last bool) bool

	word       []byte
	start, end int
	// pairs tells that word holds one character of a script without spaces, paired that there
	// was one before it.
	pairs, paired bool
	stopped       bool
}

// scan reads a text in Unicode's form NFC.
func scan(text string, yield func(word []byte, start, end int, last bool) bool) {
	s := scanner{yield: yield, word: make([]byte, 0, maxWord+utf8.UTFMax)}
	for i := 0; i < len(text) && !s.stopped; {
		c := text[i]
		if c < utf8.RuneSelf {
			s.ascii(c, i)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		s.rune(r, i, i+size)
		i += size
	}
	s.flush()
}

func (s *scanner) ascii(c byte, at int) {
	switch {
	case c >= 'A' && c <= 'Z':
		c += 'a' - 'A'
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
	default:
		s.flush()
		return
	}
	s.begin(at, at+1)
	s.word = append(s.word, c)
}

func (s *scanner) rune(r rune, start, end int) {
	f := fold(r)
	switch f.class {
	case mark:
		if len(s.word) > 0 {
			s.end = end
		}
	case letter:
		s.begin(start, end)
		s.word = append(s.word, f.text...)
	case unspaced:
		s.pair(f.text, start, end)
	case symbol:
		s.flush()
		s.begin(start, end)
		s.word = append(s.word, f.text...)
		s.flush()
	default:
		s.flush()
	}
}

// begin makes room for more of a word of letters.
func (s *scanner) begin(start, end int) {
	if s.pairs || len(s.word) >= maxWord {
		s.flush()
	}
	if len(s.word) == 0 {
		s.start = start
	}
	s.end = end
}

// pair adds a character of a script without spaces.
func (s *scanner) pair(text string, start, end int) {
	if !s.pairs {
		s.flush()
	}
	if len(s.word) == 0 {
		s.word, s.pairs, s.start, s.end = append(s.word, text...), true, start, end
		return
	}
	before := s.end
	s.word = append(s.word, text...)
	s.emit(s.start, end, false)
	s.word = append(s.word[:0], text...)
	s.start, s.end, s.paired = before, end, true
}

func (s *scanner) flush() {
	if len(s.word) > 0 {
		s.emit(s.start, s.end, s.paired)
	}
	s.word, s.pairs, s.paired = s.word[:0], false, false
}

func (s *scanner) emit(start, end int, last bool) {
	if !s.stopped && !s.yield(s.word, start, end, last) {
		s.stopped = true
	}
}

// normal writes a text in one way, in which scan reads it.
func normal(text string) string {
	return norm.NFC.String(strings.ToValidUTF8(text, "\uFFFD"))
}

// appendWords adds the words of a text, each followed by a space, as they are given to FTS5.
func appendWords(to []byte, text string) []byte {
	scan(normal(text), func(word []byte, _, _ int, _ bool) bool {
		to = append(append(to, word...), ' ')
		return true
	})
	return to
}

// The classes of characters.
type class byte

const (
	separator class = iota
	letter
	mark
	unspaced
	symbol
)

// folded is a character as it is indexed.
type folded struct {
	text  string
	class class
}

// tableEnd is where the table ends of characters that are folded in advance: behind Latin,
// Greek and Cyrillic letters.
const tableEnd = 0x0530

var table = sync.OnceValue(func() *[tableEnd]folded {
	var t [tableEnd]folded
	for r := range rune(tableEnd) {
		t[r] = foldRune(r)
	}
	return &t
})

func fold(r rune) folded {
	if r < tableEnd {
		return table()[r]
	}
	return foldRune(r)
}

// spelled are letters that Unicode does not take apart, as people write them without the sign.
var spelled = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o", 'đ': "d", 'Đ': "d",
	'ð': "d", 'Ð': "d", 'þ': "th", 'Þ': "th", 'ł': "l", 'Ł': "l", 'ı': "i", 'ħ': "h", 'Ħ': "h", 'ς': "σ",
}

// withoutSpaces are the scripts that are written without spaces between words.
var withoutSpaces = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// accented are the scripts whose accents people leave out when they type.
var accented = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic}

func foldRune(r rune) folded {
	if s, ok := spelled[r]; ok {
		return folded{s, letter}
	}
	switch {
	case isAccent(r):
		return folded{class: mark}
	case r == 'ー' || unicode.In(r, withoutSpaces...) && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r)):
		return folded{norm.NFKC.String(string(r)), unspaced}
	case unicode.Is(unicode.So, r):
		return folded{string(r), symbol}
	case !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r):
		return folded{}
	}
	return foldLetter(r)
}

// foldLetter takes case, accents and forms such as full width from a letter or digit.
func foldLetter(r rune) folded {
	s := norm.NFKC.String(string(r))
	if unicode.In(r, accented...) {
		s = norm.NFKD.String(string(r))
	}
	var b strings.Builder
	for _, c := range s {
		if isAccent(c) || !unicode.IsLetter(c) && !unicode.IsNumber(c) && !unicode.IsMark(c) {
			continue
		}
		b.WriteRune(unicode.ToLower(c))
	}
	if b.Len() == 0 {
		return folded{}
	}
	return folded{b.String(), letter}
}

// isAccent reports whether a character is a sign on the one before it that may be left out: an
// accent, or a vowel sign of Arabic or Hebrew. Those of other scripts cannot be.
func isAccent(r rune) bool {
	switch {
	case r >= 0x0300 && r <= 0x036F, r >= 0x064B && r <= 0x065F, r == 0x0670, r == 0x0640:
		return true
	case r >= 0x0591 && r <= 0x05C7:
		return unicode.Is(unicode.Mn, r)
	case r >= 0xFE00 && r <= 0xFE0F, r >= 0x1F3FB && r <= 0x1F3FF: // variants and skin tones of emoji
		return true
	}
	return false
}
