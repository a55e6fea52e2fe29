package portal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// find finds what was captured and nothing else.
func (w *world) find(t *testing.T) {
	p := w.login(t, w.open, ann)
	t.Run("Kinds", func(t *testing.T) { p.with(t).kinds() })
	t.Run("Filters", func(t *testing.T) { p.with(t).filters() })
	t.Run("Keyboard", func(t *testing.T) { p.with(t).keyboard() })
	t.Run("Links", func(t *testing.T) { p.with(t).sharedLink() })
}

// kinds looks for each kind of thing.
func (p *person) kinds() {
	p.open("/")
	start := "Harbour rooms"
	for _, tc := range []struct {
		reason, query string
		as            string // what the query is read as
		// titles are those of the pages that are found, each in both crawls; only, of those that are found once.
		titles, only []string
		marked       string // a part of what is marked
	}{
		{"a word", "lighthouse", "word", []string{bright, contact}, nil, "lighthouse"},
		{"a phrase", `"` + phrase + `"`, "phrase", []string{bright}, nil, "lighthouse keeper"},
		{"words apart", phrase, "word", []string{bright, contact}, nil, "keeper"},
		{"a word of another language", "verdieping", "word", []string{quiet}, nil, "verdieping"},
		{"a title", "bicycle", "word", []string{start}, []string{bicycle}, "bicycle"},
		{"an address", rooms + "/kamer/7", "address", []string{quiet}, nil, ""},
		{"an address in another writing", "www.rooms.test/kamer/7", "address", []string{quiet}, nil, ""},
		{"a number as on one page", number, "telephone number", []string{bright, quiet}, []string{bicycle}, "7946 0123"},
		{"a number as people write it", "(020) 7946-0123", "telephone number", []string{bright, quiet}, []string{bicycle}, "020 7946 0123"},
		{"a number in one piece", "00442079460123", "telephone number", []string{bright, quiet}, []string{bicycle}, "0044-20-7946-0123"},
		{"another number", mobile, "telephone number", []string{contact}, nil, "+44 (0)7700 900 204"},
		{"an e-mail address", "Kamer@Example.org", "e-mail address", []string{quiet}, nil, email},
		{"an e-mail address behind a link", "desk@example.org", "e-mail address", []string{contact}, nil, ""},
		{"a handle", handle, "handle", []string{bright}, nil, handle},
		{"a host", "info.rooms.test", "host", nil, []string{"About the harbour rooms"}, ""},
	} {
		p.search(tc.query)
		want, got := slices.Sorted(slices.Values(slices.Concat(tc.titles, tc.titles, tc.only))), slices.Sorted(slices.Values(p.texts(".hit h2")))
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("%s, %q (-want +got):\n%s", tc.reason, tc.query, diff)
		}
		if lead := strings.Join(p.texts(".results .lead"), ""); !strings.Contains(lead, tc.as) {
			p.Errorf("%s: %q is read as %q", tc.reason, tc.query, lead)
		}
		if marks := strings.Join(p.texts(".hit mark"), " "); !strings.Contains(marks, tc.marked) {
			p.Errorf("%s: marked is %q", tc.reason, marks)
		}
	}
	p.search("kingfisher")
	p.sees("Nothing was found.")
	p.seesNone(boat, boats)
}

// filters narrows a search, and widens it again.
func (p *person) filters() {
	for _, tc := range []struct {
		reason string
		filter []string
		want   []string
	}{
		{"a language", []string{"language", "nl", "job", theNorth + "/spring"}, []string{quiet}},
		{"a kind", []string{"kind", "Image", "job", theNorth + "/spring"}, []string{"map.png (640×360)"}},
		{"a status", []string{"status", "4xx", "job", theNorth + "/spring"}, []string{"no title"}},
		{"a host", []string{"host", "info.rooms.test"}, []string{"About the harbour rooms"}},
		{"a job", []string{"q", "bread flowers", "job", theNorth + "/spring"}, []string{bicycle}},
		{"another job", []string{"q", "bread flowers", "job", theNorth + "/summer"}, nil},
		{"times before", []string{"until", "2020-01-01"}, nil},
		{"a job of the south", []string{"job", theSouth + "/boats"}, nil},
	} {
		p.open("/")
		for i := 0; i < len(tc.filter); i += 2 {
			name, value := tc.filter[i], tc.filter[i+1]
			if name == "job" && strings.HasPrefix(value, theSouth) {
				p.seesNone(theSouth) // it is none to choose: somebody writes it into the address
				p.open(searchPath("", name, value))
				continue
			}
			p.fill("#filters [name="+name+"]", value)
		}
		if tc.reason != "a job of the south" {
			p.follow("#filters button")
		}
		if diff := cmp.Diff(tc.want, p.texts(".hit h2"), cmpopts.EquateEmpty()); diff != "" {
			p.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
	p.follow("form a[href^='/?q=']")
	if n := len(p.texts(".hit h2")); n < 15 {
		p.Errorf("without filters there are %d", n)
	}
	p.open(searchPath("", "from", "yesterday"))
	p.sees("yesterday", "2026-03-31")
}

// keyboard finds and opens without a mouse.
func (p *person) keyboard() {
	p.open("/")
	p.press("/")
	p.await("the cursor in the box", `document.activeElement === document.querySelector("header.site input[type=search]")`)
	p.press(phrase)
	p.leave(func() { p.press("\r") })
	titles := p.texts(".hit h2")
	if len(titles) != 4 {
		p.Fatalf("found are %q", titles)
	}
	at := func(n int) {
		p.Helper()
		p.await(fmt.Sprintf("the focus on hit %d", n), fmt.Sprintf(`document.activeElement === document.querySelectorAll(".hit h2 a")[%d]`, n))
	}
	p.press("j")
	at(0)
	p.press("jj")
	at(2)
	p.press("k")
	at(1)
	p.press("x")
	p.press("j")
	p.press("x")
	if chosen := look[[]bool](p, `[...document.querySelectorAll(".hit .select input")].map((e) => e.checked)`); !slices.Equal(chosen, []bool{false, true, true, false}) {
		p.Errorf("chosen are %v", chosen)
	}
	p.leave(func() { p.press("\r") })
	if got := p.texts("h1"); !slices.Equal(got, titles[2:3]) {
		p.Errorf("Enter opens %q, want %q", got, titles[2])
	}
}

// sharedLink gives the address of a search with filters to a colleague, and to somebody who may not see it.
func (p *person) sharedLink() {
	p.open(searchPath(number, "language", "nl", "order", "oldest"))
	address := look[string](p, `location.pathname + location.search`)
	want := p.texts(".hit h2")
	colleague := p.world.visitor(p.T, p.portal)
	colleague.open(address)
	colleague.enter(vera)
	colleague.await("the shared search", `location.pathname + location.search === `+quoted(address))
	if got := colleague.texts(".hit h2"); !slices.Equal(got, want) || len(got) != 2 {
		p.Errorf("the colleague is shown %q, want %q", got, want)
	}
	stranger := p.world.visitor(p.T, p.portal)
	stranger.open(address)
	stranger.enter(nic)
	stranger.await("the refusal", `document.querySelector("h1")?.innerText.includes("nothing here that you may see")`)
	stranger.seesNone(quiet, bright, rooms, theSouth)
}
