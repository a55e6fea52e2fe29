package frontier

import (
	"flag"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/jsonshape"
)

var updateShapes = flag.Bool("update-shapes", false, "take what is new in what is stored into testdata/stored")

// TestStoredStaysReadable: what one build has put into the frontier bucket and beside the archive, another one goes on with.
func TestStoredStaysReadable(t *testing.T) {
	t.Parallel()
	stored := []any{Statement{}, LeadsObject{}, Lead{}, VisitsStatement{}, scriptsObject{}, seedsObject{}}
	jsonshape.Check(t, "testdata/stored", *updateShapes, stored...)
	jsonshape.Covers(t, ".", stored...)
}
