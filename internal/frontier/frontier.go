// Package frontier is the pure core of the crawl queue: which URLs are known, what
// became of each, and which are visited next. It does no I/O of its own and reads no
// clock; objects are fetched by a function that is handed in, and time is passed in.
//
// A [State] is the frontier of one shard at one manifest. [State.Add] brings in seeds,
// [State.Receive] what other shards found, [State.Apply] what a bundle brought back.
// [State.Choose] hands out bundles, [State.Send] tells the other shards, and [State.Seal]
// yields the next [Manifest] with the objects that it needs. A step is
// those calls in that order; what they decide follows from the manifest and their
// arguments alone.
//
// # Books
//
// Every URL that was discovered is in exactly one status: queued, delayed, leased,
// archived, failed or skipped. [State.Check] compares the books with the tables that
// a step works on, [State.Recount] with every row that is stored.
//
// # What is stored
//
// A shard is a handful of tables of sorted rows in immutable segments (segment.go):
//
//   - seen: the fingerprint of every URL, and what became of it
//   - queue: URLs that were never handed out, by host and in the order of discovery
//   - hosts: one row for each host: when it may be visited, how far its queue is read
//   - held: URLs that were handed out and are not done: leased, delayed, or returned
//   - chunks: the archive's chunks
//   - log: URLs that failed or were skipped, each with its reason
//
// A step writes one segment, a delta, with the rows that changed. When the deltas hold
// a few thousand rows they are folded into the tables, whose segments are merged with
// neighbours of like size and never grow beyond a quarter of a million rows: a step writes in
// proportion to what changed, and at most a bounded amount. Queue segments that are
// read to the end are dropped.
//
// # Memory
//
// Read at once are hosts, held pages, chunks and deltas. The seen table (17 bytes a
// row, two rows a URL at most) and the packed queue (some 30 bytes a URL) are fetched
// when they are first needed and kept; a block of the queue is unpacked when a host in
// it is visited. A shard is meant for up to some four million URLs.
package frontier

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/visits"
)

// Slots is the number of slots that politeness keys are hashed into. A shard owns a
// range of them, so that the number of shards can grow without another hash.
const Slots = 4096

// Fingerprint identifies a canonical URL: the first 16 bytes of its SHA-256 in hex.
type Fingerprint string

// FingerprintOf is the fingerprint of a canonical URL.
func FingerprintOf(canonical string) Fingerprint { return fpOf(canonical).hex() }

// fp is a fingerprint as tables hold it.
type fp [16]byte

func fpOf(canonical string) fp {
	sum := sha256.Sum256([]byte(canonical))
	return fp(sum[:16])
}

// compare orders fingerprints as their bytes are ordered.
func (f fp) compare(g fp) int {
	return cmp.Or(
		cmp.Compare(binary.BigEndian.Uint64(f[:8]), binary.BigEndian.Uint64(g[:8])),
		cmp.Compare(binary.BigEndian.Uint64(f[8:]), binary.BigEndian.Uint64(g[8:])),
	)
}

func (f fp) hex() Fingerprint { return Fingerprint(hex.EncodeToString(f[:])) }

// raw is the fingerprint as tables hold it; ok is false when it is none.
func (f Fingerprint) raw() (key fp, ok bool) {
	if len(f) != 2*len(key) {
		return key, false
	}
	_, err := hex.Decode(key[:], []byte(f))
	return key, err == nil
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

// The reasons that the frontier gives by itself; the others come with outcomes.
const (
	reasonOutOfScope        = "OutOfScope"
	reasonDepthLimit        = "DepthLimit"
	reasonHostLimit         = "HostLimit"
	reasonPageLimit         = "PageLimit"
	reasonByteLimit         = "ByteLimit"
	reasonDuplicate         = "Duplicate"
	reasonUnsupportedScheme = "UnsupportedScheme"
	reasonInvalidURL        = "InvalidURL"
	reasonTrapLength        = "TrapLength"
	reasonTrapPathDepth     = "TrapPathDepth"
	reasonTrapRepeated      = "TrapRepeatedSegment"
	reasonTrapQuery         = "TrapQuery"
	reasonTrapCalendar      = "TrapCalendar"
	reasonTrapFacets        = "TrapFacets"
	reasonTrapSession       = "TrapSession"
	reasonPatternLimit      = "PatternLimit"
)

// Page is a URL and how it was found.
type Page struct {
	FP  Fingerprint
	URL string
	// Status and Reason say what became of it; Reason is set for failed and skipped
	// pages, and for delayed ones that failed before.
	Status Status
	Reason string
	// Order is the place in the order of discovery.
	Order int64
	// Depth is the number of links from a seed, Hops how many of them led out of
	// the scope, Seed the index of that seed.
	Depth, Hops, Seed int
	// Via is the page that linked here first; empty for a seed.
	Via Fingerprint
	// Tries is how often a visit failed, RetryAt when a delayed page is due, in
	// Unix milliseconds.
	Tries   int
	RetryAt int64
	// Bundle is the bundle that a leased page is in.
	Bundle string

	host  string
	key   fp
	place int // among those that are put aside
}

// Counts are the books: Discovered is the sum of Queued, Delayed, Leased, Archived, and
// all that is in Failed and Skipped.
type Counts struct {
	Discovered int64            `json:"discovered"`
	Queued     int64            `json:"queued"`
	Delayed    int64            `json:"delayed"`
	Leased     int64            `json:"leased"`
	Archived   int64            `json:"archived"`
	Failed     map[string]int64 `json:"failed,omitempty"`
	Skipped    map[string]int64 `json:"skipped,omitempty"`
	// Incomplete counts those of Archived of which something is missing.
	Incomplete int64 `json:"incomplete,omitempty"`
	// Compared divides those of Archived that were to be compared with an earlier run.
	Compared visits.Counts `json:"compared,omitzero"`
	// Bytes and Chunks are what is stored.
	Bytes  int64 `json:"bytes"`
	Chunks int64 `json:"chunks"`
	// Ignored counts links, by reason, that lead outside the order: OutOfScope,
	// DepthLimit, UnsupportedScheme, InvalidURL. They are not pages of the crawl, so
	// they are not among Discovered, and a link counts each time it is met.
	Ignored map[string]int64 `json:"ignored,omitempty"`
}

// millis is a time as rows hold it.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Hosts is how many politeness keys canonical URLs have.
func Hosts(canonical []string) int {
	keys := map[string]bool{}
	for _, u := range canonical {
		keys[hostOf(u)] = true
	}
	return len(keys)
}
