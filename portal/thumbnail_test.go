package portal

import (
	"net/http"
	"testing"
)

// TestErasedThumbnail: a small picture that was made before is not shown when its file is gone, also before the catalog
// has noticed.
func TestErasedThumbnail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.capture(t, visit{Key: "c", URL: board, Text: "room", Picture: screenshot(t, 400, 300, 40), Hour: 1})
	paths := []string{"/snapshots/" + string(c.ID) + "/thumbnail", "/snapshots/" + string(c.ID) + "/thumbnail/clear"}
	for _, path := range paths {
		want(t, path, http.StatusOK, f.get(path))
	}
	if _, err := f.bucket.Erase(t.Context(), c.Chunk); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		want(t, path, http.StatusNotFound, f.get(path))
	}
}
