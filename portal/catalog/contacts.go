package catalog

import (
	"cmp"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/identifiers"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// Contacts are the Identifiers of package identifiers: telephone numbers in any writing, e-mail
// addresses and handles.
type Contacts struct {
	// Regions are those in whose national writings numbers are read, such as "NL".
	Regions []string
}

// MadeWith tells what is found by other regions from what is found by these, for Open.
func (c Contacts) MadeWith() string { return "regions " + strings.Join(c.Regions, ",") }

// InQuery implements Identifiers.
func (c Contacts) InQuery(text string) []Identifier {
	whole := identifiers.Query(text, c.options())
	if len(whole) == 0 {
		return c.InText(text)
	}
	found := Identifier{Start: len(text) - len(strings.TrimLeft(text, " ")), End: len(strings.TrimRight(text, " "))}
	for _, a := range whole {
		found.Any = append(found.Any, Meaning{As: string(a.Kind), Value: a.Value})
	}
	return []Identifier{found}
}

// InText implements Identifiers.
func (c Contacts) InText(text string) (found []Identifier) {
	for _, i := range identifiers.Find(text, c.options()) {
		m := Meaning{As: string(i.Kind), Value: i.Value}
		if n := len(found); n > 0 && found[n-1].Start == i.Start && found[n-1].End == i.End {
			found[n-1].Any = append(found[n-1].Any, m)
			continue
		}
		found = append(found, Identifier{Start: i.Start, End: i.End, Any: []Meaning{m}})
	}
	return found
}

// Of are the identifiers in what a page shows and links to, each once, in order.
func (c Contacts) Of(text string, links []snapshot.Link) (all []Meaning) {
	found := identifiers.Find(text, c.options())
	for _, l := range links {
		found = append(found, identifiers.FromLink(l.URL, c.options())...)
	}
	for _, i := range found {
		all = append(all, Meaning{As: string(i.Kind), Value: i.Value})
	}
	slices.SortFunc(all, func(a, b Meaning) int { return cmp.Or(strings.Compare(a.As, b.As), strings.Compare(a.Value, b.Value)) })
	return slices.Compact(all)
}

func (c Contacts) options() identifiers.Options { return identifiers.Options{Regions: c.Regions} }
