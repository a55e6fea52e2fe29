package frontier

import (
	"encoding/binary"

	"crawlfleet.dev/crawlfleet/internal/visits"
)

// Rows are sequences of numbers and strings. A reader passes over what follows the
// fields that it knows, and takes fields that are not there for zero: rows can grow
// without a new version as long as an older program may ignore what was added.

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendString(b []byte, v string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// appendInt writes a number that is not negative; a negative one counts as 0.
func appendInt[T int | int64](b []byte, v T) []byte {
	return binary.AppendUvarint(b, uint64(max(v, 0)))
}

// decoder reads fields. It turns bad when they are not what they should be.
type decoder struct {
	data []byte
	bad  bool
}

func (d *decoder) uint() uint64 {
	if len(d.data) == 0 {
		return 0
	}
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		d.data, d.bad = nil, true
		return 0
	}
	d.data = d.data[n:]
	return v
}

// maxInt bounds numbers, so that sums of a few cannot overflow.
const maxInt = 1 << 60

func (d *decoder) int64() int64 {
	v := d.uint()
	if v > maxInt {
		d.data, d.bad = nil, true
		return 0
	}
	return int64(v)
}

func (d *decoder) int() int { return int(d.int64()) }

// next is the next n bytes.
func (d *decoder) next(n int) []byte {
	if n < 0 || n > len(d.data) {
		d.data, d.bad = nil, true
		return nil
	}
	v := d.data[:n:n]
	d.data = d.data[n:]
	return v
}

func (d *decoder) bytes() []byte { return d.next(d.int()) }

func (d *decoder) string() string { return string(d.bytes()) }

// rowRoom is what the numbers of most rows need.
const rowRoom = 64

// appendFound writes what the queue has to know of a page.
func appendFound(b []byte, p *Page) []byte {
	b = appendString(b, p.URL)
	b = appendInt(b, p.Depth)
	b = appendInt(b, p.Hops)
	b = appendInt(b, p.Seed)
	via, _ := p.Via.raw() // a seed has none
	if p.Via == "" {
		return append(b, 0)
	}
	return appendBytes(b, via[:])
}

// found reads what appendFound wrote. The fingerprint and the host follow from the URL.
func (d *decoder) found() *Page {
	p := &Page{URL: d.string(), Depth: d.int(), Hops: d.int(), Seed: d.int()}
	switch via := d.bytes(); len(via) {
	case 0:
	case len(fp{}):
		p.Via = fp(via).hex()
	default:
		d.bad = true
	}
	if p.URL == "" {
		d.bad = true
	}
	p.key = fpOf(p.URL)
	p.FP = p.key.hex()
	return p
}

// queueKey is the key of a queued page: its host, a zero byte, its place in the order.
func queueKey(host string, order int64) []byte {
	b := make([]byte, 0, len(host)+9)
	b = append(append(b, host...), 0)
	return binary.BigEndian.AppendUint64(b, uint64(order))
}

// splitQueueKey takes a key of the queue apart.
func splitQueueKey(key []byte) (host []byte, order int64, ok bool) {
	n := len(key) - 9
	if n <= 0 || key[n] != 0 {
		return nil, 0, false
	}
	v := binary.BigEndian.Uint64(key[n+1:])
	return key[:n], int64(v), v <= maxInt
}

func queueRow(p *Page) row {
	return row{key: queueKey(p.host, p.Order), value: appendFound(nil, p)}
}

func readQueueRow(r row) (*Page, error) {
	host, order, ok := splitQueueKey(r.key)
	d := decoder{data: r.value}
	p := d.found()
	if !ok || d.bad || r.deleted {
		return nil, damaged("a row of the queue cannot be read")
	}
	p.host, p.Order, p.Status = string(host), order, Queued
	return p, nil
}

// heldRow is the row of a page that was handed out; one with a final status takes the
// row out.
func heldRow(p *Page) row {
	if p.Status.Terminal() {
		return row{key: p.key[:], deleted: true}
	}
	b := make([]byte, 0, len(p.URL)+len(p.Reason)+len(p.Bundle)+rowRoom)
	b = appendString(b, string(p.Status))
	b = appendString(b, p.Reason)
	b = appendInt(b, p.Order)
	b = appendInt(b, p.Tries)
	b = appendInt(b, p.RetryAt)
	b = appendString(b, p.Bundle)
	return row{key: p.key[:], value: appendFound(b, p)}
}

func readHeldRow(r row) (*Page, error) {
	d := decoder{data: r.value}
	status, reason, order, tries, at, bundle := Status(d.string()), d.string(), d.int64(), d.int(), d.int64(), d.string()
	p := d.found()
	open := status == Queued || status == Delayed || status == Leased
	if d.bad || !open || string(p.key[:]) != string(r.key) || (status == Leased) != (bundle != "") {
		return nil, damaged("a row of a held page cannot be read")
	}
	p.Status, p.Reason, p.Order, p.Tries, p.RetryAt, p.Bundle = status, reason, order, tries, at, bundle
	return p, nil
}

func numberKey(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// logRow is the row of a page that was not archived.
func logRow(n int64, p *Page) row {
	b := appendString(nil, string(p.Status))
	b = appendString(b, p.Reason)
	b = appendInt(b, p.Order)
	b = appendInt(b, p.Tries)
	return row{key: numberKey(n), value: appendFound(b, p)}
}

func readLogRow(r row) (*Page, error) {
	d := decoder{data: r.value}
	status, reason, order, tries := Status(d.string()), d.string(), d.int64(), d.int()
	p := d.found()
	if d.bad || len(r.key) != 8 || status != Failed && status != Skipped {
		return nil, damaged("a row of the log cannot be read")
	}
	p.Status, p.Reason, p.Order, p.Tries = status, reason, order, tries
	return p, nil
}

func chunkRow(n int64, c Chunk) row {
	b := appendString(nil, c.Key)
	b = appendInt(b, c.Size)
	b = appendString(b, c.SHA256)
	b = appendInt(b, c.Pages)
	if c.Incomplete != nil { // earlier rows end before it
		b = appendInt(b, *c.Incomplete)
		if v := c.Compared; v != nil { // rows of runs that compare nothing end before it
			for _, n := range []int64{v.Unchanged, v.Changed, v.New, v.NotCompared} {
				b = appendInt(b, n)
			}
		}
	}
	return row{key: numberKey(n), value: b}
}

func readChunkRow(r row) (Chunk, error) {
	d := decoder{data: r.value}
	c := Chunk{Key: d.string(), Size: d.int64(), SHA256: d.string(), Pages: d.int()}
	if len(d.data) > 0 && !d.bad {
		n := d.int()
		c.Incomplete = &n
	}
	if len(d.data) > 0 && !d.bad {
		c.Compared = &visits.Counts{Unchanged: d.int64(), Changed: d.int64(), New: d.int64(), NotCompared: d.int64()}
	}
	if d.bad || c.Key == "" || len(r.key) != 8 {
		return c, damaged("a row of a chunk cannot be read")
	}
	return c, nil
}

// hostRow is the row of a host.
func hostRow(h *host) row {
	b := make([]byte, 0, len(h.detail)+len(h.bundle)+len(h.outage.name)+rowRoom)
	b = appendInt(b, h.ready)
	b = appendInt(b, h.delay)
	b = appendInt(b, h.since)
	b = appendInt(b, h.read)
	b = appendInt(b, h.stored)
	b = appendInt(b, h.visited)
	b = appendInt(b, h.failures)
	b = appendString(b, h.detail)
	b = appendString(b, h.bundle)
	b = appendString(b, h.outage.name)
	b = appendInt(b, h.outage.since)
	b = appendInt(b, h.outage.visits)
	b = appendInt(b, len(h.lost))
	for _, l := range h.lost {
		b = appendString(b, l.name)
		b = appendString(b, l.reason)
	}
	b = appendInt(b, len(h.moved))
	for _, place := range h.moved {
		b = appendString(b, place)
	}
	if h.wait != "" || len(h.patterns) > 0 { // last: earlier rows end before it
		b = appendString(b, h.wait)
	}
	if len(h.patterns) > 0 {
		b = appendPatterns(b, h.patterns)
	}
	return row{key: []byte(h.key), value: b}
}

func readHostRow(r row) (*host, error) {
	d := decoder{data: r.value}
	h := &host{
		key: string(r.key), ready: d.int64(), delay: d.int64(), since: d.int64(), read: d.int64(), stored: d.int64(),
		visited: d.int64(), failures: d.int(), detail: d.string(), bundle: d.string(), place: -1,
		outage: outage{name: d.string(), since: d.int64(), visits: d.int()},
	}
	for n := min(d.int(), maxLost); n > 0 && !d.bad; n-- {
		h.lost = append(h.lost, lostName{name: d.string(), reason: d.string()})
	}
	for n := min(d.int(), maxMoved); n > 0 && !d.bad; n-- {
		h.moved = append(h.moved, d.string())
	}
	h.wait, h.patterns = d.string(), d.patterns()
	if d.bad || h.key == "" || r.deleted {
		return nil, damaged("a row of a host cannot be read")
	}
	return h, nil
}
