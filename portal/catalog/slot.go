package catalog

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"time"

	"crypto/sha256"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// NewID makes the ID of the capture of a page of a file.
func NewID(chunk blob.Key, page string) ID {
	sum := sha256.Sum256([]byte(string(chunk) + "\n" + page))
	return ID(hex.EncodeToString(sum[:16]))
}

// slot is the row number of a capture. It follows the time, so that captures are found in the
// order in which they are listed, and a time range or a cursor is a range of numbers: a
// millisecond has 2^20 slots, and the ID tells at which of them a capture would like to be.
//
// Where a slot is taken, captures lie one after another, ordered by home and ID, as close to
// their homes as they can. That makes the layout independent of the order in which they came.
type slot int64

const (
	slotBits = 20
	maxMilli = 1<<42 - 1
)

// firstSlot is the first slot of a time.
func firstSlot(t time.Time) slot {
	return slot(min(max(t.UnixMilli(), 0), maxMilli)) << slotBits
}

// home is where a capture would like to be.
func home(id []byte, t time.Time) slot {
	return firstSlot(t) | slot(binary.BigEndian.Uint32(id)>>(32-slotBits))
}

// place is a capture that has a home.
type place struct {
	home slot
	id   string // its bytes
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.home, o.home), cmp.Compare(p.id, o.id))
}
