package workflows

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys are the keys of a map in order: a workflow must do the same in the same
// order each time it is replayed.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
