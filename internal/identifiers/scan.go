package identifiers

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxDigits is how many digits the writing of a number has at most: 15 (E.164), the
	// prefix "00" and a "(0)".
	maxDigits = 18
	// maxGap is how many runes stand between two digits of a number at most.
	maxGap = 4
	// maxRun is how many groups of digits are looked at as one. A line of more is a table
	// of figures; a number across the border of two runs in it is not found.
	maxRun = 4096
)

// group is digits without anything between them.
type group struct {
	digits     string
	start, end int
	plus       bool // a plus sign stands before
	spelled    bool // as words
}

// span is a part of the text, in bytes.
type span struct{ start, end int }

// scanner cuts text into runs: groups of digits with nothing between them that could not
// be inside a telephone number.
type scanner struct {
	text  string
	skip  []span // where no digits are looked for, in order
	plan  *plan
	found []Identifier

	run  []group
	gap  int // runes since the last group or plus
	plus int // where a plus sign is that waits for digits, or -1
	// cue and anticue are where the last word ended that is before telephone numbers and
	// before others; done is where the last number that was found ended.
	cue, anticue, done int
}

const never = -1 << 30

func findPhones(text string, skip []span, p *plan) []Identifier {
	s := &scanner{text: text, skip: skip, plan: p, plus: -1, cue: never, anticue: never, done: -1}
	for at := 0; at < len(text) && len(s.found) < Limit; {
		at = s.step(at)
	}
	s.flush()
	return s.found
}

// step reads what is at text[at:] and returns where the next begins.
func (s *scanner) step(at int) int {
	for len(s.skip) > 0 && s.skip[0].end <= at {
		s.skip = s.skip[1:]
	}
	if len(s.skip) > 0 && s.skip[0].start <= at {
		s.flush()
		return s.skip[0].end
	}
	r, size := utf8.DecodeRuneInString(s.text[at:])
	switch {
	case invisible(r):
		return at + size
	case letter(r), digit(r) != 0:
		return s.token(at)
	case r == '+', r == '＋', r == '➕':
		s.plus, s.gap = at, 0
	case strings.ContainsRune("☎✆📞📱📲🕿", r):
		s.flush()
		s.cue = at + size
	case separator(r) && s.gap < maxGap:
		s.gap++
	default:
		s.flush()
	}
	return at + size
}

// token reads a word, a group of digits, or a mixture.
func (s *scanner) token(at int) int {
	t := readToken(s.text, at)
	switch {
	case t.digits != "" && !t.mixed:
		s.add(group{digits: t.digits, start: at, end: t.end})
	case t.digits != "" && t.mixed:
		s.mixture(at, t)
	case s.isLoneDigit(at, t.end):
		s.add(group{digits: string(lookalike(rune(s.text[at]))), start: at, end: t.end})
	default:
		s.word(at, t.end)
	}
	return t.end
}

func (s *scanner) add(g group) {
	// (No country code begins with 0: that plus is an "and", or one too many before "00".)
	if s.plus >= 0 && s.gap <= 2 && g.digits[0] != '0' {
		g.plus, g.start = true, s.plus
	}
	if len(s.run) == maxRun {
		s.flush()
	}
	s.run = append(s.run, g)
	s.plus, s.gap = -1, 0
}

// word is digits that are spelled out, or ends the run.
func (s *scanner) word(start, end int) {
	word := lower(s.text[start:end])
	if digits, ok := spelled(word); ok {
		s.add(group{digits: digits, start: start, end: end, spelled: true})
		return
	}
	s.flush()
	if cues[word] {
		s.cue = end
	}
	if anticues[word] {
		s.anticue = end
	}
}

// mixture is digits with letters: some of them spelled out, a cue before or behind digits
// without a space, or the number of something else.
func (s *scanner) mixture(start int, t token) {
	m, ok := unmix(s.text[start:t.end])
	if !ok {
		s.flush()
		if isIBANStart(s.text[start:t.end]) {
			s.anticue = t.end + maxIBAN
		}
		return
	}
	if m.start > 0 {
		s.flush()
		s.cue = start + m.start
	}
	s.add(group{digits: m.digits, start: start + m.start, end: start + m.end})
	if start+m.end < t.end {
		s.flush()
		s.cue = t.end
	}
}

// isLoneDigit tells whether the letter O or l stands by itself among single digits.
func (s *scanner) isLoneDigit(start, end int) bool {
	if end-start != 1 || lookalike(rune(s.text[start])) == 0 {
		return false
	}
	if n := len(s.run); n > 0 {
		return len(s.run[n-1].digits) == 1
	}
	rest := s.text[end:min(len(s.text), end+3)]
	return len(rest) == 3 && separator(rune(rest[0])) && digit(rune(rest[1])) != 0 && separator(rune(rest[2]))
}

// flush ends the run and looks for numbers in it.
func (s *scanner) flush() {
	for i := 0; i < len(s.run); {
		i = s.numberAt(i)
	}
	s.run, s.plus, s.gap = s.run[:0], -1, 0
}

// token is a word, digits, or a mixture.
type token struct {
	end    int
	digits string // all of them, cut off above maxDigits
	mixed  bool   // there are letters that are no digits
}

func readToken(text string, at int) token {
	start, plain := at, true
	var digits []byte
	var alike, real bool
	t := token{}
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		d := digit(r)
		switch {
		case d != 0:
			real = true
		case invisible(r):
			plain = false
		case !letter(r):
			size = 0
		default:
			if d = lookalike(r); d == 0 {
				t.mixed = true
			}
			alike = true
		}
		if size == 0 {
			break
		}
		if d != 0 && len(digits) <= maxDigits {
			digits = append(digits, d)
		}
		at += size
		plain = plain && size == 1
	}
	t.end = at
	if !real {
		return t
	}
	if plain && !alike && at-start <= maxDigits {
		t.digits = text[start:at]
		return t
	}
	t.digits = string(digits)
	return t
}

// unmixed is the digits of a mixture, and where in it they are.
type unmixed struct {
	digits     string
	start, end int
}

// unmix reads digits and letters where all letters are digits, spelled or alike, but for a
// cue before and behind them.
func unmix(mixture string) (m unmixed, ok bool) {
	const longest = 256
	if len(mixture) > longest {
		return m, false
	}
	m.end = len(mixture)
	var out strings.Builder
	for at := 0; at < len(mixture); {
		letters, end := lettersAt(mixture, at)
		spelt, isSpelled := spelled(letters)
		switch {
		case letters == "":
		case isSpelled:
			out.WriteString(spelt)
		case at == 0 && cues[letters]:
			m.start = end
		case end == len(mixture) && cues[letters]:
			m.end = at
		case end-at == 1 && lookalike(rune(mixture[at])) != 0:
			out.WriteByte(lookalike(rune(mixture[at])))
		default:
			return m, false
		}
		at = digitsAt(mixture, end, &out)
	}
	m.digits = out.String()
	return m, true
}

// lettersAt returns the letters at a place in lower case, and where they end.
func lettersAt(mixture string, at int) (letters string, end int) {
	end = len(mixture)
	if length := strings.IndexFunc(mixture[at:], func(r rune) bool { return digit(r) != 0 }); length >= 0 {
		end = at + length
	}
	return lower(mixture[at:end]), end
}

// digitsAt writes the digits at a place to out and returns where they end.
func digitsAt(mixture string, at int, out *strings.Builder) int {
	for at < len(mixture) {
		r, size := utf8.DecodeRuneInString(mixture[at:])
		d := digit(r)
		if d == 0 && !invisible(r) {
			break
		}
		if d != 0 && out.Len() <= maxDigits {
			out.WriteByte(d)
		}
		at += size
	}
	return at
}

// maxIBAN is how far an IBAN (ISO 13616) in groups of four goes on after its first.
const maxIBAN = 20

func isIBANStart(s string) bool {
	if len(s) < 4 {
		return false
	}
	return isUpper(s[0]) && isUpper(s[1]) && isDigit(s[2]) && isDigit(s[3])
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// lower returns a word in lower case without what is invisible; a long one, which no list
// has, is cut off.
func lower(word string) string {
	const longest = 96
	if len(word) > longest {
		word = strings.ToValidUTF8(word[:longest], "")
	}
	for i := range len(word) {
		if word[i] >= utf8.RuneSelf {
			word = strings.Map(func(r rune) rune {
				if invisible(r) {
					return -1
				}
				return r
			}, word)
			break
		}
	}
	return strings.ToLower(word)
}
