package identifiers

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// minDigits is how many digits the writing of a number has at least.
const minDigits = 7

// numberAt looks for a number that begins with a group of the run and returns the group
// after it, or after the one that it was given.
func (s *scanner) numberAt(i int) int {
	if !s.startable(i) {
		return i + 1
	}
	if count := min(len(s.run)-i, counted); !s.run[i].plus && count == counted && isCount(s.run[i:i+count]) {
		return i + count
	}
	ends := s.ends(i)
	for _, accept := range []func(i, end int) []string{s.certain, s.plausible} {
		for _, end := range ends {
			values := accept(i, end)
			if len(values) == 0 {
				continue
			}
			first, last := s.run[i], s.run[end-1]
			for _, value := range values {
				s.found = append(s.found, Identifier{Kind: Phone, Value: value, Start: first.start, End: last.end})
			}
			s.done = last.end
			return end
		}
	}
	return i + 1
}

// between returns what stands before a group of the run, up to the one before.
func (s *scanner) between(i int) string { return s.text[s.run[i-1].end:s.run[i].start] }

// startable tells whether a number may begin with a group: not in the middle of something.
func (s *scanner) startable(i int) bool {
	g := s.run[i]
	if len(g.digits) > maxDigits {
		return false
	}
	if g.plus {
		return true
	}
	if i > 0 && len(g.digits) == 1 && len(s.run[i-1].digits) == 1 && s.run[i-1].end != s.done {
		// A number that is spaced out begins where single digits do, so that tables of
		// figures are not tried at each.
		return strong(s.between(i))
	}
	if i > 0 {
		return s.run[i-1].end == s.done || loose(s.between(i)) || g.digits == "0" && strings.HasSuffix(s.between(i), "(")
	}
	return !s.gluedBefore(g.start)
}

// loose tells whether what is between two groups parts them more than "." and "-" do.
func loose(gap string) bool { return strings.Trim(gap, ".-_'") != "" }

// strong tells whether what is between two groups parts them more than inside most numbers:
// a sign with space around it, or much space.
func strong(gap string) bool {
	return strings.ContainsAny(gap, "\t|") || strings.Contains(gap, "  ") ||
		len(gap) > 2 && strings.HasPrefix(gap, " ") && strings.HasSuffix(gap, " ")
}

// ends returns where a number that begins with group i may end, the likeliest first: the
// longest without a strong gap, then the longest of all.
func (s *scanner) ends(i int) []int {
	var near, far []int
	count, parted := 0, false
	for j := i; j < len(s.run) && (j == i || !s.run[j].plus); j++ {
		if count += len(s.run[j].digits); count > maxDigits {
			break
		}
		if j > i && !parted {
			gap := s.between(j)
			before := count - len(s.run[j].digits)
			parted = strong(gap) || before >= minDigits && strings.Contains(gap, "/") || s.run[j].spelled != s.run[j-1].spelled && len(s.run[j].digits)+len(s.run[j-1].digits) > 2
		}
		switch {
		case count < minDigits || !s.endable(j):
		case parted:
			far = append([]int{j + 1}, far...)
		default:
			near = append([]int{j + 1}, near...)
		}
	}
	return append(near, far...)
}

// endable tells whether a number may end with a group: not in the middle of something, nor
// with the digits of an amount or a time.
func (s *scanner) endable(j int) bool {
	if j+1 < len(s.run) {
		next := s.run[j+1]
		return next.plus || loose(s.between(j+1)) || next.digits[0] == '0' && len(next.digits) > 1
	}
	return !s.gluedAfter(s.run[j].end, len(s.run[j].digits))
}

// gluedBefore tells whether what stands directly before makes digits a part of something
// else, such as "order-0123" or "12:01".
func (s *scanner) gluedBefore(start int) bool {
	r, size := utf8.DecodeLastRuneInString(s.text[:start])
	if size == 0 {
		return false
	}
	before := s.text[:start-size]
	b, _ := utf8.DecodeLastRuneInString(before)
	switch r {
	case '@', '%':
		return true
	case '$', '€', '£', '¥':
		return digit(b) == 0 // else it belongs to an amount before it
	case '-', '_', '/', '=', '#', '&', '\\':
		return (letter(b) || digit(b) != 0) && s.cue != start-size
	case ':', '.':
		return digit(b) != 0
	case ',':
		// A list of numbers is taken, a long figure is not.
		return digit(b) != 0 && strings.Trim(before[max(0, len(before)-minDigits):], "0123456789") != ""
	}
	return false
}

// gluedAfter tells the same of what stands behind.
func (s *scanner) gluedAfter(end, digits int) bool {
	rest := s.text[end:min(len(s.text), end+24)]
	rest = strings.TrimLeftFunc(rest, invisible)
	r, size := utf8.DecodeRuneInString(rest)
	next, _ := utf8.DecodeRuneInString(rest[size:])
	switch r {
	case '@', '%', '°', 'º':
		return true
	case ':':
		return digit(next) != 0
	case '.':
		return next >= 'a' && next <= 'z'
	case ',':
		return digit(next) != 0 && digits < minDigits
	case '-', '_', '/', '=':
		t := readToken(rest, size)
		return t.digits != "" && t.mixed
	}
	return digits <= 4 && isUnit(rest)
}

// isUnit tells whether text begins with a unit or a currency.
func isUnit(rest string) bool {
	rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
	r, size := utf8.DecodeRuneInString(rest)
	if size == 0 {
		return false
	}
	if !letter(r) {
		next, _ := utf8.DecodeRuneInString(rest[size:])
		// ("€ 100" after a number is the next thing, and no unit of it.)
		return units[rest[:size]] && digit(next) == 0 && next != ' '
	}
	return units[lower(rest[:readToken(rest, 0).end])]
}

// digitsOf joins the digits of groups. In an international number a "(0)" is the national
// prefix, which is not dialled.
func (s *scanner) digitsOf(i, end int) string {
	var b strings.Builder
	international := s.run[i].plus || strings.HasPrefix(s.run[i].digits, "00")
	for j := i; j < end; j++ {
		inBrackets := j > i && j+1 < end && strings.HasSuffix(s.between(j), "(") && strings.HasPrefix(s.between(j+1), ")")
		if international && inBrackets && s.run[j].digits == "0" {
			continue
		}
		b.WriteString(s.run[j].digits)
	}
	return b.String()
}

// certain returns what groups are as numbers that are valid and written as such.
func (s *scanner) certain(i, end int) []string {
	if s.isOther(i, end) {
		return nil
	}
	digits := s.digitsOf(i, end)
	if abroad, ok := s.abroad(i, digits); ok {
		// ("001" and ten digits is what an EAN of America looks like.)
		isArticle := end-i == 1 && strings.HasPrefix(digits, "001") && !s.cued(i)
		if read := s.plan.international(abroad); read.valid && !isArticle {
			return []string{read.e164}
		}
		return nil
	}
	if s.isForbidden(i) {
		return nil
	}
	if digits[0] == '0' && end-i == 1 && len(digits) > maxBare {
		return nil
	}
	if digits[0] == '0' {
		return s.prefixed(i, end, digits)
	}
	var out []string
	for _, r := range s.plan.regions {
		out = appendNew(out, s.bare(i, end, digits, r))
	}
	return out
}

// prefixed returns what digits behind a national prefix are where they are valid. Some
// plans, such as the German one, are open: numbers of nearly all lengths are valid. One of
// a length that is not ordinary there does not tell that it is none of another region.
func (s *scanner) prefixed(i, end int, digits string) []string {
	var out []string
	settled := false
	for _, r := range s.plan.regions {
		if read := s.plan.national(digits, r); read.valid {
			out = appendNew(out, read.e164)
			settled = settled || s.plan.isOrdinary(read.number)
		}
	}
	if len(out) == 0 || settled {
		return out
	}
	for _, value := range s.plausible(i, end) {
		out = appendNew(out, value)
	}
	return out
}

// maxBare is how many digits a number in a national writing has at most that is not
// grouped: an EAN (13 digits) may begin with 0 too.
const maxBare = 12

// bare reads digits that no prefix marks as a telephone number. They are one only where
// the text or the grouping says so.
func (s *scanner) bare(i, end int, digits string, r region) string {
	first := s.run[i].digits
	evident := s.cued(i) || s.alone(i, end)
	if strings.HasPrefix(digits, r.cc) && len(digits) >= 10 && (evident || first == r.cc && s.isolated(i, end)) {
		if read := s.plan.international(digits); read.valid {
			return read.e164
		}
	}
	evident = evident || s.isolated(i, end) && s.grouped(i, end, r)
	if r.trunk == "0" || !evident {
		return ""
	}
	if read := s.plan.national(digits, r); read.valid {
		return read.e164
	}
	return ""
}

// plausible returns what groups are as numbers that no plan knows, where the writing is
// international, or national after a cue or by itself.
func (s *scanner) plausible(i, end int) []string {
	if s.isOther(i, end) || s.isForbidden(i) {
		return nil
	}
	whole := i == 0 && end == len(s.run)
	digits := s.digitsOf(i, end)
	if abroad, ok := s.abroad(i, digits); ok {
		isArticle := end-i == 1 && !s.run[i].plus && !s.cued(i)
		if read := s.plan.international(abroad); s.plan.plausible(read) && !isArticle && (s.run[i].plus || whole || s.cued(i)) {
			return []string{read.e164}
		}
		return nil
	}
	if digits[0] != '0' || !whole && !s.cued(i) {
		return nil
	}
	var out []string
	for _, r := range s.plan.regions {
		if read := s.plan.national(digits, r); s.plan.plausible(read) && r.trunk == "0" {
			out = appendNew(out, read.e164)
		}
	}
	return out
}

// abroad returns the digits after an international prefix: a plus sign, "00", or "011"
// where the North American plan is configured.
func (s *scanner) abroad(i int, digits string) (string, bool) {
	if s.run[i].plus {
		return digits, true
	}
	return s.plan.abroad(digits)
}

func appendNew(values []string, value string) []string {
	for _, v := range values {
		if v == value {
			return values
		}
	}
	if value == "" {
		return values
	}
	return append(values, value)
}
