package identifiers

import "strings"

// Alternative is one identifier that a query may mean.
type Alternative struct {
	Kind Kind
	// Value is as that of an [Identifier].
	Value string
}

// String returns the alternative as [Identifier.String] does.
func (a Alternative) String() string { return uri(a.Kind, a.Value) }

// maxQuery is how long a text is that may be one identifier, in bytes.
const maxQuery = 512

// Query returns what a text that a person typed means when it is one identifier and nothing
// else: a telephone number in any writing, an e-mail address, a handle with "@" or with
// its platform ("telegram:example"), or a link to one. A number in a national writing
// means one in each region that has such numbers, the valid ones first; a handle without
// a platform means those on all platforms too. It returns nothing for words, and none for
// years, prices and dates.
func Query(text string, o Options) []Alternative {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxQuery {
		return nil
	}
	p := newPlan(o)
	found, skip := findNames(text, p)
	if len(skip) > 0 {
		return wholeName(text, found, skip)
	}
	if platform, name, ok := strings.Cut(text, ":"); ok && platforms[strings.ToLower(platform)] != "" {
		return alternatives(user(platforms[strings.ToLower(platform)], strings.TrimSpace(name)))
	}
	var out []Alternative
	for _, value := range p.numbers(text, true) {
		out = append(out, Alternative{Phone, value})
	}
	return out
}

// wholeName returns the name that is the whole of a text.
func wholeName(text string, found []Identifier, skip []span) []Alternative {
	if len(found) == 0 || len(skip) > 1 || skip[0].end != len(text) {
		return nil
	}
	prefix := strings.ToLower(strings.TrimRight(text[:skip[0].start], ": "))
	if prefix != "" && platforms[prefix] == "" {
		return nil
	}
	out := alternatives(found)
	if found[0].Kind == Handle && !strings.Contains(found[0].Value, ":") {
		for _, platform := range allPlatforms {
			out = append(out, Alternative{Handle, platform + ":" + found[0].Value})
		}
	}
	return out
}

func alternatives(found []Identifier) []Alternative {
	var out []Alternative
	for _, f := range found {
		out = append(out, Alternative{f.Kind, f.Value})
	}
	return out
}

// numbers returns what a text that is one telephone number is in E.164: if all is set in
// each region, else only in those where it is valid if there are any.
func (p *plan) numbers(text string, all bool) []string {
	if end := readToken(text, 0).end; cues[lower(text[:end])] {
		text = strings.TrimLeft(text[end:], ": .")
	}
	s := &scanner{text: text, plan: p, plus: -1, cue: never, anticue: never, done: -1}
	run, ok := s.whole()
	if !ok {
		return nil
	}
	s.run = run
	digits := s.digitsOf(0, len(run))
	if len(digits) < minDigits || len(digits) > maxDigits || s.isOther(0, len(run)) || isCompactDate(digits) {
		return nil
	}
	if abroad, ok := s.abroad(0, digits); ok {
		if read := p.international(abroad); read.possible() {
			return []string{read.e164}
		}
		return nil
	}
	valid, likely := p.readings(digits)
	if all || len(valid) == 0 {
		for _, value := range likely {
			valid = appendNew(valid, value)
		}
	}
	return valid
}

// readings returns what digits without an international prefix are: valid and plausible.
func (p *plan) readings(digits string) (valid, likely []string) {
	for _, r := range p.regions {
		read := p.national(digits, r)
		// ("2024 2025" would be a number of Germany without its 0.)
		if r.trunk == "0" && digits[0] != '0' {
			continue
		}
		if read.valid {
			valid = appendNew(valid, read.e164)
		}
		if p.plausible(read) {
			likely = appendNew(likely, read.e164)
		}
	}
	// (31201234567 lacks a plus sign only.)
	if read := p.international(digits); digits[0] != '0' && len(digits) >= 10 && read.valid {
		valid = appendNew(valid, read.e164)
	}
	return valid, likely
}

// whole reads the text as one run of digits, which it is not when anything else is in it.
func (s *scanner) whole() ([]group, bool) {
	for at := 0; at < len(s.text); {
		before := len(s.run)
		next := s.step(at)
		if len(s.run) < before {
			return nil, false
		}
		if len(s.run) == before && !s.isGap(at, next) {
			return nil, false
		}
		at = next
	}
	return s.run, len(s.run) > 0
}

// isGap tells whether text without digits may be before or between the digits of a
// number.
func (s *scanner) isGap(at, next int) bool {
	return !strings.ContainsFunc(s.text[at:next], func(r rune) bool {
		return !separator(r) && !invisible(r) && !strings.ContainsRune("+＋➕", r)
	})
}

// isCompactDate tells of 20251231.
func isCompactDate(digits string) bool {
	return len(digits) == 8 && isYear(digits[:4]) && isUpTo(digits[4:6], 12) && isUpTo(digits[6:], 31)
}
