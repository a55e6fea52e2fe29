package compare

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxText is how many bytes of each text are compared.
	MaxText = 1 << 20
	// MaxHunks is how many hunks are listed; what is in others is counted all the same.
	MaxHunks = 1000
	// context is how many lines that are the same are shown before and after others.
	context = 2
	// longLine is above which length in bytes a line is taken sentence by sentence.
	longLine = 240
)

// Diff says how two texts differ.
type Diff struct {
	Hunks []Hunk `json:"hunks"`
	// AddedWords and RemovedWords count the words of changed lines that only one text has
	// there.
	AddedWords   int `json:"addedWords"`
	RemovedWords int `json:"removedWords"`
	// Similarity is the share of words that both texts have in the same order, from 0 for
	// none to 1 for the same words.
	Similarity float64 `json:"similarity"`
	// Cut says what the bounds left out, empty when nothing was.
	Cut []Cut `json:"cut,omitempty"`
}

// Cut is what a bound left out of a comparison of texts.
type Cut string

// The cuts.
const (
	CutText  Cut = "Text"  // what is behind MaxText bytes was not compared
	CutLines Cut = "Lines" // so many lines differ that those behind some were taken as new
	CutWords Cut = "Words" // in some changed lines, all words were taken as new
	CutHunks Cut = "Hunks" // changes behind MaxHunks hunks are counted and not listed
)

// Hunk is a part of the texts that is different, with what is around it.
type Hunk struct {
	// ALine and BLine number its first line in each text, from 1. Long lines are taken
	// sentence by sentence, each as a line, and empty ones are left out.
	ALine int    `json:"aLine"`
	BLine int    `json:"bLine"`
	Lines []Line `json:"lines"`
}

// Line is a line of a hunk.
type Line struct {
	Op    Op     `json:"op"`
	Words []Span `json:"words"`
}

// Span is words of a line that are changed, or are not, separated by single spaces.
type Span struct {
	Text    string `json:"text"`
	Changed bool   `json:"changed,omitempty"`
}

// Op is what happened to a line.
type Op string

// The ops.
const (
	Same    Op = "Same"
	Removed Op = "Removed"
	Added   Op = "Added"
)

// Text returns how two texts differ: by lines, and by words in lines that are changed. White
// space is not compared.
func Text(a, b string) Diff {
	c := &comparison{budget: maxWork}
	linesA, linesB := c.lines(a), c.lines(b)
	blocks, whole := c.align(linesA, linesB)
	if !whole {
		c.cut(CutLines)
	}
	c.diff.Hunks = []Hunk{}
	for _, group := range grouped(blocks) {
		c.hunk(group, linesA, linesB)
	}
	c.diff.Similarity = similarity(countWords(linesA), countWords(linesB), c.diff)
	return c.diff
}

// comparison is what is known while texts are compared.
type comparison struct {
	diff   Diff
	budget int // of steps
}

func (c *comparison) cut(what Cut) {
	if !slices.Contains(c.diff.Cut, what) {
		c.diff.Cut = append(c.diff.Cut, what)
	}
}

// lines takes a text apart into lines, and long lines into sentences, without white space
// that is not between words.
func (c *comparison) lines(text string) []string {
	if len(text) > MaxText {
		c.cut(CutText)
		end := MaxText
		for end > MaxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	var out []string
	for line := range strings.Lines(strings.ToValidUTF8(text, "\uFFFD")) {
		out = append(out, sentences(strings.Join(strings.Fields(line), " "))...)
	}
	return out
}

// sentences returns a line whole when it is short, else its sentences.
func sentences(line string) []string {
	var out []string
	for from := 0; len(line) > longLine || len(out) > 0; {
		end := strings.IndexAny(line[from:], ".!?")
		if end < 0 {
			break
		}
		from += end + 1
		if strings.HasPrefix(line[from:], " ") {
			out, line, from = append(out, line[:from]), line[from+1:], 0
		}
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}

func countWords(lines []string) int {
	words := 0
	for _, line := range lines {
		words += strings.Count(line, " ") + 1
	}
	return words
}

// similarity is Sørensen and Dice's coefficient of words, rounded to four places.
func similarity(a, b int, d Diff) float64 {
	if a+b == 0 {
		return 1
	}
	kept := a - d.RemovedWords + b - d.AddedWords
	return math.Round(1e4*float64(kept)/float64(a+b)) / 1e4
}

// hunk adds what a group of blocks shows, with the lines around it, to the diff.
func (c *comparison) hunk(blocks []block, a, b []string) {
	first, last := blocks[0], blocks[len(blocks)-1]
	before := min(context, first.a)
	h := Hunk{ALine: first.a - before + 1, BLine: first.b - before + 1}
	at := first.a - before
	for _, bl := range blocks {
		h.Lines = append(h.Lines, same(a[at:bl.a])...)
		removed, added := c.words(a[bl.a:bl.aEnd], b[bl.b:bl.bEnd])
		h.Lines = append(append(h.Lines, removed...), added...)
		at = bl.aEnd
	}
	h.Lines = append(h.Lines, same(a[at:min(len(a), last.aEnd+context)])...)
	if len(c.diff.Hunks) == MaxHunks {
		c.cut(CutHunks)
		return
	}
	c.diff.Hunks = append(c.diff.Hunks, h)
}

func same(lines []string) []Line {
	var out []Line
	for _, line := range lines {
		out = append(out, Line{Same, []Span{{Text: line}}})
	}
	return out
}

// grouped joins blocks whose surroundings touch.
func grouped(blocks []block) [][]block {
	var out [][]block
	for _, bl := range blocks {
		if n := len(out); n > 0 {
			if last := out[n-1][len(out[n-1])-1]; bl.a-last.aEnd <= 2*context {
				out[n-1] = append(out[n-1], bl)
				continue
			}
		}
		out = append(out, []block{bl})
	}
	return out
}

// words compares the words of lines that are not the same.
func (c *comparison) words(removed, added []string) (out, in []Line) {
	wordsA, wordsB := fields(removed), fields(added)
	blocks, whole := []block{{0, len(wordsA), 0, len(wordsB)}}, true
	if len(removed) > 0 && len(added) > 0 {
		blocks, whole = c.align(wordsA, wordsB)
	}
	if !whole {
		c.cut(CutWords)
	}
	// Few words that are the same by chance make a change harder to read, not easier.
	if kept := len(wordsA) - changed(blocks, block.lenA); 4*kept < min(len(wordsA), len(wordsB)) {
		blocks = []block{{0, len(wordsA), 0, len(wordsB)}}
	}
	c.diff.RemovedWords += changed(blocks, block.lenA)
	c.diff.AddedWords += changed(blocks, block.lenB)
	return spans(Removed, removed, marks(blocks, len(wordsA), false)), spans(Added, added, marks(blocks, len(wordsB), true))
}

func fields(lines []string) []string {
	var out []string
	for _, line := range lines {
		out = append(out, strings.Split(line, " ")...)
	}
	return out
}

func changed(blocks []block, length func(block) int) int {
	n := 0
	for _, bl := range blocks {
		n += length(bl)
	}
	return n
}

// marks tells for each word whether it is in a block.
func marks(blocks []block, words int, ofB bool) []bool {
	out := make([]bool, words)
	for _, bl := range blocks {
		from, to := bl.a, bl.aEnd
		if ofB {
			from, to = bl.b, bl.bEnd
		}
		for i := from; i < to; i++ {
			out[i] = true
		}
	}
	return out
}

// spans writes lines whose words are marked.
func spans(op Op, lines []string, changed []bool) []Line {
	var out []Line
	for _, text := range lines {
		line, from := Line{Op: op}, 0
		for at := 0; at <= len(text); {
			end := len(text)
			if length := strings.IndexByte(text[at:], ' '); length >= 0 {
				end = at + length
			}
			isLast := end == len(text)
			if isLast || changed[1] != changed[0] {
				line.Words = append(line.Words, Span{text[from:end], changed[0]})
				from = end + 1
			}
			at, changed = end+1, changed[1:]
		}
		out = append(out, line)
	}
	return out
}
