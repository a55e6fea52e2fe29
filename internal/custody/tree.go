package custody

import (
	"crypto/sha256"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// edge is the right edge of a tree: the roots of the full subtrees that it is made of, the
// largest first. It is all that is needed to add leaves and to know the root.
type edge struct {
	size  int64
	peaks []tlog.Hash
}

// add adds a leaf.
func (e *edge) add(leaf tlog.Hash) {
	for n := e.size; n&1 == 1; n >>= 1 {
		last := len(e.peaks) - 1
		leaf, e.peaks = tlog.NodeHash(e.peaks[last], leaf), e.peaks[:last]
	}
	e.peaks = append(e.peaks, leaf)
	e.size++
}

// root is the hash of the tree (RFC 6962 section 2.1).
func (e *edge) root() tlog.Hash {
	if len(e.peaks) == 0 {
		return sha256.Sum256(nil)
	}
	root := e.peaks[len(e.peaks)-1]
	for _, peak := range slices.Backward(e.peaks[:len(e.peaks)-1]) {
		root = tlog.NodeHash(peak, root)
	}
	return root
}

// whole tells whether there are as many peaks as a tree of this size has.
func (e *edge) whole() bool {
	return e.size >= 0 && len(e.peaks) == bits.OnesCount64(uint64(e.size))
}

func (e *edge) clone() edge { return edge{e.size, slices.Clone(e.peaks)} }
