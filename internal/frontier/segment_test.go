package frontier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/visits"
)

func mustCodec(t testing.TB) codec {
	t.Helper()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func makeSegment(t testing.TB, c codec, kind segmentKind, rows []row) []byte {
	t.Helper()
	w := newSegmentWriter(c, kind)
	for _, r := range rows {
		if err := w.add(r); err != nil {
			t.Fatal(err)
		}
	}
	return w.finish()
}

func readSegment(c codec, data []byte, kind segmentKind) ([]row, error) {
	s, err := openSegment(c, data, kind)
	if err != nil {
		return nil, err
	}
	var rows []row
	return rows, s.scan(c, func(r row) error { rows = append(rows, r); return nil })
}

// strs makes rows comparable.
func strs(rows []row) []string {
	var list []string
	for _, r := range rows {
		list = append(list, fmt.Sprintf("%q %q %v", r.key, r.value, r.deleted))
	}
	return list
}

func TestSegmentRoundTrip(t *testing.T) {
	t.Parallel()
	c := mustCodec(t)
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 2, 100, 20_000} {
		var rows []row
		for i := range n {
			v := row{key: fmt.Appendf(nil, "key-%08d", i*3), value: bytes.Repeat([]byte{byte(i)}, r.IntN(20))}
			if r.IntN(10) == 0 {
				v.value, v.deleted = nil, true
			}
			rows = append(rows, v)
		}
		data := makeSegment(t, c, kindHeld, rows)
		got, err := readSegment(c, data, kindHeld)
		if err != nil {
			t.Fatalf("%d rows: %v", n, err)
		}
		if diff := cmp.Diff(strs(rows), strs(got)); diff != "" {
			t.Errorf("%d rows (-want +got):\n%s", n, diff)
		}
		s, err := openSegment(c, data, kindHeld)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range rows[:min(len(rows), 50)] {
			block, err := s.block(c, s.find(want.key))
			if err != nil || !slices.ContainsFunc(block, func(r row) bool { return bytes.Equal(r.key, want.key) }) {
				t.Errorf("key %q is not in the block where it is looked for (%v)", want.key, err)
			}
		}
	}
}

func TestSegmentWriterRefuses(t *testing.T) {
	t.Parallel()
	w := newSegmentWriter(mustCodec(t), kindHeld)
	for i, tc := range []struct {
		r    row
		want bool
	}{
		{row{key: []byte("b")}, true},
		{row{key: []byte("b")}, false},
		{row{key: []byte("a")}, false},
		{row{key: []byte("c"), value: make([]byte, maxRow)}, false},
		{row{key: []byte("c"), value: make([]byte, maxRow-1)}, true},
	} {
		if err := w.add(tc.r); (err == nil) != tc.want {
			t.Errorf("row %d: %v", i, err)
		}
	}
}

// TestSegmentGolden pins the format: what was written once has to be read for ever.
func TestSegmentGolden(t *testing.T) {
	t.Parallel()
	c := mustCodec(t)
	p := &Page{URL: "https://a.example/1", Order: 7, Depth: 2, Hops: 1, Seed: 3, host: "a.example", key: fpOf("https://a.example/1"),
		Via: FingerprintOf("https://a.example/"), Status: Delayed, Reason: "DNSFailed", Tries: 1, RetryAt: 5000}
	h := &host{key: "a.example", ready: 1, delay: 2, since: 3, read: 4, stored: 5, visited: 6, failures: 7, detail: "d", bundle: "b",
		outage: outage{"n", 8, 9}, lost: []lostName{{"x", "DNSFailed"}}, moved: []string{"y"}}
	for name, tc := range map[string]struct {
		r    row
		want string
	}{
		"Queue":    {queueRow(p), "612e6578616d706c65000000000000000007 13" + "68747470733a2f2f612e6578616d706c652f31" + "020103" + "10" + hexOf(fpOf("https://a.example/"))},
		"Held":     {heldRow(p), hexOf(p.key) + " 0164" + "09444e534661696c6564" + "07" + "01" + "8827" + "00" + "1368747470733a2f2f612e6578616d706c652f31" + "020103" + "10" + hexOf(fpOf("https://a.example/"))},
		"Host":     {hostRow(h), "612e6578616d706c65 01020304050607" + "0164" + "0162" + "016e" + "0809" + "01" + "0178" + "09444e534661696c6564" + "01" + "0179"},
		"Chunk":    {chunkRow(1, Chunk{Key: "k", Size: 300, SHA256: "s", Pages: 4}), "0000000000000001 016b" + "ac02" + "0173" + "04"},
		"Counted":  {chunkRow(1, Chunk{Key: "k", Size: 300, SHA256: "s", Pages: 4, Incomplete: new(0)}), "0000000000000001 016b" + "ac02" + "0173" + "04" + "00"},
		"Compared": {chunkRow(1, Chunk{Key: "k", Size: 300, SHA256: "s", Pages: 4, Incomplete: new(0), Compared: &visits.Counts{Unchanged: 1, Changed: 2, New: 3, NotCompared: 4}}), "0000000000000001 016b" + "ac02" + "0173" + "04" + "00" + "01020304"},
		"Log":      {logRow(2, &Page{URL: "https://a.example/", Status: Skipped, Reason: "PageLimit", Order: 9}), "0000000000000002 0173" + "09506167654c696d6974" + "09" + "00" + "1268747470733a2f2f612e6578616d706c652f" + "000000" + "00"},
	} {
		if got := fmt.Sprintf("%x %x", tc.r.key, tc.r.value); got != tc.want {
			t.Errorf("%s row:\n got %s\nwant %s", name, got, tc.want)
		}
	}
	data := makeSegment(t, c, kindQueue, []row{queueRow(p)})
	if !bytes.HasPrefix(data, []byte("CFSG\x01q")) || !bytes.HasSuffix(data, []byte("\x00\x00\x00\x00\x00\x00\x00\x01CFSG")) {
		t.Errorf("segment: %x", data)
	}
}

func hexOf(f fp) string { return string(f.hex()) }

func TestRowsRoundTrip(t *testing.T) {
	t.Parallel()
	p := &Page{URL: "https://a.example/1", Order: 7, Depth: 2, Hops: 1, Seed: 3, Via: FingerprintOf("https://a.example/"), Status: Leased, Bundle: "b1-0", Tries: 2}
	p.key, p.FP, p.host = fpOf(p.URL), FingerprintOf(p.URL), "a.example"
	held, err := readHeldRow(heldRow(p))
	if held != nil { // the state fills it in, which knows the hosts
		held.host = p.host
	}
	if err != nil || *held != *p {
		t.Errorf("held page: %+v, %v", held, err)
	}
	queued, err := readQueueRow(queueRow(p))
	want := *p
	want.Status, want.Bundle, want.Tries = Queued, "", 0
	if err != nil || *queued != want {
		t.Errorf("queued page: %+v, %v", queued, err)
	}
	h := &host{key: "a.example", ready: 1, delay: 2, since: 3, read: 4, stored: 5, visited: 6, failures: 7, detail: "d", bundle: "b",
		outage: outage{"n", 8, 9}, lost: []lostName{{"x", "DNSFailed"}}, moved: []string{"y"}, place: -1}
	got, err := readHostRow(hostRow(h))
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", h) {
		t.Errorf("host: %+v, %v", got, err)
	}
	// A row with fields that this program does not know yet can be read.
	longer := hostRow(h)
	longer.value = append(longer.value, 1, 2, 3)
	if _, err := readHostRow(longer); err != nil {
		t.Errorf("a longer row of a host: %v", err)
	}
	// So can one of a program that did not know the last ones.
	shorter := hostRow(h)
	shorter.value = shorter.value[:len(shorter.value)-3]
	if got, err := readHostRow(shorter); err != nil || len(got.moved) != 0 || len(got.lost) != 1 {
		t.Errorf("a shorter row of a host: %+v, %v", got, err)
	}
}

func TestMergeSeen(t *testing.T) {
	t.Parallel()
	mk := func(pairs ...byte) []byte {
		var b []byte
		for i := 0; i < len(pairs); i += 2 {
			b = append(append(append(b, pairs[i]), make([]byte, 15)...), pairs[i+1])
		}
		return b
	}
	got := mergeSeen(mk(1, 0, 3, 0, 5, 0), mk(2, 0, 3, 1, 9, 2))
	if want := mk(1, 0, 2, 0, 3, 1, 5, 0, 9, 2); !bytes.Equal(want, got) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestMergeRuns(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason     string
		runs, want []int
	}{
		"Like":     {"neighbours of like size", []int{100, 10, 9}, []int{100, 19}},
		"Cascade":  {"and what comes of them", []int{30, 16, 8, 8}, []int{62}},
		"Unlike":   {"not a large one with a small one", []int{100, 10}, []int{100, 10}},
		"Bounded":  {"not beyond the bound", []int{70, 60}, []int{70, 60}},
		"Consumed": {"not a rest with much more", []int{2, 90}, []int{2, 90}},
		"Budget":   {"not more than twice the bound at once", []int{50, 50, 50, 50, 50, 50}, []int{50, 50, 100, 100}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := mergeRuns(100, tc.runs, func(n int) int { return n }, func(a, b int) (int, error) { return a + b, nil })
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: got %v, want %v (%v)", tc.reason, got, tc.want, err)
			}
		})
	}
}

// samples are a segment of each kind.
func samples(t testing.TB, c codec) map[segmentKind][]byte {
	p := &Page{URL: "https://a.example/1", Order: 7, Status: Delayed, Reason: "DNSFailed", host: "a.example", key: fpOf("https://a.example/1")}
	l := *p
	l.Status = Failed
	h := &host{key: "a.example", ready: 5, stored: 1}
	all := map[segmentKind]row{
		kindSeen: {key: p.key[:], value: []byte{0}}, kindQueue: queueRow(p), kindHeld: heldRow(p), kindHosts: hostRow(h),
		kindChunks: chunkRow(0, Chunk{Key: "k", Size: 1}), kindLog: logRow(0, &l),
	}
	segments := map[segmentKind][]byte{}
	var delta []row
	for kind, r := range all {
		segments[kind] = makeSegment(t, c, kind, []row{r})
		r.key = append([]byte{byte(kind)}, r.key...)
		delta = append(delta, r)
	}
	segments[kindDelta] = makeSegment(t, c, kindDelta, sorted(delta))
	return segments
}

// FuzzSegment opens whatever it is given as each kind of segment, and reads all rows.
func FuzzSegment(f *testing.F) {
	c := mustCodec(f)
	for kind, data := range samples(f, c) {
		f.Add(byte(kind), data)
	}
	f.Add(byte('d'), []byte{})
	rules := mustRules(f, Spec{Scope: "Page"})
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		rows, err := readSegment(c, data, segmentKind(kind))
		if err != nil {
			if !errors.Is(err, ErrSegment) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		for i := 1; i < len(rows); i++ {
			if bytes.Compare(rows[i-1].key, rows[i].key) >= 0 && !bytes.HasPrefix(rows[i].key, rows[i-1].key) {
				// Order holds within a block and between the first keys of blocks;
				// what lies between is the hash's business.
				break
			}
		}
		r := reader{state: New(rules)}
		for _, row := range rows {
			k := segmentKind(kind)
			if k == kindDelta && len(row.key) > 0 {
				k, row.key = segmentKind(row.key[0]), row.key[1:]
			}
			_ = r.take(k, row) // it must come back
			_, _ = readLogRow(row)
			_, _ = readQueueRow(row)
		}
	})
}

// FuzzRow reads rows whose packing is in order, which FuzzSegment hardly gets to.
func FuzzRow(f *testing.F) {
	c := mustCodec(f)
	for kind, data := range samples(f, c) {
		rows, err := readSegment(c, data, kind)
		if err != nil {
			f.Fatal(err)
		}
		for _, r := range rows {
			f.Add(r.key, r.value)
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r := row{key: key, value: value}
		if p, err := readQueueRow(r); err == nil {
			again, err := readQueueRow(queueRow(p))
			if err != nil || *again != *p {
				t.Errorf("queue: %+v became %+v, %v", p, again, err)
			}
		}
		if p, err := readHeldRow(r); err == nil {
			if p.host == p.URL {
				return // not a canonical address: Open does not mind
			}
			again, err := readHeldRow(heldRow(p))
			if err != nil || *again != *p {
				t.Errorf("held: %+v became %+v, %v", p, again, err)
			}
		}
		if h, err := readHostRow(r); err == nil {
			again, err := readHostRow(hostRow(h))
			if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", h) {
				t.Errorf("host: %+v became %+v, %v", h, again, err)
			}
		}
		if k, err := readChunkRow(r); err == nil {
			again, err := readChunkRow(chunkRow(1, k))
			if err != nil || !reflect.DeepEqual(again, k) {
				t.Errorf("chunk: %+v became %+v, %v", k, again, err)
			}
		}
		_, _ = readLogRow(r)
	})
}

// FuzzManifest opens whatever it is given.
func FuzzManifest(f *testing.F) {
	rules := mustRules(f, Spec{Scope: "Host", Seeds: []string{"https://a.example/"}})
	s := New(rules)
	if err := s.Add([]string{"https://a.example/"}); err != nil {
		f.Fatal(err)
	}
	m, objects, err := s.Seal("run", "n", "", "k", json.RawMessage(`{"a":1}`))
	if err != nil {
		f.Fatal(err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		s, err := Open(rules, m, func(string) ([]byte, error) { return objects[0].Data, nil })
		if err == nil {
			_ = s.Recount()
		}
	})
}

func TestDecodeManifestRefuses(t *testing.T) {
	t.Parallel()
	s := New(mustRules(t, Spec{Scope: "Host", Seeds: []string{"https://a.example/"}}))
	if err := s.Add([]string{"https://a.example/"}); err != nil {
		t.Fatal(err)
	}
	good, _, err := s.Seal("run", "n", "", "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Manifest){
		"Newer":   func(m *Manifest) { m.Version++ },
		"Older":   func(m *Manifest) { m.Version-- },
		"Seq":     func(m *Manifest) { m.Seq = -1 },
		"Slots":   func(m *Manifest) { m.EndSlot = Slots + 1 },
		"NoSlots": func(m *Manifest) { m.FirstSlot = m.EndSlot },
		"Count":   func(m *Manifest) { m.Counts.Queued = -1 },
		"Reason":  func(m *Manifest) { m.Reasons = []string{"x:Y"} },
		"Reasons": func(m *Manifest) { m.Reasons = make([]string, 300) },
		"NoKey":   func(m *Manifest) { m.Deltas = []Segment{{SHA256: strings.Repeat("0", 64), Rows: 1}} },
		"NoHash":  func(m *Manifest) { m.Deltas = []Segment{{Key: "k", Rows: 1}} },
		"ReadMore": func(m *Manifest) {
			m.Tables.Queue = []Segment{{Key: "k", SHA256: strings.Repeat("0", 64), Rows: 1, Read: 2}}
		},
	} {
		m := good
		change(&m)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeManifest(data); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
