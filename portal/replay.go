package portal

import (
	"context"
	"errors"
	"net/http"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/replay"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// Replayer hands out the addresses at which captures are replayed; [replay.Server] is one.
type Replayer interface {
	Link(ctx context.Context, person access.Person, run catalog.Run, page snapshot.Page) (replay.Link, error)
	// FrameSource is the origin of those addresses, as a Content Security Policy names it.
	FrameSource() string
}

// replayed is the body of the page that a capture is replayed in.
type replayed struct {
	Capture catalog.Capture
	Link    replay.Link
	// RenewAt is where the page asks for another address in time.
	RenewAt string
	offered
}

// replay shows a capture in ReplayWeb.page, in a frame of another origin.
func (h handlers) replay(w http.ResponseWriter, r *http.Request) {
	c, link, err := h.link(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body := replayed{Capture: c, Link: link, RenewAt: "/snapshots/" + string(c.ID) + "/replay/link"}
	if body.offered, err = h.offered(r, c.Namespace); err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, "replay.html", c.Title, body)
}

// replayLink is another address for the frame.
func (h handlers) replayLink(w http.ResponseWriter, r *http.Request) {
	_, link, err := h.link(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, link)
}

func (h handlers) link(r *http.Request) (c catalog.Capture, link replay.Link, err error) {
	if c, err = h.capture(r); err != nil {
		return c, link, err
	}
	link, err = h.Replay.Link(r.Context(), access.From(r.Context()), c.Run, c.Page)
	if errors.Is(err, ErrNoRun) {
		err = catalog.ErrNotFound // erased a moment ago
	}
	if err == nil {
		h.Metrics.linked()
	}
	return c, link, err
}
