// Package identifiers finds telephone numbers, e-mail addresses and handles in text and
// brings each into one normal form, so that a search for a number in any writing finds it
// in every other.
//
// People who advertise write a number so that people read it and programs do not: with
// spaces, dots, brackets or stars between the digits, with digits of other scripts, letters
// for digits, digits spelled out. The candidates are found here; whether one is a telephone
// number of a numbering plan, and what it is in E.164, is for a port of libphonenumber.
//
// Most digits in a page are no telephone numbers, but prices, dates and numbers of
// articles. What surrounds a candidate decides as well: see phone.go. Nothing here says
// whose a number is or what it is used for.
package identifiers

import (
	"cmp"
	"slices"
)

// Kind is what sort of identifier something is.
type Kind string

// The kinds.
const (
	Phone  Kind = "Phone"
	Email  Kind = "Email"
	Handle Kind = "Handle"
)

// Identifier is one that was found at text[Start:End], in bytes.
type Identifier struct {
	Kind Kind
	// Value is the normal form: "+31201234567" (E.164) for a Phone; "name@example.org", in
	// lower case and the host in ASCII (IDNA), for an Email; "example", or with the platform
	// where that is known "telegram:example", for a Handle, in lower case.
	Value      string
	Start, End int
}

// String returns the identifier as a URI: "tel:+31201234567" (RFC 3966),
// "mailto:name@example.org" (RFC 6068), "handle:telegram:example" (our own).
func (i Identifier) String() string { return uri(i.Kind, i.Value) }

func uri(kind Kind, value string) string {
	switch kind {
	case Phone:
		return "tel:" + value
	case Email:
		return "mailto:" + value
	}
	return "handle:" + value
}

// Options say how text is read.
type Options struct {
	// Regions are the ISO 3166-1 alpha-2 codes, such as "NL", of the regions in whose
	// national writings numbers are read. With none, only international ones are.
	Regions []string
}

// Limit is how many identifiers are found in one text at most; those that come first are.
const Limit = 10_000

// Find returns the identifiers in a text, in order, up to Limit. A number in a national
// writing that several of the regions have is returned once for each, at the same place.
// Its time is linear in the length of the text.
func Find(text string, o Options) []Identifier {
	plan := newPlan(o)
	found, skip := findNames(text, plan)
	found = append(found, findPhones(text, skip, plan)...)
	// (Regions are in their configured order, which a stable sort keeps.)
	slices.SortStableFunc(found, func(a, b Identifier) int { return cmp.Compare(a.Start, b.Start) })
	return found[:min(len(found), Limit)]
}
