package portal

import (
	"errors"
	"net/http"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// person is who asks, nil for nobody.
func person(r *http.Request) *access.Person {
	p := access.From(r.Context())
	if p.Name == "" {
		return nil
	}
	return &p
}

// namespaces are those in which the person may find snapshots. Who may find none at all is told
// so, instead of being shown an empty archive.
func (h handlers) namespaces(r *http.Request) ([]string, error) {
	all, err := h.allNamespaces(r)
	if err != nil {
		return nil, err
	}
	return h.allowed(r, access.Find, all)
}

// mayFind is namespaces for who came for something else: there may be none.
func (h handlers) mayFind(r *http.Request) ([]string, error) {
	all, err := h.allNamespaces(r)
	if err != nil {
		return nil, err
	}
	return h.Gate.Rights.Namespaces(r.Context(), access.From(r.Context()), access.Find, all)
}

func (h handlers) allNamespaces(r *http.Request) ([]string, error) {
	counts, err := h.Catalog.Namespaces(r.Context())
	if err != nil {
		return nil, err
	}
	all := make([]string, 0, len(counts))
	for _, c := range counts {
		all = append(all, c.Value)
	}
	return all, nil
}

// allowed are those of some namespaces in which the person has a right; an error when that is in
// none of them. The portal knows of no namespace of which nothing is archived yet.
func (h handlers) allowed(r *http.Request, right access.Right, all []string) ([]string, error) {
	p := access.From(r.Context())
	some, err := h.Gate.Rights.Namespaces(r.Context(), p, right, all)
	if err == nil && len(some) == 0 && len(all) > 0 {
		err = access.NowhereAllowed(right)
	}
	return some, err
}

// ledOn leads somebody who has come in, and may find nothing, to what they may see: crawls that are under way, or cases. It
// is false for who may see nothing else either.
func (h handlers) ledOn(w http.ResponseWriter, r *http.Request, refused error) bool {
	var problem *access.Problem
	if !errors.As(refused, &problem) || problem.Reason != access.ReasonNotAllowed || !access.Navigates(r) {
		return false
	}
	to := ""
	if some, err := h.following(r); err == nil && len(some) > 0 {
		to = "/live"
	} else if some, err := h.caseNamespaces(r, access.ReadCases); err == nil && len(some) > 0 {
		to = "/cases"
	}
	if to == "" {
		return false
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
	return true
}

// capture is the one that the path names.
func (h handlers) capture(r *http.Request) (catalog.Capture, error) {
	return h.Catalog.Get(r.Context(), catalog.ID(r.PathValue("id")))
}

// aboutCapture says that a request is about the capture that its path names.
func (h handlers) aboutCapture(r *http.Request) ([]access.Subject, error) {
	c, err := h.capture(r)
	if err != nil {
		return nil, err
	}
	return []access.Subject{subject(c)}, nil
}

// subject is a capture. Its ID alone tells whoever has it from a link neither that it is there nor where.
func subject(c catalog.Capture) access.Subject {
	return access.Subject{Namespace: c.Namespace, Snapshot: access.Snapshot{Chunk: c.Chunk, Page: c.Page.ID}, Unknown: catalog.ErrNotFound}
}

// aboutFile says that a request is about the file that its path names.
func (h handlers) aboutFile(r *http.Request) ([]access.Subject, error) {
	key := blob.Key(r.PathValue("key"))
	run, _, ok := catalog.ParseChunk(key)
	if !ok {
		return nil, errNowhere
	}
	return []access.Subject{{Namespace: run.Namespace, Snapshot: access.Snapshot{Chunk: key}}}, nil
}
