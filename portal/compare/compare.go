// Package compare shows how two captures differ: in their text, their links, their pictures
// and the facts about them.
//
// It says what changed and not what that means. All of it is pure, and the same for the same
// input: bounds are on sizes and on steps, never on time, so that what an officer saw in a
// comparison is what a court sees in it. What a bound left out is always said.
package compare

import "strconv"

// Facts are what is known of a capture beside its content.
type Facts struct {
	Title    string
	Status   int
	FinalURL string
	MIME     string
	Language string
	// Size is that of the document in bytes.
	Size int64
}

// Change is a fact that is different.
type Change struct {
	// Fact is "title", "status", "finalUrl", "mime", "language" or "size".
	Fact string `json:"fact"`
	// A and B are what it was and is; empty when it was not known.
	A string `json:"a"`
	B string `json:"b"`
}

// Compare returns the facts that are different in b, in the order of [Facts].
func (a Facts) Compare(b Facts) []Change {
	all := []Change{
		{"title", a.Title, b.Title},
		{"status", known(int64(a.Status)), known(int64(b.Status))},
		{"finalUrl", a.FinalURL, b.FinalURL},
		{"mime", a.MIME, b.MIME},
		{"language", a.Language, b.Language},
		{"size", known(a.Size), known(b.Size)},
	}
	changes := []Change{}
	for _, c := range all {
		if c.A != c.B {
			changes = append(changes, c)
		}
	}
	return changes
}

func known(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
