// Package frontier is the pure core of the crawl queue: which URLs are known, what
// became of each, and which are visited next. It does no I/O and reads no clock; time
// is passed in, objects are handed over as bytes.
//
// A [State] is the frontier of one shard at one manifest. [State.Add] brings in seeds,
// [State.Apply] what a bundle brought back, [State.Choose] hands out bundles, and
// [State.Seal] yields the next [Manifest] with the objects it needs.
//
// Every URL that was discovered is in exactly one status: queued, delayed, leased,
// archived, failed or skipped; [State.Check] recounts it.
//
// What is stored is a log of rows: a segment holds the rows that changed since the
// manifest before, and a later row of the same key replaces an earlier one. When the
// segments have grown to twice the size of the whole they are compacted into one, so
// that a plan writes in proportion to what changed. A shard is meant for up to a
// million URLs, which it holds in memory at about 300 bytes each.
package frontier

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// Slots is the number of slots that politeness keys are hashed into. A shard owns a
// range of them, so that the number of shards can grow without another hash.
const Slots = 4096

// Fingerprint identifies a canonical URL: the first 16 bytes of its SHA-256 in hex.
type Fingerprint string

// FingerprintOf is the fingerprint of a canonical URL.
func FingerprintOf(canonical string) Fingerprint {
	sum := sha256.Sum256([]byte(canonical))
	return Fingerprint(hex.EncodeToString(sum[:16]))
}

// SlotOf is the slot, from 0 to Slots-1, of a politeness key.
func SlotOf(key string) int {
	sum := sha256.Sum256([]byte(key))
	return int(binary.BigEndian.Uint16(sum[:2])) % Slots
}

// hostOf is the politeness key of a canonical URL.
func hostOf(canonical string) string {
	key, err := urls.PolitenessKey(canonical)
	if err != nil {
		return canonical // it was canonical, so this does not happen; it is polite all the same
	}
	return key
}

// Status says where a URL is.
type Status string

// The statuses of a URL.
const (
	Queued   Status = "q"
	Delayed  Status = "d"
	Leased   Status = "l"
	Archived Status = "a"
	Failed   Status = "f"
	Skipped  Status = "s"
)

// Terminal tells whether a status is final.
func (s Status) Terminal() bool { return s == Archived || s == Failed || s == Skipped }

// Page is the row of a URL.
type Page struct {
	FP  Fingerprint `json:"fp"`
	URL string      `json:"u"`
	// Status and Reason say what became of it; Reason is set for failed and skipped
	// pages, and for delayed ones that failed before.
	Status Status `json:"s"`
	Reason string `json:"r,omitempty"`
	// Order is the place in the queue.
	Order int64 `json:"o"`
	// Depth is the number of links from a seed, Hops how many of them led out of
	// the scope, Seed the index of that seed.
	Depth int `json:"d,omitempty"`
	Hops  int `json:"h,omitempty"`
	Seed  int `json:"n,omitempty"`
	// Via is the page that linked here first; empty for a seed.
	Via Fingerprint `json:"v,omitempty"`
	// Tries is how often a visit failed, RetryAt when a delayed page is due, in
	// Unix milliseconds.
	Tries   int   `json:"t,omitempty"`
	RetryAt int64 `json:"at,omitempty"`
	// Bundle is the bundle that a leased page is in.
	Bundle string `json:"b,omitempty"`

	host string
}

// Host is the row of a politeness key.
type Host struct {
	Key string `json:"k"`
	// Ready is when its next page load may begin, in Unix milliseconds: the end of
	// the last one, and the delay.
	Ready int64 `json:"at,omitempty"`
	// Delay is the delay that the host itself asks for (robots.txt), in
	// milliseconds.
	Delay int64 `json:"d,omitempty"`
	// Visited counts pages with a final outcome of a visit, Failures those in a row
	// that did not reach the host.
	Visited  int64 `json:"n,omitempty"`
	Failures int   `json:"f,omitempty"`
	// Detail says what went wrong the last time, for people.
	Detail string `json:"e,omitempty"`
	// Bundle is the open bundle that the host is in; it is in one at most.
	Bundle string `json:"b,omitempty"`
}

// Counts are the books: Discovered is the sum of all the others.
type Counts struct {
	Discovered int64            `json:"discovered"`
	Queued     int64            `json:"queued"`
	Delayed    int64            `json:"delayed"`
	Leased     int64            `json:"leased"`
	Archived   int64            `json:"archived"`
	Failed     map[string]int64 `json:"failed,omitempty"`
	Skipped    map[string]int64 `json:"skipped,omitempty"`
	// Bytes and Chunks are what is stored.
	Bytes  int64 `json:"bytes"`
	Chunks int64 `json:"chunks"`
}

// millis is a time as rows hold it.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
