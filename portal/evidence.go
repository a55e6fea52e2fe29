package portal

import (
	"net/http"
	"path"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/verdict"
)

// evidenceSuffix ends the name of a ZIP file with a snapshot and what verifies it.
const evidenceSuffix = ".evidence.zip"

// evidenceFolder is the folder in it: the name of the chunk without its ending.
func evidenceFolder(chunk blob.Key) string {
	return strings.TrimSuffix(path.Base(string(chunk)), ".wacz")
}

// evidence is the file of a snapshot with all that its verification rests upon: what a stranger needs to check it
// as the portal does.
func (h handlers) evidence(w http.ResponseWriter, r *http.Request) {
	c, err := h.capture(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	objects, err := verdict.Objects(r.Context(), h.Archive, c.Chunk)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	folder := evidenceFolder(c.Chunk)
	named(w, "application/zip", folder+evidenceSuffix)
	if r.Method == http.MethodHead {
		return // to put it together for nobody takes long
	}
	if err := verdict.WriteZIP(r.Context(), h.Archive, folder, objects, w); err != nil {
		if r.Context().Err() == nil {
			h.Logger.Error("what verifies a snapshot could not be handed over whole", "key", c.Chunk, "error", err)
		}
		panic(http.ErrAbortHandler) // so that what came does not pass for all
	}
}
