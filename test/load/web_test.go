package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A web is made up from its size alone: what a page links to, and how long it takes to load, follows from its number and
// that of its host. Hosts have from one page to as many as largest.
//
//   - /0 is the first page of a host. Page n links to 2n+1 and 2n+2 of its host, so all of them can be reached.
//   - First pages lead to those of other hosts, as a tree does whose roots are the seeds.
//   - Every page has as many further links as the web says, of its host and foreign ones to first pages of others.
type web struct {
	hosts, seeds, links, foreign, largest int
	fastest, slowest                      time.Duration
}

// webOf is a web of at least that many pages, and at most a host more, on about that many hosts. The order names every
// second host.
func webOf(pages, hosts int) web {
	w := web{links: 20, foreign: 2, largest: max(1, 2*pages/hosts-1)}
	for n := 0; n < pages; w.hosts++ {
		n += w.size(w.hosts)
	}
	w.seeds = (w.hosts + 1) / 2
	return w
}

// dice is a number that follows from another ones (SplitMix64).
func dice(a, b, salt int) uint64 {
	z := uint64(a)*0x9e3779b97f4a7c15 + uint64(b)*0xbf58476d1ce4e5b9 + uint64(salt)*0x94d049bb133111eb
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// size is the number of pages of a host.
func (w web) size(host int) int {
	return 1 + int(dice(host, 0, 1)%uint64(w.largest))
}

// pages is the number of all pages.
func (w web) pages() int {
	n := 0
	for host := range w.hosts {
		n += w.size(host)
	}
	return n
}

func name(host int) string { return "h" + strconv.Itoa(host) + ".test" }

func address(host, page int) string { return "http://" + name(host) + "/" + strconv.Itoa(page) }

// find is the page of an address.
func (w web) find(u string) (host, page int, ok bool) {
	rest, ok1 := strings.CutPrefix(u, "http://h")
	h, p, ok2 := strings.Cut(rest, ".test/")
	host, err1 := strconv.Atoi(h)
	page, err2 := strconv.Atoi(p)
	ok = ok1 && ok2 && err1 == nil && err2 == nil && host >= 0 && host < w.hosts && page >= 0 && page < w.size(host)
	return host, page, ok
}

// to is what a page links to, each address once.
func (w web) to(host, page int) []string {
	size := w.size(host)
	list := make([]string, 0, w.links+w.foreign+4)
	add := func(h, p int) {
		if u := address(h, p); !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	for _, child := range []int{2*page + 1, 2*page + 2} {
		if child < size {
			add(host, child)
		}
	}
	if page == 0 {
		for _, next := range []int{w.seeds + 2*host, w.seeds + 2*host + 1} {
			if next < w.hosts {
				add(next, 0)
			}
		}
	}
	for i := range w.links {
		add(host, int(dice(host, page, 10+i)%uint64(size)))
	}
	for i := range w.foreign {
		add(int(dice(host, page, 1000+i)%uint64(w.hosts)), 0)
	}
	return list
}

// takes is how long a page takes to load: between fastest and slowest, evenly over their magnitudes.
func (w web) takes(host, page int) time.Duration {
	u := float64(dice(host, page, 4)>>11) / (1 << 53)
	return between(w.fastest, w.slowest, u)
}

// filler makes pages some kilobytes long.
var filler = strings.Repeat("<p>A made-up paragraph, of words that say nothing and are as many as those of a short page.</p>\n", 30)

// html is a page's document.
func (w web) html(host, page int, links []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!doctype html><title>%d of %s</title><h1>%d of %s</h1><ul>\n", page, name(host), page, name(host))
	for _, l := range links {
		fmt.Fprintf(&b, "<li><a href='%s'>%s</a>\n", l, l)
	}
	b.WriteString("</ul>\n")
	b.WriteString(filler)
	return b.String()
}

// walk is what a plain walk over the links finds from the seeds.
func (w web) walk() []string {
	seen := map[string]bool{}
	var todo, list []string
	note := func(u string) {
		if !seen[u] {
			seen[u] = true
			todo = append(todo, u)
		}
	}
	for host := range w.seeds {
		note(address(host, 0))
	}
	for ; len(todo) > 0; todo = todo[1:] {
		list = append(list, todo[0])
		if host, page, ok := w.find(todo[0]); ok {
			for _, l := range w.to(host, page) {
				note(l)
			}
		}
	}
	slices.Sort(list)
	return list
}

// TestWebCanBeWalked finds all pages of webs, also those of hosts that the order does not name.
func TestWebCanBeWalked(t *testing.T) {
	for _, pages := range []int{60, 300, 40_000} {
		w := webOf(pages, pages/8)
		w.fastest, w.slowest = 200*time.Millisecond, 2*time.Second
		list := w.walk()
		if len(list) != w.pages() {
			t.Errorf("a walk finds %d of %d pages", len(list), w.pages())
		}
		if more := w.pages() - pages; more < 0 || more >= w.largest {
			t.Errorf("a web of %d pages has %d", pages, w.pages())
		}
		for _, u := range list {
			host, page, ok := w.find(u)
			if !ok || address(host, page) != u {
				t.Fatalf("%s is no page", u)
			}
			if d := w.takes(host, page); d < w.fastest || d > w.slowest {
				t.Fatalf("%s takes %v", u, d)
			}
		}
	}
	w := webOf(300, 30)
	for _, u := range []string{"", "http://h0.test/", "http://h0.test/18", "http://h99.test/0", "http://h-1.test/0", "http://elsewhere.test/0"} {
		if _, _, ok := w.find(u); ok {
			t.Errorf("%q is taken for a page", u)
		}
	}
}
