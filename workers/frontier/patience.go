package frontier

import (
	"cmp"
	"sync"
	"time"
)

// The bounds of patience with what cannot be had.
const (
	// firstHold doubles with each try that fails, up to longHold.
	firstHold = 30 * time.Second
	longHold  = 10 * time.Minute
	// maxAsked bounds what a host may ask for with Retry-After: people wait for the order.
	maxAsked = time.Hour
	// maxPatience bounds how many sites and sitemaps are remembered.
	maxPatience = 4096
)

// patience knows when sites may be asked for a sitemap again, whoever asks for it: orders, and
// the attempts of one, which follow each other faster than a site would like.
type patience struct {
	mu    sync.Mutex
	rests map[string]time.Time // of a site, between two sitemaps
	holds map[string]heldOff   // of a site or a sitemap that cannot be had
}

// heldOff is why something is left alone, and until when.
type heldOff struct {
	until  time.Time
	tries  int    // that failed, one after the other
	status int    // of the last answer, 0 for none
	what   string // befell
}

// held gives the longest hold of some keys at a time, and the key.
func (p *patience) held(now time.Time, keys ...string) (longest heldOff, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		if h := p.holds[k]; h.until.After(now) && h.until.After(longest.until) {
			longest, key = h, k
		}
	}
	return longest, key
}

// hold leaves something alone: for as long as its host asks, or a while where it asks for
// nothing, and for a pause that grows if it is to be tried over and over.
func (p *patience) hold(key string, now time.Time, why *SeedError, growing bool) heldOff {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds == nil {
		p.holds = map[string]heldOff{}
	}
	bound(p.holds, func(h heldOff) bool { return h.until.Add(longHold).Before(now) })
	h := heldOff{tries: p.holds[key].tries + 1, status: why.status, what: why.what}
	pause := min(cmp.Or(why.retryAfter, firstHold), maxAsked)
	if growing {
		pause = max(pause, min(firstHold<<min(h.tries-1, 10), longHold))
	}
	h.until = now.Add(pause)
	p.holds[key] = h
	return h
}

// forget begins anew with what could be had. What is held off yet is not: it was asked before
// that was known.
func (p *patience) forget(now time.Time, keys ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		if !p.holds[k].until.After(now) {
			delete(p.holds, k)
		}
	}
}

// turn is when a site may be asked. The next turn is a delay later.
func (p *patience) turn(site string, now time.Time, delay time.Duration) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := now
	if rest := p.rests[site]; rest.After(at) {
		at = rest
	}
	p.restUntil(site, now, at.Add(delay))
	return at
}

// rest leaves a site alone that was just asked.
func (p *patience) rest(site string, now, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restUntil(site, now, until)
}

func (p *patience) restUntil(site string, now, until time.Time) {
	if p.rests == nil {
		p.rests = map[string]time.Time{}
	}
	bound(p.rests, func(t time.Time) bool { return t.Before(now) })
	if until.After(p.rests[site]) {
		p.rests[site] = until
	}
}

// bound makes room in a map that is full: of what is over, or else of anything.
func bound[V any](m map[string]V, over func(V) bool) {
	if len(m) < maxPatience {
		return
	}
	for k, v := range m {
		if over(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < maxPatience {
			return
		}
		delete(m, k)
	}
}
