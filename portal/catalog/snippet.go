package catalog

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxShown is how many bytes of texts are looked through for what to show of one page of a
	// result: long texts must not make people wait.
	maxShown = 4 << 20
	// around is how many bytes of text a snippet has.
	around = 240
)

// shower shows where in a text lies what was looked for.
type shower struct {
	terms       []term
	identified  []Meaning
	identifiers Identifiers
	// left is how many bytes may still be looked through.
	left int
}

// span is a part of a text.
type span struct{ start, end int }

// snippet is the text around most hits, or the beginning of the text.
func (s *shower) snippet(text string) []Piece {
	text = normal(strings.TrimSpace(text))
	if text == "" {
		return nil
	}
	searched := cut(text, s.left)
	s.left -= len(searched)
	spans := s.find(searched)
	from, to := window(text, spans)
	pieces := cutOut(text, spans, from, to)
	if from > 0 {
		pieces[0].Text = "… " + pieces[0].Text
	}
	if to < len(text) {
		pieces[len(pieces)-1].Text += " …"
	}
	return pieces
}

// heading is a title with hits in it, nil without any.
func (s *shower) heading(title string) []Piece {
	title = normal(title)
	spans := s.find(title)
	if len(spans) == 0 {
		return nil
	}
	return cutOut(title, spans, 0, len(title))
}

// find finds what was looked for, in order and without overlaps.
func (s *shower) find(text string) []span {
	spans := s.words(text)
	if len(s.identified) > 0 && s.identifiers != nil {
		for _, f := range s.identifiers.InText(text) {
			if slices.ContainsFunc(f.Any, func(m Meaning) bool { return slices.Contains(s.identified, m) }) && f.Start >= 0 && f.End <= len(text) && f.Start < f.End {
				spans = append(spans, span{f.Start, f.End})
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	var merged []span
	for _, sp := range spans {
		if n := len(merged); n > 0 && sp.start < merged[n-1].end {
			merged[n-1].end = max(merged[n-1].end, sp.end)
			continue
		}
		merged = append(merged, sp)
	}
	return merged
}

// words finds terms: each is followed through the text by how many of its words came in a row.
func (s *shower) words(text string) []span {
	if len(s.terms) == 0 {
		return nil
	}
	var spans []span
	longest := 0
	for _, t := range s.terms {
		longest = max(longest, len(t.words))
	}
	// recent are the last words that were read, the newest last.
	type read struct {
		text string
		span
	}
	recent := make([]read, 0, longest)
	interesting := s.vocabulary()
	scan(text, func(word []byte, start, end int, _ bool) bool {
		if len(recent) == longest {
			recent = recent[:copy(recent, recent[1:])]
		}
		r := read{span: span{start, end}}
		if known, ok := interesting[string(word)]; ok {
			r.text = known
		} else if s.begins(word) {
			r.text = string(word)
		}
		recent = append(recent, r)
		if r.text == "" {
			return true
		}
		for _, t := range s.terms {
			n := len(t.words)
			if n > len(recent) {
				continue
			}
			last := recent[len(recent)-n:]
			if t.fits(func(i int) string { return last[i].text }) {
				spans = append(spans, span{last[0].start, end})
			}
		}
		return true
	})
	return spans
}

// vocabulary are the words of all terms.
func (s *shower) vocabulary() map[string]string {
	all := map[string]string{}
	for _, t := range s.terms {
		for _, w := range t.words {
			all[w] = w
		}
	}
	return all
}

// begins reports whether a word begins as one that is looked for by its beginning.
func (s *shower) begins(word []byte) bool {
	for _, t := range s.terms {
		if t.prefix && strings.HasPrefix(string(word), t.words[len(t.words)-1]) {
			return true
		}
	}
	return false
}

// fits reports whether as many words in a row are those of the term.
func (t term) fits(word func(int) string) bool {
	for i, w := range t.words {
		got := word(i)
		if t.prefix && i == len(t.words)-1 {
			return strings.HasPrefix(got, w)
		}
		if got != w {
			return false
		}
	}
	return true
}

// window chooses the part of a text that is shown: where most hits are close together.
func window(text string, spans []span) (from, to int) {
	if len(spans) == 0 {
		return 0, edge(text, around)
	}
	best, most := 0, 0
	for i, j := 0, 0; i < len(spans); i++ {
		for j < len(spans) && spans[j].end-spans[i].start <= around {
			j++
		}
		if j-i > most {
			best, most = i, j-i
		}
		j = max(j, i+1)
	}
	first := spans[best]
	from = edge(text, first.start-around/4)
	if from > first.start {
		from = first.start
	}
	return from, max(edge(text, from+around), min(first.end, first.start+around))
}

// edge moves a place in a text to the beginning of the word that it is in, if that is near.
func edge(text string, at int) int {
	if at <= 0 {
		return 0
	}
	if at >= len(text) {
		return len(text)
	}
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	const near = 40
	if i := strings.LastIndexFunc(text[max(0, at-near):at], unicode.IsSpace); i >= 0 {
		i += max(0, at-near)
		_, size := utf8.DecodeRuneInString(text[i:])
		return i + size
	}
	return at
}

// cutOut cuts a part of a text into pieces.
func cutOut(text string, spans []span, from, to int) []Piece {
	var pieces []Piece
	add := func(start, end int, hit bool) {
		if start < end {
			pieces = append(pieces, Piece{Text: text[start:end], Hit: hit})
		}
	}
	at := from
	for _, s := range spans {
		start, end := max(s.start, at), min(s.end, to)
		if start >= end {
			continue
		}
		add(at, start, false)
		add(start, end, true)
		at = end
	}
	add(at, to, false)
	return pieces
}

// cut shortens a text to at most n bytes without breaking a character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	n = max(n, 0)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
