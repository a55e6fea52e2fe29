package notary

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/archive"
)

// silent is an authority that gives no stamps.
type silent struct{ asked int }

func (s *silent) Stamp(context.Context, [sha256.Size]byte) (*tsa.Answer, error) {
	s.asked++
	return nil, errors.New("no answer")
}

// TestAuthorityRests: one that fails again and again is not waited for by everybody in turn.
func TestAuthorityRests(t *testing.T) {
	t.Parallel()
	s := &silent{}
	n := &Notary{Stamper: func(evidence.Authority) evidence.Stamper { return s }}
	for range 10 * mostFailures {
		_, err := n.stamper(evidence.Authority{Name: "a"}).Stamp(t.Context(), [sha256.Size]byte{})
		if rests := errors.Is(err, errResting); err == nil || rests && s.asked < mostFailures {
			t.Fatalf("asked %d times: %v", s.asked, err)
		}
	}
	if s.asked != mostFailures {
		t.Errorf("it was asked %d times, want %d", s.asked, mostFailures)
	}
	if _, err := n.stamper(evidence.Authority{Name: "b"}).Stamp(t.Context(), [sha256.Size]byte{}); errors.Is(err, errResting) {
		t.Error("another one rests, too")
	}
}

// TestCheckTriesAgain: as long as the authority of a domain's signature gives no stamp, whoever
// would capture pages hears of it before; while all is well it is not asked in vain.
func TestCheckTriesAgain(t *testing.T) {
	t.Parallel()
	a, err := tsa.NewAuthority("test TSA", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s := &answering{authority: a}
	n := &Notary{Signer: &evidence.Signer{Keys: keyOf{&evidence.Key{Signer: a.Key, Chain: a.Chain}}, Software: "test", Authority: s}}
	sign := n.Hook()
	if err := n.Check(); err != nil || s.asked != 0 {
		t.Fatalf("%v after %d questions", err, s.asked)
	}
	if _, err := sign(warc.SHA256Of(nil)); err == nil {
		t.Fatal("it was signed without a stamp")
	}
	if err := n.Check(); !errors.Is(err, archive.ErrUnsigned) {
		t.Errorf("%v, want ErrUnsigned", err)
	}
	s.back = true
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	asked := s.asked
	if err := n.Check(); err != nil || s.asked != asked {
		t.Errorf("%v after %d questions more", err, s.asked-asked)
	}
}

// keyOf is a key that is always there.
type keyOf struct{ key *evidence.Key }

func (k keyOf) Key() (*evidence.Key, error) { return k.key, nil }

// answering is an authority that may be away.
type answering struct {
	authority *tsa.Authority
	back      bool
	asked     int
}

func (s *answering) Stamp(ctx context.Context, sum [sha256.Size]byte) (*tsa.Answer, error) {
	s.asked++
	if !s.back {
		return nil, errors.New("no answer")
	}
	server := httptest.NewServer(s.authority)
	defer server.Close()
	return (&tsa.Client{URL: server.URL}).Stamp(ctx, sum)
}

// TestEntriesAreTaken: whatever a job, a chunk and an authority are called, the log takes their
// entries, and tells them apart.
func TestEntriesAreTaken(t *testing.T) {
	t.Parallel()
	const run = "0f0e0d0c-0b0a-0908-0706-050403020100"
	seen := map[string]bool{}
	for _, name := range []string{"b1-0-a1-x-c0.wacz", "b1-0-a1-x-c1.wacz", strings.Repeat("b", 200) + ".wacz", strings.Repeat("b", 201) + ".wacz", "run.json"} {
		for _, event := range []custody.Event{custody.Captured, custody.Stored} {
			e := entry(event, run, Object{Key: blob.Key("ns/name/" + run + "/chunks/" + name), SHA256: strings.Repeat("a", 64)}, time.Now())
			if err := e.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if seen[e.ID] {
				t.Errorf("%s: two events have the identifier %s", name, e.ID)
			}
			seen[e.ID] = true
		}
	}
	for _, name := range []string{"tsa.example:3161", "www.tsa.example", "Stamps & more", "http://tsa.example/", strings.Repeat("long", 100)} {
		e := entry(custody.StampFetched, run, Object{Key: "run.json", SHA256: strings.Repeat("a", 64)}, time.Now())
		e.Copy, e.To = "run.json.evidence.json", host(name)
		if err := e.Validate(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		held := entry(custody.Held, run, Object{Key: "retention/00000001.json", SHA256: strings.Repeat("a", 64)}, time.Now())
		held.Who, held.Case, held.Why = word(name), word("Www.case "+name), "decision 1"
		if err := held.Validate(); err != nil {
			t.Errorf("%q decides: %v", name, err)
		}
	}
}

// TestNobodyVouches: without keys nothing is asked of anybody.
func TestNobodyVouches(t *testing.T) {
	t.Parallel()
	for _, n := range []*Notary{nil, {}} {
		if n.Hook() != nil {
			t.Error("it would sign")
		}
		owed, err := n.VouchAll(t.Context(), nil, Order{}, []Object{{Key: "a"}})
		if owed != 0 || errors.Join(err, n.Check(), n.Captured(t.Context(), "r", Capture{}), n.Stored(t.Context(), "r", Object{}, time.Now())) != nil {
			t.Errorf("%d, %v", owed, err)
		}
	}
}
