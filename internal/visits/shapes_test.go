package visits

import (
	"flag"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/jsonshape"
)

var updateShapes = flag.Bool("update-shapes", false, "take what is new in what is stored into testdata/stored")

// TestStoredStaysReadable: what is known of the visits of a run is read by later runs, of later builds.
func TestStoredStaysReadable(t *testing.T) {
	t.Parallel()
	stored := []any{Visit{}, Run{}, Comparison{}, Directory{}, Counts{}}
	jsonshape.Check(t, "testdata/stored", *updateShapes, stored...)
	jsonshape.Covers(t, ".", stored...)
}
