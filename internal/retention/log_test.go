package retention

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

const prefix = "ns/name/uid/"

func open(t *testing.T, server *blobtest.Server) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("archive")
}

func read(t *testing.T, b *blob.Bucket) *Log {
	t.Helper()
	l, err := Read(t.Context(), b, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func store(t *testing.T, b *blob.Bucket, name, content string) {
	t.Helper()
	data := []byte(content)
	if _, err := b.Put(t.Context(), blob.Key(prefix+name), blob.Content{Body: bytes.NewReader(data), Size: int64(len(data)), SHA256: hash(data)}); err != nil {
		t.Fatal(err)
	}
}

func TestAppendAndRead(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	b := open(t, server)
	l := read(t, b)
	for _, d := range []Decision{decide(Keep, "A", one), decide(Hold, "B"), erase(two), decide(Release, "B")} {
		if err := l.Append(t.Context(), b, prefix, d); err != nil {
			t.Fatal(err)
		}
	}
	again := read(t, b)
	if diff := cmp.Diff(l.Decisions, again.Decisions); diff != "" || again.Mark() != l.Mark() {
		t.Errorf("read %+v (-made +read):\n%s", again.Mark(), diff)
	}
	if err := errors.Join(again.Follows(Mark{}), again.Follows(l.MarkAt(2)), again.Follows(l.Mark())); err != nil {
		t.Error(err)
	}
	if got := server.Keys("/archive/" + prefix); len(got) != 4 || got[3] != "/archive/ns/name/uid/retention/00000004.json" {
		t.Errorf("stored are %v", got)
	}
}

// TestOneWriterHasTheNextNumber: of those who decide at once each has its own number, and has
// read all before it.
func TestOneWriterHasTheNextNumber(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	const writers = 8
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for {
				l, err := Read(t.Context(), b, prefix)
				if err == nil {
					err = l.Append(t.Context(), b, prefix, decide(Hold, fmt.Sprint("case ", i)))
				}
				if err == nil {
					return
				}
				if !errors.Is(err, blob.ErrExists) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if l := read(t, b); len(l.Decisions) != writers {
		t.Errorf("%d decisions of %d writers", len(l.Decisions), writers)
	}
}

// TestKeepingComesTooLate: what an erasure names is not kept any more, and who wants to is
// told by what.
func TestKeepingComesTooLate(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	l := read(t, b)
	if err := l.Append(t.Context(), b, prefix, erase(one, "leads/1")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []Decision{decide(Hold, "A", one), decide(Keep, "A", two, one)} {
		err := l.Append(t.Context(), b, prefix, d)
		if !errors.Is(err, ErrErasing) || !strings.Contains(fmt.Sprint(err), "retention/00000001.json") || !strings.Contains(fmt.Sprint(err), one) {
			t.Errorf("%s: %v", d.Action, err)
		}
	}
	if err := errors.Join(l.Append(t.Context(), b, prefix, decide(Hold, "A", two)), l.Append(t.Context(), b, prefix, decide(Hold, "A"))); err != nil {
		t.Errorf("what is left can be held: %v", err)
	}
}

func TestBrokenLogs(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		breaks func(*testing.T, *blobtest.Server, *blob.Bucket)
	}{
		"Lost": {"a decision in between was removed", func(_ *testing.T, s *blobtest.Server, _ *blob.Bucket) {
			s.Remove("/archive/" + prefix + DecisionName(2))
		}},
		"First": {"the first was removed", func(_ *testing.T, s *blobtest.Server, _ *blob.Bucket) {
			s.Remove("/archive/" + prefix + DecisionName(1))
		}},
		"Replaced": {"a decision is another one now", func(t *testing.T, s *blobtest.Server, b *blob.Bucket) {
			changed := strings.Replace(string(s.Object("/archive/"+prefix+DecisionName(2))), `"Hold"`, `"Release"`, 1)
			s.Remove("/archive/" + prefix + DecisionName(2))
			store(t, b, DecisionName(2), changed)
		}},
		"Nonsense": {"it cannot be read", func(t *testing.T, _ *blobtest.Server, b *blob.Bucket) { store(t, b, DecisionName(4), "{}") }},
		"Foreign": {"it belongs to another run", func(t *testing.T, s *blobtest.Server, b *blob.Bucket) {
			changed := strings.Replace(string(s.Object("/archive/"+prefix+DecisionName(3))), `"uid"`, `"other"`, 1)
			s.Remove("/archive/" + prefix + DecisionName(3))
			store(t, b, DecisionName(3), changed)
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &blobtest.Server{}
			b := open(t, server)
			l := read(t, b)
			for _, d := range []Decision{decide(Keep, "A"), decide(Hold, "A"), decide(Hold, "B")} {
				if err := l.Append(t.Context(), b, prefix, d); err != nil {
					t.Fatal(err)
				}
			}
			tc.breaks(t, server, b)
			if l, err := Read(t.Context(), b, prefix); !errors.Is(err, ErrBroken) {
				t.Errorf("%s: read %+v, %v, want ErrBroken", tc.reason, l, err)
			}
		})
	}
}

// TestLostEndIsNoticed: nothing in the store tells that the last decision was taken away; who
// has seen it does.
func TestLostEndIsNoticed(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	b := open(t, server)
	l := read(t, b)
	for _, d := range []Decision{decide(Keep, "A"), decide(Hold, "A")} {
		if err := l.Append(t.Context(), b, prefix, d); err != nil {
			t.Fatal(err)
		}
	}
	seen := l.Mark()
	server.Remove("/archive/" + prefix + DecisionName(2))
	if err := read(t, b).Follows(seen); !errors.Is(err, ErrBroken) {
		t.Errorf("it follows: %v", err)
	}
}

func TestProofs(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	intent := Mark{Seq: 3, SHA256: hash([]byte("intent"))}
	p := Proof{Intent: intent, Objects: []Removed{{Erasing: Erasing{Name: one, Size: 7, SHA256: hash([]byte("x")), Stated: true, Due: day(3), For: ScreeningEnded}, Versions: 1, Confirmed: "absent"}},
		ErasedAt: Clocks{Worker: day(4), Store: day(4).Add(time.Second)}}
	if err := PutProof(t.Context(), b, prefix, p); err != nil {
		t.Fatal(err)
	}
	p.Objects[0].Versions = 0 // as another attempt has it, which came later
	if err := PutProof(t.Context(), b, prefix, p); err != nil {
		t.Errorf("a proof that is there holds: %v", err)
	}
	got, err := ReadProof(t.Context(), b, prefix, intent)
	if err != nil || got.Objects[0].Versions != 1 {
		t.Errorf("read %+v, %v", got, err)
	}
	p.Intent.SHA256 = hash([]byte("another"))
	if err := PutProof(t.Context(), b, prefix, p); !errors.Is(err, ErrBroken) {
		t.Errorf("a proof of something else: %v, want ErrBroken", err)
	}
	for name, want := range map[string]int64{"retention/erased-00000003.json": 3, "retention/00000003.json": 0, "retention/erased-3.json": 0, "leads/erased-00000003.json": 0} {
		if seq, ok := Proven(name); seq != want && ok || ok != (want > 0) {
			t.Errorf("Proven(%q) = %d, %v", name, seq, ok)
		}
	}
}

// TestProves: a proof is of what its decision erases.
func TestProves(t *testing.T) {
	t.Parallel()
	of := func(sum string, names ...string) (p Proof) {
		for _, name := range names {
			p.Objects = append(p.Objects, Removed{Erasing: Erasing{Name: name, SHA256: sum, Size: 7}})
		}
		return p
	}
	cases := map[string]struct {
		of     Decision
		proof  Proof
		proves bool
	}{
		"All":     {erase(one, State), of("", one, State), true},
		"Another": {erase(one), of("", two), false},
		"Less":    {erase(one, two), of("", one), false},
		"More":    {erase(one), of("", one, two), false},
		"Sum":     {erase(one), of("aa", one), false},
		"Hold":    {decide(Hold, "A"), Proof{}, false},
	}
	for name, tc := range cases {
		if err := tc.proof.Proves(&tc.of); (err == nil) != tc.proves || err != nil && !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadStatement(t *testing.T) {
	t.Parallel()
	written := noon.Add(2 * time.Second)
	b := open(t, &blobtest.Server{Now: func() time.Time { return written }})
	if _, err := ReadStatement(t.Context(), b, prefix); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a run that is not sealed: %v", err)
	}
	store(t, b, "run.json", `{"format":"crawlfleet-run","version":1,"sealedAt":"2026-05-04T12:00:00Z","retention":{"screeningSeconds":259200},
		"chunks":[{"key":"ns/name/uid/chunks/1.wacz","size":7,"sha256":"aa","pages":2}],"leads":{"objects":[{"key":"ns/name/uid/leads/1","size":3}]},
		"visits":{"directory":{"key":"ns/name/uid/visits/directory.json.zst"},"objects":[{"key":"ns/name/uid/visits/1"}]}}`)
	got, err := ReadStatement(t.Context(), b, prefix)
	want := Statement{Period: Period{Begins: written, Length: 72 * time.Hour}, SealedAt: noon, Objects: []Stated{
		{Name: one, Size: 7, SHA256: "aa", Pages: 2}, {Name: "leads/1", Size: 3}, {Name: "visits/1"}, {Name: "visits/directory.json.zst"},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
