package catalog

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// cursor is where a page of a result ended. What is counted on the first page the cursor brings
// along, so that no other page counts anew.
type cursor struct {
	at    slot
	count int
	more  bool
}

// cursorSize is that of a cursor: the fingerprint of the query, the slot, and the count.
const cursorSize = 4 + 8 + 4

func (c cursor) String(fingerprint uint32) string {
	b := binary.BigEndian.AppendUint32(nil, fingerprint)
	b = binary.BigEndian.AppendUint64(b, uint64(c.at))
	n := uint32(c.count) << 1
	if c.more {
		n |= 1
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, n))
}

func parseCursor(s string, fingerprint uint32) (cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != cursorSize {
		return cursor{}, invalid("cursor", "it is none that a search gave; leave it out to begin at the start")
	}
	if binary.BigEndian.Uint32(b) != fingerprint {
		return cursor{}, invalid("cursor", "it is of another search; leave it out to begin at the start")
	}
	at, n := slot(binary.BigEndian.Uint64(b[4:])), binary.BigEndian.Uint32(b[12:])
	if at < 0 || at > maxMilli<<slotBits|(1<<slotBits-1) || n>>1 > CountLimit {
		return cursor{}, invalid("cursor", "it is none that a search gave; leave it out to begin at the start")
	}
	return cursor{at: at, count: int(n >> 1), more: n&1 == 1}, nil
}

// fingerprint tells searches apart. Who asks and how many they want at a time is not part of it.
func fingerprint(q Query) uint32 {
	q.Namespaces, q.Limit, q.Cursor = nil, 0, ""
	q.From, q.To = q.From.UTC(), q.To.UTC()
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", fmt.Sprintf("%+v", q)))
	return binary.BigEndian.Uint32(sum[:])
}
