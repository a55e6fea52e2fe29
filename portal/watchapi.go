package portal

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/watches"
	"crawlfleet.dev/crawlfleet/portal/words"
)

// apiWatches are the watches of who asks.
func (h handlers) apiWatches(w http.ResponseWriter, r *http.Request) {
	found, err := h.watching(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, map[string]any{"items": found.Watches, "unseen": found.Unseen, "unreadable": found.Unreadable})
}

// apiStartWatch starts a watch.
func (h handlers) apiStartWatch(w http.ResponseWriter, r *http.Request) {
	n, err := readNewWatch(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	started, err := h.start(r.Context(), n)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	b, err := json.Marshal(ownWatch{Watch: started})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", "/api/v1/watches/"+started.ID)
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(append(b, '\n')) // the visitor may have gone
}

// apiEndWatch ends a watch.
func (h handlers) apiEndWatch(w http.ResponseWriter, r *http.Request) {
	if err := h.endOne(r.Context(), r.PathValue("id")); err != nil {
		h.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// apiSeeNotices takes down that notices of a watch were seen: those of the captures that are sent.
func (h handlers) apiSeeNotices(w http.ResponseWriter, r *http.Request) {
	var sent struct {
		Captures []catalog.ID `json:"captures"`
	}
	err := readJSON(r, &sent)
	if err == nil {
		err = h.markSeen(r.Context(), map[string][]catalog.ID{r.PathValue("id"): sent.Captures})
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// apiNotices are the notices of who asks, the newest first.
func (h handlers) apiNotices(w http.ResponseWriter, r *http.Request) {
	v, limit := r.URL.Query(), 100
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			h.fail(w, r, badInput{"limit", s, "a number from 1 to 1000"})
			return
		}
		limit = n
	}
	found, err := h.watching(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	items := []watches.Notice{}
	more := false
	for _, n := range found.Notices {
		if v.Get("unseen") != "" && n.Seen {
			continue
		}
		if len(items) == limit {
			more = true
			break
		}
		items = append(items, n)
	}
	h.writeJSON(w, r, map[string]any{"items": items, "unseen": found.Unseen, "more": more})
}

// feedAtom and feedJSON are the newest notices for feed readers.
func (h handlers) feedAtom(w http.ResponseWriter, r *http.Request) {
	h.feed(w, r, watches.TypeAtom, (*watches.Feed).Atom)
}

func (h handlers) feedJSON(w http.ResponseWriter, r *http.Request) {
	h.feed(w, r, watches.TypeJSON, (*watches.Feed).JSON)
}

func (h handlers) feed(w http.ResponseWriter, r *http.Request, kind string, write func(*watches.Feed, io.Writer, []watches.Notice) error) {
	found, err := h.watching(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	lang, base := words.Match(r), h.base(r)
	f := &watches.Feed{
		Title: lang.Text("What became of the addresses that you watch"), Author: "crawlfleet", Base: base, Self: base + strings.TrimPrefix(r.URL.Path, "/"),
		Since: time.Unix(0, 0), Words: func(n watches.Notice) (title, text string) { return sayNotice(lang, n) },
	}
	for i, one := range found.Watches {
		if i == 0 || one.Since.Before(f.Since) {
			f.Since = one.Since
		}
	}
	var b bytes.Buffer // an error in the middle must not look like a feed
	if err := write(f, &b, found.Notices); err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Language", string(lang))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = b.WriteTo(w) // the visitor may have gone
}

// sayNotice says a notice to people.
func sayNotice(lang words.Lang, n watches.Notice) (title, text string) {
	parts := []string{when(n.Time)}
	for _, p := range n.Parts {
		parts = append(parts, lang.Text(partWords[string(p)]))
	}
	if n.Status > 0 {
		parts = append(parts, lang.Text("status %s", strconv.Itoa(n.Status)))
	}
	if n.Reason != "" {
		parts = append(parts, sentence(n.Reason))
	}
	return lang.Text(noticeWords[string(n.Kind)]) + ": " + visible(n.URL), strings.Join(parts, " · ")
}

// base is the portal's address with a slash at its end: the one that it knows of itself, or else the one
// that it was asked by.
func (h handlers) base(r *http.Request) string {
	switch {
	case h.Origin != "":
		return h.Origin + "/"
	case r.TLS != nil:
		return "https://" + r.Host + "/"
	}
	return "http://" + r.Host + "/"
}
