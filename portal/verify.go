package portal

import (
	"context"
	"net/http"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/verdict"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// Judge verifies a chunk; [verdict.Judge] is one.
type Judge interface {
	Of(ctx context.Context, key blob.Key) (verdict.Verdict, error)
	// Quick is Of where that takes a moment at most; ok is false where it would take longer.
	Quick(ctx context.Context, key blob.Key) (v verdict.Verdict, ok bool, err error)
}

// verdictWords are what people call the verdicts.
var verdictWords = map[string]string{
	string(verify.Holds): "holds", string(verify.Fails): "fails", string(verify.Unchecked): "unchecked",
}

// verified is the body of the page with the verdict on a snapshot.
type verified struct {
	Capture catalog.Capture
	verdict.Verdict
	// Holding, Failing and Open are how many checks came out so.
	Holding, Failing, Open int
	offered
	// Folder and Suffix name the ZIP file with all that verifies it.
	Folder, Suffix string
}

// verify shows what the offline verifier says of the file of a snapshot, check by check.
func (h handlers) verify(w http.ResponseWriter, r *http.Request) {
	c, v, ok, err := h.judgedIn(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body := verified{Capture: c, Verdict: v, Folder: evidenceFolder(c.Chunk), Suffix: evidenceSuffix}
	if body.offered, err = h.offered(r, c.Namespace); err != nil {
		h.fail(w, r, err)
		return
	}
	for _, check := range v.Checks {
		switch check.Verdict {
		case verify.Holds:
			body.Holding++
		case verify.Fails:
			body.Failing++
		case verify.Unchecked:
			body.Open++
		}
	}
	h.render(w, r, http.StatusOK, "verify.html", words.Match(r).Text("Verification"), body)
}

// judgedIn is the verdict for a page; with ?quick=1, as pages of ours load it by themselves, only where that takes a
// moment.
func (h handlers) judgedIn(r *http.Request) (c catalog.Capture, v verdict.Verdict, ok bool, err error) {
	if r.URL.Query().Get("quick") == "" {
		c, v, err = h.judged(r)
		return c, v, true, err
	}
	if c, err = h.capture(r); err == nil {
		v, ok, err = h.Judge.Quick(r.Context(), c.Chunk)
	}
	return c, v, ok, err
}

// apiVerification is the same for programs.
func (h handlers) apiVerification(w http.ResponseWriter, r *http.Request) {
	_, v, err := h.judged(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, v)
}

func (h handlers) judged(r *http.Request) (c catalog.Capture, v verdict.Verdict, err error) {
	if c, err = h.capture(r); err == nil {
		v, err = h.Judge.Of(r.Context(), c.Chunk)
	}
	return c, v, err
}
