package recorder

import "net/http"

// Facts are what a policy decides on.
type Facts struct {
	Method, URL string
	// Mode, Dest and Site are the request's Sec-Fetch headers, which a page's
	// scripts cannot set. Chrome sends them to https and to localhost alone.
	Mode, Dest, Site string
	// Navigation is true when the request loads a document into a frame: by
	// Mode, or where that is missing by what Chrome sends with navigations only.
	Navigation bool
}

// ReadOnly is the policy of a visitor who only looks: pages' scripts may make
// whatever requests they make, but nothing is submitted by navigating. Forms
// are navigations.
func ReadOnly(f Facts) (allow bool, reason string) {
	if f.Navigation && f.Method != http.MethodGet && f.Method != http.MethodHead {
		return false, ReasonNavigationBlocked
	}
	return true, ""
}

// refuses says why a request is not to be made, empty when it may be.
func (p *page) refuses(r *request, host string) (reason, detail string) {
	switch {
	case !p.reaches(host):
		return ReasonOutOfReach, confinedDetail
	case p.NoPictures && r.dest == "image":
		return ReasonImagesOff, imagesOffDetail
	case p.Permit != nil && !r.safe() && !p.Permit(r.method, host):
		return ReasonPostBlocked, "the order does not let scripts send anything there"
	}
	return "", ""
}
