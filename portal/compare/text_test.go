package compare

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shown writes hunks so that a table of tests can be read: changed words are in brackets.
func shown(d Diff) []string {
	var out []string
	for _, h := range d.Hunks {
		out = append(out, fmt.Sprintf("@ %d %d", h.ALine, h.BLine))
		for _, l := range h.Lines {
			line := map[Op]string{Same: " ", Removed: "-", Added: "+"}[l.Op]
			for _, w := range l.Words {
				if w.Changed {
					line += " [" + w.Text + "]"
				} else {
					line += " " + w.Text
				}
			}
			out = append(out, line)
		}
	}
	return out
}

func TestText(t *testing.T) {
	for reason, tc := range map[string]struct {
		a, b           string
		want           []string
		added, removed int
		similarity     float64
	}{
		"both empty": {similarity: 1},
		"the same":   {a: "one two\nthree", b: "one two\nthree", similarity: 1},
		"white space is not compared": {
			a: "one  two\r\n\r\n three\u00a0four ", b: "\none two\nthree four", similarity: 1,
		},
		"all is new": {b: "one two", want: []string{"@ 1 1", "+ [one two]"}, added: 2},
		"all went":   {a: "one two", want: []string{"@ 1 1", "- [one two]"}, removed: 2},
		"a word": {
			a: "top\nprice is 100 euro\nend", b: "top\nprice is 120 euro\nend",
			want:  []string{"@ 1 1", "  top", "- price is [100] euro", "+ price is [120] euro", "  end"},
			added: 1, removed: 1, similarity: 0.8333,
		},
		"a line between": {
			a: "1\n2\n3\n4\n5", b: "1\n2\n3\nnew line\n4\n5",
			want:  []string{"@ 2 2", "  2", "  3", "+ [new line]", "  4", "  5"},
			added: 2, similarity: 0.8333,
		},
		"two hunks": {
			a:     "a\n1\n2\n3\n4\n5\nb",
			b:     "c\n1\n2\n3\n4\n5\nd",
			want:  []string{"@ 1 1", "- [a]", "+ [c]", "  1", "  2", "@ 5 5", "  4", "  5", "- [b]", "+ [d]"},
			added: 2, removed: 2, similarity: 0.7143,
		},
		"close by is one hunk": {
			a:     "a\n1\n2\n3\nb",
			b:     "c\n1\n2\n3\nd",
			want:  []string{"@ 1 1", "- [a]", "+ [c]", "  1", "  2", "  3", "- [b]", "+ [d]"},
			added: 2, removed: 2, similarity: 0.6,
		},
		"words that are the same by chance": {
			a:     "we are open on monday and on tuesday",
			b:     "come and see us soon",
			want:  []string{"@ 1 1", "- [we are open on monday and on tuesday]", "+ [come and see us soon]"},
			added: 5, removed: 8,
		},
		"a line moved": {
			a: "a\nb\nc", b: "b\nc\na",
			want:  []string{"@ 1 1", "- [a]", "  b", "  c", "+ [a]"},
			added: 1, removed: 1, similarity: 0.6667,
		},
		"a sentence of a long line": {
			a:     strings.Repeat("The same sentence again. ", 12) + "Call me now.",
			b:     strings.Repeat("The same sentence again. ", 12) + "Call me later.",
			want:  []string{"@ 11 11", "  The same sentence again.", "  The same sentence again.", "- Call me [now.]", "+ Call me [later.]"},
			added: 1, removed: 1, similarity: 0.9804,
		},
	} {
		t.Run(reason, func(t *testing.T) {
			got := Text(tc.a, tc.b)
			if diff := cmp.Diff(tc.want, shown(got)); diff != "" {
				t.Errorf("hunks (-want +got):\n%s", diff)
			}
			if got.AddedWords != tc.added || got.RemovedWords != tc.removed || got.Similarity != tc.similarity {
				t.Errorf("%d added, %d removed, similarity %v; want %d, %d, %v", got.AddedWords, got.RemovedWords, got.Similarity, tc.added, tc.removed, tc.similarity)
			}
			if got.Cut != nil {
				t.Errorf("cut %v", got.Cut)
			}
		})
	}
}

func TestTextEncodes(t *testing.T) {
	got, err := json.Marshal(Text("a b", "a c"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"hunks":[{"aLine":1,"bLine":1,"lines":[` +
		`{"op":"Removed","words":[{"text":"a"},{"text":"b","changed":true}]},` +
		`{"op":"Added","words":[{"text":"a"},{"text":"c","changed":true}]}]}],` +
		`"addedWords":1,"removedWords":1,"similarity":0.5}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// lines returns lines that are all different, and the same for the same seed.
func lines(count, words int, seed uint64) []string {
	random := rand.New(rand.NewPCG(seed, 0))
	out := make([]string, count)
	for i := range out {
		for range words {
			out[i] += fmt.Sprintf("w%d ", random.IntN(5000))
		}
	}
	return out
}

// What takes the algorithm longest is within the bounds, and what was left out is said.
func TestTextBounds(t *testing.T) {
	base := lines(8000, 12, 1)
	shuffled := slices.Clone(base)
	rand.New(rand.NewPCG(2, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	short := strings.Split(strings.Repeat("a\nb\nc\nd\ne\n", 40_000), "\n")
	other := slices.Clone(short)
	rand.New(rand.NewPCG(3, 0)).Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
	var hunks strings.Builder
	for i := range 10 * (MaxHunks + 1) {
		fmt.Fprintf(&hunks, "%d\n", i)
	}
	for reason, tc := range map[string]struct {
		a, b string
		want []Cut
	}{
		"shuffled lines": {strings.Join(base, "\n"), strings.Join(shuffled, "\n"), nil},
		"many lines":     {strings.Join(short, "\n"), strings.Join(other, "\n"), []Cut{CutLines, CutWords}},
		"other lines":    {strings.Join(base, "\n"), strings.Join(lines(8000, 12, 4), "\n"), []Cut{CutWords}},
		"one line":       {strings.Join(base, " "), strings.Join(shuffled, " "), []Cut{CutWords}},
		"long":           {strings.Repeat("é", MaxText), strings.Repeat("é", MaxText+1), []Cut{CutText}},
		"many hunks": {hunks.String(), strings.ReplaceAll(hunks.String(), "0\n", "0 new\n"),
			[]Cut{CutHunks}},
	} {
		t.Run(reason, func(t *testing.T) {
			start := time.Now()
			got := Text(tc.a, tc.b)
			t.Logf("%d and %d bytes in %v: %d hunks, similarity %v, cut %v", len(tc.a), len(tc.b), time.Since(start), len(got.Hunks), got.Similarity, got.Cut)
			if diff := cmp.Diff(tc.want, got.Cut); diff != "" {
				t.Errorf("cut (-want +got):\n%s", diff)
			}
			if !reflect.DeepEqual(got, Text(tc.a, tc.b)) {
				t.Error("the same texts compare otherwise")
			}
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add("one two\nthree. Four", "one\ntwo three")
	f.Add("a\nb\nc\nd\xff", "d\u2028c\r\nb a")
	f.Fuzz(func(t *testing.T, a, b string) {
		d := Text(a, b)
		words := map[bool]int{}
		for _, h := range d.Hunks {
			for _, l := range h.Lines {
				for _, w := range l.Words {
					if w.Text == "" {
						t.Fatal("a span without words")
					}
					if w.Changed {
						words[l.Op == Added] += strings.Count(w.Text, " ") + 1
					}
				}
			}
		}
		if d.Cut == nil && (words[true] != d.AddedWords || words[false] != d.RemovedWords) {
			t.Fatalf("%d and %d words are marked, %d and %d counted", words[true], words[false], d.AddedWords, d.RemovedWords)
		}
		if d.Similarity < 0 || d.Similarity > 1 {
			t.Fatalf("similarity %v", d.Similarity)
		}
		if same := strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " "); a == b && (len(d.Hunks) > 0 || !same) {
			t.Fatal("the same text differs")
		}
		if _, err := json.Marshal(d); err != nil {
			t.Fatal(err)
		}
	})
}
