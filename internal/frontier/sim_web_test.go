package frontier

import (
	"strconv"
	"strings"
	"time"
)

// simWeb is a synthetic web of any size that takes no memory: what a page is, where it
// lies, what it links to and where it redirects follows from its number and the seed.
// Hosts are of very different sizes; some do not answer, some fail now and then or ask for
// patience; some pages kill the browser that loads them.
type simWeb struct {
	seed uint64
	// pages are numbered from 0 on; traps are the numbers after them, one for 64 pages.
	pages, hosts int
	// skew is how uneven hosts are: the largest has hosts^(-1/skew) of all pages.
	skew int
	// fanout bounds the links of a page beside those of the tree that all pages are in.
	fanout int
	// poison is one in how many pages that kill, 0 for none.
	poison int
	// even leaves out whatever fails: no host, no page.
	even bool
}

// pageKind is what becomes of a page that is loaded.
type pageKind uint8

const (
	plainPage  pageKind = iota
	movedPage           // redirects to a plain one
	gonePage            // fails for good
	flakyPage           // fails once to three times
	poisonPage          // kills who loads it
	deadPage            // on a host that does not answer
	trapPage            // taken for a trap by its address
)

// simSeeds is how many pages the crawl begins with: 0, 1 and so on, which never fail.
const simSeeds = 4

// dice is a number that follows from another one (SplitMix64).
func (w *simWeb) dice(n, salt int) uint64 {
	z := w.seed*0x9e3779b97f4a7c15 + uint64(n)*0xbf58476d1ce4e5b9 + uint64(salt)*0x94d049bb133111eb
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// addresses is how many numbers there are.
func (w *simWeb) addresses() int { return w.pages + w.pages/64 }

// host is the host of a page: those with small numbers are the large ones.
func (w *simWeb) host(id int) int {
	u := float64(w.dice(id, 1)>>11) / (1 << 53)
	x := u
	for range w.skew - 1 {
		x *= u
	}
	return int(x * float64(w.hosts))
}

// The moods of hosts. Large ones always answer, so that most of the web can be reached.
const (
	quietHost = iota
	deadHost
	unsteadyHost // does not answer one visit in ten
	busyHost     // asks for patience on one visit in ten
	slowHost     // its robots.txt asks for a longer delay
)

func (w *simWeb) mood(host int) int {
	d := w.dice(host, 2)
	switch {
	case w.even || host < 6:
		return quietHost
	case d%40 == 0:
		return deadHost
	case d%10 == 1:
		return unsteadyHost
	case d%10 == 2:
		return busyHost
	case d%10 == 3 && host > 50:
		return slowHost
	}
	return quietHost
}

func (w *simWeb) kind(id int) pageKind {
	d := w.dice(id, 3)
	switch {
	case id >= w.pages:
		return trapPage
	case id < simSeeds || w.even:
		return plainPage
	case w.mood(w.host(id)) == deadHost:
		return deadPage
	case w.poison > 0 && d/64%uint64(w.poison) == 0:
		return poisonPage
	case d%64 == 0 && w.simple(w.target(id)):
		return movedPage
	case d%200 == 1:
		return gonePage
	case d%16 == 2:
		return flakyPage
	}
	return plainPage
}

// simple tells whether a page is plain; it is kind without redirects.
func (w *simWeb) simple(id int) bool {
	d := w.dice(id, 3)
	return id < simSeeds || w.mood(w.host(id)) != deadHost && (w.poison == 0 || d/64%uint64(w.poison) > 0) && d%64 != 0 && d%200 != 1
}

func (w *simWeb) target(id int) int { return int(w.dice(id, 4) % uint64(w.pages)) }

// final is where a page is in the end.
func (w *simWeb) final(id int) int {
	if w.kind(id) == movedPage {
		return w.target(id)
	}
	return id
}

func appendHost(b []byte, host int) []byte {
	return append(strconv.AppendInt(append(b, 'h'), int64(host), 10), ".example"...)
}

func (w *simWeb) url(id int) string {
	b := make([]byte, 0, 48)
	b = appendHost(append(b, "https://"...), w.host(id))
	if id >= w.pages {
		b = append(b, "/t/t/t/t/"...)
	} else {
		b = append(b, "/p/"...)
	}
	return string(strconv.AppendInt(b, int64(id), 10))
}

// id is the number of an address that url made.
func (w *simWeb) id(url string) int {
	n, err := strconv.Atoi(url[strings.LastIndexByte(url, '/')+1:])
	if err != nil || n < 0 || n >= w.addresses() {
		return -1
	}
	return n
}

// links appends what a page that was archived links to. Pages of one content have the same
// links.
func (w *simWeb) links(id int, to []int) []int {
	c := w.final(id)
	for child := 2*c + 1; child <= 2*c+2 && child < w.pages; child++ {
		to = append(to, child)
	}
	d := w.dice(c, 5)
	for i := range int(d % uint64(w.fanout+1)) {
		to = append(to, int(w.dice(c, 6+i)%uint64(w.pages)))
	}
	if d>>32%64 == 0 && w.pages >= 64 {
		to = append(to, w.pages+int(d>>40%uint64(w.pages/64)))
	}
	return to
}

// strays tells whether a page has a link out of the scope too, and one that is no page.
func (w *simWeb) strays(id int) bool { return w.dice(w.final(id), 40)%32 == 0 }

// busy tells whether a visit is answered by asking for patience.
func (w *simWeb) busy(p BundlePage, id int) bool {
	return p.Tries < 2 && w.dice(id, 50+p.Tries)%10 == 0 && w.kind(id) != deadPage && w.mood(w.host(id)) == busyHost
}

// asks is the delay that a host asks for, 0 for none.
func (w *simWeb) asks(host int) time.Duration {
	if w.mood(host) == slowHost {
		return 10 * time.Second
	}
	return 0
}

// outcome is what a visit brings.
func (w *simWeb) outcome(p BundlePage, id int, ended time.Time) Outcome {
	host := w.host(id)
	o := Outcome{FP: p.FP, Status: Failed, Ended: ended, Delay: w.asks(host)}
	kind, mood := w.kind(id), w.mood(host)
	d := w.dice(id, 50+p.Tries)
	switch {
	case kind == deadPage:
		o.Reason, o.Retry = "DNSFailed", true
		return o
	case mood == unsteadyHost && p.Tries < 2 && d%10 == 0:
		o.Reason, o.Retry = "ConnectFailed", true
		return o
	case w.busy(p, id):
		o.Status, o.Reason, o.Retry, o.RetryAfter = Archived, ReasonHostBusy, true, time.Duration(d%40)*time.Second
		return o
	case kind == flakyPage && p.Tries <= int(w.dice(id, 7)%3):
		o.Reason, o.Retry = "BrowserCrashed", true
		return o
	case kind == gonePage:
		o.Reason = "TooManyRedirects"
		return o
	}
	o.Status, o.Final = Archived, p.URL
	if kind == movedPage {
		o.Final = w.url(w.target(id))
	}
	var buffer [16]int
	links := w.links(id, buffer[:0])
	o.Links = make([]string, 0, len(links)+2)
	for _, l := range links {
		o.Links = append(o.Links, w.url(l))
	}
	if w.strays(id) {
		o.Links = append(o.Links, "https://elsewhere.test/", "mailto:someone@example.org")
	}
	return o
}

// walk is a plain breadth-first walk, by none of the frontier's means: it marks every
// address that is linked or redirected to, from the seeds on. leaf tells of pages that
// brought nothing though they might have.
func (w *simWeb) walk(leaf func(id int) bool) (seen []bool, count int) {
	seen = make([]bool, w.addresses())
	todo := make([]int, 0, 1024)
	mark := func(id int) bool {
		if seen[id] {
			return false
		}
		seen[id] = true
		count++
		return true
	}
	for id := range simSeeds {
		mark(id)
		todo = append(todo, id)
	}
	// A page that is known as the end of a redirect brought its links with the redirect.
	var buffer [16]int
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		switch w.kind(id) {
		case trapPage, gonePage, poisonPage, deadPage:
			continue
		}
		if leaf(id) {
			continue
		}
		mark(w.final(id))
		for _, l := range w.links(id, buffer[:0]) {
			if mark(l) {
				todo = append(todo, l)
			}
		}
	}
	return seen, count
}
