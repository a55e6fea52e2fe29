package compare

import (
	"slices"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// The bounds of a comparison. The algorithm of the library (Myers, "An O(ND) Difference
// Algorithm and Its Variations", 1986) takes up to the square of the length, so that one on
// lengths is one on steps. It is asked only for what is between anchors.
const (
	// maxItems is how many lines or words between two anchors are compared.
	maxItems = 4096
	// maxWork is how many steps a comparison of two texts takes at most: about a second.
	maxWork = 1 << 26
)

// block is a[a:aEnd] that became b[b:bEnd].
type block struct{ a, aEnd, b, bEnd int }

func (bl block) lenA() int { return bl.aEnd - bl.a }
func (bl block) lenB() int { return bl.bEnd - bl.b }

// align returns the blocks in which two lists differ, in order. It is not whole when there
// was too much to compare, and what is behind a place was taken as one block.
func (c *comparison) align(a, b []string) (blocks []block, whole bool) {
	whole = true
	var kept []match
	from := match{}
	for _, anchor := range append(anchors(a, b), match{len(a), len(b)}) {
		between, ok := c.between(a[from.a:anchor.a], b[from.b:anchor.b])
		for _, m := range between {
			kept = append(kept, match{from.a + m.a, from.b + m.b})
		}
		whole = whole && ok
		kept = append(kept, anchor)
		from = match{anchor.a + 1, anchor.b + 1}
	}
	at := block{}
	for _, m := range kept {
		at.aEnd, at.bEnd = m.a, m.b
		if at.lenA() > 0 || at.lenB() > 0 {
			blocks = append(blocks, at)
		}
		at = block{a: m.a + 1, b: m.b + 1}
	}
	return blocks, whole
}

// between returns where two lists that may have few anchors are the same.
func (c *comparison) between(a, b []string) (kept []match, whole bool) {
	prefix := 0
	for prefix < min(len(a), len(b)) && a[prefix] == b[prefix] {
		kept = append(kept, match{prefix, prefix})
		prefix++
	}
	suffix := 0
	for suffix < min(len(a), len(b))-prefix && a[len(a)-1-suffix] == b[len(b)-1-suffix] {
		suffix++
	}
	found, whole := c.matches(interned(a[prefix:len(a)-suffix], b[prefix:len(b)-suffix]))
	for _, m := range found {
		kept = append(kept, match{prefix + m.a, prefix + m.b})
	}
	for ; suffix > 0; suffix-- {
		kept = append(kept, match{len(a) - suffix, len(b) - suffix})
	}
	return kept, whole
}

// anchors returns what each list has exactly once, as much of it as is in the same order in
// both: the longest increasing sequence of places, found as in patience sorting (Bespamyatnikh
// and Segal, "Enumerating longest increasing subsequences and patience sorting", 2000).
func anchors(a, b []string) []match {
	var piles []int // the match that ends the best sequence of each length
	all := once(a, b)
	before := make([]int, len(all))
	for i, m := range all {
		pile, _ := slices.BinarySearchFunc(piles, m.b, func(top, place int) int { return all[top].b - place })
		before[i] = -1
		if pile > 0 {
			before[i] = piles[pile-1]
		}
		if pile == len(piles) {
			piles = append(piles, i)
		}
		piles[pile] = i
	}
	if len(piles) == 0 {
		return nil
	}
	var out []match
	for i := piles[len(piles)-1]; i >= 0; i = before[i] {
		out = append(out, all[i])
	}
	slices.Reverse(out)
	return out
}

// once returns what each list has exactly once, in the order of a.
func once(a, b []string) []match {
	type places struct{ a, b, countA, countB int }
	seen := make(map[string]places, len(a))
	for i, s := range a {
		seen[s] = places{a: i, countA: seen[s].countA + 1}
	}
	for i, s := range b {
		if p, ok := seen[s]; ok {
			seen[s] = places{p.a, i, p.countA, p.countB + 1}
		}
	}
	var out []match
	for _, s := range a {
		if p := seen[s]; p.countA == 1 && p.countB == 1 {
			out = append(out, match{p.a, p.b})
		}
	}
	return out
}

// item is a line or a word of a list: which one, and where.
type item struct {
	name rune
	at   int
}

// items are two lists with what both have. What only one has is no match of anything, and
// texts that are rewritten have much of it.
type items struct{ a, b []item }

func interned(a, b []string) items {
	names := map[string]rune{}
	for _, s := range a {
		names[s] = 0
	}
	next := rune(0)
	var out items
	for i, s := range b {
		name, ok := names[s]
		if !ok {
			continue
		}
		if name == 0 {
			next = nextName(next)
			name, names[s] = next, next
		}
		out.b = append(out.b, item{name, i})
	}
	for i, s := range a {
		if name := names[s]; name != 0 {
			out.a = append(out.a, item{name, i})
		}
	}
	return out
}

// nextName returns runes that a string can hold: the library makes strings of them. Two
// texts of [MaxText] bytes do not have as many words as there are runes.
func nextName(r rune) rune {
	if r++; r == 0xd800 {
		return 0xe000
	}
	return r
}

// match is a place in each list where the same stands.
type match struct{ a, b int }

// matches asks the library where lists are the same, within the bounds.
func (c *comparison) matches(lists items) (out []match, whole bool) {
	n, m := min(len(lists.a), maxItems), min(len(lists.b), maxItems)
	steps := (n + m) * min(n, m)
	if steps > c.budget {
		return nil, false
	}
	c.budget -= steps
	whole = n == len(lists.a) && m == len(lists.b)
	lists.a, lists.b = lists.a[:n], lists.b[:m]
	// Without a time limit the library's answer depends on its input alone.
	differ := diffmatchpatch.DiffMatchPatch{DiffTimeout: 0}
	i, j := 0, 0
	for _, d := range differ.DiffMainRunes(names(lists.a), names(lists.b), false) {
		for range d.Text {
			switch d.Type {
			case diffmatchpatch.DiffEqual:
				out = append(out, match{lists.a[i].at, lists.b[j].at})
				i, j = i+1, j+1
			case diffmatchpatch.DiffDelete:
				i++
			case diffmatchpatch.DiffInsert:
				j++
			}
		}
	}
	return out, whole
}

func names(list []item) []rune {
	out := make([]rune, len(list))
	for i, it := range list {
		out[i] = it.name
	}
	return out
}
