package portal

import (
	"net/http"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// offered is what a person may do with what is on a page. Pages offer no more, and say so: a button that
// leads to a refusal teaches nobody what they may do.
type offered struct {
	// MayFind lets the person watch addresses, MayCopy download files, and MayAdd add captures to cases.
	MayFind, MayCopy, MayAdd bool
}

// offered is what the person may do in each of some namespaces.
func (h handlers) offered(r *http.Request, namespaces ...string) (o offered, err error) {
	p := access.From(r.Context())
	may := func(rights ...access.Right) bool {
		for _, right := range rights {
			for _, namespace := range namespaces {
				ok, failed := h.Gate.Rights.May(r.Context(), p, right, namespace)
				if failed != nil {
					err = failed
				}
				if !ok {
					return false
				}
			}
		}
		return true
	}
	o.MayFind, o.MayCopy, o.MayAdd = may(access.Find), may(access.Copy), may(access.WriteCases, access.ReadCases, access.Find)
	return o, err
}

// mayAdd tells whether the person may add captures to cases in any of some namespaces.
func (h handlers) mayAdd(r *http.Request, namespaces []string) (bool, error) {
	p := access.From(r.Context())
	for _, right := range []access.Right{access.WriteCases, access.ReadCases} {
		var err error
		if namespaces, err = h.Gate.Rights.Namespaces(r.Context(), p, right, namespaces); err != nil {
			return false, err
		}
	}
	return len(namespaces) > 0, nil
}
