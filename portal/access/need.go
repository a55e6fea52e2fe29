package access

import (
	"net/http"
	"slices"
)

// Subject is what a request is about.
type Subject struct {
	// Namespace is where it belongs; empty for all namespaces.
	Namespace string
	// Snapshot is what would be shown, where it is one.
	Snapshot
	// Unknown is what people are told who may not even find it: as if it were not there. Where it is nil
	// they are told which right they lack.
	Unknown error
}

// Need is what it takes to use a route: [Public], [SignedIn] or [Allowed]. The zero Need lets
// nobody in.
type Need struct {
	level level
	right Right
	also  []Right
	about func(*http.Request) ([]Subject, error)
}

type level int

const (
	nobody level = iota
	everybody
	signedIn
	allowed
)

var (
	// Public is for everybody: the health of the portal, and what its pages look like.
	Public = Need{level: everybody}
	// SignedIn is for everybody who is known; the handler itself has to show no more than
	// [Rights.Namespaces] allows.
	SignedIn = Need{level: signedIn}
)

// Allowed is for who has a right in each of the namespaces that a request is about. For
// [Look] the custody log is told that the subjects' snapshots are read, and for [Copy] that they
// are copied, before the handler runs; of HEAD it is not, whose answers have no content (RFC 9110 section 9.3.2). An error of about goes to [Gate.Problem] as it is, and so
// does that a request is about nothing.
func Allowed(right Right, about func(*http.Request) ([]Subject, error)) Need {
	return Need{level: allowed, right: right, about: about}
}

// With is the same for who has other rights, too, in each of the namespaces. What the custody log is
// told, and whether a purpose is asked for, follows from the first right alone.
func (n Need) With(rights ...Right) Need {
	n.also = slices.Concat(n.also, rights)
	return n
}

// InNamespace is a request about the namespace in its path, {namespace}.
func InNamespace(r *http.Request) ([]Subject, error) {
	return []Subject{{Namespace: r.PathValue("namespace")}}, nil
}
