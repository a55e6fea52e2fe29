package identifiers

import (
	"strings"
	"unicode/utf8"
)

// reach is how far from a word before it, in bytes, a number is that the word is about.
const reach = 24

// cued tells whether a word such as "phone" stands before a group.
func (s *scanner) cued(i int) bool {
	distance := s.run[i].start - s.cue
	return distance >= 0 && distance <= reach && s.cue > s.anticue
}

// isForbidden tells whether a word such as "IBAN" stands before a group.
func (s *scanner) isForbidden(i int) bool {
	return s.run[i].start-s.anticue <= reach && s.anticue > s.cue
}

// alone tells whether groups have their line to themselves, but for signs.
func (s *scanner) alone(i, end int) bool {
	const far = 16
	before := s.text[max(0, s.run[i].start-far):s.run[i].start]
	after := s.text[s.run[end-1].end:min(len(s.text), s.run[end-1].end+far)]
	if cut := strings.LastIndexAny(before, "\n\r"); cut >= 0 {
		before = before[cut:]
	}
	if cut := strings.IndexAny(after, "\n\r"); cut >= 0 {
		after = after[:cut]
	}
	return !strings.ContainsFunc(before+after, func(r rune) bool {
		return r != utf8.RuneError && (letter(r) || digit(r) != 0 || strings.ContainsRune("$€£¥%", r))
	})
}

// isolated tells whether no digits are before and after groups as they are between them.
func (s *scanner) isolated(i, end int) bool {
	before := i == 0 || s.run[i-1].end == s.done || strong(s.between(i))
	return before && (end == len(s.run) || s.run[end].plus || strong(s.between(end)))
}

// grouped tells whether digits without a prefix are grouped as people group telephone
// numbers, and not as figures are: "(202) 555-0123", "12 34 56 78", "612 345 678".
func (s *scanner) grouped(i, end int, r region) bool {
	var lengths []int
	dots := 0
	for j := i; j < end; j++ {
		lengths = append(lengths, len(s.run[j].digits))
		if j > i && s.between(j) == "." {
			dots++
		}
	}
	if r.cc == "1" {
		if len(lengths) == 4 && s.run[i].digits == "1" {
			lengths = lengths[1:]
		}
		return len(lengths) == 3 && lengths[0] == 3 && lengths[1] == 3 && lengths[2] == 4
	}
	thousands := dots == len(lengths)-1
	for k, n := range lengths {
		if n < 2 || n > 4 {
			return false
		}
		thousands = thousands && (k == 0 || n == 3)
	}
	return len(lengths) >= 3 && !thousands
}

// isOther tells whether groups begin with a date, count up, or are hours or a decimal
// fraction.
func (s *scanner) isOther(i, end int) bool {
	if s.run[i].plus {
		return false
	}
	groups := s.run[i:end]
	gaps := make([]string, len(groups))
	for j := i + 1; j < end; j++ {
		gaps[j-i] = s.between(j)
	}
	return isCount(groups) || isDate(groups, gaps) || isHours(groups, gaps) || isFraction(groups, gaps)
}

// counted is how many groups that count up are no number.
const counted = 4

// isCount tells of "05 06 07 08", and of "0123456789" that fills a form.
func isCount(groups []group) bool {
	if len(groups) == 1 {
		return strings.Contains("01234567890123456789", groups[0].digits)
	}
	for j := 1; j < counted; j++ {
		if j == len(groups) || number(groups[j].digits) != number(groups[j-1].digits)+1 {
			return false
		}
	}
	return true
}

// isDate tells of 31-12-2025, 31.12.2025, 12/31/2025 and 2025-12-31.
func isDate(groups []group, gaps []string) bool {
	if len(groups) < 3 || gaps[1] != gaps[2] || !strings.Contains("-./", gaps[1]) || gaps[1] == "" {
		return false
	}
	if len(groups) > 3 && gaps[3] == gaps[1] {
		return false
	}
	a, b, c := groups[0].digits, groups[1].digits, groups[2].digits
	if len(a) == 4 {
		a, c = c, a
	}
	return isYear(c) && isUpTo(a, 31) && isUpTo(b, 31)
}

// isHours tells of "09.00 - 17.30".
func isHours(groups []group, gaps []string) bool {
	if len(groups) != 4 || gaps[1] != "." || gaps[3] != "." || !strings.ContainsAny(gaps[2], "-–—") {
		return false
	}
	return isUpTo(groups[0].digits, 24) && isUpTo(groups[1].digits, 59) && isUpTo(groups[2].digits, 24) && isUpTo(groups[3].digits, 59)
}

// isFraction tells of "0.123456789".
func isFraction(groups []group, gaps []string) bool {
	return len(groups) >= 2 && groups[0].digits == "0" && gaps[1] == "." && len(groups[1].digits) > 1
}

func isYear(s string) bool {
	return len(s) == 4 && (strings.HasPrefix(s, "19") || strings.HasPrefix(s, "20"))
}

// isUpTo tells whether one or two digits are a number up to one.
func isUpTo(s string, most int) bool { return len(s) <= 2 && number(s) <= most }

// number returns the number that digits write; no more than maxDigits are asked for.
func number(digits string) int {
	n := 0
	for i := range min(len(digits), maxDigits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}
