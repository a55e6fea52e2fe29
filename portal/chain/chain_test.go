package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// note is an event of tests.
type note struct {
	Text string `json:"text"`
}

func (n note) Check() error { return Text("the note", n.Text, 100) }

var when = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func bucket(t testing.TB, server *blobtest.Server) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "test", SecretKey: "testtest"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("bucket")
}

func folder(store Store) *Folder[note] {
	return &Folder[note]{Store: store, Root: "notes/", Format: "test", Now: func() time.Time { return when }}
}

func write(t testing.TB, f *Folder[note], text string) *Log[note] {
	t.Helper()
	l, err := f.Append(t.Context(), "ns", "a", Draft{By: "ann"}, func(*Log[note]) (note, error) { return note{text}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// replace makes the content of an object another one, as who may write to the bucket can.
func replace(t *testing.T, b *blob.Bucket, key blob.Key, data []byte) {
	t.Helper()
	if _, err := b.Erase(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if data == nil {
		return
	}
	if _, err := b.Put(t.Context(), key, blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: hash(data)}); err != nil {
		t.Fatal(err)
	}
}

// TestForged: what was changed after it was written is told, also by who had read it before.
func TestForged(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(first, second []byte) []byte{
		"other words":    func(_, b []byte) []byte { return bytes.Replace(b, []byte("two"), []byte("owt"), 1) },
		"another person": func(_, b []byte) []byte { return bytes.Replace(b, []byte("ann"), []byte("bob"), 1) },
		"torn":           func(_, b []byte) []byte { return b[:len(b)/2] },
		"empty":          func(_, _ []byte) []byte { return []byte{} },
		"gone":           func(_, _ []byte) []byte { return nil },
		"another entry":  func(a, _ []byte) []byte { return a },
		"another hash": func(_, b []byte) []byte {
			return bytes.Replace(b, []byte(`"previous": "`), []byte(`"previous": "0`), 1)
		},
		"another version": func(_, b []byte) []byte { return bytes.Replace(b, []byte(`"version": 1`), []byte(`"version": 2`), 1) },
		"more members":    func(_, b []byte) []byte { return bytes.Replace(b, []byte(`"by"`), []byte(`"verdict": "x", "by"`), 1) },
		"white space":     func(_, b []byte) []byte { return append(b, ' ') },
		"an erasure of others": func(_, b []byte) []byte {
			return bytes.Replace(b, []byte("\"event\": {\n    \"text\": \"two\"\n  }"), []byte("\"erased\": {\n    \"why\": \"two\"\n  }"), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &blobtest.Server{}
			b := bucket(t, server)
			f := folder(b)
			for _, text := range []string{"one", "two", "three"} {
				write(t, f, text)
			}
			object := func(n int) []byte { return server.Object("/bucket/notes/ns/a/" + objectName(int64(n))) }
			forged := forge(object(1), object(2))
			if forged != nil && bytes.Equal(forged, object(2)) {
				t.Fatal("nothing was changed")
			}
			replace(t, b, "notes/ns/a/00000002.json", forged)
			for _, reader := range []*Folder[note]{f, folder(b)} {
				if _, err := reader.Read(t.Context(), "ns", "a"); !errors.Is(err, ErrBroken) {
					t.Errorf("error %v", err)
				}
				_, err := reader.Append(t.Context(), "ns", "a", Draft{By: "ann"}, func(*Log[note]) (note, error) { return note{"more"}, nil })
				if !errors.Is(err, ErrBroken) {
					t.Errorf("appended to it: %v", err)
				}
			}
		})
	}
}

// TestFewRequests: what is known is not read again.
func TestFewRequests(t *testing.T) {
	t.Parallel()
	var gets, lists atomic.Int64
	server := &blobtest.Server{Answer: func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		switch {
		case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
			lists.Add(1)
		case r.Method == http.MethodGet:
			gets.Add(1)
		}
		return false
	}}
	f := folder(bucket(t, server))
	for i := range 5 {
		write(t, f, fmt.Sprint(i))
	}
	if n := gets.Load(); n != 5 {
		t.Errorf("5 writes cost %d reads", n)
	}
	gets.Store(0)
	lists.Store(0)
	for range 3 {
		if l, err := f.Read(t.Context(), "ns", "a"); err != nil || l.Version() != 5 {
			t.Fatal(err)
		}
	}
	found, err := f.List(t.Context(), "ns")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	before := found[0].Fingerprint()
	if _, err := f.Load(t.Context(), found[0]); err != nil {
		t.Fatal(err)
	}
	if gets.Load() != 0 || lists.Load() != 4 {
		t.Errorf("%d reads and %d listings", gets.Load(), lists.Load())
	}
	write(t, f, "more")
	if found, _ = f.List(t.Context(), "ns"); found[0].Fingerprint() == before {
		t.Error("the listing is the same as before")
	}
}

// late is a store in which somebody else does something between a reading and a writing.
type late struct {
	Store
	before func()
}

func (l *late) Put(ctx context.Context, key blob.Key, content blob.Content) (blob.Info, error) {
	if do := l.before; do != nil {
		l.before = nil
		do()
	}
	return l.Store.Put(ctx, key, content)
}

// TestLateWriter: who writes into the gap that an erasure has made leaves nothing behind.
func TestLateWriter(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	b := bucket(t, server)
	other := folder(b)
	write(t, other, "one")
	slow := &late{Store: b, before: func() {
		write(t, other, "two")
		if _, err := other.Erase(t.Context(), "ns", "a", "bob", "it is over"); err != nil {
			t.Error(err)
		}
	}}
	_, err := folder(slow).Append(t.Context(), "ns", "a", Draft{By: "ann"}, func(*Log[note]) (note, error) { return note{"secret"}, nil })
	if !errors.Is(err, ErrErased) {
		t.Errorf("error %v", err)
	}
	if keys := server.Keys("/bucket/"); len(keys) != 1 || !strings.HasSuffix(keys[0], "00000003.json") {
		t.Errorf("left are %v", keys)
	}
}

// TestLateAfterRemoval: who writes after a chain that was removed with its stub leaves nothing behind.
func TestLateAfterRemoval(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	b := bucket(t, server)
	other := folder(b)
	write(t, other, "one")
	slow := &late{Store: b, before: func() {
		if err := other.Remove(t.Context(), "ns", "a", "bob", "it is over"); err != nil {
			t.Error(err)
		}
	}}
	_, err := folder(slow).Append(t.Context(), "ns", "a", Draft{By: "ann"}, func(*Log[note]) (note, error) { return note{"secret"}, nil })
	if !errors.Is(err, ErrErased) {
		t.Errorf("error %v", err)
	}
	if keys := server.Keys("/bucket/"); len(keys) != 0 {
		t.Errorf("left are %v", keys)
	}
}

// TestErasureGoesOn: an erasure that was stopped half-way is seen, and goes on.
func TestErasureGoesOn(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	deny := atomic.Bool{}
	deny.Store(true)
	server.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodDelete && deny.Load() && strings.Contains(r.URL.Path, "00000002") {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
			return true
		}
		return false
	}
	f := folder(bucket(t, server))
	for _, text := range []string{"one", "two", "three"} {
		write(t, f, text)
	}
	if _, err := f.Erase(t.Context(), "ns", "a", "bob", "it is over"); !errors.Is(err, blob.ErrDenied) {
		t.Errorf("error %v", err)
	}
	l, err := f.Read(t.Context(), "ns", "a")
	if err != nil || l.Erased() == nil || l.Left == 0 {
		t.Fatal(l, err)
	}
	deny.Store(false)
	l, err = f.Erase(t.Context(), "ns", "a", "eve", "again")
	if err != nil || l.Left != 0 || l.Erased().By != "bob" || l.Version() != 4 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	lost := atomic.Bool{}
	server.Answer = func(w http.ResponseWriter, r *http.Request, stored func()) bool {
		if r.Method != http.MethodPut || !lost.CompareAndSwap(true, false) {
			return false
		}
		stored()
		blobtest.Fail(w, http.StatusBadRequest, "RequestTimeout")
		return true
	}
	f := folder(bucket(t, server))
	write(t, f, "one")
	lost.Store(true)
	add := func() (*Log[note], error) {
		return f.Append(t.Context(), "ns", "a", Draft{By: "ann", ID: "form"}, func(*Log[note]) (note, error) { return note{"two"}, nil })
	}
	l, err := add()
	if err != nil {
		l, err = add()
	}
	if err != nil || l.Version() != 2 {
		t.Errorf("%+v, %v: what was stored although its answer was lost is there once", l, err)
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	f := folder(bucket(t, &blobtest.Server{}))
	refusal := errors.New("no")
	if _, err := f.Append(t.Context(), "ns", "a", Draft{By: "ann"}, func(*Log[note]) (note, error) { return note{}, refusal }); !errors.Is(err, refusal) {
		t.Errorf("error %v", err)
	}
	for _, by := range []string{"", "a\nb", strings.Repeat("x", maxPerson+1)} {
		_, err := f.Append(t.Context(), "ns", "a", Draft{By: by}, func(*Log[note]) (note, error) { return note{"t"}, nil })
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("by %q: %v", by, err)
		}
	}
	if _, err := f.Read(t.Context(), "ns", "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was refused was written: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c cache[note]
	for i := range 100 {
		c.put(fmt.Sprint(i), []link[note]{{size: maxCached / 10}})
		c.get("0")
	}
	if c.bytes > maxCached || len(c.chains) != 10 || c.get("0") == nil || c.get("99") == nil || c.get("50") != nil {
		t.Errorf("%d bytes of %d chains", c.bytes, len(c.chains))
	}
	c.put("large", []link[note]{{size: maxCached + 1}})
	c.drop("0")
	if c.get("large") != nil || c.get("0") != nil {
		t.Error("what is too large or dropped is there")
	}
}

// FuzzDecode: what is read is written again as it was.
func FuzzDecode(f *testing.F) {
	e := Entry[note]{Format: "test", Version: 1, Chain: "ns/a", Seq: 1, ID: "x", By: "ann", At: when, Event: &note{"<text> 👩‍🔧"}}
	good, err := e.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"by"`), []byte(`"BY"`), 1))
	f.Add([]byte(`{"format":"test","version":1,"event":{}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode[note](data, "test")
		if err != nil {
			return
		}
		again, err := e.encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q is written as %q, %v", data, again, err)
		}
	})
}
