package archive

import (
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// caches know which records stand behind the addresses in browsers' caches: what a line of
// the ledger that was answered from there, or a 304, stands for (RFC 9111 section 4).
type caches map[cacheKey][]holding

// cacheKey is an address in one browser's cache; another's may hold another content.
type cacheKey struct {
	cache   int64
	address string
}

// holding is what a cache holds from a time on. Without a record it is something that is
// not whole in the archive.
type holding struct {
	original
	tag  string // its entity tag, without the mark of a weak one
	from time.Time
}

// hold notes that an answer of 200 to a GET is in the cache from now on. o is its record, or
// the one that its revisit refers to.
func (c caches) hold(key cacheKey, e *recorder.Exchange, o original) {
	tag := ""
	if tags := e.Response.Values("ETag"); len(tags) > 0 {
		tag = opaque(tags[0])
	}
	c[key] = append(c[key], holding{original: o, tag: tag, from: e.Started})
}

// at is what was held at a time, the newest of those that were. The clocks of recorder and
// browser differ a little: what only came later is taken when there is nothing else.
func (c caches) at(key cacheKey, t time.Time, before caches) (holding, bool) {
	here := c[key]
	if i := slices.IndexFunc(here, func(h holding) bool { return h.from.After(t) }); i >= 0 {
		here = here[:max(i, 1)]
		if i == 0 && len(before[key]) > 0 {
			here = nil
		}
	}
	if len(here) == 0 {
		here = before[key]
	}
	if len(here) == 0 {
		return holding{}, false
	}
	h := here[len(here)-1]
	return h, h.ID != ""
}

// keep takes over what is held at the end of a page.
func (c caches) keep(page caches) {
	for key, list := range page {
		c[key] = list[len(list)-1:]
	}
}

// means reports whether a 304 can speak of what is held: the entity tag of the answer, or
// else those that were asked with, are no other one's (RFC 9110 section 15.4.5).
func (h holding) means(e *recorder.Exchange) bool {
	tags := e.Response.Values("ETag")
	if len(tags) == 0 {
		tags = strings.Split(strings.Join(e.Request.Values("If-None-Match"), ","), ",")
	}
	if h.tag == "" || len(tags) == 1 && tags[0] == "" {
		return true
	}
	return slices.ContainsFunc(tags, func(t string) bool { return opaque(t) == h.tag })
}

// opaque is an entity tag for the weak comparison (RFC 9110 section 8.8.3.2).
func opaque(tag string) string { return strings.TrimPrefix(strings.TrimSpace(tag), "W/") }
