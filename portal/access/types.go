package access

import "context"

// Person is who asks: somebody who has logged in, a program with a token, or the person at a
// portal that listens on loopback only.
type Person struct {
	// Name is the user name as Kubernetes knows it (with the prefix of the identity provider),
	// Groups likewise. It is empty for nobody.
	Name   string
	Groups []string
	// Extra and UID are what Kubernetes' own TokenReview said, for SubjectAccessReview.
	UID   string
	Extra map[string][]string
	// Shown is what the person is greeted by; Name when the provider says nothing else.
	Shown string
	// Purpose and Case are what the person said they look for, where the policy asks.
	Purpose, Case string
	// Local is the one person of a portal that listens on loopback and knows no provider: they
	// may do everything.
	Local bool
}

// localPerson is who asks where nobody can log in.
var localPerson = Person{Name: "local", Shown: "local (all rights: this portal knows no log-in)", Local: true}

type personKey struct{}

// From is the person of a request that [Gate.Require] let through; nobody for a public route.
func From(ctx context.Context) Person {
	p, _ := ctx.Value(personKey{}).(Person)
	return p
}

// With is a context with a person, as [Gate.Require] makes it: for tests, and for what is done
// on somebody's behalf without a request.
func With(ctx context.Context, p Person) context.Context {
	return context.WithValue(ctx, personKey{}, p)
}

// Right is what a person may do with what the archive has of a namespace. It is a verb and a
// resource of Kubernetes RBAC in the group crawlfleet.dev.
type Right struct {
	Verb, Resource, Subresource string
}

// The rights. `kubectl auth can-i --list -n NAMESPACE` tells who has which.
var (
	// Find is to search and to see lists: addresses, titles, snippets, times; also to watch addresses.
	Find = Right{Verb: "list", Resource: "snapshots"}
	// Look is to see a snapshot: picture, text, replay, requests, verdict, comparison.
	Look = Right{Verb: "get", Resource: "snapshots"}
	// Copy is to download a WACZ or a picture as a file.
	Copy = Right{Verb: "get", Resource: "snapshots", Subresource: "file"}
	// Export is to hand a case over: a selection, a dossier.
	Export = Right{Verb: "create", Resource: "snapshots", Subresource: "export"}
	// ReadCases and WriteCases are for cases, which are of a namespace, too.
	ReadCases  = Right{Verb: "get", Resource: "cases"}
	WriteCases = Right{Verb: "update", Resource: "cases"}
	// Follow is to see running jobs.
	Follow = Right{Verb: "list", Resource: "crawljobs"}
)

// String is the verb and the resource with its group.
func (r Right) String() string {
	s := r.Verb + " " + r.Resource + ".crawlfleet.dev"
	if r.Subresource != "" {
		s += "/" + r.Subresource
	}
	return s
}
