package watches

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/chain"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

var when = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func id(n int) catalog.ID { return catalog.ID(fmt.Sprintf("%032x", n)) }

func open(t *testing.T, server *blobtest.Server) *Store {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "test", SecretKey: "testtest"})
	if err != nil {
		t.Fatal(err)
	}
	return New(client.Bucket("bucket"), func() time.Time { return when })
}

func TestWatches(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{Versions: true}
	ctx, s, other := t.Context(), open(t, server), open(t, server)
	w, err := s.Start(ctx, "research", "ann", " HTTPS://Site.Example:443/board#top", Changed, Gone)
	if err != nil || w.URL != "https://site.example/board" || w.By != "ann" || !w.Since.Equal(when) {
		t.Fatal(w, err)
	}
	if _, err := s.Start(ctx, "research", "ann", "https://site.example/board"); !errors.Is(err, ErrWatched) {
		t.Errorf("watched twice: %v", err)
	}
	if _, err := s.Start(ctx, "research", "ann", "not an address"); err == nil {
		t.Error("watched what is no address")
	}
	if _, err := s.Start(ctx, "research", "bob", "https://site.example/board"); err != nil {
		t.Errorf("watched by two: %v", err)
	}
	if _, err := other.Start(ctx, "research", "ann", "https://site.example/a", "Verdict"); !errors.Is(err, chain.ErrInvalid) {
		t.Errorf("a kind that there is not: %v", err)
	}
	if _, err := other.Start(ctx, "research", "ann", "https://site.example/a"); err != nil {
		t.Fatal(err)
	}
	mine, err := other.List(ctx, "research", "ann")
	if err != nil || len(mine) != 2 || mine[0].URL != "https://site.example/a" || mine[1].ID != w.ID {
		t.Fatal(mine, err)
	}
	if _, err := s.Start(ctx, "elsewhere", "ann", "https://site.example/a"); err != nil {
		t.Fatal(err)
	}
	if all, err := other.All(ctx, "ann"); err != nil || len(all) != 3 || all[0].Namespace != "elsewhere" || all[1].ID != mine[0].ID || all[2].ID != w.ID {
		t.Error(all, err)
	}
	if _, err := s.Get(ctx, "research", w.ID, "bob"); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	if err := s.End(ctx, w.ID, "bob"); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("ended by somebody else: %v", err)
	}
	if err := s.End(ctx, w.ID, "ann"); err != nil {
		t.Fatal(err)
	}
	if err := other.End(ctx, w.ID, "ann"); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("ended twice: %v", err)
	}
	if keys := server.Keys("/bucket/" + folderOf("ann") + "research/" + w.ID); len(keys) != 0 {
		t.Errorf("left are %v", keys)
	}
	if mine, err := other.List(ctx, "research", "ann"); err != nil || len(mine) != 1 {
		t.Error(mine, err)
	}
	if _, err := s.Get(ctx, "research", w.ID, "ann"); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("an ended watch: %v", err)
	}
	if _, err := s.See(ctx, "research", w.ID, "ann", []catalog.ID{id(1)}); !errors.Is(err, chain.ErrNotFound) {
		t.Errorf("seen of an ended watch: %v", err)
	}
}

// TestBroken: a watch that somebody tampered with is told to whose it is, and can be ended.
func TestBroken(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	ctx, s := t.Context(), open(t, server)
	for _, by := range []string{"ann", "bob"} {
		if _, err := s.Start(ctx, "research", by, "https://site.example/"+by); err != nil {
			t.Fatal(err)
		}
	}
	mine, err := s.List(ctx, "research", "ann")
	if err != nil || len(mine) != 1 {
		t.Fatal(mine, err)
	}
	if _, err := s.See(ctx, "research", mine[0].ID, "ann", []catalog.ID{id(1)}); err != nil {
		t.Fatal(err)
	}
	server.Remove("/bucket/" + folderOf("ann") + "research/" + mine[0].ID + "/00000001.json")
	for _, by := range []string{"ann", "bob"} {
		list, err := open(t, server).List(ctx, "research", by)
		if err != nil || len(list) != 1 || (list[0].ID == mine[0].ID) != (by == "ann") || (list[0].Problem != "") != (by == "ann") {
			t.Errorf("%s: %v %v", by, list, err)
		}
	}
	if err := s.End(ctx, mine[0].ID, "ann"); err != nil {
		t.Error(err)
	}
	if list, err := s.List(ctx, "research", "ann"); err != nil || len(list) != 0 {
		t.Errorf("after it was ended: %v %v", list, err)
	}
}

// TestEndGoesOn: what the store would not remove goes when it lets it, with the next list or the next try.
func TestEndGoesOn(t *testing.T) {
	t.Parallel()
	for _, again := range []string{"listed", "ended"} {
		server := &blobtest.Server{}
		var deny atomic.Bool
		server.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
			if r.Method == http.MethodDelete && deny.Load() {
				blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
				return true
			}
			return false
		}
		ctx, s := t.Context(), open(t, server)
		w, err := s.Start(ctx, "research", "ann", "https://site.example/a")
		if err != nil {
			t.Fatal(err)
		}
		deny.Store(true)
		if err := s.End(ctx, w.ID, "ann"); !errors.Is(err, blob.ErrDenied) {
			t.Errorf("%s: %v", again, err)
		}
		if list, err := s.List(ctx, "research", "ann"); err != nil || len(list) != 0 {
			t.Errorf("%s: %v, %v", again, list, err)
		}
		deny.Store(false)
		if again == "ended" {
			err = s.End(ctx, w.ID, "ann")
		} else {
			_, err = s.List(ctx, "research", "ann")
		}
		if keys := server.Keys("/bucket/"); err != nil || len(keys) != 0 {
			t.Errorf("%s: left are %v, %v", again, keys, err)
		}
	}
}

// TestManyPeople: what others watch, and have watched, costs nobody anything.
func TestManyPeople(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	var listed []string
	var mu sync.Mutex
	server.Answer = func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.URL.Query().Has("list-type") {
			mu.Lock()
			defer mu.Unlock()
			listed = append(listed, r.URL.Query().Get("prefix"))
		}
		return false
	}
	ctx, s := t.Context(), open(t, server)
	for i := range 20 {
		by := fmt.Sprint("person", i)
		w, err := s.Start(ctx, "research", by, "https://site.example/")
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := s.End(ctx, w.ID, by); err != nil {
				t.Fatal(err)
			}
		}
	}
	if keys := server.Keys("/bucket/watches/"); len(keys) != 10 {
		t.Errorf("left are %v", keys)
	}
	listed = nil
	if mine, err := s.All(ctx, "person1"); err != nil || len(mine) != 1 {
		t.Errorf("%v %v", mine, err)
	}
	if diff := cmp.Diff([]string{folderOf("person1")}, listed); diff != "" {
		t.Errorf("listed (-want +got)\n%s", diff)
	}
	for i := range 2 * peopleKnown {
		s.of(fmt.Sprint(i))
	}
	if len(s.people) != peopleKnown {
		t.Errorf("%d people are known", len(s.people))
	}
}

// TestStartsAreBounded: nobody keeps the store busy with watches that are ended at once.
func TestStartsAreBounded(t *testing.T) {
	t.Parallel()
	var o own
	for range MaxStarts {
		if err := o.start(when); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.start(when.Add(time.Hour - 1)); !errors.Is(err, ErrTooOften) {
		t.Errorf("one too many: %v", err)
	}
	if err := o.start(when.Add(time.Hour)); err != nil || len(o.starts) != 1 {
		t.Errorf("an hour later: %v, %d", err, len(o.starts))
	}
}

// TestSeen: what is seen in two windows at once is seen, once.
func TestSeen(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	ctx, s, other := t.Context(), open(t, server), open(t, server)
	w, err := s.Start(ctx, "research", "ann", "https://site.example/")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i, store := range []*Store{s, other, s, other} {
		wg.Go(func() {
			if _, err := store.See(ctx, "research", w.ID, "ann", []catalog.ID{id(i), id(i + 1)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	puts := server.Puts()
	if w, err = s.See(ctx, "research", w.ID, "ann", []catalog.ID{id(0), id(2), id(4)}); err != nil || len(w.seen) != 5 {
		t.Errorf("%v %v", w, err)
	}
	if server.Puts() != puts {
		t.Error("what was seen already was written again")
	}
	if _, err := s.See(ctx, "research", w.ID, "ann", []catalog.ID{"no ID"}); !errors.Is(err, chain.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	var many []catalog.ID
	for i := range MaxSeen + 1 {
		many = append(many, id(i))
	}
	if w, err = s.See(ctx, "research", w.ID, "ann", many); err != nil || len(w.seen) != MaxSeen+1 {
		t.Errorf("%v", err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]Event{
		"nothing":        {},
		"no address":     {Action: Started},
		"not canonical":  {Action: Started, URL: "https://site.example"},
		"too long":       {Action: Started, URL: "https://site.example/" + strings.Repeat("x", MaxURL)},
		"a kind twice":   {Action: Started, URL: "https://site.example/", Kinds: []Kind{Gone, Gone}},
		"seen at start":  {Action: Started, URL: "https://site.example/", Captures: []catalog.ID{id(1)}},
		"nothing seen":   {Action: Seen},
		"seen an URL":    {Action: Seen, URL: "https://site.example/", Captures: []catalog.ID{id(1)}},
		"seen something": {Action: Seen, Captures: []catalog.ID{"https://site.example/"}},
	} {
		if err := e.Check(); !errors.Is(err, chain.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzEvent: whatever is read, an event that is valid has a bounded address in its one form.
func FuzzEvent(f *testing.F) {
	for _, e := range []Event{{Action: Started, URL: "https://site.example/", Kinds: Kinds()}, {Action: Seen, Captures: []catalog.ID{id(1)}}} {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Event
		if json.Unmarshal(data, &e) != nil || e.Check() != nil {
			return
		}
		if (e.URL == "") != (e.Action == Seen) || len(e.URL) > MaxURL || len(e.Captures) > MaxSeen {
			t.Errorf("%+v", e)
		}
	})
}

// at is a capture of a page n hours after the watch was started.
func at(n int, p snapshot.Page) catalog.Capture {
	p.Time = when.Add(time.Duration(n) * time.Hour)
	return catalog.Capture{ID: id(n + 100), Page: p}
}

func TestNotices(t *testing.T) {
	t.Parallel()
	page := func(text, digest string) snapshot.Page {
		return snapshot.Page{Status: 200, TextDigest: text, Digest: digest}
	}
	for _, test := range []struct {
		name     string
		kinds    []Kind
		captures []catalog.Capture
		want     []string // kind, parts, and hours of the capture before
	}{
		{name: "nothing", want: []string{}},
		{name: "the first is new", captures: []catalog.Capture{at(1, page("a", "a"))}, want: []string{"1 NewCapture [] -"}},
		{name: "the first is not there", captures: []catalog.Capture{at(1, snapshot.Page{Status: 404})}, want: []string{"1 Gone [] -"}},
		{name: "what was before the watch is compared with, and not told", captures: []catalog.Capture{at(-1, page("a", "a")), at(0, page("b", "b")), at(1, page("c", "b"))},
			want: []string{"1 Changed [Text] 0"}},
		{name: "parts", captures: []catalog.Capture{at(-1, page("a", "a")), at(1, page("a", "b")), at(2, page("b", "c")), at(3, page("b", "c"))},
			want: []string{"1 Changed [Document] -1", "2 Changed [Text Document] 1", "3 NewCapture [] 2"}},
		{name: "what is not known tells nothing", captures: []catalog.Capture{at(-1, page("a", "a")), at(1, page("", "a")), at(2, page("b", "")), at(3, page("c", "z"))},
			want: []string{"1 NewCapture [] -1", "2 NewCapture [] 1", "3 Changed [Text] 2"}},
		{name: "gone, still gone, back as another", captures: []catalog.Capture{
			at(-1, page("a", "a")), at(1, snapshot.Page{Status: 410, TextDigest: "gone", Digest: "gone"}), at(2, snapshot.Page{Status: 500}), at(3, page("b", "a")),
		}, want: []string{"1 Gone [] -1", "2 NewCapture [] -1", "3 Back [Text] -1"}},
		{name: "nobody answers", captures: []catalog.Capture{
			at(-1, page("a", "a")), at(1, snapshot.Page{Partial: true, Reason: "DNSFailed"}), at(2, page("a", "a")), at(3, snapshot.Page{Partial: true, Reason: "ConnectFailed"}),
		}, want: []string{"1 Gone [] -1", "2 Back [] -1", "3 Gone [] 2"}},
		{name: "a wall is not gone, and the one before is what is compared with", captures: []catalog.Capture{
			at(-1, page("a", "a")), at(1, snapshot.Page{Status: 403, TextDigest: "wall"}), at(2, page("a", "a")),
		}, want: []string{"1 NewCapture [] -1", "2 NewCapture [] -1"}},
		{name: "too slow is not gone, and nothing to compare with", captures: []catalog.Capture{
			at(-1, page("a", "a")), at(1, snapshot.Page{Partial: true, Reason: "PageTimeout", Status: 200, TextDigest: "half"}), at(2, page("a", "a")),
		}, want: []string{"1 NewCapture [] -1", "2 NewCapture [] -1"}},
		{name: "too slow is not back", captures: []catalog.Capture{
			at(-1, page("a", "a")), at(1, snapshot.Page{Status: 404}), at(2, snapshot.Page{Partial: true, Reason: "PageTimeout"}), at(3, page("a", "a")),
		}, want: []string{"1 Gone [] -1", "2 NewCapture [] -1", "3 Back [] -1"}},
		{name: "in any order", captures: []catalog.Capture{at(2, page("b", "b")), at(-1, page("a", "a")), at(1, page("a", "a"))},
			want: []string{"1 NewCapture [] -1", "2 Changed [Text Document] 1"}},
		{name: "only what is wanted", kinds: []Kind{Gone, Back}, captures: []catalog.Capture{
			at(1, page("a", "a")), at(2, snapshot.Page{Status: 404}), at(3, page("b", "b")), at(4, page("c", "c")),
		}, want: []string{"2 Gone [] 1", "3 Back [Text Document] 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := &Watch{ID: "w", URL: "https://site.example/", Since: when, Kinds: test.kinds, seen: map[catalog.ID]bool{id(101): true}}
			got := []string{}
			for _, n := range Notices(w, test.captures) {
				before := "-"
				if n.Before != "" {
					var h int
					if _, err := fmt.Sscanf(string(n.Before), "%x", &h); err != nil {
						t.Fatal(err)
					}
					before = fmt.Sprint(h - 100)
				}
				hours := int(n.Time.Sub(when).Hours())
				got = append(got, fmt.Sprintf("%d %s %v %s", hours, n.Kind, n.Parts, before))
				if n.Seen != (hours == 1) || n.Capture != id(hours+100) || n.Watch != "w" || n.URL != w.URL {
					t.Errorf("%+v", n)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
