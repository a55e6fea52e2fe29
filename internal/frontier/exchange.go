package frontier

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// A shard finds pages that another one owns. What it found since its last step it sends
// in one object, the exchange, in which each receiver has a part of its own:
//
//	exchange = *part                  ; by receiver, in ascending order
//	part     = a Zstandard frame (RFC 8878) with content checksum, of head *link
//	head     = version from to seq previous count
//	link     = kind found             ; found as in the queue
//
// Numbers are unsigned varints. seq counts the exchanges of a sender, previous is that of
// the last one that had a part for the receiver, 0 for none: a receiver takes parts in
// that order, so one that is lost, doubled or late changes nothing.

const exchangeVersion = 1

// The kinds of links in an exchange.
const (
	// linkFound is a link that is in scope, or may be: its owner decides.
	linkFound = iota
	// linkMoved is where a page was redirected to, which has just been archived.
	linkMoved
)

// MaxShards is how many shards a run may have.
const MaxShards = 64

// Exchange names what a shard sent at one step.
type Exchange struct {
	// Seq counts the exchanges of the shard, from 1 on.
	Seq int64  `json:"seq"`
	Key string `json:"key"`
	// Parts are those of the receivers that there is something for.
	Parts []Part `json:"parts"`
}

// Part is where the part of a receiver lies in an exchange, in bytes.
type Part struct {
	To             int
	Offset, Length int64
}

// outbox is what is to be sent to a shard.
type outbox struct {
	links []outLink
	known map[outKey]bool
}

type outLink struct {
	kind int
	page *Page
}

type outKey struct {
	kind int
	key  fp
}

// slots are those that a shard of so many owns, the end excluded.
func slots(shard, shards int) (first, end int) {
	return shard * Slots / shards, (shard + 1) * Slots / shards
}

// ShardOf is the shard, of so many, that owns a politeness key.
func ShardOf(key string, shards int) int {
	slot := SlotOf(key)
	shard := slot * shards / Slots
	for { // rounding may be off by one
		first, end := slots(shard, shards)
		switch {
		case slot < first:
			shard--
		case slot >= end:
			shard++
		default:
			return shard
		}
	}
}

// ownerOf is the shard that owns a canonical URL.
func (s *State) ownerOf(canonical string) int {
	if s.manifest.Shards == 1 {
		return 0
	}
	return s.owners.of(canonical, s.manifest.Shards).shard
}

// hostOf is the politeness key of a canonical URL.
func (s *State) hostOf(canonical string) string {
	return s.owners.of(canonical, s.manifest.Shards).key
}

// foreign passes a page on that another shard owns, and tells whether one does. A link is
// sent only when it is in scope, or when its owner may know better: where seeds have
// moved to is known to the shard of their host alone.
func (s *State) foreign(kind int, p *Page) bool {
	owner := s.ownerOf(p.URL)
	if owner == s.manifest.Shard {
		return false
	}
	if kind == linkFound && !s.rules.seedHosts[s.hostOf(p.URL)] {
		if d := s.rules.Decide(p.URL, p.Depth, p.Hops, nil); !d.In && !d.Trap() {
			s.counts.Ignored[d.Reason]++
			return true
		}
	}
	box := s.out[owner]
	if box == nil {
		box = &outbox{known: map[outKey]bool{}}
		s.out[owner] = box
	}
	if k := (outKey{kind, fpOf(p.URL)}); !box.known[k] {
		box.known[k] = true
		box.links = append(box.links, outLink{kind, p})
	}
	return true
}

// Send packs what the other shards are to learn of this step into an object of that key.
// It returns nil when there is nothing. Seal returns the object with the others.
func (s *State) Send(key string) *Exchange {
	if len(s.out) == 0 {
		return nil
	}
	s.exchanged++
	e := &Exchange{Seq: s.exchanged, Key: key}
	var data []byte
	for _, to := range slices.Sorted(maps.Keys(s.out)) {
		links := s.out[to].links
		b := binary.AppendUvarint(nil, exchangeVersion)
		b = appendInt(b, s.manifest.Shard)
		b = appendInt(b, to)
		b = appendInt(b, e.Seq)
		b = appendInt(b, s.sent[to])
		b = appendInt(b, len(links))
		for _, l := range links {
			b = appendFound(appendInt(b, l.kind), l.page)
		}
		before := len(data)
		data = s.codec.enc.EncodeAll(b, data)
		e.Parts = append(e.Parts, Part{To: to, Offset: int64(before), Length: int64(len(data) - before)})
		s.sent[to] = e.Seq
	}
	clear(s.out)
	s.sending = append(s.sending, Object{Key: key, Data: data})
	return e
}

// maxPart bounds a part of an exchange, unpacked.
const maxPart = 256 << 20

// Receive takes in a part that another shard sent. It returns false when one before it
// is missing: then it changes nothing, and is to be tried again when that one has come.
// A part that was taken in before changes nothing either.
func (s *State) Receive(from int, seq int64, part []byte) (bool, error) {
	raw, err := s.codec.dec.DecodeAll(part, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) { // than a block may be; few are
		raw, err = unpack(part, maxPart)
	}
	if err != nil {
		return false, damaged("exchange %d of shard %d: %v", seq, from, err)
	}
	d := decoder{data: raw}
	version := d.uint()
	if version > exchangeVersion {
		return false, damaged("exchange %d of shard %d has version %d, this program knows %d: upgrade the workers", seq, from, version, exchangeVersion)
	}
	gotFrom, to, gotSeq, previous, count := d.int(), d.int(), d.int64(), d.int64(), d.int()
	if d.bad || gotFrom != from || to != s.manifest.Shard || gotSeq != seq || previous >= seq || from == to {
		return false, damaged("exchange %d of shard %d is not the one that was named", seq, from)
	}
	applied := s.applied[from]
	if seq <= applied {
		return true, nil
	}
	if previous != applied {
		return false, nil
	}
	links := make([]outLink, 0, min(count, len(d.data)))
	for range count {
		kind := d.int()
		p := d.found()
		if d.bad || kind > linkMoved {
			return false, damaged("exchange %d of shard %d: link %d cannot be read", seq, from, len(links))
		}
		if canonical, err := urls.Canonicalize(p.URL); err != nil || canonical != p.URL || s.ownerOf(p.URL) != s.manifest.Shard {
			return false, damaged("exchange %d of shard %d: link %d is none of this shard's", seq, from, len(links))
		}
		links = append(links, outLink{kind, p})
	}
	if len(d.data) > 0 {
		return false, damaged("exchange %d of shard %d: there is something after its links", seq, from)
	}
	for _, l := range links {
		s.arrive(l)
	}
	s.applied[from] = seq
	return true, s.err
}

// arrive brings in a link that another shard found.
func (s *State) arrive(l outLink) {
	p := l.page
	if l.kind == linkMoved {
		s.duplicate(p)
		return
	}
	s.enter(p)
}

// unpack unpacks a frame of at most limit bytes.
func unpack(frame []byte, limit uint64) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(limit))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(frame, nil)
}
