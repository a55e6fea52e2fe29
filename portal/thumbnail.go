package portal

import (
	"context"
	"io"
	"net/http"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

const (
	// thumbnailWidth is in pixels, for screens that have two for one.
	thumbnailWidth = 320
	// maxThumbnails bounds the memory for small pictures, in bytes; thumbnailSlots is how many are
	// made at once.
	maxThumbnails, thumbnailSlots = 64 << 20, 2
)

// thumbnails are small pictures that were made before.
type thumbnails struct {
	*kept[thumbnail, []byte]
	slots chan struct{}
}

// thumbnail names a small picture.
type thumbnail struct {
	id      catalog.ID
	blurred bool
}

func newThumbnails() *thumbnails {
	return &thumbnails{newKept[thumbnail, []byte](maxThumbnails), make(chan struct{}, thumbnailSlots)}
}

// thumbnail is a small picture of a snapshot, for who looks at it.
func (h handlers) thumbnail(w http.ResponseWriter, r *http.Request) { h.serveThumbnail(w, r, false) }

// blurred is one with nothing that can be made out: it is for who has found the snapshot and not asked to
// see what is on it, and is no look at it.
func (h handlers) blurred(w http.ResponseWriter, r *http.Request) { h.serveThumbnail(w, r, true) }

func (h handlers) serveThumbnail(w http.ResponseWriter, r *http.Request, blurred bool) {
	c, err := h.capture(r)
	if err == nil {
		_, err = h.Archive.Head(r.Context(), c.Chunk) // also where it is made already: it may be erased
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	name := thumbnail{c.ID, blurred}
	picture, made := h.thumbnails.get(name)
	if !made {
		select {
		case h.thumbnails.slots <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		defer func() { <-h.thumbnails.slots }()
		if picture, err = h.makeThumbnail(r.Context(), c, blurred); err != nil {
			h.fail(w, r, err)
			return
		}
		h.thumbnails.keep(name, picture, len(picture))
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Cache-Control", "private, no-store")
	_, _ = w.Write(picture) // the visitor may have gone
}

func (h handlers) makeThumbnail(ctx context.Context, c catalog.Capture, blurred bool) ([]byte, error) {
	s, err := h.read(ctx, c)
	if err != nil {
		return nil, err
	}
	body, _, err := s.OpenPicture(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close() // read only
	made := snapshot.Thumbnail
	if blurred {
		made = snapshot.Blurred
	}
	return made(io.Reader(body), thumbnailWidth)
}
