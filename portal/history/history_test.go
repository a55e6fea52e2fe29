package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// at is a capture of the n-th hour.
func at(n int, p snapshot.Page) catalog.Capture {
	p.Time = time.Date(2026, 5, 4, n, 0, 0, 0, time.UTC)
	return catalog.Capture{ID: catalog.ID(fmt.Sprint(n)), Page: p}
}

func page(text, document string) snapshot.Page {
	return snapshot.Page{Status: 200, TextDigest: text, Digest: document}
}

// refused is a page whose server answers with an error.
func refused(status int) snapshot.Page {
	return snapshot.Page{Status: status, TextDigest: "wall", Digest: "wall"}
}

func TestOf(t *testing.T) {
	t.Parallel()
	slow := snapshot.Page{Partial: true, Reason: "PageTimeout", Status: 200, TextDigest: "half"}
	superseded := snapshot.Page{Partial: true, Reason: "Superseded", Status: 403, TextDigest: "no"}
	for name, tc := range map[string]struct {
		captures []catalog.Capture
		want     []string // change, parts, hour of the one that it is compared with
	}{
		"nothing":   {nil, []string{}},
		"the first": {[]catalog.Capture{at(1, page("a", "a"))}, []string{"First [] "}},
		"what people see, and what they do not": {
			[]catalog.Capture{at(1, page("a", "a")), at(2, page("a", "b")), at(3, page("b", "b")), at(4, page("c", "c")), at(5, page("c", "c"))},
			[]string{"First [] ", "Changed [Document] 1", "Changed [Text] 2", "Changed [Text Document] 3", "Unchanged [] 4"},
		},
		"nothing to compare": {
			[]catalog.Capture{at(1, page("a", "")), at(2, page("", "a")), at(3, page("", "a")), at(4, page("b", ""))},
			[]string{"First [] ", "Unknown [] 1", "Unchanged [] 2", "Unknown [] 3"},
		},
		"gone, gone still, back": {
			[]catalog.Capture{at(1, page("a", "a")), at(2, snapshot.Page{Status: 404, TextDigest: "none"}), at(3, snapshot.Page{Partial: true, Reason: "DNSFailed"}), at(4, page("b", "b"))},
			[]string{"First [] ", "Gone [] 1", "Unchanged [] 1", "Back [Text Document] 1"},
		},
		"gone at first, and back": {
			[]catalog.Capture{at(1, snapshot.Page{Status: 404}), at(2, snapshot.Page{Status: 410}), at(3, page("a", "a")), at(4, page("a", "a"))},
			[]string{"First [] ", "Unchanged [] ", "Back [] ", "Unchanged [] 3"}, // who waits for it is told
		},
		"an error that tells nothing of the page": {
			[]catalog.Capture{
				at(1, page("a", "a")), at(2, refused(401)), at(3, refused(403)), at(4, refused(429)), at(5, refused(500)), at(6, refused(503)),
				at(7, snapshot.Page{Partial: true, Reason: "TLSFailed"}), at(8, page("a", "a")),
			},
			[]string{"First [] ", "Unknown [] 1", "Unknown [] 1", "Unknown [] 1", "Unknown [] 1", "Unknown [] 1", "Unknown [] 1", "Unchanged [] 1"},
		},
		"gone, then an error, then back": {
			[]catalog.Capture{at(1, page("a", "a")), at(2, snapshot.Page{Status: 404}), at(3, refused(503)), at(4, snapshot.Page{Partial: true, Reason: "ConnectFailed"}), at(5, page("a", "a"))},
			[]string{"First [] ", "Gone [] 1", "Unknown [] 1", "Unchanged [] 1", "Back [] 1"},
		},
		"a visit that failed tells nothing": {
			[]catalog.Capture{at(1, page("a", "a")), at(2, slow), at(3, page("a", "a")), at(4, snapshot.Page{Status: 410}), at(5, slow), at(6, page("a", "a"))},
			[]string{"First [] ", "Unknown [] 1", "Unchanged [] 1", "Gone [] 3", "Unknown [] 3", "Back [] 3"},
		},
		"the refused first try of a visit that succeeded tells nothing": {
			[]catalog.Capture{at(1, superseded), at(2, page("a", "a")), at(3, superseded), at(4, page("a", "a")), at(5, snapshot.Page{Status: 404}), at(6, superseded), at(7, page("a", "a"))},
			[]string{"Unknown [] ", "First [] ", "Unknown [] 2", "Unchanged [] 2", "Gone [] 4", "Unknown [] 4", "Back [] 4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mixed := slices.Clone(tc.captures)
			slices.Reverse(mixed)
			got := []string{}
			for _, s := range Of(mixed) {
				got = append(got, fmt.Sprintf("%s %v %s", s.Change, s.Parts, s.Before))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
