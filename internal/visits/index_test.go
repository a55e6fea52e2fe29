package visits

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// made are n visits of pages on some hosts; some addresses differ in what their keys do not
// have.
func made(n int) []Visit {
	list := make([]Visit, n)
	for i := range list {
		list[i] = Visit{
			URL: fmt.Sprintf("http://h%d.example/page/%d?q=<%d>", i%7, i/2, i), At: time.Date(2030, 1, 1, 0, 0, i, 0, time.UTC),
			Status: 200, Record: fmt.Sprintf("<urn:uuid:%d>", i), Chunk: "ns/name/uid/chunks/b1.wacz", Digest: fmt.Sprintf("sha256:%064x", i*i),
		}
		if i%2 == 1 {
			list[i].URL = "https" + list[i-1].URL[4:] // one key of the archive's index
		}
	}
	return list
}

// stored is an index in memory.
type stored struct {
	objects map[string][]byte
	dir     *Directory
}

// write sorts and writes visits, with objects of some bytes and some in memory at once.
func write(t *testing.T, list []Visit, object, memory int) stored {
	t.Helper()
	s := Sorter{Dir: t.TempDir(), limit: memory}
	defer s.Close()
	for i := range list {
		if err := s.Add(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	out := stored{objects: map[string][]byte{}}
	w := Writer{size: object}
	w.Put = func(o *Object, data []byte) error {
		o.Key = fmt.Sprintf("o%d", len(out.objects))
		out.objects[o.Key] = bytes.Clone(data)
		return nil
	}
	if err := s.WriteTo(&w); err != nil {
		t.Fatal(err)
	}
	var err error
	if out.dir, err = w.Finish(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	return out
}

func (s stored) find(address string) (*Visit, error) {
	object, block, ok := s.dir.Find(address)
	if !ok {
		return nil, nil
	}
	o := s.dir.Objects[object]
	b := o.Blocks[block]
	return FindIn(s.objects[o.Key][b.Offset:b.Offset+b.Length], address)
}

// TestIndexRoundTrip: each visit is found again, however many objects there are and whether
// they were sorted in memory or not, and nothing else is.
func TestIndexRoundTrip(t *testing.T) {
	t.Parallel()
	list := made(5003)
	shuffled := append([]Visit(nil), list...)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	var first []byte
	for name, tc := range map[string]struct {
		object, memory, objects int
	}{
		"One":     {0, 0, 1},
		"Several": {20_000, 0, 6},
		"Spilled": {0, 300_000, 1},
	} {
		s := write(t, shuffled, tc.object, tc.memory)
		if len(s.objects) != tc.objects && name != "Several" || name == "Several" && len(s.objects) < 3 || s.dir.Visits != 5003 {
			t.Errorf("%s: %d objects, %d visits", name, len(s.objects), s.dir.Visits)
		}
		if tc.object == 0 {
			if first == nil {
				first = s.objects["o0"]
			}
			if !bytes.Equal(first, s.objects["o0"]) {
				t.Errorf("%s: the bytes do not follow from the visits alone", name)
			}
		}
		packed, err := s.dir.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if s.dir, err = DecodeDirectory(packed); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := 0; i < len(list); i += 13 {
			got, err := s.find(list[i].URL)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&list[i], got); diff != "" {
				t.Fatalf("%s: visit %d (-want +got):\n%s", name, i, diff)
			}
		}
		for _, unknown := range []string{"http://a.example/", "http://h3.example/page/1", "http://z.example/", "http://h0.example/page/0?q=<0>x"} {
			if got, err := s.find(unknown); got != nil || err != nil {
				t.Errorf("%s: %s: %+v, %v", name, unknown, got, err)
			}
		}
	}
}

// TestIndexIsPlain: standard tools show an object.
func TestIndexIsPlain(t *testing.T) {
	t.Parallel()
	s := write(t, made(2100), 0, 0)
	if n := s.dir.Blocks(); n != 3 {
		t.Errorf("%d blocks, want 3", n)
	}
	z, err := zstd.NewReader(bytes.NewReader(s.objects["o0"]))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines, err := io.ReadAll(z)
	if err != nil || bytes.Count(lines, []byte("\n")) != 2100 || !bytes.Contains(lines, []byte("?q=<0>")) {
		t.Errorf("%d lines, %v", bytes.Count(lines, []byte("\n")), err)
	}
}

// TestFirstVisitCounts: of two visits of a page the index has the first.
func TestFirstVisitCounts(t *testing.T) {
	t.Parallel()
	one, two := made(1)[0], made(1)[0]
	two.At, two.Status = one.At.Add(time.Second), 404
	s := write(t, []Visit{two, one}, 0, 1)
	if got, err := s.find(one.URL); err != nil || got.Status != 200 || s.dir.Visits != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEmptyIndex(t *testing.T) {
	t.Parallel()
	s := write(t, nil, 0, 0)
	if v, err := s.find("http://a.example/"); v != nil || err != nil || len(s.objects) != 0 || s.dir.Visits != 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	w := Writer{Put: func(*Object, []byte) error { return nil }}
	if err := errors.Join(w.add("b", []byte("{}\n")), w.add("a", []byte("{}\n"))); err == nil {
		t.Error("visits out of order are taken")
	}
	long := Visit{URL: "http://a.example/", Document: string(bytes.Repeat([]byte("x"), maxLine))}
	s := Sorter{Dir: filepath.Join(t.TempDir(), "gone"), limit: 1}
	if err := s.Add(&long); err == nil {
		t.Error("a line that cannot be read again is written")
	}
	if err := s.Add(&made(1)[0]); err == nil {
		t.Error("a visit is lost without a word")
	}
}

// TestDamagedDirectory: a directory that lies is refused; what it leads to is never outside
// of an object.
func TestDamagedDirectory(t *testing.T) {
	t.Parallel()
	whole, err := write(t, made(2500), 1, 0).dir.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, harm := range map[string]func(*Directory){
		"Format":    func(d *Directory) { d.Format = "other" },
		"Newer":     func(d *Directory) { d.Version = formatVersion + 1 },
		"NoVersion": func(d *Directory) { d.Version = 0 },
		"Visits":    func(d *Directory) { d.Visits++ },
		"Key":       func(d *Directory) { d.Objects[1].Key = "" },
		"Hash":      func(d *Directory) { d.Objects[1].SHA256 = "aa" },
		"Size":      func(d *Directory) { d.Objects[1].Size++ },
		"TooLarge":  func(d *Directory) { d.Objects[1].Size = MaxObject + 1 },
		"NoBlock":   func(d *Directory) { d.Objects[1].Blocks = nil },
		"Order":     func(d *Directory) { d.Objects[1].Blocks[0].First = "" },
		"Swapped":   func(d *Directory) { d.Objects[0], d.Objects[1] = d.Objects[1], d.Objects[0] },
		"Offset":    func(d *Directory) { d.Objects[1].Blocks[0].Offset = 1 },
		"Length":    func(d *Directory) { d.Objects[1].Blocks[0].Length = 1 << 62 },
		"Negative":  func(d *Directory) { d.Objects[1].Blocks[0].Length = -1 },
	} {
		d, err := DecodeDirectory(whole)
		if err != nil {
			t.Fatal(err)
		}
		harm(d)
		data, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeDirectory(data); !errors.Is(err, ErrIndex) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeDirectory([]byte("no frame")); !errors.Is(err, ErrIndex) {
		t.Errorf("no frame: %v", err)
	}
}

// FuzzDirectory: no directory leads out of its objects, and none is taken that says another
// thing when it is written again.
func FuzzDirectory(f *testing.F) {
	seed := func(d *Directory) {
		data, err := d.Encode()
		if err != nil {
			f.Fatal(err)
		}
		plain, err := unpack(data, maxDirectory)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain, "http://h3.example/page/7?q=<14>")
	}
	seed(&Directory{Format: format, Version: 1})
	seed(&Directory{Format: format, Version: 1, Visits: 3, Objects: []Object{{Key: "k", Size: 9, SHA256: fmt.Sprintf("%064d", 1), Visits: 3, Blocks: []Block{
		{First: "example,h3)/ http://h3.example/", Length: 4}, {First: "example,h4)/ http://h4.example/", Offset: 4, Length: 5}}}}})
	f.Fuzz(func(t *testing.T, plain []byte, address string) {
		d, err := parseDirectory(plain)
		if err != nil {
			if !errors.Is(err, ErrIndex) {
				t.Fatal(err)
			}
			return
		}
		object, block, ok := d.Find(address)
		if ok {
			o := d.Objects[object]
			if b := o.Blocks[block]; b.First > Key(address) || b.Offset < 0 || b.Length <= 0 || b.Offset+b.Length > o.Size {
				t.Fatalf("it leads to %+v of %+v", b, o)
			}
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		same, err := parseDirectory(again)
		if err != nil || cmp.Diff(d, same) != "" {
			t.Fatalf("written again it is another: %v\n%s", err, cmp.Diff(d, same))
		}
	})
}

// FuzzBlock: whatever a block holds, what is found in it is the visit that was asked for.
func FuzzBlock(f *testing.F) {
	var lines []byte
	for _, v := range made(3) {
		line, err := encode(&v)
		if err != nil {
			f.Fatal(err)
		}
		lines = append(lines, line...)
	}
	f.Add(lines, "http://h0.example/page/0?q=<0>")
	f.Add([]byte("{}\n\n{}"), "")
	f.Add([]byte(nil), "http://a.example/")
	f.Fuzz(func(t *testing.T, plain []byte, address string) {
		v, err := findIn(plain, address)
		if err != nil && !errors.Is(err, ErrIndex) || err != nil && v != nil {
			t.Fatal(v, err)
		}
		if v != nil && v.URL != address {
			t.Fatalf("%q was found for %q", v.URL, address)
		}
		_, _ = FindIn(plain, address) // as what is no frame at all
	})
}
