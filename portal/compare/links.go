package compare

import (
	"strings"

	"crawlfleet.dev/crawlfleet/internal/identifiers"
)

// Link is one that a page has.
type Link struct {
	URL string `json:"url"`
	// Kind is what sort of link it is, such as "a" or "iframe"; the same address as another
	// kind is another link.
	Kind string `json:"kind,omitempty"`
}

// LinkDiff says which links went and came. A link that a page has several times counts once.
type LinkDiff struct {
	Pages LinkChanges `json:"pages"`
	// Leads are links to a telephone number, an e-mail address or a handle.
	Leads LinkChanges `json:"leads"`
}

// LinkChanges are links in the order in which the pages have them.
type LinkChanges struct {
	Added   []Link `json:"added"`
	Removed []Link `json:"removed"`
	Kept    int    `json:"kept"`
}

// Links returns how the links of two captures differ.
func Links(a, b []Link) LinkDiff {
	diff := LinkDiff{Pages: noLinks(), Leads: noLinks()}
	before, after := indexed(a), indexed(b)
	for _, link := range unique(a) {
		side := diff.side(link)
		if after[link] {
			side.Kept++
			continue
		}
		side.Removed = append(side.Removed, link)
	}
	for _, link := range unique(b) {
		if side := diff.side(link); !before[link] {
			side.Added = append(side.Added, link)
		}
	}
	return diff
}

// noLinks has lists that JSON writes as empty ones.
func noLinks() LinkChanges { return LinkChanges{Added: []Link{}, Removed: []Link{}} }

func (d *LinkDiff) side(link Link) *LinkChanges {
	if isLead(link.URL) {
		return &d.Leads
	}
	return &d.Pages
}

// isLead tells whether a link leads to an identifier. A national number is one in any
// region, and a short one as well.
func isLead(url string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(url)), ":")
	switch scheme {
	case "tel", "sms", "smsto", "mms", "callto", "mailto":
		return true
	}
	return len(identifiers.FromLink(url, identifiers.Options{})) > 0
}

func indexed(links []Link) map[Link]bool {
	index := make(map[Link]bool, len(links))
	for _, link := range links {
		index[link] = true
	}
	return index
}

func unique(links []Link) []Link {
	seen := make(map[Link]bool, len(links))
	var out []Link
	for _, link := range links {
		if !seen[link] {
			seen[link] = true
			out = append(out, link)
		}
	}
	return out
}
