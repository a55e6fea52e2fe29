package retention

import (
	"flag"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/jsonshape"
)

var updateShapes = flag.Bool("update-shapes", false, "take what is new in what is stored into testdata/stored")

// TestStoredStaysReadable: decisions, erasures and statements lie in the store for years.
func TestStoredStaysReadable(t *testing.T) {
	t.Parallel()
	stored := []any{Decision{}, Erasing{}, Proof{}, Stated{}, Mark{}}
	jsonshape.Check(t, "testdata/stored", *updateShapes, stored...)
	jsonshape.Covers(t, ".", stored...)
}
