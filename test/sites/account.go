package sites

import (
	"maps"
	"slices"
)

// An Account is the exact set of addresses that a visitor finds who begins at a site's front page and follows
// every link within the site. It is computed without the crawler, from what the site is made of, and is what a
// crawl is compared with. Addresses are paths with their query and without a fragment; those outside of the
// site are whole URLs. All lists are sorted and free of duplicates.
type Account struct {
	// Pages are the addresses that answer 200 with HTML.
	Pages []string
	// Files are the addresses that are linked to and answer 200 with something else.
	Files []string
	// Errors are the addresses that are linked to and answer with an error, and its status.
	Errors map[string]int
	// Redirects are the addresses that are linked to and lead elsewhere, and where they end.
	Redirects map[string]string
	// Disallowed are the addresses that are linked to and that robots.txt disallows; what they answer is not known.
	Disallowed []string
	// External are the http and https links that leave the site.
	External []string
	// Leads are the mailto: and tel: links: nothing to crawl, but worth keeping.
	Leads []string
}

// Followed returns every address within the site that a visitor who obeys robots.txt asks for: Pages, Files,
// Errors and Redirects, sorted.
func (a *Account) Followed() []string {
	all := slices.Concat(a.Pages, a.Files, slices.Collect(maps.Keys(a.Errors)), slices.Collect(maps.Keys(a.Redirects)))
	slices.Sort(all)
	return slices.Compact(all)
}

// Normalize sorts the lists and removes duplicates.
func (a *Account) Normalize() {
	for _, list := range []*[]string{&a.Pages, &a.Files, &a.Disallowed, &a.External, &a.Leads} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}
